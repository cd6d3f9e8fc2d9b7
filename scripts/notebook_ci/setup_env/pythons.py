"""Finds the Python that the user's environment is created from."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from notebook_ci.base.errors import SurroundingsError
from notebook_ci.base.process import POSIX
from notebook_ci.setup_env.uv import Uv
from notebook_ci.setup_env.wanted import Wanted


def find(uv: Uv, wanted: str) -> Path | None:
    """Return an interpreter of this machine: on PATH first, then in the runner's tool cache, then uv's own.

    `wanted` is a version or a range of versions; empty: any.
    """
    request = [wanted] if wanted else []
    search = ["python", "find", "--system", "--no-project", "--no-python-downloads", *request]
    path = _path_with_tool_cache(uv.environ)
    found = uv.attempt(search, env={"PATH": path, "UV_PYTHON_PREFERENCE": "system"})
    if found.returncode:
        return None
    return next((Path(line) for line in found.output.splitlines() if Path(line).is_file()), None)


def find_or_download(uv: Uv, wanted: Wanted) -> Path:
    """Like `find`, but let uv download a missing Python. Raises SurroundingsError if that fails, too."""
    python, said = find(uv, wanted.version), ""
    if python is None and wanted.version:
        uv.reporter.progress(f"{wanted} is not on this machine: downloading it")
        installed = uv.attempt(["python", "install", wanted.version])
        said = installed.output if installed.returncode else ""
        python = find(uv, wanted.version)
    if python is None:
        raise _nowhere(wanted, said, on_runner=uv.environ.get("GITHUB_ACTIONS") == "true")
    return python


def _nowhere(wanted: Wanted, said: str, *, on_runner: bool) -> SurroundingsError:
    """Return the error for a Python that is not available; `said` is the output of uv."""
    what, hint = "No Python was found to make the environment from.", "Install one, and put it on PATH."
    if wanted.version:
        what = f"{wanted} is not on this machine, and could not be downloaded."
        hint = f"Install Python {wanted.version}, or ask for another version."
    if on_runner:
        hint = "Run actions/setup-python before, with the python-version that you need."
    return SurroundingsError(f"{what}{_reason(said)}", hint=hint)


def _reason(said: str) -> str:
    """Return uv's reason as a sentence. Its last line names the root cause."""
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith("hint:")]
    return f" uv says: {re.sub(r'^(?:error|cause): ', '', lines[-1]).rstrip('.')}." if lines else ""


def _path_with_tool_cache(environ: Mapping[str, str]) -> str:
    programs = "bin" if POSIX else "."
    cache = environ.get("RUNNER_TOOL_CACHE")
    cached = sorted(Path(cache).glob(f"Python/*/*/{programs}")) if cache else []
    return os.pathsep.join([environ.get("PATH", os.defpath), *map(str, cached)])
