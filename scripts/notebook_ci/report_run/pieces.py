"""Keeps the page to its size."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the page: HTML. A large one has a text that may stand `instead` of it."""

    html: str
    instead: str = ""

    @property
    def bytes(self) -> int:
        return len(self.html) if self.html.isascii() else len(self.html.encode(errors="replace"))


def fitted(notebooks: Mapping[str, Sequence[Piece]], most: int) -> tuple[dict[str, str], int]:
    """Join the pieces of each notebook, `most` bytes in all if possible: the largest outputs are left out first.

    Returns the texts, and how many outputs were left out.
    """
    pieces = list(itertools.chain.from_iterable(notebooks.values()))
    room = most - sum(each.bytes for each in pieces if not each.instead)
    sizes = sorted(each.bytes for each in pieces if each.instead)
    sums = itertools.accumulate(sizes)
    too_large = next((size for size, total in zip(sizes, sums, strict=True) if total > room), None)

    def is_left_out(piece: Piece) -> bool:
        return bool(piece.instead) and too_large is not None and piece.bytes >= too_large

    texts = {
        element: "".join(each.instead if is_left_out(each) else each.html for each in found)
        for element, found in notebooks.items()
    }
    return texts, sum(map(is_left_out, pieces))
