"""Calls `kernel_server/hooks.py` in a Python kernel, by requests that leave no trace in the notebook."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty
from typing import Any, Protocol

from kernel_server import processes

COMMAND_FAILED = "notebook_ci_command_failed"
"""The type of the message that tells of a shell command."""

_TEXT = Path(processes.__file__).with_name("hooks.py").read_text(encoding="utf-8")


class Client(Protocol):
    """A client of a Python kernel."""

    async def ask(self, expression: str) -> dict[str, Any]:
        """Return what the kernel answers when it evaluates an expression.

        Raises:
            Empty: It does not answer.
        """


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


@dataclass(frozen=True)
class LastException:
    """The exception that a kernel has seen last.

    Attributes:
        ename: The name of its type.
        evalue: Its text; of SystemExit the exit code: `0` for any that means success.
        traceback: Its traceback in Python's own format.
    """

    ename: str
    evalue: str
    traceback: Sequence[str]


def installing(shell_errors: str) -> str:
    """Return the expression that has `exit()` end a notebook, and shell commands watched.

    Args:
        shell_errors: What happens when a command fails: see the input.
    """
    return _called(f"install(shell, {shell_errors!r}, {COMMAND_FAILED!r})")


async def last_exception(client: Client) -> LastException | None:
    """Return the last exception of a kernel; None: it does not tell."""
    try:
        answer = await client.ask(_called("last_exception()"))
        return LastException(**json.loads(base64.b64decode(answer["data"]["text/plain"].strip("'"))))
    except (Empty, KeyError, TypeError, ValueError):  # the notebook has changed its kernel too much
        return None


def _called(call: str) -> str:
    """Return the expression that defines the hooks and calls one."""
    define = f"exec(compile({_TEXT!r}, '<notebook-ci>', 'exec'), hooks)"
    return f"(lambda hooks: ({define}, eval({call!r}, hooks))[1])({{'shell': get_ipython()}})"
