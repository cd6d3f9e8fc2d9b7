"""The Python that the user's environment is created from: which one the repository requires, and where it is."""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from notebook_ci.base.errors import InputError, SurroundingsError
from notebook_ci.base.files import read_text
from notebook_ci.base.process import POSIX
from notebook_ci.base.texts import quote
from notebook_ci.setup_env.uv import Uv

VERSION_FILE = ".python-version"
# Checked, because uv gets the text as an argument: it must not be read as a flag or a path.
_NAME = re.compile(r"[A-Za-z0-9][\w.@+-]*")
_SPECIFIERS = re.compile(r"[<>=!~][\w.,<>=!~* ]*")


@dataclass(frozen=True)
class RequiredPython:
    version: str  # in uv's syntax, e.g. `3.12` or `>=3.11`; empty: any
    origin: str = ""  # the file that requires it; empty: the input, or nothing

    def __str__(self) -> str:
        return f"Python {self.version} (required by `{self.origin}`)" if self.origin else f"Python {self.version}"


def required(given: str, project: Path, cwd: Path) -> RequiredPython:
    """Return the required Python: from the input, else `.python-version`, else `project`.

    `project` is the path of a `pyproject.toml` or a `Pipfile`, which may not exist. Raises InputError if a file
    requires something that is not a version.
    """
    if given:
        return RequiredPython(given)
    if line := _first_line(cwd / VERSION_FILE):
        return _checked(line.split()[0], _NAME, VERSION_FILE, "Write a version such as `3.12`.")
    if specifiers := _requires_python(project):
        return _checked(specifiers, _SPECIFIERS, project.name, "Write `requires-python` such as `>=3.12`.")
    return RequiredPython("")


def _first_line(path: Path) -> str:
    """Return the first line that is not a comment, as pyenv and uv do; empty if there is none."""
    if not path.exists() or path.is_dir():
        return ""
    lines = read_text(path, path.name).splitlines()
    return next((line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")), "")


def _requires_python(path: Path) -> str:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        if specifiers := str(content.get("project", {}).get("requires-python", "")).strip():
            return specifiers
        if requires := content.get("requires"):  # a Pipfile
            version = requires.get("python_full_version") or f"{requires['python_version']}.*"
            return f"=={version}" if version[0].isdigit() else version.removesuffix(".*")
        return _of_poetry(content["tool"]["poetry"]["dependencies"]["python"])
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return ""  # the lock is another file; if it is this one, `locks.check` reports it


def _of_poetry(constraint: str) -> str:
    """Return what uv understands of Poetry's constraints ("Dependency specification" of its docs); else nothing."""
    parts = re.split(r"\s*,\s*|(?<![<>=!~^,\s])\s+", constraint.strip())
    text = ",".join(_part_of_poetry(re.sub(r"\s", "", part)) for part in parts)
    return text if _SPECIFIERS.fullmatch(text) else ""


def _part_of_poetry(part: str) -> str:
    found = re.fullmatch(r"([\^~]?)((\d+)(?:\.(\d+))?(?:\.[\d*]+)*)", part)
    if not found:
        return part
    sign, version, major, minor = found.groups()
    upper = f"{major}.{int(minor) + 1}" if sign == "~" and minor else f"{int(major) + 1}"
    return f">={version},<{upper}" if sign else f"=={version}"


def _checked(text: str, pattern: re.Pattern[str], name: str, hint: str) -> RequiredPython:
    if not pattern.fullmatch(text):
        raise InputError(f"`{name}` requires Python {quote(text)}, which is not a version.", hint=hint, file=name)
    return RequiredPython(text, name)


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
    if python := find(uv, required.version):
        return python
    what, hint = "No Python was found to create the environment from.", "Install one, and put it on PATH."
    if required.version:
        uv.console.progress(f"{required} is not installed: downloading it")
        installed = uv.attempt(["python", "install", required.version])
        if python := find(uv, required.version):
            return python
        what = f"{required} is not installed, and could not be downloaded."
        if installed.returncode:
            what += _reason(installed.output)
        hint = f"Install Python {required.version}, or set `python-version` to another one."
    if uv.workspace.is_on_runner:
        hint = "Run `actions/setup-python` first, with the `python-version` that you need."
    raise SurroundingsError(what, hint=hint)


def _reason(said: str) -> str:
    """Return uv's reason as a sentence. Its last line names the root cause."""
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith("hint:")]
    return f" uv says: {re.sub(r'^(?:error|cause): ', '', lines[-1]).rstrip('.')}." if lines else ""


def _path_with_tool_cache(environ: Mapping[str, str]) -> str:
    programs = "bin" if POSIX else "."
    cache = environ.get("RUNNER_TOOL_CACHE")
    cached = sorted(Path(cache).glob(f"Python/*/*/{programs}")) if cache else []
    return os.pathsep.join([environ.get("PATH", os.defpath), *map(str, cached)])
