"""Reads notebooks that are text: scripts and Markdown in the formats of jupytext, by jupytext's own reader.

The only adapter of jupytext (1.19). It is imported only for such notebooks, and is missing where a stage is planned
before its tools are installed. Its configuration files are not read: one in Python would run as our code.
"""

import contextlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from notebook_ci.base.errors import InputError
from notebook_ci.base.files import read_bytes
from notebook_ci.notebooks.positions import CellPosition

# Suffixes -> how a cell begins.
BEGINS = {".py": "`# %%`", ".md": "```` ```{code-cell} ````", ".Rmd": "```` ```{python} ````"}
SUFFIXES = tuple(BEGINS)
MOST_BYTES = 2**20  # jupytext takes minutes for more
BOM = "\ufeff"
_Line = tuple[int, str]  # its number in the file, and its text
Converted = tuple[dict[str, Any], tuple[CellPosition, ...]]  # a notebook as JSON, and where its cells are in the text

_HEADER = re.compile(
    r"(?:#!.*\n)?(?:#.*coding.*\n)?(?:<!--\s*)?(?:# ?)?---\s*\n"
    r"(?:(?!(?:# ?)?---).*\n)*?(?:# )?(?:jupyter:\s*\n|jupytext:|kernelspec:)"
)
_MARKER = {
    ".py": re.compile(r"^#(?: ?%%(?=[\s%\[]|$)| \+(?=[\s{]|$)| In\[)", re.MULTILINE),
    ".md": re.compile(r"^```+\{code-cell\}", re.MULTILINE),
    ".Rmd": re.compile(r"^```+\{", re.MULTILINE),
}
_COMMENT = re.compile(r"^(\s*)# ?")
_INSTALLS = re.compile(r"^([ \t]*)# ?(?=[%!](?:pip|conda|mamba)\b)", re.MULTILINE)
_FENCED = re.compile(r"^```+(?:\{code-cell\}|[ ]*\{?python3?\b).*\n((?:(?!```).*\n)*)", re.MULTILINE)


def is_one(text: str, suffix: str) -> bool:
    """Whether a text is a notebook: it has a header of Jupyter, or marks cells. jupytext would take any script."""
    text = text.removeprefix(BOM)
    return bool(_HEADER.match(text) or _MARKER[suffix].search(text))


def is_other(path: Path) -> bool:
    """Whether a file has the suffix of a text notebook, but is not one. A file that cannot be opened may be one."""
    with contextlib.suppress(InputError):
        if path.suffix in SUFFIXES:
            return not is_one(read_bytes(path, str(path), most=MOST_BYTES).decode(errors="replace"), path.suffix)
    return False


def code_only(text: str, suffix: str) -> Converted:
    """Return the Python code of a notebook, without jupytext: nothing else, and not by cell."""
    text = _INSTALLS.sub(r"\1", text.removeprefix(BOM))
    found = [(1, text)] if suffix == ".py" else []
    found += [(text.count("\n", 0, each.start(1)) + 1, each[1]) for each in _FENCED.finditer(text) if not found]
    cells = [{"cell_type": "code", "source": code} for _, code in found]
    lines = [enumerate((f"{line}\n" for line in code.split("\n")), start) for start, code in found]
    positions = [CellPosition(start, tuple(each)) for (start, _), each in zip(found, lines, strict=True)]
    return {"nbformat": 4, "cells": cells}, tuple(positions)


def convert(text: str, suffix: str) -> Converted:
    """Return a notebook as jupytext reads it. Raises ImportError without jupytext, anything if that fails."""
    from jupytext.formats import guess_format, read_format_from_metadata
    from jupytext.jupytext import TextNotebookConverter
    from jupytext.myst import MYST_FORMAT_NAME, myst_to_notebook

    text = text.removeprefix(BOM)
    name = read_format_from_metadata(text, suffix)
    name, options = (name, {}) if name else guess_format(text, suffix)
    converter = TextNotebookConverter({"extension": suffix, "format_name": name, **options}, None)
    starts: dict[int, int] = {}  # by identity of the cell: the index of its first line
    # jupytext breaks lines at more characters than an editor.
    parts = re.split(r"(?<=\n)|(?<=\r)(?!\n)", text) if name == MYST_FORMAT_NAME else text.splitlines(keepends=True)
    numbers = accumulate((part.endswith("\n") for part in parts), initial=1)
    lines = [(number, "".join(part.splitlines()[:1])) for number, part in zip(numbers, parts, strict=False)]
    if name == MYST_FORMAT_NAME:
        nb = myst_to_notebook(text, add_source_map=True)
        starts |= zip(map(id, nb.cells), nb.metadata.pop("source_map"), strict=True)
        nb = converter.split_frontmatter(nb)
    elif reader := converter.implementation.cell_reader_class:

        class Located(reader):  # type: ignore[misc, valid-type] # jupytext has no types
            def read(self, left: list[str]) -> tuple[Any, int]:
                cell, size = super().read(left)
                starts[id(cell)] = len(lines) - len(left)
                return cell, size

        converter.implementation = SimpleNamespace(**vars(converter.implementation) | {"cell_reader_class": Located})
        nb = converter.reads(text)
    else:
        raise ValueError(f"the format `{name}` needs another program")
    own = nb.metadata.get("jupytext", {})
    language = own.get("main_language") or own.get("default_lexer")  # found by the suffix, or that of most cells
    is_named = nb.metadata.get("kernelspec", {}).get("language") or nb.metadata.get("language_info", {}).get("name")
    if language and not is_named:
        nb.metadata["language_info"] = {"name": re.sub(r"^i?python3?$", "python", language)}
    return json.loads(json.dumps(nb, default=str)), tuple(_positions(nb.cells, starts, lines))


def _positions(cells: Sequence[Any], starts: Mapping[int, int], lines: Sequence[_Line]) -> Iterator[CellPosition]:
    """Yield where cells are. One that jupytext added has no lines; nor has one that is not found in its part."""
    begins = [starts.get(id(cell)) for cell in cells]
    for index, (cell, begin) in enumerate(zip(cells, begins, strict=True)):
        end = next((each for each in begins[index + 1 :] if each is not None), len(lines))
        part = [] if begin is None else lines[begin:end]
        yield CellPosition(part[0][0] if part else 1, source_parts(cell.source, part))


def source_parts(source: str, lines: Sequence[_Line]) -> tuple[_Line, ...]:
    """Find a source in the lines of its cell: jupytext removes markers, comments before magics, and blank lines.

    It adds `%%bash` for a cell in another language, which its marker names. Returns the source's lines with their
    numbers in the file; nothing if they are not found exactly once.
    """
    texts = source.split("\n")
    for added in range(1 + texts[0].startswith("%%")):
        spots = [
            list(zip(lines[at:], texts[added:], strict=False)) for at in range(len(lines) - len(texts) + added + 1)
        ]
        found = [spot for spot in spots if all(code in (line, _COMMENT.sub(r"\1", line)) for (_, line), code in spot)]
        if len(found) == 1:
            numbers = [number for number, _ in lines[:added]] + [number for (number, _), _ in found[0]]
            return tuple((number, f"{each}\n") for number, each in zip(numbers, texts, strict=True))
    return ()
