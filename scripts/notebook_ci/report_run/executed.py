"""Reads executed notebooks. Anybody may have written them: what has a wrong type counts as missing."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from notebook_ci.base.errors import InputError
from notebook_ci.base.files import read_bytes
from notebook_ci.base.texts import quote, size
from notebook_ci.notebooks.document import INJECTED

MOST_BYTES = 50_000_000  # a larger notebook would take minutes


@dataclass(frozen=True, slots=True)
class ExecutedCell:
    number: int | None  # counted from 1 among the cells of the notebook's source; None: it was injected
    kind: str  # `code`, `markdown` or `raw`
    source: str
    outputs: Sequence[Mapping[str, Any]]
    attachments: Mapping[str, Any]


def read(run_directory: Path, output: str) -> list[ExecutedCell]:
    """Return the cells of an executed notebook in the run directory. Raises InputError."""
    try:
        path = (run_directory / output).resolve()
    except (OSError, ValueError, RuntimeError) as error:  # a null character, links in a circle
        raise InputError(f"{quote(output)} is not the path of a file.") from error
    if not path.is_relative_to(run_directory.resolve()):
        raise InputError(f"`{output}` is not in the run directory.")
    content = read_bytes(path, output, most=MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise InputError(f"`{output}` is larger than {size(MOST_BYTES)}.")
    try:
        notebook = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"`{output}` is not a notebook: {error}.") from error
    return [_cell(number, cell) for number, cell in _numbered(mappings(mapping(notebook).get("cells")))]


def _numbered(cells: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int | None, Mapping[str, Any]]]:
    number = 0
    for cell in cells:
        tags = mapping(cell.get("metadata")).get("tags")
        is_injected = isinstance(tags, list) and INJECTED in tags
        number += not is_injected
        yield None if is_injected else number, cell


def _cell(number: int | None, cell: Mapping[str, Any]) -> ExecutedCell:
    outputs, attachments = mappings(cell.get("outputs")), mapping(cell.get("attachments"))
    return ExecutedCell(number, text(cell.get("cell_type")), text(cell.get("source")), outputs, attachments)


def text(value: object) -> str:
    """Return a text, which a notebook may store as a list of lines."""
    if isinstance(value, list):
        return "".join(each for each in value if isinstance(each, str))
    return value if isinstance(value, str) else ""


def mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def mappings(value: object) -> Sequence[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
