"""The launcher, which a person calls as `notebook-ci` if the package is installed, and as `launch.sh` in a checkout."""

import os
from pathlib import Path

from notebook_ci.base.texts import command_line

LAUNCHER = Path(__file__).resolve().parents[2] / "launch.sh"
_IS_INSTALLED = LAUNCHER.parents[1].name == "notebook_ci_suite"  # the folder of the wheel, see pyproject.toml
COMMAND = "notebook-ci" if _IS_INSTALLED else "launch.sh"
# The same, for a command that can be pasted.
WORDS = (COMMAND,) if _IS_INSTALLED else ("bash", str(LAUNCHER))
# Variables for a stage that is a part of something else, which has one summary and one set of outputs for all.
UNHEARD = {"GITHUB_OUTPUT": os.devnull, "GITHUB_STEP_SUMMARY": os.devnull}


def own_command(template: str, *words: object) -> str:
    """Return a command of the suite, ready to paste: see `command_line`."""
    return command_line(f"{'{} ' * len(WORDS)}{template}", *WORDS, *words)
