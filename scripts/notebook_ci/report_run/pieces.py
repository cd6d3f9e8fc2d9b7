"""Keeps the page to its size."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from notebook_ci.base.texts import size

LEFT_OUT = '<p class="notice">[{} is left out: `max-size`.]</p>'


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of the page: HTML. A large one has a text that may stand `instead` of it."""

    html: str
    instead: str = ""

    @property
    def bytes(self) -> int:
        return len(self.html) if self.html.isascii() else len(self.html.encode(errors="replace"))


def fitted(notebooks: Mapping[str, Sequence[Piece]], most: int) -> tuple[dict[str, str], int]:
    """Join the pieces of each notebook, `most` bytes in all: the largest outputs are left out first.

    If the rest is still larger, the largest notebooks are. Returns the texts, and how many parts were left out.
    """
    rests = {element: sum(len(each.instead) or each.bytes for each in pieces) for element, pieces in notebooks.items()}
    limit = _limit(rests.values(), most)
    shown = {element: pieces for element, pieces in notebooks.items() if rests[element] < limit}
    large = [each for each in itertools.chain.from_iterable(shown.values()) if each.instead]
    largest = _limit([each.bytes for each in large], most - sum(rests[element] for element in shown))
    texts = {
        element: "".join(each.instead if each.instead and each.bytes >= largest else each.html for each in pieces)
        if element in shown
        else LEFT_OUT.format(f"A notebook of {size(rests[element])}")
        for element, pieces in notebooks.items()
    }
    return texts, len(notebooks) - len(shown) + sum(each.bytes >= largest for each in large)


def _limit(sizes: Iterable[int], most: int) -> float:
    """Return the size of the smallest thing that has no room, if the smallest things come first."""
    in_order = sorted(sizes)
    sums = itertools.accumulate(in_order)
    return next((each for each, total in zip(in_order, sums, strict=True) if total > most), math.inf)
