"""Finds the Python that the user's environment is created from."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from notebook_ci.base.errors import SurroundingsError
from notebook_ci.base.process import POSIX
from notebook_ci.setup_env.required import RequiredPython
from notebook_ci.setup_env.uv import Uv


def find(uv: Uv, required: str) -> Path | None:
    """Return an interpreter of this machine: on PATH first, then in the runner's tool cache, then uv's own.

    `required` is a version or a range of versions; empty: any.
    """
    request = [required] if required else []
    search = ["python", "find", "--system", "--no-project", "--no-python-downloads", *request]
    path = _path_with_tool_cache(uv.workspace.environ)
    found = uv.attempt(search, env={"PATH": path, "UV_PYTHON_PREFERENCE": "system"})
    if found.returncode:
        return None
    return next((Path(line) for line in found.output.splitlines() if Path(line).is_file()), None)


def find_or_download(uv: Uv, required: RequiredPython) -> Path:
    """Like `find`, but let uv download a missing Python. Raises SurroundingsError if that fails, too."""
    python, said = find(uv, required.version), ""
    if python is None and required.version:
        uv.reporter.progress(f"{required} is not installed: downloading it")
        installed = uv.attempt(["python", "install", required.version])
        said = installed.output if installed.returncode else ""
        python = find(uv, required.version)
    if python is None:
        raise _nowhere(required, said, on_runner=uv.workspace.is_on_runner)
    return python


def _nowhere(required: RequiredPython, said: str, *, on_runner: bool) -> SurroundingsError:
    """Return the error for a Python that is not available; `said` is the output of uv."""
    what, hint = "No Python was found to create the environment from.", "Install one, and put it on PATH."
    if required.version:
        what = f"{required} is not installed, and could not be downloaded."
        hint = f"Install Python {required.version}, or set `python-version` to another one."
    if on_runner:
        hint = "Run `actions/setup-python` first, with the `python-version` that you need."
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
