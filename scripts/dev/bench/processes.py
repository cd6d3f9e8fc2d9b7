"""Measures processes of Linux, and runs a command."""

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from notebook_ci.execute_notebook import machine

SAMPLE_SECONDS = 0.05
# What a command line has of a kernel, or of a server that forks kernels (and of those, for they keep it).
KERNELS = (b"ipykernel_launcher", b"kernel_server/start.py")


@dataclass(frozen=True)
class Done:
    """How a command went.

    Attributes:
        code: Its exit code; negative: the signal that ended it.
        seconds: From its start to its end.
        most_bytes: The most memory (PSS) that the counted processes had at once; 0: none were counted.
        stalled: For how many of the seconds some process of the machine waited for a disk.
    """

    code: int
    seconds: float
    most_bytes: int
    stalled: float


# Returns those processes, of a command's first one and its descendants, whose memory counts.
Counted = Callable[[int], Collection[int]]


def run(
    command: Sequence[str], cwd: Path, environ: Mapping[str, str], said: Path, counted: Counted | None = None
) -> Done:
    """Run a command to its end.

    Args:
        command: The program and its arguments.
        cwd: Its working directory.
        environ: Its environment.
        said: A file that gets what it prints.
        counted: Measure the memory of these processes too. That takes some time.
    """
    with said.open("wb") as log:
        stalled, began = stalled_seconds(), time.perf_counter()
        process = subprocess.Popen(
            command, cwd=cwd, env=dict(environ), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        with _Sampler(process.pid, counted) if counted else contextlib.nullcontext() as sampler:
            code = process.wait()
        seconds = time.perf_counter() - began
    return Done(code, seconds, sampler.most if sampler else 0, stalled_seconds() - stalled)


@dataclass
class _Sampler:
    """Looks at the memory of a command's processes from time to time, in a thread.

    Attributes:
        pid: The first of them.
        counted: Says which of them count.
        most: The most bytes seen.
    """

    pid: int
    counted: Counted
    most: int = 0
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._thread:
            self._thread.join()

    def _sample(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            self.most = max(self.most, sum(map(machine.proportional_bytes, self.counted(self.pid))))


def stalled_seconds() -> float:
    """Return for how long, since the machine began, some process waited for a disk; 0: the kernel does not tell."""
    with contextlib.suppress(OSError):
        some = Path("/proc/pressure/io").read_text(encoding="ascii").splitlines()[0]
        return int(some.rpartition("total=")[2]) / 1e6
    return 0


def drivers(root: int) -> list[int]:
    """Return a process and its descendants, without kernels, their servers, and what those have started."""
    return list(_descend(root, _children(), KERNELS))


def kernels(root: int) -> set[int]:
    """Return the others of its descendants."""
    children = _children()
    return {*_descend(root, children, ())}.difference(_descend(root, children, KERNELS))


def _descend(pid: int, children: Mapping[int, Sequence[int]], without: Collection[bytes]) -> Iterator[int]:
    if any(mark in _command_line(pid) for mark in without):
        return
    yield pid
    for child in children.get(pid, ()):
        yield from _descend(child, children, without)


def _command_line(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _children() -> dict[int, list[int]]:
    """Return the children of each process that has some."""
    found: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - twenty times a second, beside what is measured
        if name.isdecimal():
            with contextlib.suppress(OSError):
                stat = Path(f"/proc/{name}/stat").read_bytes()
                found.setdefault(int(stat.rpartition(b")")[2].split()[1]), []).append(int(name))
    return found
