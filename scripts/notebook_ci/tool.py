"""Programs of tool environments beside that of the stage itself."""

from pathlib import Path

from notebook_ci.process import Argument

LAUNCHER = Path(__file__).resolve().parents[1] / "launch.sh"


def command(environment: str, program: str, *arguments: Argument) -> list[Argument]:
    """Return the command that runs a program of a tool environment, which is made where it is not there yet.

    Args:
        environment: Its name: that of its lock in `requirements/`.
        program: A program of it, e.g. `dvc`, or `python`.
        arguments: Those of the program.
    """
    return ["bash", LAUNCHER, "--env", environment, "--exec", program, *arguments]
