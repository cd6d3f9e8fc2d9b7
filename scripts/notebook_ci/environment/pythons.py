"""Which Python the user's environment is made from."""

import contextlib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

from notebook_ci.environment.locks import Lock
from notebook_ci.environment.uv import Uv
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


def find_or_download(uv: Uv, wanted: str) -> Path:
    """Return an interpreter of this machine, or have uv download one.

    Raises:
        SurroundingsError: There is none.
    """
    python = find(uv, wanted)
    if python is None and wanted:
        uv.reporter.progress(f"Python {wanted} is not on this machine: downloading it")
        uv.attempt(["python", "install", wanted])
        python = find(uv, wanted)
    if python is None:
        what = f"Python {wanted} is not on this machine, and could not be downloaded."
        raise SurroundingsError(
            what if wanted else "No Python was found to make the environment from.",
            hint="Run actions/setup-python before, with the python-version that you need.",
        )
    return python


def wanted_version(given: str, lock: Lock, cwd: Path) -> str:
    """Return which Python is asked for, as uv takes it; empty: any.

    Args:
        given: The input `python-version`, which wins over `.python-version`, which wins over `requires-python`.
        lock: The lock; a `pyproject.toml` beside it counts.
        cwd: The workspace.
    """
    if given:
        return given
    with contextlib.suppress(OSError):
        lines = (cwd / ".python-version").read_text(encoding="utf-8").split()
        if lines:
            return lines[0]
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        project = tomllib.loads(lock.path.with_name("pyproject.toml").read_text(encoding="utf-8"))
        return str(project["project"]["requires-python"])
    return ""


def _path_with_tool_cache(environ: Mapping[str, str]) -> str:
    """Return PATH with the Pythons of the runner's tool cache behind it."""
    programs = "bin" if POSIX else "."
    cache = environ.get("RUNNER_TOOL_CACHE")
    cached = sorted(Path(cache).glob(f"Python/*/*/{programs}")) if cache else []
    return os.pathsep.join([environ.get("PATH", os.defpath), *map(str, cached)])
