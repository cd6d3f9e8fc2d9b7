"""Finds the commands in a notebook: IPython's own lines, and others that install something."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from notebook_ci.notebooks import positions
from notebook_ci.notebooks.document import Cell, Document
from notebook_ci.notebooks.imports import runs
from notebook_ci.notebooks.parameters import has_python_body

_COMMAND = re.compile(
    r"^(?:[ \t]*[%!]|(?![ \t]*#).*(?:=[ \t]*[%!]|\b(?:pip3?|conda|mamba)\b|\bsystem\()).*", re.MULTILINE
)
_CREATES = re.compile(r"\b(?:clone|wget|curl|gdown|download|writefile|file|unzip|tar|cp|mv|ln)\b")
_INSTALLS_OR_CREATES = re.compile(rf"\binstall\b|{_CREATES.pattern}")


@dataclass(frozen=True, slots=True)
class CommandLine:
    text: str
    cell: Cell


def of(document: Document) -> Iterator[CommandLine]:
    """Yield the commands of all cells that run; those of a shell script are all its lines."""
    for cell in filter(runs, document.cells):
        is_python = has_python_body(cell.source)
        found = _COMMAND.findall(cell.source) if is_python else positions.split_lines(cell.source)
        yield from (CommandLine(text, cell) for text in found)


def create(document: Document, before: Cell, *names: str, has_pip: bool) -> bool:
    """Return whether a command, up to a cell, writes something, or installs it, and contains one of these words.

    `-` and `_` are the same. Without pip, no command installs anything.
    """
    creates = _INSTALLS_OR_CREATES if has_pip else _CREATES
    words = "|".join(re.escape(name).replace("_", "[-_]").replace(r"\-", "[-_]") for name in names)
    word = re.compile(rf"(?<![\w-])(?:{words})(?![\w-])", re.IGNORECASE)
    earlier = (command.text for command in of(document) if command.cell.index <= before.index)
    return any(creates.search(text) and word.search(text) for text in earlier)
