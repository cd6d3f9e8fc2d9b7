"""Runs programs of other tool environments than that of the stage itself."""

import sys
from collections.abc import Mapping
from pathlib import Path

from launch import environment_folder
from notebook_ci.base import process
from notebook_ci.base.console import Console
from notebook_ci.base.errors import SurroundingsError
from notebook_ci.base.launcher import LAUNCHER
from notebook_ci.base.process import Argument
from notebook_ci.tools import integrity

INSTALLATION_SECONDS = 1800
CACHE = Path(sys.prefix).parent  # the folder of the tool environments: this runs in one of them


def command(environment: str, program: str, *arguments: Argument) -> list[Argument]:
    """Return the command that runs a program of a tool environment; the environment is created if it is missing.

    `environment` is the name of its lock in `requirements/`, `program` a program in it, e.g. `dvc`, or `python`.
    """
    return ["bash", LAUNCHER, "--env", environment, "--exec", program, *arguments]


def worker(environment: str, script: Path) -> list[Argument]:
    """Return the command that runs one of our scripts in a tool environment.

    The user's modules cannot be imported, text is UTF-8, and lines are not buffered. The script has to put
    `notebook_ci` on its path.
    """
    return command(environment, "python", "-I", "-X", "utf8", "-u", script)


def install(environment: str, what: str, environ: Mapping[str, str], console: Console) -> None:
    """Create a tool environment if it is missing, so that its installation does not count against other time limits.

    `what` is its purpose, as the user knows it, e.g. `DVC`. Raises SurroundingsError if it could not be created.
    """
    if integrity.is_unchanged(environment_folder(str(CACHE), environment)):
        return  # to ask the launcher takes 0.1 s
    done = process.run(
        command(environment, "python", "-I", "-S", "-c", ""),
        env=environ,
        timeout=INSTALLATION_SECONDS,
        on_line=console.progress,
    )
    if done.returncode:
        raise SurroundingsError(
            f"{what} could not be installed (the tool environment {environment}).", hint="The lines above say why."
        )
