"""Calls `kernel_server/hooks.py` in a Python kernel, without a trace in the notebook."""

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from typing import Any

from kernel_server import last_messages

COMMAND_FAILED = "notebook_ci_command_failed"  # type of the message about a shell command

_FOLDER = Path(last_messages.__file__).parent
_TEXT = (_FOLDER / "hooks.py").read_text(encoding="utf-8")
_LAST_MESSAGES = (_FOLDER / "last_messages.py").read_text(encoding="utf-8")


@dataclass(frozen=True)
class FailedCommand:
    """A shell command of a notebook that failed.

    Attributes:
        cell: Index of the cell that ran.
        exit_code: Its exit code; negative: the signal that ended it.
        traceback: Where it was called, outermost first: `File "...", line 1, in f`.
    """

    cell: int
    exit_code: int
    traceback: tuple[str, ...]


def installing(shell_errors: str) -> str:
    """Return the expression that makes `exit()` end a notebook, watches shell commands, and keeps last messages."""
    keep = f"keep_messages(shell, {last_messages.NAME!r}, {_LAST_MESSAGES!r})"
    return _called(f"install(shell, {shell_errors!r}, {COMMAND_FAILED!r}), {keep}")


async def last_exception(client: Any) -> dict[str, Any]:
    """Return `ename`, `evalue` and `traceback` of the last exception of a kernel; nothing: it does not tell.

    `evalue` of SystemExit is the exit code: `0` for any that means success. The traceback has Python's own format.
    """
    try:
        answer = await client.ask(_called("last_exception()"))
        told = json.loads(base64.b64decode(answer["data"]["text/plain"].strip("'")))
        return {name: told[name] for name in ("ename", "evalue", "traceback")}
    except (Empty, KeyError, TypeError, ValueError):  # the notebook has changed its kernel too much
        return {}


def _called(call: str) -> str:
    """Return an expression that defines the hooks and calls one."""
    define = f"exec(compile({_TEXT!r}, '<notebook-ci>', 'exec'), hooks)"
    return f"(lambda hooks: ({define}, eval({call!r}, hooks))[1])({{'shell': get_ipython()}})"
