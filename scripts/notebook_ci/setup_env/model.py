"""What setup-env takes and gives."""

from dataclasses import dataclass

from notebook_ci.base.inputs import StageInputs, given
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
