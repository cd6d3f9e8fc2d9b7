"""Limits how much of a notebook's outputs is kept, and replaces the rest by notices."""

import json
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import nbformat

from notebook_ci.base.masking import Lines

OVERHEAD_BYTES = 100  # per output in the file, even if it is empty


class LiveLog:
    """Passes on what cells print, by whole lines, several at once if a credential may be wrapped over them.

    `send` gets text, and no more after `room` characters.
    """

    def __init__(self, send: Callable[[str], None], room: int) -> None:
        self._lines = Lines(send)
        self._room = room
        self._pieces: list[str] = []  # of a line that has not ended

    def add(self, output: Mapping[str, Any]) -> None:
        if self._room <= 0:
            return
        plain = output.get("data", {}).get("text/plain")
        lines, end, begun = (output.get("text") or (f"{plain}\n" if plain else "")).rpartition("\n")
        self._room -= len(lines) + len(begun)
        if self._room <= 0:
            self._pieces, begun = ["[notebook-ci: `max-output` is reached; the rest is not shown here]"], ""
        else:
            self._pieces.append(lines)
        if end:
            self._pass_on()
        self._pieces.append(begun)

    def end(self) -> None:
        """Pass on what is left: the cell has ended."""
        self._pass_on()
        self._lines.end()

    def _pass_on(self) -> None:
        if text := "".join(self._pieces):
            self._lines.add(text)
        self._pieces.clear()


class OutputBound:
    """Keeps the outputs of a notebook within a limit while they arrive.

    Text keeps its beginning and its end: the last lines of a cell tell why it failed. nbclient (0.11) addresses outputs
    by their index in the cell's list, so only the last output is ever removed.

    The limit is approximate and in bytes; text is counted in characters. `left_out` counts the bytes that were not
    kept.
    """

    def __init__(self, limit: int) -> None:
        self.left_out = 0
        self._room = limit
        self._reserve = limit // 4
        self._used: Counter[int] = Counter()
        self._cell = -1
        self._outs: list[Any] = []
        self._tail: _Tail | None = None

    def hold(self, cell: int, outs: list[Any]) -> None:
        """Limit the outputs of a cell after one was added, or after they were cleared and one was added."""
        if cell != self._cell and self._outs:
            self.finish()
        elif cell != self._cell or len(outs) == 1:  # its outputs were cleared
            self._use(self._cell, -self._used[self._cell])
            self._tail = None
        self._cell, self._outs = cell, outs
        if outs[-1].output_type == "error":  # it decides whether the cell failed
            return
        if outs[-1].output_type == "stream":
            self._hold_text(outs)
        else:
            self.finish()
            self._use(cell, OVERHEAD_BYTES)
            self._use(cell, self._fit(outs[-1]))

    def replace(self, content: dict[str, Any], replaced: Sequence[tuple[int, Mapping[str, Any]]]) -> None:
        """Limit new data (`content`) of displayed outputs: `replaced` holds those, with the indices of their cells."""
        for cell, output in replaced:
            self._use(cell, -_size(output["data"]))
        size = self._fit(content, len(replaced))
        for cell, _ in replaced:
            self._use(cell, size)

    def finish(self) -> None:
        """Add the kept end of a text to its output."""
        if self._tail:
            self.left_out += self._tail.close()
            self._use(self._cell, self._tail.kept)
            self._tail = None

    def _use(self, cell: int, size: int) -> None:
        self._used[cell] += size
        self._room -= size

    def _hold_text(self, outs: list[Any]) -> None:
        text = outs[-1].text
        for_begin = max(self._room - self._reserve, 0)
        if self._tail is None:
            fits = len(text) + OVERHEAD_BYTES <= for_begin
            outs[-1].text = text if fits else text[:for_begin]
            self._use(self._cell, len(outs[-1].text) + OVERHEAD_BYTES)
            if fits:
                return
            text = text[for_begin:]
            self._tail = _Tail(nbformat.v4.new_output("stream", name=outs[-1].name), max(self._room // 2, 0))
            outs.append(self._tail.output)
        else:
            outs.pop()
        self._tail.add(text)

    def _fit(self, holder: dict[str, Any], count: int = 1) -> int:
        """Replace data by a notice if `count` outputs have no room for it. Returns the bytes then shown per output."""
        size = _size(holder["data"])
        if size * count <= self._room:
            return size
        self.left_out += size * count
        holder["data"] = nbformat.from_dict({"text/plain": _notice(size)})
        return _size(holder["data"])


class _Tail:
    """The end of a text that is too long: at most `most` characters."""

    def __init__(self, output: Any, most: int) -> None:
        self.output = output
        self.kept = 0
        self._pieces: deque[str] = deque()
        self._most = most
        self._left_out = 0

    def add(self, text: str) -> None:
        """Add text, and drop earlier text beyond the limit."""
        piece = text[-self._most :] if self._most else ""
        self._left_out += len(text) - len(piece)
        self._pieces.append(piece)
        self.kept += len(piece)
        while self._pieces and self.kept - len(self._pieces[0]) >= self._most:
            gone = len(self._pieces.popleft())
            self._left_out += gone
            self.kept -= gone

    def close(self) -> int:
        """Write the text to its output. Returns how many characters were left out."""
        notice = f"\n{_notice(self._left_out)}\n" if self._left_out else ""
        self.output.text = notice + "".join(self._pieces)
        return self._left_out


def _notice(size: int) -> str:
    return f"[notebook-ci: {size / 1e6:.3f} MB of output left out here: more than `max-output`]"


def _size(data: Mapping[str, Any]) -> int:
    """Return the approximate number of bytes that data, per MIME type, takes in a notebook file."""
    return sum(len(each) if isinstance(each, str) else len(json.dumps(each)) for each in data.values())
