"""Compiles requirements/*.in to the locks requirements/*.txt, with the uv that they pin.

    launch.sh --env dev --exec python scripts/dev/lock.py [--check | --upgrade] [NAME ...]

A lock is universal (one file for every platform and Python) and hashed, uses only wheels, and names no index: each
user's own index is used. Locked versions stay unless they no longer fit, or `--upgrade` is given. A file
`requirements/NAME.overrides` replaces requirements of packages, in `NAME.txt` and each lock whose `.in` lists NAME or
`NAME-...`.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from notebook_ci.base import indexes

REQUIREMENTS = Path(__file__).resolve().parents[2] / "requirements"
OLDEST_PYTHON = "3.11"
OLDEST_PYTHON_OF_IMAGES = "3.9"  # their base image decides
_HASH = re.compile(r" \\\n    --hash=\S+")


def compile_lock(uv: Path, source: Path, lock: Path, environ: Mapping[str, str], *, upgrade: bool = False) -> None:
    """Compile `source`, a file `<name>.in`. Versions in `lock` are kept if they fit, unless `upgrade` is set.

    Raises CalledProcessError if uv found no versions or could not reach the index. uv has printed why.
    """
    flags = ["--universal", "--generate-hashes", "--only-binary", ":all:"]
    flags += ["--python-version", OLDEST_PYTHON_OF_IMAGES if source.stem == "image" else OLDEST_PYTHON]
    flags += ["--no-emit-index-url", "--no-emit-find-links", "--no-header", "--quiet"]
    flags += ["--upgrade"] if upgrade else []
    for path in sorted(source.parent.glob("*.overrides")):
        if path.stem == source.stem or re.search(rf"^{path.stem}\b", source.read_text(encoding="utf-8"), re.MULTILINE):
            flags += ["--overrides", path.name]
    # Called in the folder of its source, so that comments in the lock say `via -r <name>.in`, without a path.
    command: list[str | Path] = [uv, "pip", "compile", *flags, source.name, "--output-file", lock]
    settings = indexes.read(environ, source.parent).for_uv()
    subprocess.run(command, cwd=source.parent, env=indexes.without_settings(environ) | settings, check=True)


def is_fresh(uv: Path, source: Path, environ: Mapping[str, str]) -> bool:
    """Return whether compiling again, with newly fetched hashes, would not change the lock beside `source`."""
    lock = source.with_suffix(".txt")
    if not lock.exists():
        return False
    with tempfile.TemporaryDirectory() as folder:
        again = Path(folder) / lock.name
        # uv (0.13) trusts the hashes in a lock: without them it has to ask the index.
        again.write_text(_HASH.sub("", lock.read_text(encoding="utf-8")), encoding="utf-8")
        compile_lock(uv, source, again, environ)
        return again.read_bytes() == lock.read_bytes()


def main(argv: list[str]) -> int:
    """Compile the locks, or check them. Returns 1 if a lock is stale."""
    names = sorted(path.stem for path in REQUIREMENTS.glob("*.in"))
    parser = argparse.ArgumentParser(prog="lock.py", description=__doc__)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--check", action="store_true", help="change nothing, and fail where a lock is stale")
    kind.add_argument("--upgrade", action="store_true", help="take the newest versions")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which locks: {', '.join(names)}; default: all")
    arguments = parser.parse_args(argv)
    if unknown := set(arguments.names) - set(names):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(names)}")
    uv = Path(sys.executable).with_name("uv")
    sources = [REQUIREMENTS / f"{name}.in" for name in arguments.names or names]
    try:
        if arguments.check:
            stale = [source.stem for source in sources if not is_fresh(uv, source, os.environ)]
            sys.stdout.writelines(f"requirements/{name}.txt is stale: run `make lock`\n" for name in stale)
            return 1 if stale else 0
        for source in sources:
            compile_lock(uv, source, source.with_suffix(".txt"), os.environ, upgrade=arguments.upgrade)
    except subprocess.CalledProcessError as error:
        return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
