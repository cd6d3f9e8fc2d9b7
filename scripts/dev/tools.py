"""Prints the path of a development tool written in Go, building it first if it is missing.

    python scripts/dev/tools.py act          # runs workflows on this machine, for tests/e2e
    python scripts/dev/tools.py actionlint   # checks workflows

Each tool is pinned to one version. Go's module proxy and checksum database verify the sources, so only the version has
to be pinned. A build takes minutes, is reported on standard error, and happens once: the result stays in the cache
folder, beside the tool environments of launch.py.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from notebook_ci.base.errors import SurroundingsError
from notebook_ci.base.launcher import LAUNCHER

LINES_SHOWN = 12
# By name: the Go package and its version.
TOOLS = {
    "act": ("github.com/nektos/act", "0.2.89"),
    "actionlint": ("github.com/rhysd/actionlint/cmd/actionlint", "1.7.12"),
}


def find_tool(name: str) -> Path:
    """Return the path of a tool; build it if its pinned version is missing. Raises SurroundingsError if that fails."""
    package, version = TOOLS[name]
    built = cache_root() / "go-tools" / f"{name}-v{version}" / name
    if built.is_file():
        return built
    installed = shutil.which(name)
    if installed and _has_version(installed, version):
        return Path(installed)
    _say(f"building {name} {version} (once; takes two to four minutes, about 1 GB of disk meanwhile) ...")
    _build(built, package, version)
    _say(f"{name} {version} is ready: {built}")
    return built


def cache_root() -> Path:
    """Return the cache folder of notebook-ci: that of scripts/launch.sh, except on a runner."""
    if own := os.environ.get("NOTEBOOK_CI_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "notebook-ci"


def _has_version(program: str, version: str) -> bool:
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return not {version, f"v{version}"}.isdisjoint(answer.stdout.split())


def _build(built: Path, package: str, version: str) -> None:
    """Build a tool in a folder beside its own and move it there by one rename, so that it is never incomplete."""
    built.parents[1].mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".building-{built.name}-", dir=built.parents[1]) as scratch:
        environ = {
            **os.environ,
            "GOBIN": f"{scratch}/bin",
            # Sources and intermediate files are removed with the scratch folder. Go makes sources read-only by default.
            "GOPATH": f"{scratch}/path",
            "GOCACHE": f"{scratch}/cache",
            "GOFLAGS": "-modcacherw",
            "GOTOOLCHAIN": "local",  # use the Go of its environment, and download no other
            "CGO_ENABLED": "0",  # no C compiler needed
        }
        command = ["bash", str(LAUNCHER), "--env", "go", "--exec", "go", "install", f"{package}@v{version}"]
        done = subprocess.run(
            command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        if done.returncode:
            last_lines = "\n".join("    " + line for line in done.stdout.splitlines()[-LINES_SHOWN:])
            raise SurroundingsError(
                f"{built.name} {version} could not be built (exit code {done.returncode}):\n{last_lines}",
                hint="The sources come from Go's module proxy: check the network (variables HTTPS_PROXY, GOPROXY) and "
                f"run this again. Or install {built.name} {version} yourself and put it on PATH.",
            )
        try:
            Path(scratch, "bin").rename(built.parent)
        except OSError:
            # Another process may have built it meanwhile: then its result is used.
            if not built.is_file():
                raise


def _say(text: str) -> None:
    print(f"tools: {text}", file=sys.stderr, flush=True)


def main() -> int:
    """Print the path of the named tool. The exit code is 3 if it is not available."""
    parser = argparse.ArgumentParser(description="Print the path of a pinned tool, building it when it is not here.")
    parser.add_argument("tool", choices=sorted(TOOLS))
    try:
        print(find_tool(parser.parse_args().tool))
    except SurroundingsError as error:
        print(f"{error.message}\n{error.hint}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
