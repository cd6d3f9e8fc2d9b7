"""Bounds how much of a notebook's outputs is kept, and says in their place what was not."""

import json
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

import nbformat

OVERHEAD_BYTES = 100  # of an output in the file, whatever is in it


class OutputBound:
    """Holds the outputs of a notebook within a limit, while they come.

    Of text the beginning is kept, and the end: what a cell printed last tells why it failed. nbclient (0.11) knows
    outputs by their places in the list of their cell, so that none but the last is ever taken out.

    Args:
        limit: Bytes that are kept of all outputs, about: text is counted in characters.

    Attributes:
        left_out: Bytes that were not kept.
    """

    def __init__(self, limit: int) -> None:
        self.left_out = 0
        self._limit = limit
        self._kept = 0
        self._outs: list[Any] | None = None
        self._in_cell = 0
        self._tail: _Tail | None = None

    def hold(self, outs: list[Any]) -> None:
        """Bound the outputs of a cell after one was added, or after they were cleared and one was added."""
        if outs is not self._outs:
            self.finish()
            self._kept, self._in_cell, self._outs = self._kept + self._in_cell, 0, outs
        elif len(outs) == 1:
            self._in_cell, self._tail = 0, None
        if not outs or outs[-1].output_type == "error":  # the verdict rests on it
            return
        if outs[-1].output_type == "stream":
            self._hold_text(outs)
        else:
            self.finish()
            self._in_cell += OVERHEAD_BYTES + self._fit(outs[-1])

    def replace(self, content: dict[str, Any], replaced: Iterable[Mapping[str, Any]]) -> None:
        """Bound new data of displays that are there.

        Args:
            content: Has the data.
            replaced: The outputs whose data it replaces.
        """
        olds = [_size(each["data"]) for each in replaced]
        self._in_cell -= sum(olds)
        self._in_cell += self._fit(content) * len(olds)

    def finish(self) -> None:
        """Write down what is kept of the end of a text."""
        if self._tail:
            self.left_out += self._tail.close()
            self._in_cell += self._tail.kept
            self._tail = None

    @property
    def _room(self) -> int:
        return self._limit - self._kept - self._in_cell

    def _hold_text(self, outs: list[Any]) -> None:
        text = outs[-1].text
        for_begin = max(self._room - self._limit // 4, 0)
        if self._tail is None:
            fits = len(text) + OVERHEAD_BYTES <= for_begin
            outs[-1].text = text if fits else text[:for_begin]
            self._in_cell += len(outs[-1].text) + OVERHEAD_BYTES
            if fits:
                return
            text = text[for_begin:]
            self._tail = _Tail(nbformat.v4.new_output("stream", name=outs[-1].name), max(self._room // 2, 0))
            outs.append(self._tail.output)
        else:
            outs.pop()
        self._tail.add(text)

    def _fit(self, holder: dict[str, Any]) -> int:
        """Put a notice in the place of data for which there is no room. Returns the bytes of what is there."""
        size = _size(holder["data"])
        if size <= self._room:
            return size
        self.left_out += size
        holder["data"] = nbformat.from_dict({"text/plain": _notice(size)})
        return 0


class _Tail:
    """The end of a text that is too long, whose middle is left out.

    Args:
        output: Shows it.
        most: Characters that are kept.
    """

    def __init__(self, output: Any, most: int) -> None:
        self.output = output
        self.kept = 0
        self._pieces: deque[str] = deque()
        self._most = most
        self._left_out = 0

    def add(self, text: str) -> None:
        """Add text, and forget as much of what came before."""
        piece = text[-self._most :] if self._most else ""
        self._left_out += len(text) - len(piece)
        self._pieces.append(piece)
        self.kept += len(piece)
        while self._pieces and self.kept - len(self._pieces[0]) >= self._most:
            gone = len(self._pieces.popleft())
            self._left_out += gone
            self.kept -= gone

    def close(self) -> int:
        """Write it down. Returns how many characters were left out."""
        self.output.text = f"\n{_notice(self._left_out)}\n{''.join(self._pieces)}"
        return self._left_out


def _notice(size: int) -> str:
    return f"[notebook-ci: {size / 1e6:.3f} MB of output left out here: more than the input max-output]"


def _size(data: Mapping[str, Any]) -> int:
    """Return the bytes of data by MIME type, about as a notebook's file has them."""
    return sum(len(each) if isinstance(each, str) else len(json.dumps(each)) for each in data.values())
