"""Compares execute-notebook with its peers, and checks all promised figures. Run it on an idle machine.

    make bench [ARGS="--rounds 5 --only trivial-8"]

If all works were measured in at least three rounds, the results are also written to docs/benchmarks.md, which says how
it measures.
"""

import argparse
import contextlib
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# Instead of this folder, whose modules are imported by their full names.
sys.path[:1] = [str(ROOT / "scripts"), str(ROOT / "tests")]

from dev.bench import environments, real, report, same
from dev.bench.contest import run
from dev.bench.works import WORKS

DOCUMENT = ROOT / "docs" / "benchmarks.md"
ENOUGH_ROUNDS = 3


def main() -> int:
    """Print and write the figures. The exit code is 1 if a promise is broken."""
    names = [work.name for work in WORKS]
    parser = argparse.ArgumentParser(
        prog="make bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=ENOUGH_ROUNDS, help="of each work (default: %(default)s)")
    parser.add_argument("--only", nargs="+", choices=names, metavar="WORK", help=f"works: {', '.join(names)}")
    parser.add_argument(
        "--same", choices=same.CHECKS, help="instead, list what forked kernels do otherwise: " + same.HELP
    )
    arguments = parser.parse_args()
    if sys.platform != "linux":
        raise SystemExit("`make bench` needs Linux: it measures memory with /proc, and forked kernels.")
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        environ = environments.create(Path(temporary, "home"))
        if arguments.same:
            found = same.check(arguments.same, Path(temporary, "notebooks"), environ)
            print("\n".join([*found, f"{len(found)} differences"]))
            return 1 if found else 0
        works = [work for work in WORKS if not arguments.only or work.name in arguments.only]
        with contextlib.ExitStack() as stack:
            if any(work.installs for work in works):
                environ |= stack.enter_context(environments.packages(Path(temporary), environ["PEERS"]))
            results = []
            for each in works:
                work, variables = real.prepared(each, environ) if each.is_real else (each, environ)
                results.append((work, run(work, arguments.rounds, Path(temporary, "notebooks"), variables)))
    text = report.document(results, environments.versions(environ["OURS"], environ["PEERS"]))
    print(text)
    if not arguments.only and arguments.rounds >= ENOUGH_ROUNDS:
        DOCUMENT.write_text(text, encoding="utf-8")
        print(f"Written to {DOCUMENT}.")
    else:
        print(f"Not written: this needs all works and {ENOUGH_ROUNDS} rounds.")
    return 0 if all(verdict.kept for result in results for verdict in report.verdicts(*result)) else 1


if __name__ == "__main__":
    sys.exit(main())
