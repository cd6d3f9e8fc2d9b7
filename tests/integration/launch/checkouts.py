"""A copy of the launcher with a stage of its own, and what its tests ask of it."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
BASE = Path(sys.base_prefix) / "bin"
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
PATH = f"{BASE}:/usr/bin:/bin"
TIMEOUT = 60

STAGE = """
import json, os, subprocess, sys

arguments = sys.argv[1:]
text = sys.stdin.read() if "--inputs-from-stdin" in arguments else ""
if "--check-inputs" in arguments:
    print("checked", file=sys.stderr)
    sys.exit(2 if "wrong" in text + " ".join(arguments) else 0)
import nbdemo
child = [sys.executable, "-c", "import os; print(list(os.environ))"]
print(json.dumps({
    "pid": os.getpid(),
    "arguments": arguments,
    "stdin": text,
    "version": nbdemo.VERSION,
    "file": nbdemo.__file__,
    "environ": open("/proc/self/environ").read(),
    "child": subprocess.run(child, capture_output=True, text=True).stdout,
    "isolated": [sys.flags.ignore_environment, sys.flags.no_user_site],
}))
"""


@dataclass
class Done:
    """How a launch ended."""

    code: int
    out: str
    err: str
    pid: int
    seconds: float

    @property
    def told(self) -> dict[str, Any]:
        """What the stage printed about itself."""
        return dict(json.loads(self.out.splitlines()[-1]))


@dataclass(frozen=True)
class Wheels:
    """Wheels in a folder, and locks that choose between them by their hashes.

    Attributes:
        folder: Holds the wheel of uv, a small one in its place, and one of nbdemo.
        small: The lock of uv that names the small one. Its program becomes the real one.
        scripts: The launcher and its modules.
    """

    folder: Path
    small: str
    scripts: Path


@dataclass
class Checkout:
    """A copy of the launcher with a stage `demo` that needs the package `nbdemo`, and a cache and a home of its own."""

    folder: Path
    home: Path
    cache: Path
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def script(self) -> Path:
        return self.folder / "scripts" / "launch.sh"

    @property
    def environments(self) -> list[str]:
        """The names of what is in the cache, without the file of found Pythons."""
        return sorted(path.name.partition("-")[0] for path in self.cache.glob("*-*"))

    @property
    def leftovers(self) -> list[Path]:
        return list(self.cache.glob(".new-*"))

    def start(self, *arguments: str, environ: Mapping[str, str], cwd: Path, script: str) -> "subprocess.Popen[str]":
        own = {"PATH": PATH, "HOME": str(self.home), "NOTEBOOK_CI_CACHE": str(self.cache), "UV_HTTP_TIMEOUT": "5"}
        return subprocess.Popen(
            ["/bin/bash", script or str(self.script), *arguments],
            env={**own, **self.environ, **environ},
            cwd=cwd if cwd != Path() else self.home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def launch(
        self,
        *arguments: str,
        environ: Mapping[str, str] | None = None,
        cwd: Path = Path(),
        script: str = "",
        stdin: str = "",
    ) -> Done:
        started = time.monotonic()
        process = self.start(*arguments, environ=environ or {}, cwd=cwd, script=script)
        out, err = process.communicate(stdin, TIMEOUT)
        return Done(process.returncode, out, err, process.pid, time.monotonic() - started)


def running(part: str) -> list[str]:
    """Return the command lines of all processes that have `part` in theirs."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [line for line in found if part in line]
