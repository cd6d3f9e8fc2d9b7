"""The order of notebooks: which of them need which, and which run one after the other."""

import graphlib
import heapq
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import PurePosixPath

from notebook_ci.base.errors import InputError
from notebook_ci.base.texts import quote
from notebook_ci.notebooks.selection import matching, meant

_Key = list[tuple[list[tuple[str, int]], str]]

_PIECES = re.compile(r"(\D*)(\d*)")
_NUMBERED = re.compile(r"\d+[-_. ]")


def needed(
    given: Mapping[str, Sequence[str]], chosen: Sequence[str], all_notebooks: Callable[[], Sequence[str]]
) -> tuple[dict[str, set[str]], list[str]]:
    """Return which executed notebooks need which, and notices about patterns that match no executed notebook."""
    needs: dict[str, set[str]] = {}
    notices: list[str] = []
    for pattern, others in given.items():
        found = {other: _matches(other, chosen, all_notebooks) for other in others}
        needed = {path for paths in found.values() for path in paths}
        dependents = _matches(pattern, chosen, all_notebooks)
        for path in dependents:
            needs.setdefault(path, set()).update(needed - ({path} if pattern != path or path not in others else set()))
        notices += [
            f"`needs` lists {quote(other)}, which is not run this time; dependents start without it."
            for other, paths in found.items()
            if dependents and not paths
        ]
    return needs, notices


def _matches(pattern: str, chosen: Sequence[str], all_notebooks: Callable[[], Sequence[str]]) -> list[str]:
    """Return the executed notebooks that a pattern matches; raise InputError if it matches none of the workspace."""
    if found := matching(pattern, chosen):
        return found
    if not matching(pattern, all_notebooks()):
        raise InputError(
            f"`needs` lists {quote(pattern)}, which matches no notebook.",
            hint=f"{meant(pattern, all_notebooks())} Patterns are relative to the workspace.",
        )
    return []


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
