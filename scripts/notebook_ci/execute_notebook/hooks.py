"""Calls the hooks of the kernel server in a Python kernel, without a trace in the notebook."""

import base64
import json
from dataclasses import dataclass
from queue import Empty
from typing import Any

import nbformat

from kernel_server.interface import KEEP_MESSAGES, call_in_kernel

COMMAND_FAILED = "notebook_ci_command_failed"  # message type


@dataclass(frozen=True)
class FailedCommand:
    """A shell command of a notebook that failed."""

    cell: int  # its index
    exit_code: int  # negative: the signal that ended the command
    traceback: tuple[str, ...]  # lines `File "...", line 1, in f`, outermost first


def installing(shell_errors: str) -> str:
    """Return the expression that makes `exit()` end a notebook, watches shell commands, and keeps last messages."""
    return call_in_kernel(f"install(shell, {shell_errors!r}, {COMMAND_FAILED!r}), {KEEP_MESSAGES}")


async def last_exception(client: Any) -> nbformat.NotebookNode | None:
    """Return an error output for a kernel's last exception; None if the kernel does not answer.

    For SystemExit, `evalue` is the exit code: `0` for every code that means success. The traceback has Python's format.
    """
    try:
        answer = await client.ask(call_in_kernel("last_exception()"))
        last = json.loads(base64.b64decode(answer["data"]["text/plain"].strip("'")))
        return nbformat.v4.new_output("error", **{name: last[name] for name in ("ename", "evalue", "traceback")})
    except (Empty, AttributeError, KeyError, TypeError, ValueError):  # the notebook has modified its kernel too much
        return None
