"""Reads the files of conda that say what to install: `environment.yml`, and lists of URLs (`@EXPLICIT`)."""

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


def is_explicit(text: str) -> bool:
    return bool(_EXPLICIT.search(text))


def check_platform(platforms: set[str], name: str) -> None:
    """Raise InputError if packages of the file `name` are for other platforms than this one."""
    if others := sorted(platforms - {this_platform(), "noarch"}):
        message = f"{quote(name)} is for {listed(others, 4)}, but this machine is {this_platform()}."
        raise InputError(message, hint=f"Create one for {this_platform()}, or use `environment.yml`.", file=name)


def platforms_of(explicit: str) -> set[str]:
    """Return the platforms of a list of URLs."""
    return set(_PLATFORM.findall(explicit))


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
