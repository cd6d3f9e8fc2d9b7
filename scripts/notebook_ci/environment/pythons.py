"""Which Python the user's environment is made from."""

import os
from collections.abc import Mapping
from pathlib import Path

from notebook_ci.environment.uv import Uv
from notebook_ci.environment.wanted import Wanted
from notebook_ci.errors import SurroundingsError
from notebook_ci.process import POSIX


def find(uv: Uv, wanted: str) -> Path | None:
    """Return an interpreter of this machine: on PATH first, then in the runner's tool cache, then uv's own.

    Args:
        uv: uv, which knows how to ask them.
        wanted: A version or a range of versions; empty: any.
    """
    request = [wanted] if wanted else []
    search = ["python", "find", "--system", "--no-project", "--no-python-downloads", *request]
    path = _path_with_tool_cache(uv.environ)
    found = uv.attempt(search, env={"PATH": path, "UV_PYTHON_PREFERENCE": "system"})
    if found.returncode:
        return None
    return next((Path(line) for line in found.output.splitlines() if Path(line).is_file()), None)


def find_or_download(uv: Uv, wanted: Wanted) -> Path:
    """Return an interpreter of this machine, or have uv download one.

    Raises:
        SurroundingsError: There is none.
    """
    python = find(uv, wanted.version)
    if python is None and wanted.version:
        uv.reporter.progress(f"{wanted} is not on this machine: downloading it")
        uv.attempt(["python", "install", wanted.version])
        python = find(uv, wanted.version)
    if python is None:
        what = f"{wanted} is not on this machine, and could not be downloaded."
        raise SurroundingsError(
            what if wanted.version else "No Python was found to make the environment from.",
            hint="Run actions/setup-python before, with the python-version that you need.",
        )
    return python


def _path_with_tool_cache(environ: Mapping[str, str]) -> str:
    """Return PATH with the Pythons of the runner's tool cache behind it."""
    programs = "bin" if POSIX else "."
    cache = environ.get("RUNNER_TOOL_CACHE")
    cached = sorted(Path(cache).glob(f"Python/*/*/{programs}")) if cache else []
    return os.pathsep.join([environ.get("PATH", os.defpath), *map(str, cached)])
