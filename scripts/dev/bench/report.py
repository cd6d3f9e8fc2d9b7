"""Compares figures with the promises, and writes both down."""

import datetime as dt
import os
import platform
import re
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from dev.bench.works import Verdict, Work

INTRODUCTION = """\
# Benchmarks

Written by `make bench`, which compares execute-notebook and setup-env with similar tools. In each round, all contenders
of a work run one after the other, each in a fresh copy of the same notebooks, with kernels of the same environment and
the same home. All environments are byte-compiled. Whole commands are timed, including launch.sh. Figures are medians. A
ratio is the median of the other tool divided by ours.

nbclient runs all notebooks in one process with `asyncio.gather`, as many at the same time as there are CPUs. The memory
of a driver is the sum over its processes without kernels (PSS), at its peak. The memory of kernels is the sum over all
other processes, including the servers that fork them.

Wheels come from a folder, and packages of conda from a channel on loopback: the network does not count. Installations
have an empty home and, unless said otherwise, empty caches; all byte-compile. A new runner installs the tools, too.

No installer that byte-compiles the same files can be five times faster than pip on two CPUs. pip needs 20 CPU seconds
for the lock of 64 packages, on one CPU; in a fifth of that time two CPUs have 8. uv unpacks in 3 to 9, and compiling
takes 14 (8 without the packages' own tests). uv without compiling is 6.5 times faster than pip (November 2026).

Real notebooks gain less than small ones, because most of their time is their own: they compute, plot, and import. Only
imports at the top, before other code, are done once for several notebooks. hvplot registers itself in the shell of each
notebook that imports it, so each of its notebooks imports it again.
"""
PROMISES = """
## Promises

| work | contenders | reached | promised | kept |
|---|---|---:|---:|---|"""
FIGURES = """
## Figures

| work | contender | median | fastest or least | slowest or most | rounds |
|---|---|---:|---:|---:|---:|"""

Result = tuple[Work, Mapping[str, Sequence[float]]]


def verdicts(work: Work, figures: Mapping[str, Sequence[float]]) -> list[Verdict]:
    medians = {name: statistics.median(rounds) for name, rounds in figures.items()}
    return [promise.verdict(medians) for promise in work.promises]


def document(results: Sequence[Result], versions: Mapping[str, str]) -> str:
    lines = [INTRODUCTION, *_surroundings(versions), PROMISES]
    for work, figures in results:
        for *cells, kept in verdicts(work, figures):
            lines.append(f"| {' | '.join([work.title, *cells])} | {'yes' if kept else '**no**'} |")
    lines.append(FIGURES)
    for work, figures in results:
        for name, rounds in figures.items():
            shown = [work.shown(value) for value in (statistics.median(rounds), min(rounds), max(rounds))]
            lines.append(f"| {work.title} | {name} | {' | '.join(shown)} | {len(rounds)} |")
    return "\n".join(lines) + "\n"


def _surroundings(versions: Mapping[str, str]) -> Iterator[str]:
    yield f"- {dt.datetime.now(tz=dt.UTC).date()}, {platform.system()} {platform.release()}, {platform.machine()}"
    processors = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    model = re.search(r"^model name\s*: (.+)$", processors, re.MULTILINE)
    yield f"- {len(os.sched_getaffinity(0))} CPUs: {model[1] if model else 'of an unknown model'}"
    for whose, found in versions.items():
        yield f"- {whose}: {found}"
