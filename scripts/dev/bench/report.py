"""Compares figures with the promises, and writes both down."""

import datetime as dt
import os
import platform
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dev.bench.contest import Figure, Promise, Work
from dev.bench.environments import Environments

INTRODUCTION = """\
# Benchmarks

Written by `make bench`, which compares execute-notebook with similar tools. In each round, all contenders of a work run
one after the other, each in a fresh copy of the same notebooks, with kernels of the same environment and the same home.
All environments are byte-compiled. Whole commands are timed, including launch.sh. Figures are medians. A ratio is the
median of the other tool divided by ours; with several other tools, the best one counts.

nbclient runs all notebooks in one process with `asyncio.gather`, once all together and once as many at the same time as
there are CPUs; the better result counts. The memory of a driver is the sum over its processes without kernels (PSS), at
its peak. The memory of kernels is the sum over all other processes, including the servers that fork them.

The column "disk" is the largest share of a round in which something on the machine waited for a disk. If it is large,
files were read cold, and the round measures the disk. Such a round is repeated, at most twice.
"""


@dataclass(frozen=True)
class Row:
    """The figures of a contender."""

    contender: str
    figures: Sequence[float]  # one per round
    unit: Literal["s", "ms", "MB"]
    stalled: float = 0  # largest part of a round (0 to 1) in which a process of the machine waited for a disk


@dataclass(frozen=True)
class Verdict:
    """Whether a promise is kept."""

    against: str  # the contenders that are compared
    reached: str
    promised: str
    aim: str  # empty: no more than is promised
    kept: bool


@dataclass(frozen=True)
class WorkResult:
    title: str
    rows: Sequence[Row]
    verdicts: Sequence[Verdict]


def judged(work: Work, figures: Mapping[str, Sequence[Figure]]) -> WorkResult:
    rows = [
        Row(name, [each.value for each in rounds], work.unit, max(each.stalled for each in rounds))
        for name, rounds in figures.items()
    ]
    medians = {row.contender: statistics.median(row.figures) for row in rows}
    return WorkResult(work.title, rows, [_verdict(promise, medians) for promise in work.promises])


def document(results: Sequence[WorkResult], environments: Environments) -> str:
    today = dt.datetime.now(tz=dt.UTC).date().isoformat()
    parts = [INTRODUCTION, "\n".join(_surroundings(today, environments))]
    parts += ["## Promises\n", "\n".join(_promises(results)), "", "## Figures\n", "\n".join(_figures(results))]
    return "\n".join(parts) + "\n"


def _verdict(promise: Promise, medians: Mapping[str, float]) -> Verdict:
    best = min(promise.peers, key=medians.__getitem__)
    ratio = medians[best] / medians[promise.ours]
    return Verdict(
        against=f"{promise.ours} against {best}",
        reached=f"{ratio:.2f}x",
        promised=f"{promise.at_least:g}x",
        aim=f"{promise.aim:g}x" if promise.aim else "",
        kept=ratio >= promise.at_least,
    )


def _surroundings(today: str, environments: Environments) -> Iterator[str]:
    yield f"- {today}, {platform.system()} {platform.release()}, {platform.machine()}"
    yield f"- {len(os.sched_getaffinity(0))} CPUs: {_processor()}"
    for whose, versions in environments.versions.items():
        yield f"- {whose}: {', '.join(f'{name} {version}' for name, version in versions.items())}"
    yield ""


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or "of an unknown model"


def _promises(results: Sequence[WorkResult]) -> Iterator[str]:
    yield "| work | contenders | reached | promised | aim | kept |"
    yield "|---|---|---:|---:|---:|---|"
    for result in results:
        for verdict in result.verdicts:
            cells = [result.title, verdict.against, verdict.reached, verdict.promised, verdict.aim]
            yield f"| {' | '.join(cells)} | {'yes' if verdict.kept else '**no**'} |"


def _figures(results: Sequence[WorkResult]) -> Iterator[str]:
    yield "| work | contender | median | fastest or least | slowest or most | rounds | disk |"
    yield "|---|---|---:|---:|---:|---:|---:|"
    for result in results:
        for row in result.rows:
            figures = (statistics.median(row.figures), min(row.figures), max(row.figures))
            shown = " | ".join(f"{figure:.{0 if row.unit == 'MB' else 1}f} {row.unit}" for figure in figures)
            yield f"| {result.title} | {row.contender} | {shown} | {len(row.figures)} | {row.stalled:.0%} |"
