"""Runs work in several threads, reports progress, and gives up if nothing moves."""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

MEGA = 1_000_000
TELL_SECONDS = 10
LOOK_SECONDS = 0.5
# Work crawls if, for this long, no file was finished and fewer bytes per second than this arrived.
CRAWL_SECONDS = 300
CRAWL_RATE = 1000

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class Silence(Exception):
    """Nothing, or almost nothing, has moved for too long."""


class Progress:
    """Counts what is done; several threads use it.

    `every`: seconds between two lines for the user. `crawl`: seconds between two checks of how much has arrived.
    """

    def __init__(
        self,
        what: str,
        total: int,
        tell: Callable[[str], None],
        every: float = TELL_SECONDS,
        crawl: float = CRAWL_SECONDS,
    ) -> None:
        self.files = 0
        self.bytes = 0
        self._what, self._total, self._tell, self._every = what, total, tell, every
        self._lock = threading.Lock()
        self._size = 0
        self._written = 0
        self._crawl = crawl
        self._before = (0, 0, 0)
        self._moved = self._reported = self._looked = time.monotonic()

    def add_bytes(self, number: int) -> None:
        with self._lock:
            self.bytes += number
            self._moved = time.monotonic()

    def add_file(self) -> None:
        with self._lock:
            self.files += 1
            self._moved = time.monotonic()

    def note(self, size: int) -> None:
        """Take the size of what is being written; if it changed, something has moved."""
        if size != self._size:
            self._written += max(size - self._size, 0)
            self._size = size
            self._moved = time.monotonic()

    @property
    def silence(self) -> float:
        return time.monotonic() - self._moved

    def crawls(self) -> bool:
        """Return whether no file was finished and almost nothing arrived in `crawl` seconds."""
        seconds = time.monotonic() - self._looked
        if seconds < self._crawl:
            return False
        now = (self.files, self.bytes, self._written)
        files, *sizes = (new - old for new, old in zip(now, self._before, strict=True))
        self._before, self._looked = now, time.monotonic()
        return not files and max(sizes) < CRAWL_RATE * seconds

    def look(self) -> None:
        """Report the progress, at most every `every` seconds."""
        if time.monotonic() - self._reported > self._every:
            self._reported = time.monotonic()
            self._tell(f"{self._what} {self.files:,} of {self._total:,} files, {self.bytes / MEGA:,.1f} MB")


def at_once(
    work: Callable[[Item], Outcome],
    items: Iterable[Item],
    *,
    jobs: int,
    progress: Progress,
    silence: float | None = None,
    written: Callable[[], int] = lambda: 0,
) -> Iterator[tuple[Item, Outcome]]:
    """Do the work for several items at a time, and yield each outcome as soon as it is there.

    The work is given up after `silence` seconds without movement, and also if it crawls; None: never. `written` returns
    the size of what is being written, for work that does not report its bytes.

    Raises Silence if nothing moves (threads that hang are left behind), or the first exception of the work.
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
            if ended := _next(done):
                outcome = ended.result()
                progress.add_file()
                yield running.pop(ended), outcome
            else:
                progress.note(written())
            progress.look()
            if silence and (progress.silence > silence or progress.crawls()):
                raise Silence
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _next(done: "queue.SimpleQueue[Future[Outcome]]") -> "Future[Outcome] | None":
    with contextlib.suppress(queue.Empty):
        return done.get(timeout=LOOK_SECONDS)
    return None
