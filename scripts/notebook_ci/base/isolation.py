"""What other code of the same user must not see of this process, and what it must not outlive."""

import ctypes
import signal
from collections.abc import Mapping

from notebook_ci.base.process import LINUX

PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4  # linux/prctl.h
# With these, a program can act on the runner as the step, or on GitHub as the job. Code of the user (a notebook, a
# build of a package) does not get them.
RUNNER_VARIABLES = ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STATE", "GITHUB_STEP_SUMMARY")
RUNNER_PREFIXES = ("ACTIONS_", "INPUT_")
# They select the Python of the tools, and must not affect another Python.
TOOL_VARIABLES = ("PYTHONHOME", "__PYVENV_LAUNCHER__")


def keep_to_itself() -> None:
    """Hide the environment, memory and open files of this process and its forks, in `/proc`, from the same user.

    Programs that it starts are not covered.
    """
    if LINUX:
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def end_with_parent() -> None:
    """Let Linux end this process when its parent ends, even if somebody has stopped it."""
    if LINUX:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def for_others(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for code of the user."""
    return {
        name: value
        for name, value in environ.items()
        if name not in RUNNER_VARIABLES + TOOL_VARIABLES and not name.startswith(RUNNER_PREFIXES)
    }
