"""Writes new outputs and tags into the text of a notebook, and changes nothing else in it."""

import json
from collections.abc import Mapping
from typing import Any

from notebook_ci.base.json_walker import JsonWalker


def updated(text: str, cells: Mapping[int, Mapping[str, Any]]) -> str:
    """Return the text of a notebook with other values of some cells, by index and name, such as `outputs`.

    They are indented and escaped like the rest. What a cell does not have, it does not get.
    """
    walker = JsonWalker(text)
    pieces: list[str] = []
    copied, index = 0, -1

    def member(key: str, at: int) -> int:
        nonlocal copied
        end = walker.skip(at)
        if key in cells.get(index, ()):
            pieces.extend((text[copied:at], _in_style(cells[index][key], text, at)))
            copied = end
        return end

    def cell(at: int) -> int:
        nonlocal index
        index += 1
        return walker.object(at, member)

    walker.object(walker.space(0), lambda key, at: walker.array(at, cell) if key == "cells" else walker.skip(at))
    return "".join([*pieces, text[copied:]])


def _in_style(value: object, text: str, at: int) -> str:
    """Return a value of a cell as JSON, as the text would have it at this offset."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    margin = line[: len(line) - len(line.lstrip(" \t"))]
    is_indented = line.lstrip(" \t").startswith('"') and "\n" in text
    space = " " if text[at - 1].isspace() else ""
    written = json.dumps(
        value,
        indent=margin[: len(margin) // 3] if is_indented else None,  # notebook, cells, cell
        separators=("," if is_indented else f",{space}", f":{space}"),
        ensure_ascii=text.isascii() and "\\u" in text,
    )
    return written.replace("\n", ("\r\n" if "\r\n" in text else "\n") + margin)
