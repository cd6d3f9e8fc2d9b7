"""Prints the path of a development tool written in Go, building it first if it is missing.

    python scripts/dev/tools.py act          # runs workflows on this machine, for tests/e2e
    python scripts/dev/tools.py actionlint   # checks workflows

Each tool is pinned to one version. Go's module proxy and checksum database verify the sources, so only the version has
to be pinned. A build takes minutes, is reported on standard error, and happens once: the result stays in the cache
folder, beside the tool environments of launch.py.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
EXIT_SURROUNDINGS = 3  # see notebook_ci.base.errors
OLDEST_GO = (1, 25)  # act 0.2.89 does not build with an older one
LINES_SHOWN = 12


@dataclass(frozen=True)
class Tool:
    name: str  # of the program
    package: str  # the Go package
    version: str  # with its leading "v"


TOOLS = {
    tool.name: tool
    for tool in (
        Tool("act", "github.com/nektos/act", "v0.2.89"),
        Tool("actionlint", "github.com/rhysd/actionlint/cmd/actionlint", "v1.7.12"),
    )
}


class ToolError(Exception):
    """A tool is not available; the message says why and what to do."""


def find_tool(name: str) -> Path:
    """Return the path of a tool; build it if its pinned version is missing. Raises ToolError if that fails."""
    tool = TOOLS[name]
    folder = cache_root() / "go-tools" / f"{tool.name}-{tool.version}"
    built = folder / tool.name
    if built.is_file():
        return built
    for candidate in _installed(tool):
        if _has_pinned_version(candidate, tool):
            return candidate
    _build(tool, folder)
    return built


def cache_root() -> Path:
    """Return the cache folder of notebook-ci: that of scripts/launch.sh, except on a runner."""
    if own := os.environ.get("NOTEBOOK_CI_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "notebook-ci"


def _installed(tool: Tool) -> Iterator[Path]:
    if found := shutil.which(tool.name):
        yield Path(found)
    in_home = Path.home() / "go" / "bin" / tool.name
    if in_home.is_file():
        yield in_home


def _has_pinned_version(program: Path, tool: Tool) -> bool:
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    version = re.search(r"\d+\.\d+\.\d+\S*", answer.stdout)
    return version is not None and f"v{version.group()}" == tool.version


def _build(tool: Tool, folder: Path) -> None:
    """Build the tool in a folder beside its path and move it there by one rename, so that it is never incomplete."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    _say(f"building {tool.name} {tool.version} (once; takes two to four minutes, about 1 GB of disk meanwhile) ...")
    with tempfile.TemporaryDirectory(prefix=f".building-{tool.name}-", dir=folder.parent) as scratch:
        finished = Path(scratch) / "bin"
        _go_install(tool, Path(scratch), finished)
        try:
            finished.rename(folder)
        except OSError:
            # Another process may have built it meanwhile: then its result is used.
            if not (folder / tool.name).is_file():
                raise
    _say(f"{tool.name} {tool.version} is ready: {folder / tool.name}")


def _go_install(tool: Tool, scratch: Path, bin_folder: Path) -> None:
    environment = {
        **os.environ,
        "GOBIN": str(bin_folder),
        # Sources and intermediate files are removed with the scratch folder. Go makes sources read-only by default.
        "GOPATH": str(scratch / "path"),
        "GOCACHE": str(scratch / "cache"),
        "GOFLAGS": "-modcacherw",
        "GOTOOLCHAIN": "local",  # use the Go that was found, and download no other
        "CGO_ENABLED": "0",  # no C compiler needed
    }
    command = [*_go_command(), "install", f"{tool.package}@{tool.version}"]
    result = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if result.returncode == 0 and (bin_folder / tool.name).is_file():
        return
    last_lines = "\n".join("    " + line for line in result.stdout.splitlines()[-LINES_SHOWN:])
    raise ToolError(
        f"{tool.name} {tool.version} could not be built (exit code {result.returncode}):\n{last_lines}\n"
        "The sources come from Go's module proxy: check the network (variables HTTPS_PROXY, GOPROXY) and run this "
        f"again. Or install {tool.name} {tool.version} yourself and put it on PATH."
    )


def _go_command() -> list[str]:
    """Return the Go on PATH if it is new enough, else that of the tool environment `go`, a package from PyPI."""
    if (go := shutil.which("go")) and _go_version(go) >= OLDEST_GO:
        return [go]
    return ["bash", str(REPOSITORY / "scripts" / "launch.sh"), "--env", "go", "--exec", "go"]


def _go_version(go: str) -> tuple[int, int]:
    """Return major and minor version of a Go; (0, 0) if it does not say."""
    answer = subprocess.run([go, "version"], capture_output=True, text=True, check=False)
    found = re.search(r"go(\d+)\.(\d+)", answer.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _say(text: str) -> None:
    print(f"tools: {text}", file=sys.stderr, flush=True)


def main(argv: list[str]) -> int:
    """Print the path of the named tool. The exit code is 3 if it is not available."""
    parser = argparse.ArgumentParser(description="Print the path of a pinned tool, building it when it is not here.")
    parser.add_argument("tool", choices=sorted(TOOLS))
    try:
        print(find_tool(parser.parse_args(argv).tool))
    except ToolError as error:
        print(error, file=sys.stderr)
        return EXIT_SURROUNDINGS
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
