"""Measures what performance is promised, and prints medians with their spread. Run it on a machine with no other work.

What is measured so far: the cost of launch.sh with its environment made (promised: at most 0.1 s), as the difference
between a Python that it starts and the same Python started directly.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 15
PROMISED_SECONDS = 0.1


def main() -> int:
    """Print the figures; the exit code is 1 if a promise is not kept."""
    nothing = ["-I", "-S", "-c", "pass"]
    launch = ["bash", str(ROOT / "scripts" / "launch.sh"), "--env", "dev", "--exec", "python", *nothing]
    launched, direct = contenders(launch, [sys.executable, *nothing])
    cost = statistics.median(launched) - statistics.median(direct)
    show("python, started by launch.sh", launched)
    show("python, started directly", direct)
    print(f"{'launch.sh costs':32} {cost * 1000:6.1f} ms   promised {PROMISED_SECONDS * 1000:.0f} ms")
    return 0 if cost <= PROMISED_SECONDS else 1


def contenders(*commands: Sequence[str]) -> list[list[float]]:
    """Return the seconds of each command, all of them in turn in each round, the first round left out."""
    times: list[list[float]] = [[] for _ in commands]
    for _ in range(ROUNDS + 1):
        for seconds, command in zip(times, commands, strict=True):
            began = time.perf_counter()
            subprocess.run(command, check=True)
            seconds.append(time.perf_counter() - began)
    return [seconds[1:] for seconds in times]


def show(name: str, seconds: Sequence[float]) -> None:
    """Print the median of one contender, with its fastest and slowest round."""
    low, middle, high = min(seconds), statistics.median(seconds), max(seconds)
    print(f"{name:32} {middle * 1000:6.1f} ms   {low * 1000:.1f} to {high * 1000:.1f}")


if __name__ == "__main__":
    sys.exit(main())
