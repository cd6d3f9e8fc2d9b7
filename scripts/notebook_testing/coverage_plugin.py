"""A plugin of coverage.py: measures the lines of code cells. Runs in the user's Python: 3.8, coverage 6.

Lines are those of the `.ipynb` file; reports show the source of the cells there, not JSON. Branches are not measured.
"""

from __future__ import annotations

import ast
import dis
import os
import re
from contextlib import suppress
from pathlib import Path
from types import CodeType
from typing import Any, Iterable, Iterator

from coverage import CoveragePlugin, FileReporter, FileTracer

from notebook_testing import reading
from notebook_testing.reading import NotebookError, SourceCell

SUFFIX = ".ipynb"
ENVIRONMENT = "pyvenv.cfg"  # is in the folder of an environment
_no_cover = re.compile(r"#\s*pragma[:\s]\s*no\s*cover", re.IGNORECASE)


def coverage_init(registry: Any, _: object) -> None:
    registry.add_file_tracer(_CellPlugin())


class _CellPlugin(CoveragePlugin):  # type: ignore[misc] # without types
    def file_tracer(self, filename: str) -> FileTracer | None:
        return _CellTracer(filename) if filename.endswith(SUFFIX) else None

    def file_reporter(self, filename: str) -> FileReporter:
        return _CellLines(filename)

    def find_executable_files(self, src_dir: str) -> Iterator[str]:
        for folder, folders, files in os.walk(src_dir):
            folders[:] = [] if ENVIRONMENT in files else [each for each in folders if not each.startswith(".")]
            for path in (str(Path(folder, file)) for file in files if file.endswith(SUFFIX)):
                with suppress(NotebookError):  # of another language
                    reading.read(path)
                    yield path


class _CellTracer(FileTracer):  # type: ignore[misc] # without types
    def __init__(self, path: str) -> None:
        self._path = path

    def source_filename(self) -> str:
        return self._path


class _CellLines(FileReporter):  # type: ignore[misc] # without types
    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._notebook = reading.read(path)
        self._statements: set[int] = set()  # the first line of each
        self._excluded: set[int] = set()
        self._first: dict[int, int] = {}  # the first line of a statement by each of its lines
        for cell in self._notebook.code_cells():
            with suppress(SyntaxError):  # nothing of it can run
                self._add(cell, reading.parse(self._notebook, cell))

    def _add(self, cell: SourceCell, statements: list[ast.stmt]) -> None:
        module = ast.Module(statements, [])
        code = compile(module, self.filename, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        marked = {line for line, text in zip(cell.lines, reading.split_lines(cell.source)) if _no_cover.search(text)}
        texts = set()
        for node in ast.walk(module):  # a statement comes before those in it
            if isinstance(node, ast.stmt):
                self._first.update(dict.fromkeys(range(node.lineno, _end_of_head(node) + 1), node.lineno))
                if node.lineno in marked:
                    self._excluded.update(range(_start(node), (node.end_lineno or 0) + 1))
                if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                    texts.add(node.lineno)  # a docstring
        self._statements |= self.translate_lines(_lines(code)) - texts

    def lines(self) -> set[int]:
        return self._statements - self._excluded

    def excluded_lines(self) -> set[int]:
        return self._excluded

    def translate_lines(self, lines: Iterable[int]) -> set[int]:
        return {self._first.get(line, line) for line in lines}

    def source(self) -> str:
        return self._notebook.text()


def _lines(code: CodeType) -> Iterator[int]:
    """Yield the lines that Python reports to a tracer while this code runs."""
    yield from (line for _, line in dis.findlinestarts(code) if line)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _lines(constant)


def _start(statement: ast.stmt) -> int:
    decorators = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(int(each.lineno) for each in decorators)])


def _end_of_head(statement: ast.stmt) -> int:
    """Return the last line of a statement, except those of the statements in it."""
    body = getattr(statement, "body", [])
    return _start(body[0]) - 1 if body else statement.end_lineno or statement.lineno
