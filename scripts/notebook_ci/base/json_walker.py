"""Walks JSON text: on which physical line of a file a value stands, without searching by content."""

import json
import re
from collections.abc import Callable
from typing import Any

_decode = json.JSONDecoder().raw_decode
_space = re.compile(r"[ \t\n\r]*")


class JsonWalker:
    """Walks the text forward, once; a method given the offset of a value returns the offset behind it.

    It takes about as long as `json.loads`: what is passed over is decoded by the standard library's C decoder.

    Args:
        text: JSON that `json.loads` accepts.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._counted_to = 0
        self._line = 1

    def value(self, at: int) -> tuple[Any, int]:
        """Return the value at an offset, decoded, and the offset behind it."""
        return _decode(self.text, at)

    def object(self, at: int, member: Callable[[str, int], int]) -> int:
        """Walk through an object: `member` is called with each key and the offset of its value. Else skip."""
        if self.text[at] != "{":
            return self.skip(at)
        at = self.space(at + 1)
        while self.text[at] != "}":
            key, at = _decode(self.text, at)
            at = member(key, self.space(self.space(at) + 1))
            at = self._behind_comma(at)
        return at + 1

    def array(self, at: int, element: Callable[[int], int]) -> int:
        """Walk through an array: `element` is called with the offset of each element. Else skip."""
        if self.text[at] != "[":
            return self.skip(at)
        at = self.space(at + 1)
        while self.text[at] != "]":
            at = self._behind_comma(element(at))
        return at + 1

    def space(self, at: int) -> int:
        """Pass over blanks and line ends."""
        found = _space.match(self.text, at)
        return found.end() if found else at

    def skip(self, at: int) -> int:
        """Pass over a value."""
        # Decoding and dropping one value is faster than any scan by regular expressions: the decoder is written in C.
        end: int = _decode(self.text, at)[1]
        return end

    def line_at(self, offset: int) -> int:
        """Return the line of an offset, counted from 1; no offset before the last one that was asked for."""
        self._line += self.text.count("\n", self._counted_to, offset)
        self._counted_to = offset
        return self._line

    def _behind_comma(self, at: int) -> int:
        at = self.space(at)
        return self.space(at + 1) if self.text[at] == "," else at
