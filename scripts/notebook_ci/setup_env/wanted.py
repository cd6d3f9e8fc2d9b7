"""Which Python the repository asks for."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from notebook_ci.base.errors import InputError
from notebook_ci.base.files import read_text
from notebook_ci.base.texts import quote

VERSION_FILE = ".python-version"
PROJECT_FILE = "pyproject.toml"
# Checked, because uv is given the text as an argument: it must not be taken for a flag or a path.
_NAME = re.compile(r"[A-Za-z0-9][\w.@+-]*")
_SPECIFIERS = re.compile(r"[<>=!~][\w.,<>=!~* ]*")


@dataclass(frozen=True)
class Wanted:
    """A Python that is asked for.

    Attributes:
        version: As uv takes it, e.g. `3.12` or `>=3.11`; empty: any.
        origin: The file that asks for it; empty: the input does, or nothing.
    """

    version: str
    origin: str = ""

    def __str__(self) -> str:
        """Return it for a message."""
        return f"Python {self.version} ({self.origin} asks for it)" if self.origin else f"Python {self.version}"


def wanted(given: str, project: Path, cwd: Path) -> Wanted:
    """Return which Python is asked for: by the input, by `.python-version`, by the project.

    Args:
        given: The input `python-version`.
        project: The folder of the lock.
        cwd: The workspace.

    Raises:
        InputError: A file asks for something that is no version.
    """
    if given:
        return Wanted(given)
    if line := _first_line(cwd / VERSION_FILE):
        return Wanted(_checked(line.split()[0], _NAME, VERSION_FILE, "Write a version such as 3.12."), VERSION_FILE)
    if specifiers := _requires_python(project / PROJECT_FILE):
        hint = "Write requires-python such as `>=3.12`."
        return Wanted(_checked(specifiers, _SPECIFIERS, PROJECT_FILE, hint), PROJECT_FILE)
    return Wanted("")


def _first_line(path: Path) -> str:
    """Return the first line that is no comment, as pyenv and uv have it; empty: there is none, or no such file."""
    if not path.exists() or path.is_dir():
        return ""
    lines = read_text(path, path.name).splitlines()
    return next((line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")), "")


def _requires_python(path: Path) -> str:
    """Return what the project asks for; of a file that cannot be read, nothing: it is not what is installed from."""
    try:
        project = tomllib.loads(path.read_text(encoding="utf-8")).get("project", {})
        return str(project.get("requires-python", "")).strip()
    except (OSError, ValueError, AttributeError):
        return ""


def _checked(text: str, pattern: re.Pattern[str], name: str, hint: str) -> str:
    if not pattern.fullmatch(text):
        raise InputError(f"{name} asks for the Python {quote(text)}, which is no version.", hint=hint, file=name)
    return text
