"""The record of setup-env."""

from dataclasses import dataclass, field

from notebook_ci.records.record import Record


@dataclass(kw_only=True)
class SetupEnvRecord(Record):
    """The record of setup-env.

    Attributes:
        python: The environment's interpreter.
        python_version: Its version.
        lock_file: The file that the packages come from, relative to the workspace.
        fixed: Whether that file fixes what is installed, so that a whole environment can be used again.
        reused: Whether the environment was already there, whole and for the same lock.
        packages: Version by name of what is installed.
        added: What was added to that file's packages: ipykernel and what it needs.
        env_digest: SHA-256 of Python, platform and packages.
    """

    python: str = ""
    python_version: str = ""
    lock_file: str = ""
    fixed: bool = False
    reused: bool = False
    packages: dict[str, str] = field(default_factory=dict)
    added: dict[str, str] = field(default_factory=dict)
    env_digest: str = ""

    @property
    def headline(self) -> dict[str, str]:
        """The values of `OUTPUTS`."""
        return {"python": self.python, "env-digest": self.env_digest, "lock-file": self.lock_file}
