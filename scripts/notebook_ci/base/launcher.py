"""The launcher, which a person calls as `notebook-ci` if the package is installed, and as `launch.sh` in a checkout."""

from pathlib import Path

from notebook_ci.base.texts import command_line

LAUNCHER = Path(__file__).resolve().parents[2] / "launch.sh"
_IS_INSTALLED = LAUNCHER.parents[1].name == "notebook_ci_suite"  # the folder of the wheel, see pyproject.toml
COMMAND = "notebook-ci" if _IS_INSTALLED else "launch.sh"


def own_command(template: str, *words: object) -> str:
    """Return a command of the suite, ready to paste: see `command_line`."""
    if _IS_INSTALLED:
        return command_line(f"{COMMAND} {template}", *words)
    return command_line(f"bash {{}} {template}", LAUNCHER, *words)
