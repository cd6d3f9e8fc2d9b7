"""Decides which execution begins next. Pure: it starts nothing."""

import graphlib
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Scheduled:
    name: str
    needs: frozenset[str] = frozenset()  # it is skipped unless all of these pass
    after: frozenset[str] = frozenset()  # others that must have ended before, passed or not
    seconds: float = 0.0  # expected duration

    @property
    def awaits(self) -> frozenset[str]:
        return self.needs | self.after


class Schedule:
    """The executions that have not begun yet.

    Equals begin in the order of `executions`, which must not wait for each other in a circle.
    """

    def __init__(self, executions: Sequence[Scheduled]) -> None:
        urgencies = _urgencies(executions)
        ranked = sorted(executions, key=lambda execution: -urgencies[execution.name])
        self._waiting = {execution.name: execution for execution in ranked}
        self._ended: set[str] = set()

    def next(self) -> str | None:
        """Take the next execution: of those that may begin, the one that the longest chain of work waits for.

        None means that each must wait for another one, or that none is left.
        """
        for name, execution in self._waiting.items():
            if execution.awaits <= self._ended:
                del self._waiting[name]
                return name
        return None

    def ended(self, name: str, *, well: bool) -> list[tuple[str, str]]:
        """Note that an execution ended; return those skipped for it, each with the one it needs that did not pass."""
        skipped: list[tuple[str, str]] = []
        ended = [name]
        for each in ended:
            self._ended.add(each)
            dependents = [] if well else [other.name for other in self._waiting.values() if each in other.needs]
            for other in dependents:
                del self._waiting[other]
                skipped.append((other, each))
            ended += dependents
        return skipped


def _urgencies(executions: Sequence[Scheduled]) -> dict[str, float]:
    """Return, per execution, the seconds from its begin to the end of the longest chain that waits for it."""
    urgencies = {execution.name: execution.seconds for execution in executions}
    by_name = {execution.name: execution for execution in executions}
    graph = graphlib.TopologicalSorter({execution.name: execution.awaits for execution in executions})
    for name in reversed(list(graph.static_order())):
        for other in by_name[name].awaits:
            urgencies[other] = max(urgencies[other], by_name[other].seconds + urgencies[name])
    return urgencies
