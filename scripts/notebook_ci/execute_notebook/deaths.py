"""Describes how a kernel or a worker died, and keeps the last output of a kernel."""

import contextlib
import os
import re
import stat
from typing import IO

from notebook_ci.base.signals import how_it_ended, signal_name
from notebook_ci.base.texts import size
from notebook_ci.execute_notebook import machine

MOST_LOG_BYTES = 64 * 1024
PIPE_BYTES = 1 << 20  # the largest pipe of an ordinary user
FAULT = "Fatal Python error: "  # written by faulthandler
MEMORY_HINT = "Run fewer notebooks at a time with `workers`, or use a machine with more memory."
# The frames below the cell's own are IPython's.
_STACK = re.compile(
    rf"{FAULT}.*?^  File \"[^\n]*ipy(?:kernel_|thon-input-)[^\n]* in <(?:module|cell line: \d+)>$",
    re.DOTALL | re.MULTILINE,
)


class MemoryWatch:
    """Tells whether memory has run out since this object was created."""

    def __init__(self) -> None:
        self._kills = machine.oom_kills()

    def sentence(self, who: str, code: int | None, peak: int = 0, when: str = "") -> str:
        """Say how `who` ended, from its exit code and peak memory in bytes (0: unknown). `when` follows the verb."""
        how = f"{who} {how_it_ended(code)}{when}"
        if code is None or code >= 0 or signal_name(-code) != "SIGKILL":
            return f"{how}."
        kills, there = machine.oom_kills(), machine.memory()
        if kills is None or self._kills is None:
            return f"{how}. Often this means that memory ran out."
        if kills == self._kills:
            return f"{how}. The system counted no out-of-memory kill."
        used = f" Its peak was {size(peak)} of {size(there.total)}." if peak and there else ""
        return f"{how}: the system ran out of memory.{used} {MEMORY_HINT}"


class LastWords:
    """What a kernel writes to its standard output and error, in addition to its messages.

    ipykernel replaces both with pipes: a thread reads them, and writes to messages and the log. When the kernel dies,
    unread output would be lost with the pipes, so they are held open here too.
    """

    def __init__(self, log: IO[bytes]) -> None:
        self._log = log.fileno()
        self._pipes: list[int] | None = None
        self._left = ""
        self._begin = 0

    def cell_begins(self, kernel: int) -> None:
        """Note that later output comes from another cell; `kernel` is a process id."""
        self._begin = os.fstat(self._log).st_size
        if self._pipes is None:
            self._pipes = [pipe for number in (1, 2) if (pipe := _pipe(f"/proc/{kernel}/fd/{number}"))]

    def text(self) -> str:
        """Return the output since the last cell began, including what is left in the pipes."""
        begin = max(self._begin, os.fstat(self._log).st_size - MOST_LOG_BYTES)
        log = os.pread(self._log, MOST_LOG_BYTES, begin).decode(errors="backslashreplace")
        printed, marker, stack = log.partition(FAULT)  # written last, and not into a pipe
        for pipe in self._pipes or ():
            with contextlib.suppress(BlockingIOError):  # empty, and a child of the kernel may still write
                self._left += os.read(pipe, PIPE_BYTES).decode(errors="backslashreplace")
        found = _STACK.match(marker + stack)
        return printed + self._left + (found[0] if found else marker + stack)

    def close(self) -> None:
        for pipe in self._pipes or ():
            os.close(pipe)
        self._pipes = []


def _pipe(path: str) -> int:
    """Open a pipe to read it; 0 if it is not a pipe, or the system has no such path."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
    return 0
