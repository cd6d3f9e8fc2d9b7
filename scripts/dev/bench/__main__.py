"""Compares execute-notebook with its peers, and checks all promised figures. Run it on an idle machine.

    make bench [ARGS="--rounds 5 --only trivial-8"]

In each round, all contenders of a work run in turn, each in a fresh copy of the same notebooks, with the same kernels
and the same empty home folder. Whole commands are timed. All environments are installed from locks and byte-compiled.
If all works were measured in at least three rounds, the results are also written to docs/benchmarks.md.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# Instead of this folder, whose modules are imported by their full names.
sys.path[0] = str(ROOT / "scripts")

from dev.bench import launcher, report
from dev.bench.contest import Contest, Work
from dev.bench.environments import Environments
from dev.bench.works import works

DOCUMENT = ROOT / "docs" / "benchmarks.md"
ENOUGH_ROUNDS = 3


def main(argv: list[str]) -> int:
    """Print and write the figures. The exit code is 1 if a promise is broken."""
    if sys.platform != "linux":
        raise SystemExit("`make bench` needs Linux: it measures memory with /proc, and forked kernels.")
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        folder = Path(temporary)
        environments = Environments.create(ROOT, os.environ, folder / "home")
        contests = works(environments)
        arguments = parsed(argv, [*(work.name for work in contests), launcher.NAME])
        names = arguments.only or [*(work.name for work in contests), launcher.NAME]
        results = [
            measured(work, arguments, environments, folder / work.name) for work in contests if work.name in names
        ]
        if launcher.NAME in names:
            results.append(launcher.measure(environments, arguments.rounds))
        text = report.document(results, environments)
    output = arguments.output
    if output is None and not arguments.only and arguments.rounds >= ENOUGH_ROUNDS:
        output = DOCUMENT
    if output:
        output.write_text(text, encoding="utf-8")
    print(text)
    print(f"Written to {output}." if output else f"Not written: this needs all works and {ENOUGH_ROUNDS} rounds.")
    return 0 if all(verdict.kept for result in results for verdict in result.verdicts) else 1


def parsed(argv: list[str], names: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=positive, default=ENOUGH_ROUNDS, help="of each work (default: %(default)s)")
    parser.add_argument(
        "--slow-rounds", type=positive, help="of contenders that take minutes: papermill in a loop (default: as many)"
    )
    parser.add_argument("--only", nargs="+", choices=names, metavar="WORK", help=f"works: {', '.join(names)}")
    parser.add_argument("--output", type=Path, help="write the results there, however few they are")
    return parser.parse_args(argv)


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def measured(work: Work, arguments: argparse.Namespace, environments: Environments, folder: Path) -> report.WorkResult:
    contest = Contest(work, environments.environ, folder)
    return report.judged(work, contest.run(arguments.rounds, arguments.slow_rounds or arguments.rounds))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
