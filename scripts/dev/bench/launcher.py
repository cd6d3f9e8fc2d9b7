"""Measures the time that launch.sh takes if its environment exists, by starting the same Python with and without it."""

import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence

from dev.bench.environments import OURS, Environments, python_of
from dev.bench.report import Row, Verdict, WorkResult

NAME = "launcher"
FEWEST_ROUNDS = 15
PROMISED_SECONDS = 0.1
LAUNCHED, DIRECT = "python, started by launch.sh", "python, started directly"


def measure(environments: Environments, rounds: int) -> WorkResult:
    nothing = ["-I", "-S", "-c", "pass"]
    launch = [*environments.launch, "--env", OURS, "--exec", "python", *nothing]
    direct_start = [str(python_of(environments.launch, OURS, environments.environ)), *nothing]
    launched, direct = contenders(environments.environ, max(rounds, FEWEST_ROUNDS), launch, direct_start)
    cost = statistics.median(launched) - statistics.median(direct)
    return WorkResult(
        title="launch.sh with its environment installed",
        rows=[Row(LAUNCHED, launched, "ms"), Row(DIRECT, direct, "ms")],
        verdicts=[
            Verdict(
                against=f"{LAUNCHED}, less {DIRECT}",
                reached=f"{cost:.0f} ms",
                promised=f"{PROMISED_SECONDS * 1000:.0f} ms",
                aim="",
                kept=cost <= PROMISED_SECONDS * 1000,
            )
        ],
    )


def contenders(environ: Mapping[str, str], rounds: int, *commands: Sequence[str]) -> list[list[float]]:
    """Return the milliseconds of each command. All run in turn in each round; the first round is not counted."""
    times: list[list[float]] = [[] for _ in commands]
    for _ in range(rounds + 1):
        for each, command in zip(times, commands, strict=True):
            began = time.perf_counter()
            subprocess.run(command, env=dict(environ), check=True)
            each.append((time.perf_counter() - began) * 1000)
    return [each[1:] for each in times]
