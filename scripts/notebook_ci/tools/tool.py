"""Programs of tool environments beside that of the stage itself."""

from collections.abc import Mapping
from pathlib import Path

from notebook_ci.base import process
from notebook_ci.base.errors import SurroundingsError
from notebook_ci.base.launcher import LAUNCHER
from notebook_ci.base.process import Argument
from notebook_ci.base.reporter import Reporter

INSTALLATION_SECONDS = 1800


def command(environment: str, program: str, *arguments: Argument) -> list[Argument]:
    """Return the command that runs a program of a tool environment, which is made where it is not there yet.

    Args:
        environment: Its name: that of its lock in `requirements/`.
        program: A program of it, e.g. `dvc`, or `python`.
        arguments: Those of the program.
    """
    return ["bash", LAUNCHER, "--env", environment, "--exec", program, *arguments]


def worker(environment: str, script: Path) -> list[Argument]:
    """Return the command that runs a script of ours in a tool environment.

    Modules of the user stay out, text is UTF-8, and each line comes as it is written.

    Args:
        environment: See `command`.
        script: The script; it finds `notebook_ci` by itself.
    """
    return command(environment, "python", "-I", "-X", "utf8", "-u", script)


def make(environment: str, what: str, environ: Mapping[str, str], reporter: Reporter) -> None:
    """Make a tool environment where it is not there yet, so that its installation counts for no other limit of time.

    Args:
        environment: See `command`.
        what: What it is made for, as the user knows it, e.g. `DVC`.
        environ: The environment of the step.
        reporter: Takes what is said of it.

    Raises:
        SurroundingsError: It could not be made.
    """
    done = process.run(
        command(environment, "python", "-c", ""), env=environ, timeout=INSTALLATION_SECONDS, on_line=reporter.progress
    )
    if done.returncode:
        raise SurroundingsError(
            f"{what} could not be installed (the tool environment {environment}).", hint="The lines above say why."
        )
