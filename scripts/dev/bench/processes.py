"""Measures processes of Linux, and runs a command. Any environment imports it: standard library alone."""

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

SAMPLE_SECONDS = 0.05
# What a command line has of a kernel, or of a server that forks kernels (and of those, for they keep it).
KERNELS = (b"ipykernel_launcher", b"kernel_server/server.py")


@dataclass(frozen=True)
class Done:
    """How a command went.

    Attributes:
        code: Its exit code; negative: the signal that ended it.
        seconds: From its start to its end.
        driver_bytes: The most memory (PSS) that its processes had at once, without kernels; 0: it was not measured.
        stalled: For how many of the seconds some process of the machine waited for a disk.
    """

    code: int
    seconds: float
    driver_bytes: int
    stalled: float


def run(command: Sequence[str], cwd: Path, environ: Mapping[str, str], said: Path, *, with_memory: bool) -> Done:
    """Run a command to its end.

    Args:
        command: The program and its arguments.
        cwd: Its working directory.
        environ: Its environment.
        said: A file that gets what it prints.
        with_memory: Measure its memory too. That takes it some time.
    """
    with said.open("wb") as log:
        stalled, began = stalled_seconds(), time.perf_counter()
        process = subprocess.Popen(
            command, cwd=cwd, env=dict(environ), stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        with _Sampler(process.pid) if with_memory else contextlib.nullcontext() as sampler:
            code = process.wait()
        seconds = time.perf_counter() - began
    return Done(code, seconds, sampler.most if sampler else 0, stalled_seconds() - stalled)


@dataclass
class _Sampler:
    """Looks at the memory of a command's processes from time to time, in a thread.

    Attributes:
        pid: The first of them.
        most: The most bytes seen.
    """

    pid: int
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
            self.most = max(self.most, proportional_bytes(drivers(self.pid)))


def stalled_seconds() -> float:
    """Return for how long, since the machine began, some process waited for a disk; 0: the kernel does not tell."""
    with contextlib.suppress(OSError):
        some = Path("/proc/pressure/io").read_text(encoding="ascii").splitlines()[0]
        return int(some.rpartition("total=")[2]) / 1e6
    return 0


def drivers(root: int) -> list[int]:
    """Return a process and its descendants, without kernels, their servers, and what those have started."""
    return list(_descend(root, _children(), KERNELS))


def descendants(root: int) -> list[int]:
    """Return all descendants of a process."""
    return [pid for pid in _descend(root, _children(), ()) if pid != root]


def proportional_bytes(pids: Collection[int]) -> int:
    """Return the memory of processes: of what they share with others, their part (PSS)."""
    return sum(_proportional_bytes(pid) for pid in pids)


def _proportional_bytes(pid: int) -> int:
    with contextlib.suppress(OSError):  # it has ended
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


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
