"""Prints the path of a development tool written in Go, building it first if it is missing.

    python scripts/dev/tools.py act          # runs workflows on this machine, for tests/e2e
    python scripts/dev/tools.py actionlint   # checks workflows

Each tool is pinned to one version. Go's module proxy and checksum database verify the sources, so only the version has
to be pinned. A build takes minutes, is reported on standard error, and happens once: the result stays in the cache
folder, beside the tool environments of launch.py.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from notebook_ci.base.errors import SurroundingsError
from notebook_ci.base.launcher import LAUNCHER

# By name: the Go package and its version.
TOOLS = {
    "act": ("github.com/nektos/act", "0.2.89"),
    "actionlint": ("github.com/rhysd/actionlint/cmd/actionlint", "1.7.12"),
}


def find_tool(name: str) -> Path:
    """Return the path of a tool; build it if its pinned version is missing. Raises SurroundingsError if that fails."""
    package, version = TOOLS[name]
    built = cache_root() / "go-tools" / f"{name}-v{version}" / name
    if not built.is_file():
        print(f"tools: building {name} {version} (takes minutes and 1 GB of disk, once) ...", file=sys.stderr)
        _build(built, package, version)
    return built


def cache_root() -> Path:
    """Return the cache folder of notebook-ci: that of scripts/launch.sh, except on a runner."""
    if own := os.environ.get("NOTEBOOK_CI_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "notebook-ci"


def _build(built: Path, package: str, version: str) -> None:
    built.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".building-{built.name}-", dir=built.parents[1]) as scratch:
        environ = {
            **os.environ,
            "GOBIN": scratch,
            # Sources and intermediate files are removed with the scratch folder. Go makes sources read-only by default.
            "GOPATH": f"{scratch}/path",
            "GOCACHE": f"{scratch}/cache",
            "GOFLAGS": "-modcacherw",
            "GOTOOLCHAIN": "local",  # use the Go of its environment, and download no other
            "CGO_ENABLED": "0",  # no C compiler needed
        }
        command = ["bash", str(LAUNCHER), "--env", "go", "--exec", "go", "install", f"{package}@v{version}"]
        code = subprocess.run(command, env=environ, stdout=sys.stderr, check=False).returncode
        if code:
            raise SurroundingsError(
                f"{built.name} {version} could not be built (exit code {code}). See the lines above.",
                hint="The sources come from Go's module proxy: check the network (variables HTTPS_PROXY, GOPROXY) and "
                f"run this again. Or build {built.name} {version} yourself, as {built}.",
            )
        Path(scratch, built.name).replace(built)  # in one step, so that it is never incomplete


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
