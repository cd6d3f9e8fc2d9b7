"""Asks git about a repository that a stranger may have written, and whose settings and hooks start programs."""

import os
from collections.abc import Mapping
from pathlib import Path

from notebook_ci.base import process
from notebook_ci.base.process import Argument, Completed

SECONDS = 300.0  # the files of a large repository take their time
ANSWER_SECONDS = 10.0
# No hook, monitor or pager is started. (Filters are: files of Git LFS are what these make of them. They stand in no
# file that can be committed.) In the container of a job the workspace belongs to another user, which git refuses.
_SETTINGS = (
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.pager=cat",
    "log.showSignature=false",
    "safe.directory=*",
)
# Variables that name programs.
_PROGRAMS = ("GIT_ASKPASS", "GIT_EDITOR", "GIT_EXTERNAL_DIFF", "GIT_PAGER", "GIT_SSH", "GIT_SSH_COMMAND")


def run(cwd: Path, environ: Mapping[str, str], *arguments: Argument, timeout: float = SECONDS) -> Completed:
    """Run git; where there is none, or no such folder, it counts as failed.

    Args:
        cwd: The folder to run it in.
        environ: The environment of the step.
        arguments: Its subcommand, and what belongs to it.
        timeout: Seconds.
    """
    command: list[Argument] = ["git", *(part for setting in _SETTINGS for part in ("-c", setting)), *arguments]
    kept = {name: value for name, value in process.for_others(environ).items() if name not in _PROGRAMS}
    env = {**kept, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        return process.run(command, env=env, cwd=cwd, timeout=timeout, separate=True)
    except OSError as error:
        return Completed(127, os.strerror(error.errno or 0), timed_out=False)


def answer(cwd: Path, environ: Mapping[str, str], *arguments: Argument) -> str:
    """Return what git answers, without white space around it; nothing where it fails."""
    done = run(cwd, environ, *arguments, timeout=ANSWER_SECONDS)
    return "" if done.returncode else done.stdout.strip()
