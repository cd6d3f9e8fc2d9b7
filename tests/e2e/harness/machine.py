"""The machine that jobs find themselves on: a HOME, a PATH and an environment with nothing of the developer's."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from harness.suite import STANDINS

# What GitHub's Linux images have and a script may call. Not in it: whatever else this machine happens to have.
PROGRAMS = (
    "awk basename bash bzip2 cat chmod chown cmp comm cp curl cut date dd df diff dirname du echo env expr false file "
    "find fold git grep gunzip gzip head hostname id install kill ldd ln locale ls md5sum mkdir mkfifo mktemp mv "
    "nohup nproc od openssl paste patch printenv printf ps pwd readlink realpath rm rmdir sed seq setsid sh sha1sum "
    "sha256sum sleep sort split stat stty sync tail tar tee test timeout touch tr true tty uname uniq unzip wc which "
    "getconf whoami xargs xz zip"
)

# How this machine reaches the network. Without them nothing could be installed behind a proxy or from a mirror.
CARRIED_OVER = (
    "SSL_CERT_FILE SSL_CERT_DIR PIP_CERT REQUESTS_CA_BUNDLE CURL_CA_BUNDLE GIT_SSL_CAINFO NODE_EXTRA_CA_CERTS "
    "HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY http_proxy https_proxy all_proxy no_proxy "
    "PIP_INDEX_URL PIP_EXTRA_INDEX_URL UV_INDEX_URL UV_DEFAULT_INDEX UV_INDEX UV_SYSTEM_CERTS SSL_CLIENT_CERT"
)

NO_TERMINAL = Path(__file__).with_name("no_terminal.py")

_NODE = """\
#!{python} -I
# act starts a JavaScript action as `node FILE`. The files of the stand-ins name functions of the package `standins`.
# Anything else that act or a step asks of node is refused: there is none. Not a shell script, because sh drops
# variables whose names have hyphens, such as INPUT_RESTORE-KEYS.
import runpy, sys
if sys.argv[1:2] == [] or sys.argv[1].startswith("-") or sys.argv[1].endswith("js"):
    sys.exit("node: this machine of the end-to-end tests has no node")
sys.path.insert(0, {package!r})
runpy.run_module("standins", run_name="__main__")
"""


class Machine:
    """Made once a test session; all its runs share it.

    Args:
        folder: A fresh folder for what belongs to the session.
        shared: A folder that outlives the session: tool environments and downloads, which are slow to make.
        act: The program act.
    """

    def __init__(self, folder: Path, shared: Path, act: Path) -> None:
        if not sys.platform.startswith("linux"):
            raise RuntimeError("The end-to-end tests need Linux: they run jobs on this machine, as an ubuntu runner.")
        self.act_command = [sys.executable, "-I", str(NO_TERMINAL), str(act)]
        self.shared = shared
        self.home = folder / "home"
        self.bin = folder / "bin"
        for made in (self.home, self.bin, shared / "e2e"):
            made.mkdir(parents=True, exist_ok=True)
        for program in PROGRAMS.split():
            if found := shutil.which(program):
                (self.bin / program).symlink_to(found)
        python = _real_interpreter(sys.executable)[1]
        for name in ("python3", "python"):
            (self.bin / name).symlink_to(python)
        node = self.bin / "node"
        node.write_text(_NODE.format(package=str(STANDINS.parent), python=python), encoding="utf-8")
        node.chmod(0o755)

    @contextlib.contextmanager
    def program(self, path: Path) -> Iterator[None]:
        """Give jobs another program, e.g. docker, for some time."""
        link = self.bin / path.name
        link.symlink_to(path)
        try:
            yield
        finally:
            link.unlink()

    @cached_property
    def environment(self) -> dict[str, str]:
        """The environment of act, all of which reaches the steps."""
        return {
            "HOME": str(self.home),
            "PATH": str(self.bin),
            "LANG": "C.UTF-8",
            "USER": "runner",
            "NO_COLOR": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "ACT_DISABLE_VERSION_CHECK": "1",
            # act 0.2.89 writes an unguarded map from jobs that run at once, which ends it ("concurrent map writes").
            # On one processor Go does not switch within such a write. Consumer gives steps an empty value instead.
            "GOMAXPROCS": "1",
            # The same as in the integration tests.
            "NOTEBOOK_CI_CACHE": str(self.shared),
            "UV_CACHE_DIR": str(self.shared / "uv-of-tests"),
            "HARNESS_SHARED": str(self.shared / "e2e"),
            "HARNESS_PYTHONS": json.dumps(self.pythons),
            **{name: os.environ[name] for name in CARRIED_OVER.split() if name in os.environ},
        }

    @cached_property
    def pythons(self) -> dict[str, str]:
        """The interpreters that setup-python can give a job, from version to path."""
        found = (_real_interpreter(path) for path in _installed_pythons())
        return dict(sorted(version_and_path for version_and_path in found if all(version_and_path)))


def _installed_pythons() -> list[str]:
    """Interpreters on PATH, in the tool cache of a GitHub runner and in pyenv; some may be too old, or not run."""
    on_path = [shutil.which(f"python3.{minor}") or "" for minor in range(8, 20)]
    tool_cache = Path(os.environ.get("RUNNER_TOOL_CACHE", "/nowhere")) / "Python"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    kept = [*tool_cache.glob("*/*/bin/python3"), *pyenv.glob("*/bin/python3")]
    # shims of pyenv are slow, and stand for interpreters that are listed anyway
    return [path for path in [*map(str, kept), *on_path, sys.executable] if path and "/shims/" not in path]


def _real_interpreter(python: str) -> tuple[str, str]:
    """Version and path of the interpreter behind a virtual environment or a shim; empty if it does not run."""
    code = "import sys, platform; print(platform.python_version()); print(getattr(sys, '_base_executable', ''))"
    answer = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=False).stdout.split()
    if len(answer) != 2 or not re.fullmatch(r"\d+\.\d+\.\d+", answer[0]):  # pre-releases are left out
        return "", ""
    return answer[0], os.path.realpath(answer[1])
