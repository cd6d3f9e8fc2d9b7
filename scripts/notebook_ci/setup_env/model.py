"""What setup-env takes, gives and records."""

from dataclasses import dataclass, field

from notebook_ci.base.inputs import StageInputs, given
from notebook_ci.base.records import Record
from notebook_ci.base.values import PATH, PYTHON_VERSION

OUTPUTS = {
    "python": "Path of the environment's Python interpreter.",
    "env-digest": "SHA-256 of the environment: Python, platform, and all packages with their versions.",
    "lock-file": "File that lists the packages, relative to the workspace.",
}


@dataclass(frozen=True, kw_only=True)
class SetupEnvInputs(StageInputs):
    """Create the Python environment of the notebooks from the lock file of the repository."""

    requirements: str = given(
        PATH,
        "File that lists the packages: `requirements*.txt` (with or without hashes), `uv.lock`, `pylock.toml` or "
        "`pyproject.toml`, relative to the workspace.",
        default="",
        shown_default="the first of `uv.lock`, `pylock.toml`, `requirements*.txt`, `pyproject.toml` that exists",
    )
    python_version: str = given(
        PYTHON_VERSION,
        "Python version of the environment. setup-env looks for it on `PATH` and in the runner's tool cache, and "
        "otherwise downloads it.",
        default="",
        shown_default="the version in `.python-version` or `pyproject.toml`, else that of `python` on `PATH`",
    )
    venv: str = given(
        PATH,
        "Folder of the virtual environment.",
        default="",
        shown_default="`$RUNNER_TEMP/notebook-ci-venv`; on a laptop, `.notebook-ci/venv`; with a slug, "
        "`-<slug>` is appended",
    )


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
