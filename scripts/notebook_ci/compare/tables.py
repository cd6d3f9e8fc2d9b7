"""Compares tables that pandas and polars display as HTML, cell by cell."""

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from notebook_ci.base.texts import listed, quote
from notebook_ci.compare import texts
from notebook_ci.compare.texts import MOST_LISTED, Tolerance

MOST_CELLS = 1_000_000  # one that spans several counts as several
_AROUND = frozenset({"div", "p", "small", "style"})
_TAG = re.compile(r"<(/?(?:thead|tbody|tr|th|td))\b([^<>]*)>")
# The attributes that pandas writes. Any other, such as a color, can be a result.
_LAYOUT = re.compile(r'(?:\s+(?:(?:col|row)span="[1-9][0-9]{0,3}"|[hv]align="\w+"|style="text-align: \w+;"))*\s*')


@dataclass(frozen=True)
class _TableCell:
    is_label: bool
    in_head: bool
    columns: int  # how many it spans
    rows: int
    text: str  # with the tags in it: what a cell links to is a part of it


@dataclass(frozen=True)
class ShownTable:
    columns: Sequence[str]
    head: Sequence[Sequence[str]]
    rows: Sequence[tuple[str, Sequence[str]]]  # the label, and the text of each column
    around: str  # what is before and after the cells, such as the style and the number of rows


def read(html: object) -> ShownTable | None:
    """Return the table that an HTML text displays; None if it is not one of pandas or polars, and nothing else.

    Not by `html.parser`, which takes hours for some texts.
    """
    before, _, rest = (html if isinstance(html, str) else "").partition("<table ")
    inside, _, after = rest.partition("</table>")
    attributes, _, inside = inside.partition(">")
    if not re.search(r'\bclass="dataframe[ "]', attributes) or "<table" in inside:
        return None
    if not _AROUND.issuperset(re.findall(r"</?([^\s<>]*)", before + after)):
        return None
    grid = _grid(_rows(inside))
    if len({len(row) for row in grid}) != 1:
        return None
    head = [[cell.text for cell in row] for row in grid if row and row[0].in_head]
    columns = [" ".join(filter(None, column)) for column in zip(*head, strict=True)]
    columns = columns or [str(number) for number in range(1, len(grid[0]) + 1)]
    rows = [
        (" ".join(cell.text for cell in row if cell.is_label), [cell.text for cell in row])
        for row in grid
        if not (row and row[0].in_head)
    ]
    return ShownTable(columns, head, rows, f"{before}\n<table {attributes}>\n{after}")


def differences(old: ShownTable, new: ShownTable, tolerance: Tolerance) -> Iterator[str]:
    """Yield a sentence per difference; those of cells only if columns and rows are the same."""
    yield from texts.differences(old.around, new.around, tolerance)
    rows, new_rows = ([label for label, _ in table.rows] for table in (old, new))
    if old.columns != new.columns or rows != new_rows:
        yield from _labels("column", old.columns, new.columns)
        yield from _labels("row", rows, new_rows)
        return
    if old.head != new.head:
        yield "labels of columns moved to another line"
    tolerances = [tolerance.of(each, *(row[at] for row in reversed(old.head))) for at, each in enumerate(old.columns)]
    for number, ((label, before), (_, after)) in enumerate(zip(old.rows, new.rows, strict=True), 1):
        for column, own, first, second in zip(old.columns, tolerances, before, after, strict=True):
            for each in texts.differences(first, second, own):
                yield f"column {quote(column)}, row {quote(label or str(number))}: {each}"


def _labels(what: str, old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    if len(old) != len(new):
        yield f"{len(old)} {what}s became {len(new)}"
    known, now = set(old), set(new)
    if gone := [quote(label) for label in old if label not in now]:
        yield f"gone: {what} {listed(gone, MOST_LISTED)}"
    if added := [quote(label) for label in new if label not in known]:
        yield f"new: {what} {listed(added, MOST_LISTED)}"
    if known == now and len(old) == len(new) and list(old) != list(new):
        yield f"the {what}s have another order"


def _rows(inside: str) -> list[list[_TableCell]]:
    """Return the cells of each row; none if the table has anything else."""
    rows: list[list[_TableCell]] = []
    in_head, room = False, MOST_CELLS
    first, *pieces = _TAG.split(inside)
    if first.strip():
        return []
    for tag, attributes, text in zip(pieces[::3], pieces[1::3], pieces[2::3], strict=True):
        is_cell = tag in {"th", "td"}
        if not _LAYOUT.fullmatch(attributes) or (not rows if is_cell else text.strip()):
            return []
        if is_cell:
            columns, lines = (_span(name, attributes) for name in ("col", "row"))
            room -= columns * lines
            rows[-1].append(_TableCell(tag == "th", in_head, columns, lines, text.strip()))
        elif tag == "tr":
            rows.append([])
        elif tag in {"thead", "tbody"}:
            in_head = tag == "thead"
    return rows if room >= 0 else []


def _span(name: str, attributes: str) -> int:
    found = re.search(rf'{name}span="([0-9]+)"', attributes)
    return int(found[1]) if found else 1


def _grid(rows: Sequence[Sequence[_TableCell]]) -> list[list[_TableCell]]:
    """Return each row with a cell per column: one that spans several is repeated."""
    grid: list[list[_TableCell]] = []
    above: dict[int, tuple[_TableCell, int]] = {}  # by column: a cell that goes on, and in how many rows
    for row in rows:
        full: list[_TableCell] = []
        own = deque(cell for cell in row for _ in range(cell.columns))
        while own or len(full) in above:
            cell, left = above.pop(len(full)) if len(full) in above else (own[0], own.popleft().rows)
            if left > 1:
                above[len(full)] = (cell, left - 1)
            full.append(cell)
        grid.append(full)
    return grid
