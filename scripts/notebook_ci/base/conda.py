"""Reads the files of conda that say what to install: `environment.yml`, and lists of URLs (`@EXPLICIT`)."""

import os
import platform
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from notebook_ci.base import yaml12
from notebook_ci.base.errors import InputError
from notebook_ci.base.files import read_text
from notebook_ci.base.requirements_file import Line
from notebook_ci.base.texts import listed, quote

_EXPLICIT = re.compile(r"^@EXPLICIT\s*$", re.MULTILINE)
# In a list of URLs: `# platform: linux-64`, and the folder of a package.
_PLATFORM = re.compile(r"^(?:# platform: |\w+://\S+/)([\w-]+)(?:/[^/\s]+)?\s*$", re.MULTILINE)
MOST_NAMED = 4
_SYSTEMS = {"linux": "linux", "darwin": "osx", "win32": "win"}
_MACHINES = {"x86_64": "64", "amd64": "64"}
_HINT = "Write it as `conda env export --from-history` does."


@dataclass(frozen=True, kw_only=True)
class EnvironmentFile:
    channels: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()  # as conda writes requirements: `numpy>=2`, `conda-forge::numpy`
    pip: tuple[Line, ...] = ()  # the lines of a requirements file
    variables: Mapping[str, str] = field(default_factory=dict)  # that activation sets


def this_platform() -> str:
    """Return this machine's platform as conda names it, such as `linux-64` or `osx-arm64`."""
    machine = platform.machine().lower()
    if sys.platform == "linux" and machine == "arm64":
        machine = "aarch64"
    return f"{_SYSTEMS.get(sys.platform, sys.platform)}-{_MACHINES.get(machine, machine)}"


def sources(path: Path, name: str) -> list[Path]:
    """Return the files that a `conda-lock.yml` was created from, as far as they exist."""
    content = yaml12.mapping(_head(read_text(path, name)), origin=quote(name), file=name)
    found = yaml12.as_map(content.get("metadata"), f"`metadata` of {quote(name)}").get("sources")
    paths = [Path(os.path.normpath(path.parent / str(each))) for each in found] if isinstance(found, list) else []
    return [each for each in paths if each.is_file()]


def local_paths(path: Path, name: str) -> list[str]:
    """Return the folders of the repository that a `pixi.lock` installs."""
    return re.findall(r"^\s*- pypi: (\.\S*)$", read_text(path, name), re.MULTILINE)


def is_explicit(text: str) -> bool:
    return bool(_EXPLICIT.search(text))


def check_platform(path: Path, name: str) -> None:
    """Raise InputError if a list of URLs, a `conda-lock.yml` or a `pixi.lock` is not for this platform."""
    text, here = read_text(path, name), this_platform()
    if is_explicit(text):
        others = sorted(set(_PLATFORM.findall(text)) - {here, "noarch"})
        what = f"is for {listed(others, MOST_NAMED)}, but this machine is {here}" if others else ""
    else:
        what = "" if re.search(rf"(?<![\w-]){here}(?![\w-])", _head(text)) else f"is not for {here}"
    if what:
        raise InputError(f"{quote(name)} {what}.", hint=f"Create it for {here}, too, and commit it.", file=name)


def _head(text: str) -> str:
    """Return the part of a lock before its packages, which take seconds to read."""
    return re.split(r"^packages?:", text, maxsplit=1, flags=re.MULTILINE)[0]


def read(path: Path, name: str) -> EnvironmentFile:
    """Read an `environment.yml`, which the user knows as `name`. Raises InputError if it is not one."""
    text, origin = read_text(path, name), quote(name)
    content = yaml12.with_lines(text, origin=origin, hint=_HINT, file=name) or {}
    if not isinstance(content, dict):
        raise InputError(f"{origin} is not an environment of conda.", hint=_HINT, file=name)
    packages: list[str] = []
    pip: list[Line] = []
    for item, line in _items(content, "dependencies", name):
        if isinstance(item, dict) and item.keys() == {"pip"}:
            pip += [Line(path, number or 0, _text(each, name, number)) for each, number in _items(item, "pip", name)]
        else:
            packages.append(_text(item, name, line))
    channels = [_text(item, name, line) for item, line in _items(content, "channels", name)]
    variables = yaml12.as_map(content.get("variables"), f"`variables` of {origin}")
    return EnvironmentFile(
        channels=tuple(channels),
        packages=tuple(packages),
        pip=tuple(pip),
        variables={key: str(value) for key, value in variables.items()},
    )


def _items(content: Any, key: str, name: str) -> Iterator[tuple[Any, int | None]]:
    """Yield the items of a list in a map, with their lines; none if the map has no such list."""
    items = content.get(key)
    if items is None:
        return
    if not isinstance(items, list):
        line = yaml12.line(content, key)
        raise InputError(f"`{key}` of {quote(name)} is not a list.", hint=_HINT, file=name, line=line)
    for index, item in enumerate(items):
        yield item, yaml12.line(items, index)


def _text(item: object, name: str, line: int | None) -> str:
    if isinstance(item, str) and item.strip():
        return item.strip()
    raise InputError(f"{quote(name)} lists {quote(item)}, not a package.", hint=_HINT, file=name, line=line)
