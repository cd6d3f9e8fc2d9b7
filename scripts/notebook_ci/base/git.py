"""Runs git in a repository that a stranger may have written; its settings and hooks can start programs."""

import os

from notebook_ci.base import isolation, process
from notebook_ci.base.process import Argument, Completed
from notebook_ci.base.workspace import Workspace

SECONDS = 300.0  # git takes minutes in a large repository
ANSWER_SECONDS = 10.0
# Start no hook, monitor or pager. Filters do run: Git LFS needs them, and no file that can be committed defines them.
# `safe.directory`: in a job's container the workspace belongs to another user, and git would refuse it.
_SETTINGS = (
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.pager=cat",
    "log.showSignature=false",
    "safe.directory=*",
)
# Variables that name programs.
_PROGRAMS = ("GIT_ASKPASS", "GIT_EDITOR", "GIT_EXTERNAL_DIFF", "GIT_PAGER", "GIT_SSH", "GIT_SSH_COMMAND")


def run(workspace: Workspace, *arguments: Argument, timeout: float = SECONDS, offline: bool = False) -> Completed:
    """Run git. If git or the folder does not exist, the result has the exit code 127. `timeout` is in seconds.

    With `offline`, it does not fetch what a partial clone lacks: the settings for that can start programs.
    """
    command: list[Argument] = ["git", *(part for setting in _SETTINGS for part in ("-c", setting)), *arguments]
    kept = {name: value for name, value in isolation.for_others(workspace.environ).items() if name not in _PROGRAMS}
    env = {**kept, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C", **({"GIT_ALLOW_PROTOCOL": "none"} if offline else {})}
    try:
        return process.run(command, env=env, cwd=workspace.cwd, timeout=timeout, separate=True)
    except OSError as error:
        return Completed(127, os.strerror(error.errno or 0), timed_out=False)


def answer(workspace: Workspace, *arguments: Argument) -> str:
    """Return the output of git without surrounding white space; an empty string if it fails."""
    done = run(workspace, *arguments, timeout=ANSWER_SECONDS, offline=True)
    return "" if done.returncode else done.stdout.strip()
