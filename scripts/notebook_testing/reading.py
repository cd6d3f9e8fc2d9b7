"""Reads the cells of a notebook, with their physical lines. Runs in the user's Python: 3.8, the standard library alone.

`notebook_ci.notebooks` reads notebooks with other needs; a test compares the lines that both find.
"""

from __future__ import annotations

import ast
import linecache
import re
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from json import JSONDecoder
from json.decoder import scanstring  # type: ignore[attr-defined] # not in typeshed
from json.scanner import py_make_scanner  # type: ignore[attr-defined] # not in typeshed
from pathlib import Path
from typing import Any, Iterable, Iterator, NoReturn

FORMAT = 4
CODE = "code"
PYTHON = ("", "ipython", "python")
# The cell magics whose body is Python code that runs in the notebook's own namespace.
PYTHON_BODY = ("capture", "prun", "time", "timeit")

_line_break = re.compile(r"\r\n?|\n")  # as Python's compiler counts lines
_timed = re.compile(r"(\s*)%time\s+(?=\S)")
_of_ipython = re.compile(r"(?P<before>\s*(?:[^\W\d][\w.,\s]*=\s*)?)(?:[%!?]|[\w.]+\?{1,2}\s*$)")


class NotebookError(ImportError):
    """A file is not a notebook that Python can run."""


@dataclass(frozen=True)
class SourceCell:
    index: int  # counted from 0
    kind: str  # `code`, `markdown` or `raw`
    source: str
    tags: frozenset[str]
    lines: tuple[int, ...]  # the physical line of each line of the source

    def physical(self, line: int) -> int:
        """Return the physical line of a source line, both counted from 1; a number beyond the end means the last."""
        return self.lines[min(line, len(self.lines)) - 1]


@dataclass(frozen=True)
class Notebook:
    path: str  # absolute
    cells: tuple[SourceCell, ...]

    @property
    def name(self) -> str:
        return Path(self.path).name

    def code_cells(self) -> Iterator[SourceCell]:
        return (cell for cell in self.cells if cell.kind == CODE and cell.source)

    def text(self) -> str:
        """Return the source of all code cells, each line where it is in the file.

        If several source lines are on one physical line, none of them is shown.
        """
        shown: dict[int, list[str]] = {}
        for cell in self.code_cells():
            for line, source in zip(cell.lines, split_lines(cell.source)):
                if source:
                    shown.setdefault(line, []).append(source)
        last = max(shown, default=0)
        lines = [shown.get(line, []) for line in range(1, last + 1)]
        return "".join(f"{line[0] if len(line) == 1 else ''}\n" for line in lines)

    def show_in_tracebacks(self) -> None:
        """Let tracebacks show the source of a line instead of its JSON."""
        text = self.text()
        # Without a time, it stays although it differs from the file.
        linecache.cache[self.path] = (len(text), None, text.splitlines(keepends=True), self.path)


class _JsonText(str):  # noqa: SLOT000 - `str` has no slots to add to
    """A string of a JSON text."""

    at = 0  # its offset


def _string(text: str, at: int, strict: bool) -> tuple[_JsonText, int]:  # noqa: FBT001 - an argument of `scanstring`
    value, end = scanstring(text, at, strict)
    found = _JsonText(value)
    found.at = at
    return found, end


_decoder: Any = JSONDecoder()
_decoder.parse_string = _string
_decoder.scan_once = py_make_scanner(_decoder)  # the one in C calls no function for strings


def read(path: str) -> Notebook:
    """Read a notebook. Raises NotebookError, and OSError."""
    try:
        text = Path(path).read_bytes().decode()
        content = _decoder.decode(text)
    except (ValueError, RecursionError) as error:
        raise _error(path, f"is not valid JSON: {error}. Restore it from git") from None
    try:
        language = _language(content.get("metadata", {}))
        breaks = [found.start() for found in re.finditer("\n", text)]
        cells = tuple(_cell(index, cell, breaks) for index, cell in enumerate(content["cells"]))
    except (AttributeError, KeyError, TypeError):
        raise _error(path, f"is not a notebook of format {FORMAT}. Open and save it in Jupyter") from None
    if language not in PYTHON:
        raise _error(path, f"is a notebook of the language `{language}`: only those of Python can be tested like this")
    return Notebook(path, cells)


