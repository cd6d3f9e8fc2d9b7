"""Limits the time of cells and notebooks."""

import math
import signal
import threading
import time
from collections.abc import Callable
from typing import Literal, Self

from notebook_ci.base.process import KILL

GRACE_SECONDS = 5.0
TICK_SECONDS = 0.1

Limit = Literal["cell-timeout", "notebook-timeout"]


class Watch:
    """A thread that limits the time of one execution. Limits are in seconds; None: no limit.

    nbclient checks its own limit in its event loop, which a cell that prints without end keeps busy: a limit of 240 s
    took effect only after 369 s. This thread interrupts the kernel from outside, so that the traceback shows where it
    hung, and kills it if that does not help. `send` sends a signal to the kernel and its children.
    """

    def __init__(self, cell_timeout: float | None, notebook_timeout: float | None, send: Callable[[int], None]) -> None:
        self.exceeded: Limit | None = None
        self.has_killed = False  # the kernel went on after the interrupt
        self.limits: dict[Limit, float] = {
            "cell-timeout": cell_timeout or math.inf,
            "notebook-timeout": notebook_timeout or math.inf,
        }
        self._send = send
        self._began: dict[Limit, float] = {"cell-timeout": math.inf, "notebook-timeout": time.monotonic()}
        self._interrupted_at: float | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def cell_begins(self) -> None:
        self._began["cell-timeout"] = time.monotonic()

    def cell_ends(self) -> None:
        self._began["cell-timeout"] = math.inf

    @property
    def sentence(self) -> str:
        """Which limit was exceeded, and what was done; empty: none was."""
        if not self.exceeded:
            return ""
        subject = "A cell" if self.exceeded == "cell-timeout" else "The notebook"
        killed = f"; {GRACE_SECONDS:g} seconds later its kernel was killed" if self.has_killed else ""
        limit = f"`{self.exceeded}` ({self.limits[self.exceeded]:g} seconds)"
        return f"{subject} ran longer than {limit} and was interrupted{killed}."

    def _run(self) -> None:
        while not self._stop.wait(TICK_SECONDS):
            now = time.monotonic()
            if self._interrupted_at is not None:
                if now - self._interrupted_at > GRACE_SECONDS:  # repeated: the kernel may only just have started
                    self.has_killed = True
                    self._send(KILL)
                continue
            self.exceeded = next((each for each in self._began if now - self._began[each] > self.limits[each]), None)
            if self.exceeded:
                self._interrupted_at = now
                self._send(signal.SIGINT)
