"""What setup-env takes and gives."""

from dataclasses import dataclass

from notebook_ci.base.inputs import StageInputs, given
from notebook_ci.base.values import BOOLEAN, LINES, PATH, PYTHON_VERSION

OUTPUTS = {
    "python": "Path of the environment's Python interpreter.",
    "env-digest": "SHA-256 of the environment: Python, platform, and all packages with their versions; for packages of "
    "conda also their builds, for those from git their commits.",
    "lock-file": "File that lists the packages, relative to the workspace.",
}


@dataclass(frozen=True, kw_only=True)
class SetupEnvInputs(StageInputs):
    """Create the Python environment of the notebooks from the lock file of the repository."""

    requirements: str = given(
        PATH,
        "File that lists the packages: `uv.lock`, `pylock.toml`, `poetry.lock`, `pdm.lock`, `Pipfile.lock`, "
        "`conda-lock.yml`, `pixi.lock`, "
        "`requirements*.txt` (with or without hashes), `environment.yml`, a list of URLs (`@EXPLICIT`) or "
        "`pyproject.toml`, relative to the workspace.",
        default="",
        shown_default='found automatically: see "Which file is used" in the README',
    )
    groups: tuple[str, ...] = given(
        LINES,
        "Groups of dependencies to install besides the main ones: of `[dependency-groups]`, Poetry or PDM, or "
        "categories of a Pipfile.",
        default=(),
    )
    extras: tuple[str, ...] = given(LINES, "Extras of the project to install: optional dependencies.", default=())
    frozen: bool = given(
        BOOLEAN,
        "Refuse a lock that no longer matches the file it was created from (`pyproject.toml`, `Pipfile` ...). With "
        "`false`, such a lock is installed as it is, with a warning: uv and pixi call that `--frozen`.",
        default=True,
    )
    infer: bool = given(
        BOOLEAN,
        "If no file says what to install, install what the notebooks and their local modules import, in versions as "
        "old as the last commit. Packages that notebooks name (`%pip install`, PEP 723) are installed then in any "
        "case.",
        default=False,
    )
    unused: bool = given(
        BOOLEAN, "List the packages of the file that no notebook and no local module imports.", default=False
    )
    activate: bool = given(
        BOOLEAN,
        "Activate the environment for the later steps of the job: put it first on `PATH`, and set `VIRTUAL_ENV`; of an "
        "environment of conda, set what its activation sets.",
        default=False,
    )
    python_version: str = given(
        PYTHON_VERSION,
        "Python version of the environment. setup-env looks for it on `PATH` and in the runner's tool cache, and "
        "otherwise downloads it. In an environment of conda it is a package of conda.",
        default="",
        shown_default="the version in `.python-version` or `pyproject.toml`, else that of `actions/setup-python`, else "
        "the one that pip-compile ran with, else the one that most notebooks were saved with, else `python` on `PATH`",
    )
    venv: str = given(
        PATH,
        "Folder of the virtual environment.",
        default="",
        shown_default="`$RUNNER_TEMP/notebook-ci-venv`; on a laptop, `.notebook-ci/venv`; with a slug, "
        "`-<slug>` is appended, and on a runner a hash of `working-directory`",
    )
