"""Compares figures with the promises, and writes both down."""

import datetime as dt
import os
import platform
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from dev.bench.works import Figure, Verdict, Work

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
PROMISES = """
## Promises

| work | contenders | reached | promised | aim | kept |
|---|---|---:|---:|---:|---|"""
FIGURES = """
## Figures

| work | contender | median | fastest or least | slowest or most | rounds | disk |
|---|---|---:|---:|---:|---:|---:|"""

Result = tuple[Work, Mapping[str, Sequence[Figure]]]


def verdicts(work: Work, figures: Mapping[str, Sequence[Figure]]) -> list[Verdict]:
    medians = {name: statistics.median(figure.value for figure in rounds) for name, rounds in figures.items()}
    return [promise.verdict(medians) for promise in work.promises]


def document(results: Sequence[Result], versions: Mapping[str, Mapping[str, str]]) -> str:
    lines = [INTRODUCTION, *_surroundings(versions), PROMISES]
    for work, figures in results:
        for *cells, kept in verdicts(work, figures):
            lines.append(f"| {' | '.join([work.title, *cells])} | {'yes' if kept else '**no**'} |")
    lines.append(FIGURES)
    for work, figures in results:
        lines += [_row(work, name, rounds) for name, rounds in figures.items()]
    return "\n".join(lines) + "\n"


def _surroundings(versions: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    yield f"- {dt.datetime.now(tz=dt.UTC).date()}, {platform.system()} {platform.release()}, {platform.machine()}"
    yield f"- {len(os.sched_getaffinity(0))} CPUs: {_processor()}"
    for whose, found in versions.items():
        yield f"- {whose}: {', '.join(f'{name} {version}' for name, version in found.items())}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or "of an unknown model"


def _row(work: Work, contender: str, rounds: Sequence[Figure]) -> str:
    values = [figure.value / work.unit.size for figure in rounds]
    shown = [
        f"{value:.{work.unit.digits}f} {work.unit.name}"
        for value in (statistics.median(values), min(values), max(values))
    ]
    disk = max(figure.stalled for figure in rounds)
    return f"| {work.title} | {contender} | {' | '.join(shown)} | {len(rounds)} | {disk:.0%} |"
