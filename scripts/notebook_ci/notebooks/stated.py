"""Finds the requirements that a notebook states itself: in PEP 723 metadata, and in commands that install packages."""

import re
import shlex
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from notebook_ci.base.project import normal_name
from notebook_ci.notebooks import commands
from notebook_ci.notebooks.document import Cell, Document
from notebook_ci.notebooks.imports import runs

# The regular expression of PEP 723, for the only type that it defines.
_METADATA = re.compile(r"^# /// script$\s(?P<content>(?:^#(?:| .*)$\s)+)^# ///$", re.MULTILINE)
# Only at the start of a command: texts such as `print("pip install x and restart")` name strangers' packages.
_INSTALL = re.compile(
    r"(?:(?:\w[\w, ]*=\s*)?[!%]{1,2})?(?:[^'\"#]*?[;&|])??\s*(?:sudo\s+)?(?:\w+=\S{0,99}\s+)*"
    r"(?:uv\s+|\S{1,300}\s+-m\s+)?"
    r"(?P<tool>pip[\d.]*|conda|mamba)(?:\s+-\S+)*\s+install\s+(?P<arguments>(?:\"[^\"]*\"|'[^']*'|[^#;&|'\"])*)"
)
_REDIRECTIONS = {">", "1>", "2>", ">>"}
_TAKES_VALUE = re.compile(r"-[rcifetnp]|--(?!upgrade|quiet|user|yes|pre|no-)[a-z-]+")
# URLs are left out, because they have no hashes, and so is what pip takes as an option: `x>=1 --index-url ...`.
_VERSION = r"(?:===|[<>=!~]=|[<>])\s*[\w.*+!-]+"
_REQUIREMENT = re.compile(
    rf"(?P<name>[A-Za-z0-9][\w.-]*?)(?:\[[\w,. -]*\])?(?:\s*{_VERSION}(?:\s*,\s*{_VERSION})*)?"
    r"(?:\s*;[\w .<>=!~'\"()]+)?"
)


@dataclass(frozen=True, slots=True)
class OwnRequirement:
    text: str  # `pandas==2.2`
    name: str  # in its normal form (PEP 503)
    cell: Cell


def of(document: Document) -> Iterator[OwnRequirement]:
    for cell in filter(runs, document.cells):
        yield from _checked(_metadata(cell).get("dependencies", ()), cell)
    for command in commands.of(document):
        if found := _INSTALL.match(command.text.strip()):
            yield from _checked(_arguments(found), command.cell)


def requires_python(document: Document) -> str:
    """Return `requires-python` of PEP 723 metadata; empty if there is none."""
    return next((text for cell in document.cells if (text := str(_metadata(cell).get("requires-python", "")))), "")


def _metadata(cell: Cell) -> Mapping[str, Any]:
    """Return the PEP 723 metadata in a cell; empty if there is none, or if it is not valid TOML."""
    found = _METADATA.search(f"{cell.source}\n") if cell.kind == "code" else None
    try:
        return tomllib.loads(re.sub("^# ?", "", found["content"], flags=re.MULTILINE)) if found else {}
    except tomllib.TOMLDecodeError:
        return {}


def _arguments(found: re.Match[str]) -> Iterator[str]:
    """Yield the requirements of an installing command, as pip writes them."""
    try:
        words = shlex.split(found["arguments"])
    except ValueError:
        words = found["arguments"].split()
    is_value = False
    for word in words:
        if word in _REDIRECTIONS:
            return
        if not is_value and not word.startswith("-"):
            yield re.sub(r"(?<![=<>!~])=(?!=)(.+)", r"==\1.*", word) if found["tool"] in {"conda", "mamba"} else word
        is_value = not is_value and bool(_TAKES_VALUE.fullmatch(word))


def _checked(texts: object, cell: Cell) -> Iterator[OwnRequirement]:
    for text in texts if isinstance(texts, list | tuple | Iterator) else ():
        found = _REQUIREMENT.fullmatch(text.strip()) if isinstance(text, str) else None
        if found and found["name"] != "python":  # which conda installs
            yield OwnRequirement(text.strip(), normal_name(found["name"]), cell)
