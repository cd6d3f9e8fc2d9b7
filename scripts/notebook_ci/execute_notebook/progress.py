"""Shows progress: one live line per running notebook, or heartbeats in a log, and one line per finished notebook."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from notebook_ci.base.console import Console
from notebook_ci.base.errors import Problem
from notebook_ci.base.masking import masked
from notebook_ci.base.texts import printable
from notebook_ci.notebooks.tracebacks import strip_ansi
from notebook_ci.records.execute_notebook import Failure, NotebookResult

HEARTBEAT_SECONDS = 30.0


@dataclass
class Running:
    """The progress of an execution. Times are those of `time.monotonic`."""

    name: str
    cells: int
    began: float
    ended: float = math.inf  # infinite: still running
    cell: int = 0  # the running cell, counted from 1; 0: none yet
    cell_began: float = 0.0  # when that cell was first seen
    started: str = ""  # `began`, in UTC (ISO 8601)

    def at(self, now: float) -> str:
        where, began = (f"cell {self.cell}/{self.cells}", self.cell_began) if self.cell else ("starting", self.began)
        return f"{self.name} · {where} · running {now - began:.0f} s"


class ProgressDisplay:
    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._total = total
        self._done = 0
        self._shown_at: dict[str, float] = {}
        self._is_held_back = False

    def show(self, running: Sequence[Running], now: float = 0.0) -> None:
        if self._console.is_live:
            lines = [each.at(now) for each in running]
            self._console.live([f"{self._done}/{self._total}", *lines] if lines else [])
            return
        for each in running:
            if now - self._shown_at.get(each.name, each.began) >= HEARTBEAT_SECONDS:
                self._shown_at[each.name] = now
                self._console.progress(f"  {each.at(now)}")

    def ended(self, result: NotebookResult, failures: Sequence[tuple[Problem, str]]) -> None:
        """Show that an execution has ended, with its failures and their tracebacks."""
        self._done += 1
        self._is_held_back = False
        what = f"{result.name} · {result.duration:.1f} s"
        for problem, traceback in failures:
            self._console.failed(f"✗ {what}", problem, traceback)
        if not failures:
            self._console.progress(f"✓ {what}")

    def printed(self, name: str, text: str) -> None:
        """Show what cells print. Of a line that overwrites itself, as progress bars do, the last state counts."""
        lines = (strip_ansi(line.rstrip("\r").rpartition("\r")[2]) for line in masked(text).split("\n"))
        self._console.output("\n".join(f"{printable(name)} | {line}" for line in lines))

    def repeated(self, result: NotebookResult, failure: Failure, attempt: int) -> None:
        why = printable(": ".join(filter(None, (failure.title, failure.message.partition("\n")[0]))))
        self._console.progress(f"↻ {result.name} · {result.duration:.1f} s · {why} · attempt {attempt} follows")

    def skipped(self, name: str, needed: str) -> None:
        self._done += 1
        self._console.progress(f"- {name} · skipped: {needed}, which it needs, did not pass")

    def held_back(self, left: int) -> None:
        """Show that memory is short (`left`: bytes), once until another notebook has ended."""
        if not self._is_held_back:
            self._is_held_back = True
            self._console.progress(f"  Only {left / 1e6:.0f} MB of memory are free: the next notebook waits.")
