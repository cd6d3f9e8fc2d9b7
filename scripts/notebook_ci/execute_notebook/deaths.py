"""Says how a kernel or a worker died, and keeps a kernel's last output."""

import contextlib
import os
import re
import stat
from typing import IO

from notebook_ci.base.process import how_it_ended, signal_name
from notebook_ci.base.texts import size
from notebook_ci.execute_notebook import machine

MOST_LOG_BYTES = 64 * 1024
PIPE_BYTES = 1 << 20  # the most that one of an ordinary user holds
FAULT = "Fatal Python error: "  # of faulthandler
MEMORY_HINT = "Execute fewer notebooks at a time with the input `workers`, or get more memory."
# What the cell's own code was called by is IPython.
_STACK = re.compile(
    rf"{FAULT}.*?^  File \"[^\n]*ipy(?:kernel_|thon-input-)[^\n]* in <(?:module|cell line: \d+)>$",
    re.DOTALL | re.MULTILINE,
)


class MemoryWatch:
    """Tells whether memory has run out since it was created."""

    def __init__(self) -> None:
        self._kills = machine.oom_kills()

    def sentence(self, who: str, code: int | None, peak: int = 0, when: str = "") -> str:
        """Return how `who` ended, by exit code and peak memory in bytes (0: unknown). `when` follows the verb."""
        how = f"{who} {how_it_ended(code)}{when}"
        if code is None or code >= 0 or signal_name(-code) != "SIGKILL":
            return f"{how}."
        kills, there = machine.oom_kills(), machine.memory()
        if kills is None or self._kills is None:
            return f"{how}. Often that means that memory ran out."
        if kills == self._kills:
            return f"{how}. The system counted no out-of-memory kill."
        used = f" Its peak was {size(peak)} of {size(there.total)}." if peak and there else ""
        return f"{how}: the system ran out of memory.{used} {MEMORY_HINT}"


class LastWords:
    """What a kernel writes to its standard output and error, beside its messages.

    ipykernel has pipes in their place: a thread reads them and writes to messages and the log. What it has not read
    when the kernel dies would be lost with the pipes, so they are held open here, too.
    """

    def __init__(self, log: IO[bytes]) -> None:
        self._log = log.fileno()
        self._pipes: list[int] | None = None
        self._left = ""
        self._begin = 0

    def cell_begins(self, kernel: int) -> None:
        """Note that what follows comes from another cell; `kernel` is a process id."""
        self._begin = os.fstat(self._log).st_size
        if self._pipes is None:
            self._pipes = [pipe for number in (1, 2) if (pipe := _pipe(f"/proc/{kernel}/fd/{number}"))]

    def text(self) -> str:
        """Return what was written since the last cell began, and read what is left in the pipes."""
        begin = max(self._begin, os.fstat(self._log).st_size - MOST_LOG_BYTES)
        log = os.pread(self._log, MOST_LOG_BYTES, begin).decode(errors="backslashreplace")
        said, marker, stack = log.partition(FAULT)  # the last that it wrote, and not into a pipe
        for pipe in self._pipes or ():
            with contextlib.suppress(BlockingIOError):  # nothing is there, and what the kernel has left may still write
                self._left += os.read(pipe, PIPE_BYTES).decode(errors="backslashreplace")
        found = _STACK.match(marker + stack)
        return said + self._left + (found[0] if found else marker + stack)

    def close(self) -> None:
        """Close the pipes."""
        for pipe in self._pipes or ():
            os.close(pipe)
        self._pipes = []


def _pipe(path: str) -> int:
    """Open a pipe to read it; 0: it is not a pipe, or the system has no such path."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
    return 0
