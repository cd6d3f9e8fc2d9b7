"""The Python version that the repository requires."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from notebook_ci.base.errors import InputError
from notebook_ci.base.files import read_text
from notebook_ci.base.texts import quote

VERSION_FILE = ".python-version"
PROJECT_FILE = "pyproject.toml"
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
    """Return the required Python: from the input, else `.python-version`, else the project in the folder `project`.

    Raises InputError if a file requires something that is not a version.
    """
    if given:
        return RequiredPython(given)
    if line := _first_line(cwd / VERSION_FILE):
        return RequiredPython(
            _checked(line.split()[0], _NAME, VERSION_FILE, "Write a version such as `3.12`."), VERSION_FILE
        )
    if specifiers := _requires_python(project / PROJECT_FILE):
        hint = "Write `requires-python` such as `>=3.12`."
        return RequiredPython(_checked(specifiers, _SPECIFIERS, PROJECT_FILE, hint), PROJECT_FILE)
    return RequiredPython("")


def _first_line(path: Path) -> str:
    """Return the first line that is not a comment, as pyenv and uv do; empty if there is none."""
    if not path.exists() or path.is_dir():
        return ""
    lines = read_text(path, path.name).splitlines()
    return next((line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")), "")


def _requires_python(path: Path) -> str:
    try:
        project = tomllib.loads(path.read_text(encoding="utf-8")).get("project", {})
        return str(project.get("requires-python", "")).strip()
    except (OSError, ValueError, AttributeError):
        return ""  # the lock is another file; if it is this one, `locks.check` reports it


def _checked(text: str, pattern: re.Pattern[str], name: str, hint: str) -> str:
    if not pattern.fullmatch(text):
        raise InputError(f"`{name}` requires Python {quote(text)}, which is not a version.", hint=hint, file=name)
    return text