def _error(path: str, what: str) -> NotebookError:
    return NotebookError(f"`{Path(path).name}` {what}.", path=path)


def _language(metadata: Any) -> str:
    for section, key in (("kernelspec", "language"), ("language_info", "name")):
        language = (metadata.get(section) or {}).get(key)
        if language:
            return str(language).strip().lower()
    return ""


def _cell(index: int, cell: Any, breaks: list[int]) -> SourceCell:
    parts = cell["source"] if isinstance(cell["source"], list) else [cell["source"]]
    parts = [part for part in parts if part]
    source = "".join(parts)
    ends = list(accumulate(map(len, parts)))
    starts = [0, *(found.end() for found in _line_break.finditer(source))]
    # The empty line behind a last line break has no string: it is beyond the last part.
    offsets = [parts[min(bisect_right(ends, start), len(parts) - 1)].at for start in starts] if parts else []
    lines = tuple(bisect_right(breaks, offset) + 1 for offset in offsets)
    return SourceCell(index, str(cell["cell_type"]), source, frozenset(cell.get("metadata", {}).get("tags", [])), lines)


def split_lines(source: str) -> list[str]:
    return _line_break.split(source)


def parse(notebook: Notebook, cell: SourceCell) -> list[ast.stmt]:
    """Return the statements of a code cell, at their physical lines; IPython's own lines become `get_ipython()`.

    There are none if its cell magic says that it is not Python. Raises SyntaxError.
    """
    lines = _python_lines(cell.source)
    while True:
        try:
            statements = ast.parse("\n".join(lines)).body
            break
        except SyntaxError as error:
            at = min(error.lineno or 1, len(lines)) - 1
            if not _replace(lines, at):
                line = cell.physical(at + 1)
                notebook.show_in_tracebacks()
                raise_at(notebook.path, line, SyntaxError(error.msg, (notebook.path, line, error.offset, lines[at])))
    move(statements, cell)
    return statements


def raise_at(path: str, line: int, error: Exception) -> NoReturn:
    """Raise an error with a traceback that ends at a line of a notebook."""
    __tracebackhide__ = True
    names: Any = {}
    source = "\n" * (line - 1) + "def cell(error): raise error from error.__cause__"
    exec(compile(source, path, "exec"), names)  # noqa: S102 - the only way to a frame of another file
    names["cell"](error)
    raise error


def _python_lines(source: str) -> list[str]:
    magic = re.match(r"\s*%%(\S*).*", source)
    if not magic:
        return split_lines(source)
    if magic[1] not in PYTHON_BODY:
        return [""]
    return split_lines("\n" * magic[0].count("\n") + source[magic.end() :])


def _replace(lines: list[str], at: int) -> bool:
    """Replace a line of IPython by plain Python; no other line moves. Return False if it is not one.

    Only a line that is not Python is replaced: elsewhere, `%` may be an operator.
    """
    timed, found = _timed.match(lines[at]), _of_ipython.match(lines[at])
    if timed:
        lines[at] = timed[1] + lines[at][timed.end() :]
    elif found:
        while lines[at].endswith("\\") and at + 1 < len(lines):
            lines[at] = ""
            at += 1
        lines[at] = f"{found['before']}get_ipython()"
    return bool(timed or found)


def move(statements: Iterable[ast.stmt], cell: SourceCell, before: int = 0) -> None:
    """Give statements their physical lines. They are parsed without the first `before` lines of their cell."""
    for statement in statements:
        for part in ast.walk(statement):
            node: Any = part
            if hasattr(node, "lineno"):
                node.lineno = cell.physical(node.lineno + before)
                node.end_lineno = cell.physical(node.end_lineno + before)
                if node.lineno == node.end_lineno:  # now, or before: Python checks the order of columns
                    node.end_col_offset = max(node.end_col_offset, node.col_offset)
