"""Shows progress: one live line per running notebook, or heartbeats in a log, and one line per finished notebook."""

from collections.abc import Sequence
from dataclasses import dataclass

from notebook_ci.base.console import Console
from notebook_ci.base.problems import Problem
from notebook_ci.records.execute_notebook import NotebookResult

HEARTBEAT_SECONDS = 30.0


@dataclass(frozen=True)
class Running:
    name: str  # of the execution
    cell: int  # counted from 1; 0: none yet
    cells: int
    seconds: float  # since the notebook began
    cell_seconds: float  # since the cell began

    def __str__(self) -> str:
        where = f"cell {self.cell}/{self.cells}" if self.cell else "starting"
        return f"{self.name} · {where} · running {self.cell_seconds if self.cell else self.seconds:.0f} s"


class ProgressDisplay:
    def __init__(self, reporter: Console, total: int) -> None:
        self._reporter = reporter
        self._total = total
        self._done = 0
        self._shown_at: dict[str, float] = {}
        self._is_held_back = False

    def show(self, running: Sequence[Running]) -> None:
        if self._reporter.is_live:
            self._reporter.live([f"{self._done}/{self._total}", *map(str, running)] if running else [])
            return
        for each in running:
            if each.seconds - self._shown_at.get(each.name, 0.0) >= HEARTBEAT_SECONDS:
                self._shown_at[each.name] = each.seconds
                self._reporter.progress(f"  {each}")

    def passed(self, result: NotebookResult) -> None:
        self._ended()
        self._reporter.progress(f"✓ {result.name} · {result.duration:.1f} s")

    def failed(self, result: NotebookResult, problem: Problem, traceback: str) -> None:
        self._ended()
        self._reporter.failed(f"✗ {result.name} · {result.duration:.1f} s", problem, traceback)

    def _ended(self) -> None:
        self._done += 1
        self._is_held_back = False

    def skipped(self, name: str, needed: str) -> None:
        self._done += 1
        self._reporter.progress(f"- {name} · skipped: {needed}, which it needs, did not pass")

    def held_back(self, left: int) -> None:
        """Show that memory is short (`left`: bytes), once until another notebook has ended."""
        if not self._is_held_back:
            self._is_held_back = True
            self._reporter.progress(f"  Only {left / 1e6:.0f} MB of memory are free: the next notebook waits.")
