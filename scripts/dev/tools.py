"""Prints the path of actionlint, which checks workflows; builds it first if it is missing.

Go's module proxy and checksum database verify the sources, so only the version has to be pinned. The result stays in
the cache folder, beside the tool environments of launch.py.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from notebook_ci.base.errors import SurroundingsError
from notebook_ci.base.launcher import LAUNCHER

PACKAGE, VERSION = "github.com/rhysd/actionlint/cmd/actionlint", "1.7.12"


def actionlint() -> Path:
    """Return the path of actionlint; build it if the pinned version is missing. Raises SurroundingsError."""
    built = cache_root() / "go-tools" / f"actionlint-v{VERSION}" / "actionlint"
    if not built.is_file():
        _say(f"building actionlint {VERSION} (once; takes a minute, about 0.5 GB of disk meanwhile) ...")
        _build(built)
        _say(f"actionlint {VERSION} is ready: {built}")
    return built


def cache_root() -> Path:
    """Return the cache folder of notebook-ci: that of scripts/launch.sh, except on a runner."""
    if own := os.environ.get("NOTEBOOK_CI_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "notebook-ci"


def _build(built: Path) -> None:
    built.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".building-", dir=built.parents[1]) as scratch:
        environ = {
            **os.environ,
            "GOBIN": scratch,
            # Sources and intermediate files are removed with the scratch folder. Go makes sources read-only by default.
            "GOPATH": f"{scratch}/path",
            "GOCACHE": f"{scratch}/cache",
            "GOFLAGS": "-modcacherw",
            "GOGC": "400",  # compilers end soon: collecting garbage rarely pays
            "GOTOOLCHAIN": "local",  # use the Go of its environment, and download no other
            "CGO_ENABLED": "0",  # no C compiler needed
        }
        # Without inlining and data for debuggers: that takes two thirds of the time.
        flags = ["-gcflags=all=-l -dwarf=false", "-ldflags=-w"]
        command = ["bash", str(LAUNCHER), "--env", "go", "--exec", "go", "install", *flags, f"{PACKAGE}@v{VERSION}"]
        code = subprocess.run(command, env=environ, stdout=sys.stderr, check=False).returncode
        if code:
            raise SurroundingsError(
                f"actionlint {VERSION} could not be built (exit code {code}). See the lines above.",
                hint="The sources come from Go's module proxy: check the network (variables HTTPS_PROXY, GOPROXY) and "
                f"run this again. Or build actionlint {VERSION} yourself, as {built}.",
            )
        Path(scratch, built.name).replace(built)  # in one step, so that it is never incomplete


def _say(text: str) -> None:
    print(f"tools: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        print(actionlint())
    except SurroundingsError as error:
        sys.exit(f"{error.message}\n{error.hint}")
