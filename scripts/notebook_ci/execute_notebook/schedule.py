"""Decides which execution begins next. Pure: it starts nothing."""

import graphlib
import heapq
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from notebook_ci.base.errors import InputError

_Key = list[tuple[list[tuple[str, int]], str]]

_PIECES = re.compile(r"(\D*)(\d*)")
_NUMBERED = re.compile(r"\d+[-_. ]")


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


def ordered(paths: Iterable[str], needs: Mapping[str, Collection[str]]) -> list[str]:
    """Sort notebooks, numbers by value, each after those that it needs; raise InputError if some need each other."""
    graph = graphlib.TopologicalSorter({path: needs.get(path, ()) for path in paths})
    try:
        graph.prepare()
    except graphlib.CycleError as error:
        circle = " needs ".join(reversed(error.args[1]))
        raise InputError(f"Notebooks need each other in a circle: {circle}.", hint="Correct `needs`.") from error
    found: list[str] = []
    ready: list[tuple[_Key, str]] = []
    while graph.is_active():
        for path in graph.get_ready():
            heapq.heappush(ready, (_natural(path), path))
        _, first = heapq.heappop(ready)
        graph.done(first)
        found.append(first)
    return found


def chains(paths: Sequence[str], order: str) -> list[list[str]]:
    """Return the notebooks that run one after the other; `paths` come from `ordered`.

    `auto`: the numbered ones of each folder (`01-`, `02_`); `sorted`: all; `parallel`: none.
    """
    if order == "parallel":
        return []
    if order == "sorted":
        return [list(paths)] if len(paths) > 1 else []
    folders: dict[PurePosixPath, list[str]] = {}
    for path in map(PurePosixPath, paths):
        if _NUMBERED.match(path.name):
            folders.setdefault(path.parent, []).append(str(path))
    return [numbered for numbered in folders.values() if len(numbered) > 1]


def _natural(path: str) -> _Key:
    """Return a sort key: `2-a` comes before `10-b`, and the files of a folder stay together."""
    return [([(text, int(number or 0)) for text, number in _PIECES.findall(part)], part) for part in path.split("/")]


def _urgencies(executions: Sequence[Scheduled]) -> dict[str, float]:
    """Return, per execution, the seconds from its begin to the end of the longest chain that waits for it."""
    urgencies = {execution.name: execution.seconds for execution in executions}
    by_name = {execution.name: execution for execution in executions}
    graph = graphlib.TopologicalSorter({execution.name: execution.awaits for execution in executions})
    for name in reversed(list(graph.static_order())):
        for other in by_name[name].awaits:
            urgencies[other] = max(urgencies[other], by_name[other].seconds + urgencies[name])
    return urgencies
