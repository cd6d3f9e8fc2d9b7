"""Runs a command on Linux and measures its processes."""

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from kernel_server.interface import proportional_bytes

SAMPLE_SECONDS = 0.05
# Parts of the command line of a kernel, or of a kernel server (its forked kernels keep its command line).
KERNELS = (b"ipykernel_launcher", b"kernel_server/inside/start.py")


@dataclass(frozen=True)
class Done:
    code: int  # negative: the signal that ended it
    seconds: float
    most_bytes: int  # peak of the memory (PSS) of all counted processes; 0: none were counted
    stalled: float  # seconds in which a process of the machine waited for a disk


# Returns the processes whose memory counts, of the first process of a command and its descendants.
Counted = Callable[[int], Collection[int]]


def run(
    command: Sequence[str], cwd: Path, environ: Mapping[str, str], said: Path, counted: Counted | None = None
) -> Done:
    """Run a command until it ends, with its output in the file `said`. Measuring memory takes some time itself."""
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
    pid: int  # the first process
    counted: Counted
    most: int = 0  # bytes
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
            self.most = max(self.most, sum(map(proportional_bytes, self.counted(self.pid))))


def stalled_seconds() -> float:
    """Return how long, since the machine started, some process waited for a disk; 0 if the kernel does not say."""
    with contextlib.suppress(OSError):
        some = Path("/proc/pressure/io").read_text(encoding="ascii").splitlines()[0]
        return int(some.rpartition("total=")[2]) / 1e6
    return 0


def drivers(root: int) -> list[int]:
    """Return a process and its descendants, without kernels, kernel servers and their descendants."""
    return list(_descend(root, _children(), KERNELS))


def kernels(root: int) -> set[int]:
    """Return the descendants of a process that `drivers` leaves out."""
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
    found: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - faster: runs twenty times a second during the measurement
        if name.isdecimal():
            with contextlib.suppress(OSError):
                stat = Path(f"/proc/{name}/stat").read_bytes()
                found.setdefault(int(stat.rpartition(b")")[2].split()[1]), []).append(int(name))
    return found
