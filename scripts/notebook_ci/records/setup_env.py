"""The record of setup-env."""

from dataclasses import dataclass, field

from notebook_ci.records.record import Record


@dataclass(kw_only=True)
class SetupEnvRecord(Record):
    python: str = ""  # the environment's interpreter
    python_version: str = ""
    lock_file: str = ""  # the file that lists the packages, relative to the workspace
    fixed: bool = False  # whether that file fixes all versions
    as_listed: bool = False  # whether that file contradicts itself, and was installed without resolving
    reused: bool = False  # whether the environment already existed, complete and with the same packages
    packages: dict[str, str] = field(default_factory=dict)  # version by name of the installed packages
    conda_packages: dict[str, str] = field(default_factory=dict)  # version and build by name of those of conda
    added: dict[str, str] = field(default_factory=dict)  # of these, those not in the file: ipykernel and what it needs
    env_digest: str = ""  # SHA-256 of Python, platform and packages, with builds and commits

    @property
    def headline(self) -> dict[str, str]:
        return {"python": self.python, "env-digest": self.env_digest, "lock-file": self.lock_file}
