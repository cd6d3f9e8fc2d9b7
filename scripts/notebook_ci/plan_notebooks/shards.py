"""Divides notebooks among jobs that take equally long. Pure."""

import heapq
import math
import statistics
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePosixPath

from notebook_ci.base.errors import InputError
from notebook_ci.base.texts import listed, quote
from notebook_ci.records.plan_notebooks import Shard

LEAST_SECONDS = 30.0  # of work per job: to start one takes about as long
_Unit = tuple[float, Sequence[str]]  # expected seconds, and notebooks


@dataclass(frozen=True)
class RunsOn:
    """Where notebooks run."""

    runner: tuple[str, ...]
    container: str

    def __str__(self) -> str:
        return f"{', '.join(self.runner)}{f' in {self.container}' if self.container else ''}"


def divide(
    units: Iterable[Sequence[str]], jobs: Mapping[str, RunsOn], known: Mapping[str, float], most: int
) -> list[Shard]:
    """Return at most `most` shards. A unit stays together, in its order; jobs of different kinds share none.

    `known` are seconds of earlier executions. Raises InputError if a unit, or `most`, does not allow that.
    """
    units = list(units)
    seconds, are_known = expected([path for unit in units for path in unit], known)
    groups: dict[RunsOn, list[_Unit]] = defaultdict(list)
    for unit in units:
        groups[_job(unit, jobs)].append((sum(seconds[path] for path in unit), unit))
    if len(groups) > most:
        kinds = f"{len(groups)} kinds of jobs: {listed([quote(str(job)) for job in groups], 5)}"
        message = f"`shards` is {most}, but the notebooks need {kinds}."
        raise InputError(message, hint=f"Set `shards` to {len(groups)} or more.")
    counts = _counts(groups, most, LEAST_SECONDS if are_known else 0.0)
    found = [(job, *shard) for job, group in groups.items() for shard in _balanced(group, counts[job])]
    return [
        Shard(
            name=str(number),
            notebooks=notebooks,
            seconds=round(load, 1) if are_known else 0.0,
            runner=list(job.runner),
            container=job.container,
        )
        for number, (job, load, notebooks) in enumerate(found, 1)
    ]


def units(
    paths: Sequence[str], needs: Mapping[str, Collection[str]], chains: Iterable[Sequence[str]]
) -> list[list[str]]:
    """Divide notebooks into those that do not wait for each other: by `needs` or in a chain. They keep their order."""
    group = {path: [path] for path in paths}
    pairs = [(path, other) for path, others in needs.items() for other in others]
    for one, other in [*pairs, *(pair for chain in chains for pair in pairwise(chain))]:
        if one in group and other in group and group[one] is not group[other]:
            small, large = sorted((group[one], group[other]), key=len)
            large += small
            group |= dict.fromkeys(small, large)
    found = {id(members): members for members in group.values()}.values()
    position = {path: number for number, path in enumerate(paths)}
    return [sorted(members, key=position.__getitem__) for members in found]


def expected(paths: Iterable[str], known: Mapping[str, float]) -> tuple[dict[str, float], bool]:
    """Return seconds per notebook, and whether any is known. The others get the median; all 1 if none is known.

    The executions of a sweep (`train@small.ipynb`) count for their notebook.
    """
    names = set(paths)
    found: dict[str, float] = defaultdict(float)
    for name, seconds in known.items():
        stem, suffix = PurePosixPath(name).with_suffix(""), PurePosixPath(name).suffix
        path = name if name in names else f"{str(stem).partition('@')[0]}{suffix}"
        found[path] += seconds
    found = {path: seconds for path, seconds in found.items() if path in names}
    usual = statistics.median(found.values()) if found else 1.0
    return {path: found.get(path, usual) for path in names}, bool(found)


def _job(unit: Sequence[str], jobs: Mapping[str, RunsOn]) -> RunsOn:
    for one, other in pairwise(unit):
        if jobs[one] != jobs[other]:
            raise InputError(
                f"{quote(one)} and {quote(other)} must run in one job, one after the other, but have different "
                f"runners or containers: {jobs[one]}; {jobs[other]}.",
                hint="Give them the same `runner` and `container`, or change `needs` or `execution-order`.",
            )
    return jobs[unit[0]]


def _counts(groups: Mapping[RunsOn, Sequence[_Unit]], most: int, least: float) -> dict[RunsOn, int]:
    """Return the number of shards per kind of job: each next one goes to the kind whose shards have most to do."""
    counts = dict.fromkeys(groups, 1)
    work = {job: sum(load for load, _ in group) for job, group in groups.items()}
    room = {job: min(len(groups[job]), math.ceil(work[job] / least) if least else most) for job in groups}
    for _ in range(most - len(groups)):
        if wanting := [job for job in groups if counts[job] < room[job]]:
            counts[max(wanting, key=lambda job: work[job] / counts[job])] += 1
    return counts


def _balanced(group: Iterable[_Unit], count: int) -> list[tuple[float, list[str]]]:
    """Divide units into `count` shards: the longest first, each into the shard that has least to do."""
    shards: list[tuple[float, int, list[str]]] = [(0.0, number, []) for number in range(count)]
    for load, unit in sorted(group, key=lambda each: (-each[0], each[1])):
        total, number, notebooks = shards[0]
        notebooks += unit
        heapq.heapreplace(shards, (total + load, number, notebooks))
    return [(total, notebooks) for total, _, notebooks in sorted(shards, key=lambda shard: shard[1])]
