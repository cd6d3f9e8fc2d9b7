"""Runs contenders in turn on a work, and measures their time or memory. Linux only."""

import os
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from dev.bench import notebooks
from dev.bench.works import Contender, Figure, Part, Work
from kernel_server.interface import proportional_bytes

LINES_SHOWN = 30
SAMPLE_SECONDS = 0.05
# A run that waits for the disk for more than this part of its time measures the disk rather than the contender: nbmake
# took seven times as long while another process read all files of the machine.
MOST_STALLED = 0.1
ATTEMPTS = 3
# Parts of the command line of a kernel, or of a kernel server (its forked kernels keep its command line).
KERNELS = (b"ipykernel_launcher", b"kernel_server/inside/start.py")
# Each contender executes this first, unmeasured: files are in memory then, and pytest has written its byte-code.
REHEARSAL = notebooks.importing(1)


class NotDoneError(Exception):
    """A contender did not do its work. The message says what is missing."""


def run(work: Work, rounds: int, folder: Path, environ: Mapping[str, str]) -> dict[str, list[Figure]]:
    """Return the figures of each contender, one per round. `folder` is created for each run of a contender."""
    figures: dict[str, list[Figure]] = {contender.name: [] for contender in work.contenders}
    rehearsal = replace(work, notebooks=REHEARSAL)
    for contender in work.contenders:
        measure(rehearsal, contender, folder, environ)
    for number in range(max(rounds, work.fewest_rounds)):
        for contender in work.contenders:
            what = f"{work.name}, round {number + 1}: {contender.name}"
            figures[contender.name].append(undisturbed(what, work, contender, folder, environ))
    return figures


def undisturbed(what: str, work: Work, contender: Contender, folder: Path, environ: Mapping[str, str]) -> Figure:
    """Measure a contender. Repeat while it fails or waits much for a disk; the last figure counts.

    nbclient sometimes fails: of a hundred kernels that started at once, one got no port.
    """
    for attempt in range(ATTEMPTS):
        try:
            figure = measure(work, contender, folder, environ)
        except NotDoneError as error:
            print(f"{what} did not do the work: {error}", file=sys.stderr)
            if attempt == ATTEMPTS - 1:
                raise SystemExit(1) from error
            continue
        disk = f", waits for a disk in {figure.stalled:.0%} of the time" if figure.stalled > MOST_STALLED else ""
        print(f"{what}: {figure.value / work.unit.size:.2f} {work.unit.name}{disk}", file=sys.stderr)
        if not disk:
            break
    return figure


def measure(work: Work, contender: Contender, folder: Path, environ: Mapping[str, str]) -> Figure:
    """Run a contender in a fresh folder, once. Measuring memory takes some time itself."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    notebooks.write(work.notebooks, folder)
    log = folder.with_suffix(".log")
    peak = 0
    with log.open("wb") as output:
        stalled, began = stalled_seconds(), time.perf_counter()
        process = subprocess.Popen(
            ["sh", "-c", contender.command],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        while work.memory_of and process.poll() is None:
            peak = max(peak, memory(process.pid, work.memory_of))
            time.sleep(SAMPLE_SECONDS)
        code = process.wait()
        seconds = time.perf_counter() - began
        stalled = stalled_seconds() - stalled
    said = log.read_text(encoding="utf-8", errors="replace")
    if missing := missing_work(work, contender, code, said, folder):
        raise NotDoneError("\n".join([missing, *said.splitlines()[-LINES_SHOWN:]]))
    return Figure(peak if work.memory_of else seconds, stalled / seconds)


def missing_work(work: Work, contender: Contender, code: int, said: str, folder: Path) -> str:
    """Return what a contender did not do, if anything: then its figure does not count."""
    if code:
        return f"the exit code is {code}"
    if (words := contender.says.format(count=len(work.notebooks))) not in said:
        return f"it does not print `{words}`"
    for name, cells in work.notebooks.items() if contender.saves else ():
        saved = next(folder.glob(f"{contender.saves}/{name}"), None)
        if saved is None:
            return f"{name} was not saved"
        if notebooks.executed_cells(saved) != len(cells):
            return f"not all cells of {name} have run"
    return ""


def stalled_seconds() -> float:
    """Return how long, since the machine started, some process waited for a disk; 0 if the kernel does not say."""
    with suppress(OSError):
        some = Path("/proc/pressure/io").read_text(encoding="ascii").splitlines()[0]
        return int(some.rpartition("total=")[2]) / 1e6
    return 0


def memory(root: int, part: Part) -> int:
    """Return the bytes (PSS) of a part of a process and its descendants."""
    children = _children()
    total = 0
    pending = [(root, False)]
    while pending:
        pid, is_kernel = pending.pop()
        is_kernel = is_kernel or any(mark in _command_line(pid) for mark in KERNELS)
        if is_kernel == (part == "kernels"):
            total += proportional_bytes(pid)
        pending += [(child, is_kernel) for child in children[pid]]
    return total


def _command_line(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _children() -> dict[int, list[int]]:
    found = defaultdict(list)
    for name in os.listdir("/proc"):  # noqa: PTH208 - faster: runs twenty times a second during the measurement
        if name.isdecimal():
            with suppress(OSError):
                stat = Path(f"/proc/{name}/stat").read_bytes()
                found[int(stat.rpartition(b")")[2].split()[1])].append(int(name))
    return found
