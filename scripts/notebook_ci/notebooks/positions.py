"""Where a cell's source lines stand in the `.ipynb` file, so that an annotation points at what the user reads there.

The JSON text itself is walked, once; nothing is searched for by content. That suffices because a JSON string holds no
line break of its own (RFC 8259, section 7: control characters are escaped): all source lines of one string stand on the
physical line where that string stands.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate

from notebook_ci.base.json_walker import JsonWalker

_line_break = re.compile(r"\r\n?|\n")
"""What Python's compiler takes for the end of a line, hence what the line numbers of tracebacks count."""


@dataclass(frozen=True, slots=True)
class CellPosition:
    """Where one cell stands.

    Attributes:
        line: Line of the cell object's opening brace, counted from 1.
        parts: The strings the source is written as, each with the line it stands on; one unless `source` is a list.
    """

    line: int
    parts: tuple[tuple[int, str], ...]

    @property
    def source(self) -> str:
        """The source, decoded."""
        return "".join(text for _, text in self.parts)

    @property
    def first_line(self) -> int:
        """Line of the first source line, or of the cell object when the source is empty."""
        return self.source_line(1)

    def source_line(self, line: int) -> int:
        """The physical line of a source line.

        Args:
            line: The line of the source, counted from 1; beyond the source's end it means the last line.
        """
        parts = [part for part in self.parts if part[1]]
        if not parts:
            return self.line
        starts = [0, *(found.end() for found in _line_break.finditer(self.source))]
        start = starts[min(max(line, 1), len(starts)) - 1]
        ends = list(accumulate(len(text) for _, text in parts))
        # It lies beyond the last part when the source ends with a line break: the empty last line has no string.
        return parts[min(bisect_right(ends, start), len(parts) - 1)][0]


def split_lines(source: str) -> list[str]:
    """The lines of a source, as Python's compiler counts them, without their ends."""
    return _line_break.split(source)


def scan(text: str) -> tuple[CellPosition, ...]:
    """Find every cell of a notebook in one pass, which takes about as long as `json.loads`.

    Args:
        text: The file's text, JSON that `json.loads` accepts.

    Returns:
        One position for each element of `cells`, in order. Of a key given twice the last one counts, as `json` has it.
    """
    return _Scanner(text).notebook()


def source_line(text: str, cell_index: int, line: int) -> int:
    """The physical line, counted from 1, of line `line` (from 1) of the source of the cell `cell_index` (from 0).

    Each call reads the whole text: use `scan` for several lines.
    """
    return scan(text)[cell_index].source_line(line)


def cell_line(text: str, cell_index: int) -> int:
    """The physical line of the first source line of the cell `cell_index` (from 0), or of its object if it has none."""
    return scan(text)[cell_index].first_line


class _Scanner(JsonWalker):
    """Walks a notebook forward."""

    def notebook(self) -> tuple[CellPosition, ...]:
        cells: list[CellPosition] = []

        def member(key: str, at: int) -> int:
            if key != "cells":
                return self.skip(at)
            cells.clear()
            return self.array(at, lambda element: self._cell(element, cells))

        self.object(self.space(0), member)
        return tuple(cells)

    def _cell(self, at: int, cells: list[CellPosition]) -> int:
        line = self.line_at(at)
        parts: list[tuple[int, str]] = []

        def member(key: str, value: int) -> int:
            if key != "source":
                return self.skip(value)
            parts.clear()
            return self._source(value, parts)

        end = self.object(at, member)
        cells.append(CellPosition(line, tuple(parts)))
        return end

    def _source(self, at: int, parts: list[tuple[int, str]]) -> int:
        if self.text[at] == "[":
            return self.array(at, lambda element: self._string(element, parts))
        return self._string(at, parts)

    def _string(self, at: int, parts: list[tuple[int, str]]) -> int:
        value, end = self.value(at)
        if isinstance(value, str):
            parts.append((self.line_at(at), value))
        return end
