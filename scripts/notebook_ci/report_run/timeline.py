"""The timeline: when stages, notebooks and cells ran, as bars."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from notebook_ci.records.execute_notebook import NotebookResult
from notebook_ci.records.record import Record

WIDTH = 1000.0  # of the whole run, in the unit of bars
NARROWEST = 2.0


@dataclass(frozen=True, kw_only=True)
class Bar:
    start: float
    width: float
    kind: str  # a status, or `cell`
    title: str = ""


class Timeline:
    """Attributes: `took`, the seconds from the start of the first stage to the end of the last."""

    def __init__(self, records: Iterable[Record]) -> None:
        spans = [(begin, begin + each.duration) for each in records if (begin := _seconds(each.started)) is not None]
        self._began = min((begin for begin, _ in spans), default=0.0)
        self.took = max((end for _, end in spans), default=0.0) - self._began

    def of_stage(self, record: Record) -> list[Bar]:
        begin = _seconds(record.started)
        return [] if begin is None else [self._bar(begin, record.duration, record.status)]

    def of_notebook(self, result: NotebookResult) -> Iterator[Bar]:
        """Yield the bar of an execution, then those of its cells, the last of which ended with it."""
        if (begin := _seconds(result.started)) is None:
            return
        yield self._bar(begin, result.duration, result.status)
        at = begin + result.duration - sum(result.cell_seconds.values())
        for cell, took in result.cell_seconds.items():
            yield self._bar(at, took, "cell", f"cell {cell}: {took:.2f} s")
            at += took

    def _bar(self, begin: float, duration: float, kind: str, title: str = "") -> Bar:
        scale = WIDTH / self.took if self.took else 0.0
        start = min(max((begin - self._began) * scale, 0.0), WIDTH - NARROWEST)
        width = min(max(duration * scale, NARROWEST), WIDTH - start)
        return Bar(start=round(start, 1), width=round(width, 1), kind=kind, title=title)


def _seconds(timestamp: str) -> float | None:
    """Return seconds since the epoch; None if it is not a timestamp: records may come from strangers."""
    try:
        return datetime.fromisoformat(timestamp).timestamp()
    except (ValueError, OverflowError):
        return None
