"""Runs work in several threads, reports progress, and gives up if nothing moves."""

import queue
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from notebook_ci.base import worker

MEGA = 1_000_000
REPORT_SECONDS = 10
LOOK_SECONDS = 0.5
# Bytes that count as movement for one second.
SLOWEST = 1000

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class Silence(TimeoutError):
    """Nothing, or almost nothing, has moved for too long."""


class Progress:
    """Counts the files that are done, and looks at the size of those being written, which `written` returns."""

    def __init__(self, what: str, total: int, *, written: Callable[[], int] = lambda: 0) -> None:
        self.files = 0
        self.bytes = 0  # of these files; added by who knows them
        self.hashing: set[Path] = set()  # files that have arrived and are being hashed: nothing needs to arrive
        self._what, self._total, self._written = what, total, written
        self._size = 0
        self._moved = self._reported = time.monotonic()

    def add_file(self) -> None:
        self.files += 1
        self._moved = time.monotonic()

    def look(self) -> None:
        size, now = self._written(), time.monotonic()
        self._moved = now if self.hashing else min(now, self._moved + max(size - self._size, 0) / SLOWEST)
        self._size = size

    @property
    def silence(self) -> float:
        """Seconds in which no file was finished, and nothing arrived or almost nothing."""
        return time.monotonic() - self._moved

    def report(self) -> None:
        """Report the progress, but not too often."""
        if time.monotonic() - self._reported > REPORT_SECONDS:
            self._reported = time.monotonic()
            self.look()
            size = (self.bytes + self._size) / MEGA
            worker.progress(f"{self._what} {self.files:,} of {self._total:,} files, {size:,.1f} MB")


def at_once(
    work: Callable[[Item], Outcome],
    items: Iterable[Item],
    *,
    jobs: int,
    progress: Progress,
    silence: float | None = None,
) -> Iterator[tuple[Item, Outcome]]:
    """Do the work for several items at a time, and yield each outcome as soon as it is there.

    Raises Silence if nothing, or almost nothing, moves for `silence` seconds (None: for ever); threads that hang are
    left behind. Raises the first exception of the work.
    """
    pool = ThreadPoolExecutor(max_workers=jobs)
    done: queue.SimpleQueue[Future[Outcome]] = queue.SimpleQueue()
    running: dict[Future[Outcome], Item] = {}
    try:
        for item in items:
            future = pool.submit(work, item)
            running[future] = item
            future.add_done_callback(done.put)
        while running:
            try:
                ended = done.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                progress.look()
            else:
                outcome = ended.result()
                progress.add_file()
                yield running.pop(ended), outcome
            progress.report()
            if silence and progress.silence > silence:
                raise Silence
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
