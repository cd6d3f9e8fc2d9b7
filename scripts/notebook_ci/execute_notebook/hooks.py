"""Calls `kernel_server/inside/hooks.py` in a Python kernel, without a trace in the notebook."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from typing import Any

import nbformat

from kernel_server.interface import last_messages

COMMAND_FAILED = "notebook_ci_command_failed"  # message type

_FOLDER = Path(last_messages.__file__).parent
_TEXT = (_FOLDER / "hooks.py").read_text(encoding="utf-8")
_LAST_MESSAGES = (_FOLDER / "last_messages.py").read_text(encoding="utf-8")


@dataclass(frozen=True)
class FailedCommand:
    """A shell command of a notebook that failed."""

    cell: int  # its index
    exit_code: int  # negative: the signal that ended the command
    traceback: tuple[str, ...]  # lines `File "...", line 1, in f`, outermost first


def installing(shell_errors: str) -> str:
    """Return the expression that makes `exit()` end a notebook, watches shell commands, and keeps last messages."""
    keep = f"keep_messages(shell, {last_messages.NAME!r}, {_LAST_MESSAGES!r})"
    return _called(f"install(shell, {shell_errors!r}, {COMMAND_FAILED!r}), {keep}")


async def last_exception(client: Any) -> nbformat.NotebookNode | None:
    """Return an error output for a kernel's last exception; None if the kernel does not answer.

    For SystemExit, `evalue` is the exit code: `0` for every code that means success. The traceback has Python's format.
    """
    try:
        answer = await client.ask(_called("last_exception()"))
        last = json.loads(base64.b64decode(answer.text.strip("'")))
        names = ("ename", "evalue", "traceback")
        return nbformat.v4.new_output("error", **{name: last[name] for name in names})
    except (Empty, AttributeError, KeyError, TypeError, ValueError):  # the notebook has modified its kernel too much
        return None


def _called(call: str) -> str:
    """Return an expression that defines the hooks and calls one."""
    define = f"exec(compile({_TEXT!r}, '<notebook-ci>', 'exec'), hooks)"
    return f"(lambda hooks: ({define}, eval({call!r}, hooks))[1])({{'shell': get_ipython()}})"
