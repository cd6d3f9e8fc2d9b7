"""Compares texts: their numbers within a tolerance, all else exactly."""

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from notebook_ci.base.texts import quote
from notebook_ci.compare.normalise import shown

MOST_LISTED = 3
CONTEXT = 20  # characters before the first difference of a long line
LONG = 60
# Not in words, versions, times and hexadecimal digits, and none that a float cannot hold. Python writes the exponent of
# a whole number with a sign.
_DIGITS = "[0-9]+"
_EXPONENT = "[0-2]?[0-9]{1,2}"
_NUMBER = re.compile(
    rf"(?<![\w.])(?<!\d\d:)([-+]?(?:(?:{_DIGITS}\.[0-9]*|\.{_DIGITS})(?:[eE][-+]?{_EXPONENT})?"
    rf"|{_DIGITS}[eE][-+]{_EXPONENT}|{_DIGITS}))(?=j\b|(?!\w|\.\w))"
)
# A name behind a word, or in a row of columns, is only a part of one.
_BEHIND = r"(?<![\w./%-])(?<![^\W\d]\s)(?<![^\W\d]\d\s)(?<![^\W\d]\d\d\s)(?<!\s\s){} ?[:=] ?$"
_WHOLE = re.compile(r"[-+]?[0-9]+(\.?)")  # `12.` can end a sentence
_PADDING = re.compile(r"(?<=\[) +|(?<=, ) +|(?<! ) +(?=\])|(?<=^ ) +$")  # of an array, between its numbers


@dataclass(frozen=True)
class Tolerance:
    """What may differ. As in `numpy.isclose`, but whole numbers must be equal: they are counts, IDs, dates."""

    rtol: float = 0.0
    atol: float = 0.0
    is_exact: bool = False  # numbers, and images, must be equal
    keep: frozenset[str] = frozenset()  # names of what differs in each run, and counts nevertheless: see `normalise`
    hide: frozenset[str] = frozenset()  # names of what does not count, although it can be a result
    named: Mapping[str, float] = field(default_factory=dict)  # instead of `rtol`, by the name of a number

    def of(self, *names: str) -> "Tolerance":
        """Return the tolerance of what has these names, such as a column with several lines of labels."""
        return next((replace(self, rtol=self.named[name]) for name in names if name in self.named), self)

    def behind(self, text: str) -> "Tolerance":
        """Return the tolerance of a number behind a text, as of `price` in `3 items, price: 4.5`."""
        return self.of(*(name for name in self.named if re.search(_BEHIND.format(re.escape(name)), text.lstrip())))

    def allows(self, old: str, new: str) -> bool:
        """Whether two numbers are equal within the tolerance."""
        if old == new:
            return True
        first, second = float(old), float(new)
        wholes = [whole[1] for whole in map(_WHOLE.fullmatch, (old, new)) if whole]
        if wholes == ["", ""] or not (math.isfinite(first) and math.isfinite(second)):
            return False
        if wholes and round(first) != round(second):
            return False
        return abs(first - second) <= self.atol + self.rtol * abs(first)


EXACT = Tolerance(is_exact=True)


def alike(old: str, new: str, tolerance: Tolerance, *, is_padded: bool = False) -> bool:
    """Whether two lines differ at most in numbers within the tolerance, and `is_padded`: in the padding of these."""
    if old == new or tolerance.is_exact:
        return old == new
    first, second = _NUMBER.split(old), _NUMBER.split(new)  # each second part is a number
    around, new_around = first[::2], second[::2]
    if is_padded:
        around, new_around = ([_PADDING.sub("", part) for part in each] for each in (around, new_around))
    if around != new_around:
        return False
    numbers = zip(first[::2], first[1::2], second[1::2], strict=False)
    return all(tolerance.behind(text).allows(number, now) for text, number, now in numbers)


def differences(old: str, new: str, tolerance: Tolerance) -> Iterator[str]:
    """Yield a sentence per line that differs; one in all if lines were added or are gone."""
    if old == new:
        return
    before, after = (shown(text, tolerance.keep, tolerance.hide).rstrip("\n") for text in (old, new))
    first, second = before.split("\n"), after.split("\n")
    pairs = list(enumerate(zip(first, second, strict=False), 1))
    # If all numbers are as wide as before, other padding means that one moved to another column.
    is_padded = _widths(before) != _widths(after)
    differing = [(line, *pair) for line, pair in pairs if not alike(*pair, tolerance, is_padded=is_padded)]
    if len(first) == len(second):
        for line, before, after in differing:
            where = f"line {line}: " if len(first) > 1 else ""
            yield where + became(before, after)
        return
    line = differing[0][0] if differing else len(pairs) + 1
    before, after = ("\n".join(lines[line - 1 : line]) for lines in (first, second))
    yield f"{len(first)} lines became {len(second)}; line {line}: {became(before, after)}"


def _widths(text: str) -> list[int]:
    return list(map(len, _NUMBER.findall(text)))


def became(old: str, new: str) -> str:
    """Say what became of a text, from shortly before the first difference if it is long."""
    start = 0
    if max(len(old), len(new)) > LONG:
        same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False))
        start = max(sum(1 for _ in same) - CONTEXT, 0)
    before, after = (quote(f"…{text[start:]}" if start else text) if text else "nothing" for text in (old, new))
    return f"{before} became {after}"
