"""Finds where a cell's source lines are in the `.ipynb` file, so that annotations point to what the user sees there.

This walks the JSON text once and never searches for content. That is enough, because a JSON string contains no line
break (RFC 8259, section 7: control characters are escaped): all source lines in one string are on its physical line.
"""

import functools
import re
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate

from notebook_ci.base.json_walker import JsonWalker

# Where Python's compiler ends a line. The line numbers of tracebacks count these.
_line_break = re.compile(r"\r\n?|\n")


@dataclass(frozen=True, slots=True)
class CellPosition:
    line: int  # of the opening brace, counted from 1
    parts: tuple[tuple[int, str], ...]  # the source's strings with their lines; one unless `source` is a list
    outputs: tuple[int, ...] = ()  # the lines of the opening braces of its outputs

    @property
    def source(self) -> str:
        return "".join(text for _, text in self.parts)

    def source_line(self, line: int) -> int:
        """Return the physical line of a source line, counted from 1; a number beyond the end means the last line.

        If the source is empty, this is the line of the cell object.
        """
        parts = [part for part in self.parts if part[1]]
        if not parts:
            return self.line
        starts = [0, *(found.end() for found in _line_break.finditer(self.source))]
        start = starts[min(max(line, 1), len(starts)) - 1]
        ends = list(accumulate(len(text) for _, text in parts))
        # If the source ends with a line break, its empty last line has no string: it is beyond the last part.
        return parts[min(bisect_right(ends, start), len(parts) - 1)][0]


def split_lines(source: str) -> list[str]:
    """Split a source into lines, like Python's compiler, without their ends."""
    return _line_break.split(source)


@functools.lru_cache(maxsize=1)  # for all failures of a notebook
def scan(text: str) -> tuple[CellPosition, ...]:
    """Find every cell of a notebook in one pass, which takes about as long as `json.loads`.

    `text` must be JSON that `json.loads` accepts, without repeated keys.
    """
    walker = JsonWalker(text)
    cells: list[CellPosition] = []

    def member(key: str, at: int) -> int:
        if key != "cells":
            return walker.skip(at)
        return walker.array(at, lambda element: _cell(walker, element, cells))

    walker.object(walker.space(0), member)
    return tuple(cells)


def _cell(walker: JsonWalker, at: int, cells: list[CellPosition]) -> int:
    line = walker.line_at(at)
    parts: list[tuple[int, str]] = []
    outputs: list[int] = []

    def part(at: int) -> int:
        value, end = walker.value(at)
        if isinstance(value, str):
            parts.append((walker.line_at(at), value))
        return end

    def output(at: int) -> int:
        outputs.append(walker.line_at(at))
        return walker.skip(at)

    def member(key: str, at: int) -> int:
        if key == "outputs":
            return walker.array(at, output)
        if key != "source":
            return walker.skip(at)
        return walker.array(at, part) if walker.text[at] == "[" else part(at)

    end = walker.object(at, member)
    cells.append(CellPosition(line, tuple(parts), tuple(outputs)))
    return end
