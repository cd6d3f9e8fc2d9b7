"""Walks JSON text to find the line of a value by its position, not by searching for its content."""

import json
import re
from collections.abc import Callable
from typing import Any

_decode = json.JSONDecoder().raw_decode
_space = re.compile(r"[ \t\n\r]*")


class DuplicateKeyError(ValueError):
    """An object has a key twice. Its text is the key."""


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; for `object_pairs_hook` of `json.loads`, which would keep the last value of a repeated key."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise DuplicateKeyError(key)
        found[key] = value
    return found


class JsonWalker:
    """Walks JSON that `json.loads` accepts, forward, once.

    A method that gets the offset of a value returns the offset behind it. A walk takes about as long as `json.loads`:
    skipped values are decoded by the standard library's C decoder.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._counted_to = 0
        self._line = 1

    def value(self, at: int) -> tuple[Any, int]:
        """Return the decoded value at an offset, and the offset behind it."""
        return _decode(self.text, at)

    def object(self, at: int, member: Callable[[str, int], int]) -> int:
        """Call `member` with each key of an object and the offset of its value. Skip any other value."""
        if self.text[at] != "{":
            return self.skip(at)
        at = self.space(at + 1)
        while self.text[at] != "}":
            key, at = _decode(self.text, at)
            at = member(key, self.space(self.space(at) + 1))
            at = self._behind_comma(at)
        return at + 1

    def array(self, at: int, element: Callable[[int], int]) -> int:
        """Call `element` with the offset of each element of an array. Skip any other value."""
        if self.text[at] != "[":
            return self.skip(at)
        at = self.space(at + 1)
        while self.text[at] != "]":
            at = self._behind_comma(element(at))
        return at + 1

    def space(self, at: int) -> int:
        found = _space.match(self.text, at)
        return found.end() if found else at

    def skip(self, at: int) -> int:
        # Decoding a value and dropping it is faster than any scan with regular expressions: the decoder is C code.
        return self.value(at)[1]

    def line_at(self, offset: int) -> int:
        """Return the line of an offset, counted from 1. Offsets must not decrease from call to call."""
        self._line += self.text.count("\n", self._counted_to, offset)
        self._counted_to = offset
        return self._line

    def _behind_comma(self, at: int) -> int:
        at = self.space(at)
        return self.space(at + 1) if self.text[at] == "," else at
