"""Compares values by their structure: JSON, and displayed dicts and sets."""

import ast
import warnings
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from notebook_ci.base.texts import quote
from notebook_ci.compare import texts
from notebook_ci.compare.texts import EXACT, Tolerance, alike, became

MOST_CHARACTERS = 100_000  # of a display that is parsed


def differences(old: object, new: object, tolerance: Tolerance, where: str = "") -> Iterator[str]:
    """Yield a sentence per difference. The order of dicts and sets does not count."""
    named = f"`{where}`: " if where else ""
    if isinstance(old, str) and isinstance(new, str):
        yield from (named + each for each in texts.differences(old, new, tolerance))
    elif isinstance(old, dict) and isinstance(new, dict):
        yield from _of_dicts(old, new, tolerance, where)
    elif isinstance(old, set) and isinstance(new, set):
        yield from _of_keys({repr(item) for item in old}, {repr(item) for item in new}, where)
    elif type(old) is type(new) and isinstance(old, list | tuple) and isinstance(new, list | tuple):
        if len(old) != len(new):
            yield f"{named}{len(old)} items became {len(new)}"
        for index, (before, after) in enumerate(zip(old, new, strict=False)):
            yield from differences(before, after, tolerance, f"{where}[{index}]")
    elif not alike(repr(old), repr(new), tolerance if {type(old), type(new)} <= {int, float} else EXACT):
        yield named + became(repr(old), repr(new))


def _of_dicts(old: Mapping[Any, object], new: Mapping[Any, object], tolerance: Tolerance, where: str) -> Iterator[str]:
    # `1` and `True` are equal, but not the same key to a reader.
    first, second = ({repr(key): value for key, value in each.items()} for each in (old, new))
    yield from _of_keys(first, second, where)
    for key in first:
        if key in second:
            yield from differences(first[key], second[key], tolerance.of(key.strip("'")), f"{where}[{key}]")


def _of_keys(old: Collection[str], new: Collection[str], where: str) -> Iterator[str]:
    named = f"`{where}`: " if where else ""
    yield from (f"{named}{quote(key)} is gone" for key in sorted(old) if key not in new)
    yield from (f"{named}{quote(key)} is new" for key in sorted(new) if key not in old)


def displayed(text: str) -> dict[object, object] | set[object] | None:
    """Return the dict or set that a display shows; None for any other, and if the value does not hold all of it."""
    if not text.startswith("{") or len(text) > MOST_CHARACTERS:
        return None
    try:
        with warnings.catch_warnings(action="ignore"):
            value = ast.literal_eval(text)
        # Equal keys, comments, and other ways to write a number would be lost.
        is_whole = sorted("".join(repr(value).split())) == sorted("".join(text.split()))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    return value if is_whole and isinstance(value, dict | set) else None
