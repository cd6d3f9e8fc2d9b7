"""Compares tables that pandas and polars display as HTML, cell by cell."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser

from notebook_ci.base.texts import listed, quote
from notebook_ci.compare import texts
from notebook_ci.compare.texts import MOST_LISTED, Tolerance

MOST_SPAN = 1000
_AROUND = frozenset({"div", "p", "small"})
_HIDDEN = "style"


@dataclass
class _TableCell:
    is_label: bool
    in_head: bool
    columns: int  # how many it spans
    rows: int
    text: str = ""


@dataclass(frozen=True)
class ShownTable:
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[str]]]  # the label, and the text of each column
    around: str  # the text before and after the table, such as the number of rows


class _OtherError(Exception):
    """This is not what pandas and polars write."""


class _TableReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[_TableCell]] = []
        self.around: list[str] = []
        self.tables = 0
        self._in_table = self._in_head = self._is_hidden = False
        self._cell: _TableCell | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "table" and not self._in_table and "dataframe" in (attributes.get("class") or "").split():
            self._in_table = True
            self.tables += 1
        elif self._in_table and tag in {"thead", "tbody"}:
            self._in_head = tag == "thead"
        elif self._in_table and tag == "tr":
            self.rows.append([])
        elif self._in_table and tag in {"th", "td"} and self.rows:
            columns, rows = (_span(attributes.get(name)) for name in ("colspan", "rowspan"))
            self._cell = _TableCell(tag == "th", self._in_head, columns, rows)
            self.rows[-1].append(self._cell)
        elif self._cell:
            self._cell.text += self.get_starttag_text() or ""  # what a cell links to is a part of it
        elif tag == _HIDDEN:
            self._is_hidden = True
        elif self._in_table or tag not in _AROUND:
            raise _OtherError

    def handle_endtag(self, tag: str) -> None:
        if tag == "table":
            self._in_table = False
        elif tag == _HIDDEN:
            self._is_hidden = False
        if tag in {"table", "tr", "th", "td"}:
            self._cell = None

    def handle_data(self, data: str) -> None:
        if self._cell:
            self._cell.text += data
        elif not self._is_hidden:
            self.around.append(data)


def read(html: object) -> ShownTable | None:
    """Return the table that an HTML text displays; None if it is not one of pandas or polars, and nothing else."""
    reader = _TableReader()
    try:
        reader.feed(html if isinstance(html, str) else "")
        reader.close()
        grid = _grid(reader.rows)
    except _OtherError:
        return None
    if reader.tables != 1 or len({len(row) for row in grid}) != 1:
        return None
    head = [row for row in grid if row and row[0].in_head]
    columns = [" ".join(filter(None, (cell.text.strip() for cell in column))) for column in zip(*head, strict=True)]
    columns = columns or [str(number) for number in range(1, len(grid[0]) + 1)]
    rows = [
        (" ".join(cell.text.strip() for cell in row if cell.is_label), [cell.text.strip() for cell in row])
        for row in grid
        if not (row and row[0].in_head)
    ]
    return ShownTable(columns, rows, " ".join("".join(reader.around).split()))


def differences(old: ShownTable, new: ShownTable, tolerance: Tolerance | None) -> Iterator[str]:
    """Yield a sentence per difference; those of cells only if columns and rows are the same."""
    yield from texts.differences(old.around, new.around, tolerance)
    rows, new_rows = ([label for label, _ in table.rows] for table in (old, new))
    if old.columns != new.columns or rows != new_rows:
        yield from _labels("column", old.columns, new.columns)
        yield from _labels("row", rows, new_rows)
        return
    for number, ((label, before), (_, after)) in enumerate(zip(old.rows, new.rows, strict=True), 1):
        for column, first, second in zip(old.columns, before, after, strict=True):
            for each in texts.differences(first, second, tolerance):
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


def _span(text: str | None) -> int:
    number = text or "1"
    if not (number.isascii() and number.isdecimal()) or not 0 < int(number) <= MOST_SPAN:
        raise _OtherError
    return int(number)
