"""Reads the files of conda that say what to install: `environment.yml`, and lists of URLs (`@EXPLICIT`)."""

import os
import platform
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from notebook_ci.base import requirements_file, yaml12
from notebook_ci.base.errors import InputError
from notebook_ci.base.files import is_file, read_text
from notebook_ci.base.requirements_file import Line
from notebook_ci.base.texts import listed, quote

_EXPLICIT = re.compile(r"^@EXPLICIT\s*$", re.MULTILINE)
# The address of a package, in a folder that has the name of its platform, with a hash.
PACKAGE = re.compile(
    r"\w+://[^\s#]+/(?P<subdir>[\w-]+)/(?P<file>(?P<name>[\w.-]+)-(?P<version>[^-/\s]+)-(?P<build>[^-/\s]+)"
    r"\.(?:conda|tar\.bz2))(?:#(?:(?P<md5>[0-9a-f]{32})|(?:sha256:)?(?P<sha256>[0-9a-f]{64})))?",
    re.IGNORECASE,
)
_VARIABLE = re.compile(r"[^=\0]+")
MOST_NAMED = 4
_SYSTEMS = {"linux": "linux", "darwin": "osx", "win32": "win"}
_MACHINES = {"x86_64": "64", "amd64": "64"}
_HINT = "Write it as `conda env export --from-history` does."


@dataclass(frozen=True, kw_only=True)
class EnvironmentFile:
    channels: tuple[str, ...] = ()
    packages: tuple[Line, ...] = ()  # as conda writes requirements: `numpy>=2`, `conda-forge::numpy`
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
    return list(filter(is_file, paths))


def local_paths(path: Path, name: str) -> list[str]:
    """Return the folders of the repository that a `pixi.lock` installs."""
    return re.findall(r"^\s*- pypi: (\.\S*)$", read_text(path, name), re.MULTILINE)


def is_explicit(text: str) -> bool:
    return bool(_EXPLICIT.search(text))


def urls(path: Path, name: str) -> list[str]:
    """Return the addresses in a list of URLs. Raises InputError for another line, or another platform."""
    found = []
    for number, line in enumerate(requirements_file.read(path, name).splitlines(), start=1):
        address = line.strip()
        if address.startswith("#") or address in {"", "@EXPLICIT"}:
            continue
        if not PACKAGE.fullmatch(address):
            message = f"{quote(name)} has a line that is not the URL of a package of conda, with or without its hash."
            hint = "Create the file again with `conda list --explicit --md5`."
            raise InputError(message, hint=hint, file=name, line=number)
        found.append(address)
    others = {at["subdir"] for at in map(PACKAGE.match, found) if at} - {this_platform(), "noarch"}
    if others:
        raise _elsewhere(name, f"is for {listed(sorted(others), MOST_NAMED)}, but this machine is {this_platform()}")
    return found


def versions(addresses: Iterable[str]) -> list[tuple[str, str]]:
    """Return name and version of each package in a list of URLs."""
    return [(at["name"], at["version"]) for at in map(PACKAGE.fullmatch, addresses) if at]


def check_platform(path: Path, name: str) -> None:
    """Raise InputError if a `conda-lock.yml` or a `pixi.lock` is not for this platform."""
    if not re.search(rf"(?<![\w-]){this_platform()}(?![\w-])", _head(read_text(path, name))):
        raise _elsewhere(name, f"is not for {this_platform()}")


def _elsewhere(name: str, what: str) -> InputError:
    hint = f"Create it for {this_platform()}, too, and commit it."
    return InputError(f"{quote(name)} {what}.", hint=hint, file=name)


def _head(text: str) -> str:
    """Return the part of a lock before its packages, which take seconds to read."""
    return re.split(r"^packages?:", text, maxsplit=1, flags=re.MULTILINE)[0]


def read(path: Path, name: str) -> EnvironmentFile:
    """Read an `environment.yml`, which the user knows as `name`. Raises InputError if it is not one."""
    origin = quote(name)
    content = yaml12.with_lines(requirements_file.read(path, name), origin=origin, hint=_HINT, file=name)
    if content is None:
        return EnvironmentFile()
    if not (isinstance(content, dict) and "dependencies" in content):
        raise InputError(f"{origin} is not an environment of conda: it has no `dependencies`.", hint=_HINT, file=name)
    packages: list[Line] = []
    pip: list[Line] = []
    for item, line in _items(content, "dependencies", name):
        if isinstance(item, dict) and item.keys() == {"pip"}:
            texts = ((_text(each, name, number), number or 0) for each, number in _items(item, "pip", name))
            pip += [Line(path, number, each) for text, number in texts for each in text.splitlines()]
        else:
            packages.append(Line(path, line or 0, _text(item, name, line)))
    variables = yaml12.as_map(content.get("variables"), f"`variables` of {origin}")
    for key, value in variables.items():
        if not _VARIABLE.fullmatch(str(key)) or "\0" in str(value):
            message = f"`variables` of {origin} contains {quote(key)}, which cannot be set."
            raise InputError(message, hint="Correct it.", file=name, line=yaml12.line(variables, key))
    return EnvironmentFile(
        channels=tuple(_text(item, name, line) for item, line in _items(content, "channels", name)),
        packages=tuple(packages),
        pip=tuple(pip),
        variables={str(key): "" if value is None else str(value) for key, value in variables.items()},
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
