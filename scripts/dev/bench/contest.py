"""Runs contenders in turn on a work, and measures their time or memory. Linux only."""

import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO

from dev.bench import notebooks
from dev.bench.works import Contender, Part, Work
from kernel_server.interface import proportional_bytes

LINES_SHOWN = 30
SAMPLE_SECONDS = 0.05
# Parts of the command line of a kernel, or of a kernel server (its forked kernels keep its command line).
KERNELS = (b"ipykernel_launcher", b"kernel_server/inside/start.py")


def run(work: Work, rounds: int, folder: Path, environ: Mapping[str, str]) -> dict[str, list[float]]:
    """Return the figures of each contender, one per round. `folder` is created for each run of a contender."""
    figures: dict[str, list[float]] = {contender.name: [] for contender in work.contenders}
    # Unmeasured: files are in memory then, and pytest has written its byte-code.
    rehearsal = replace(work, notebooks=notebooks.importing(1))
    for contender in work.contenders:
        measure(rehearsal, contender, folder, environ)
    for number in range(max(rounds, work.fewest_rounds)):
        for contender in work.contenders:
            figure = measure(work, contender, folder, environ)
            figures[contender.name].append(figure)
            print(f"{work.name}, round {number + 1}: {contender.name}: {work.shown(figure)}", file=sys.stderr)
    return figures


def measure(work: Work, contender: Contender, folder: Path, environ: Mapping[str, str]) -> float:
    """Run a contender in a fresh folder, once. Return its seconds, or bytes at its peak: measuring them takes time."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    notebooks.write(work.notebooks, folder)
    log = folder.with_suffix(".log")
    peak = 0
    with log.open("wb") as output:
        code = start(contender.before, folder, environ, output).wait()
        began = time.perf_counter()
        process = start(contender.command, folder, environ, output)
        while work.memory_of and process.poll() is None:
            peak = max(peak, memory(process.pid, work.memory_of))
            time.sleep(SAMPLE_SECONDS)
        code = process.wait() or code
        seconds = time.perf_counter() - began
    said = log.read_text(encoding="utf-8", errors="replace")
    if missing := missing_work(work, contender, code, said, folder):
        last_lines = "\n".join(said.splitlines()[-LINES_SHOWN:])
        raise SystemExit(f"{work.name}: {contender.name} did not do the work: {missing}\n{last_lines}")
    return peak if work.memory_of else seconds


def start(script: str, folder: Path, environ: Mapping[str, str], output: IO[bytes]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        ["sh", "-ec", script],
        cwd=folder,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
    )


def missing_work(work: Work, contender: Contender, code: int, said: str, folder: Path) -> str:
    """Return what a contender did not do, if anything: then its figure does not count."""
    if code:
        return f"the exit code is {code}"
    if (words := contender.says.format(count=len(work.notebooks))) not in said:
        return f"it does not print `{words}`"
    for name in work.notebooks if contender.saves else ():
        saved = next(folder.glob(f"{contender.saves}/{name}"), None)
        if saved is None:
            return f"{name} was not saved"
        run = [cell for cell in notebooks.code_cells(saved) if cell["execution_count"]]
        if len(run) != len(notebooks.code_cells(folder / name)):
            return f"not all cells of {name} have run"
    return ""


def memory(pid: int, part: Part, *, is_kernel: bool = False) -> int:
    """Return the bytes (PSS) of a part of a process and its descendants."""
    try:
        is_kernel = is_kernel or any(mark in Path(f"/proc/{pid}/cmdline").read_bytes() for mark in KERNELS)
        children = " ".join(path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")).split()
    except OSError:  # it has ended
        return 0
    own = proportional_bytes(pid) if is_kernel == (part == "kernels") else 0
    return own + sum(memory(int(child), part, is_kernel=is_kernel) for child in children)
