"""Compares the outputs of a cell: its streams, displays and errors."""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from notebook_ci.base.texts import listed, quote
from notebook_ci.compare import images, structures, tables, texts
from notebook_ci.compare.normalise import SET_ORDER, on_terminal, shown, svg
from notebook_ci.compare.texts import MOST_LISTED, Tolerance
from notebook_ci.notebooks.displays import SVG
from notebook_ci.records.execute_notebook import Change

# Their bytes differ though a person sees the same.
NOT_COMPARED = re.compile(r"(audio|video)/.*|application/(pdf|vnd\.jupyter\.widget-view\+json)")
PLAIN, HTML = "text/plain", "text/html"
_JSON = re.compile(r"application/(.*\+)?json")
ERROR = "the error"
MOST_READ = 10_000  # characters, for an excerpt


@dataclass(frozen=True)
class OutputDifference:
    change: Change
    output: int | None  # the index of the stored output; None: there is none
    message: str


@dataclass(frozen=True)
class Compared:
    differences: Sequence[OutputDifference]
    not_compared: int  # how many videos, widgets and similar contents have other bytes


@dataclass(frozen=True)
class Part:
    output: int  # the index of the first output that it comes from
    data: dict[str, Any]  # by MIME type

    @property
    def excerpt(self) -> str:
        text = self.data.get(PLAIN)
        if not isinstance(text, str):
            return listed(list(map(quote, self.data)), MOST_LISTED)
        return quote(shown(text[:MOST_READ]).strip())


def compare(stored: Sequence[Any], new: Sequence[Any], tolerance: Tolerance) -> Compared:
    """Compare the outputs of a cell with those that are stored, both as in a notebook of format 4."""
    found: list[OutputDifference] = []
    old_parts, new_parts = parts(stored), parts(new)
    not_compared = 0
    for name, part in old_parts.items():
        if name not in new_parts:
            found.append(OutputDifference(_change("gone", name), part.output, f"{name} is gone: {part.excerpt}"))
            continue
        data = new_parts[name].data
        if sentences := list(_differences(part.data, data, tolerance)):
            found.append(OutputDifference(_change("changed", name), part.output, f"{name}: {_first(sentences)}"))
        not_compared += sum(1 for mime in _different(part.data, data) if NOT_COMPARED.fullmatch(mime))
    added = [(name, part) for name, part in new_parts.items() if name not in old_parts]
    found += [OutputDifference(_change("new", name), None, f"{name} is new: {part.excerpt}") for name, part in added]
    return Compared(found, not_compared)


def _change(change: Change, name: str) -> Change:
    return "error" if name == ERROR else change


def _first(sentences: Sequence[str]) -> str:
    more = f" (and {len(sentences) - MOST_LISTED} more)" if len(sentences) > MOST_LISTED else ""
    return "; ".join(sentences[:MOST_LISTED]) + more


def parts(outputs: Sequence[Any]) -> dict[str, Part]:
    """Return what a person sees, by name: the text of each stream in one piece, each display, the error.

    A kernel splits the text of a stream anywhere. The order of streams and displays does not count.
    """
    found: dict[str, Part] = {}
    numbers = itertools.count(1)
    for index, output in enumerate(outputs):
        kind = output.get("output_type")
        if kind in {"stream", "error"}:
            name, text = ERROR, f"{output.get('ename')}: {output.get('evalue')}\n"
            if kind == "stream":
                name, text = quote(output.get("name")), _joined(output.get("text"))
            before = found.get(name, Part(index, {PLAIN: ""}))
            found[name] = Part(before.output, {PLAIN: before.data[PLAIN] + text})
        else:
            data = output.get("data") or {}
            data = {mime: each if _JSON.fullmatch(mime) else _joined(each) for mime, each in data.items()}
            found[f"output {next(numbers)}"] = Part(index, data)
    for part in found.values():
        if PLAIN in part.data:
            part.data[PLAIN] = on_terminal(part.data[PLAIN])
    return {name: part for name, part in found.items() if any(each != "" for each in part.data.values())}


def _joined(text: object) -> str:
    return "".join(map(str, text)) if isinstance(text, list) else str(text)


def _different(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    # Not `!=`: `1`, `1.0` and `True` are equal.
    return [mime for mime in old if mime in new and repr(old[mime]) != repr(new[mime])]


def _differences(old: Mapping[str, Any], new: Mapping[str, Any], tolerance: Tolerance) -> Iterator[str]:
    yield from (f"`{mime}` is gone" for mime in old if mime not in new)
    yield from (f"`{mime}` is new" for mime in new if mime not in old)
    different = [mime for mime in _different(old, new) if not NOT_COMPARED.fullmatch(mime)]
    table, new_table = (tables.read(each.get(HTML)) if different else None for each in (old, new))
    for mime in different:
        if mime in images.FORMATS:
            yield from images.differences(mime, old[mime], new[mime], exact=tolerance.is_exact)
        elif mime == SVG:
            before, after = (svg(each[mime], tolerance.keep) for each in (old, new))
            yield from texts.differences(before, after, tolerance)
        elif not table or not new_table:
            yield from _of_values(old[mime], new[mime], tolerance)
        elif mime == HTML:
            yield from tables.differences(table, new_table, tolerance)
        elif mime != PLAIN:  # the same table, as text
            yield from _of_values(old[mime], new[mime], tolerance)


def _of_values(old: object, new: object, tolerance: Tolerance) -> Iterator[str]:
    if not isinstance(old, str) or not isinstance(new, str):
        yield from structures.differences(old, new, tolerance)
        return
    found = list(texts.differences(old, new, tolerance))
    is_parsed = (found or tolerance.named) and SET_ORDER not in tolerance.keep
    first, second = (structures.displayed(text) if is_parsed else None for text in (old, new))
    yield from found if first is None or second is None else structures.differences(first, second, tolerance)
