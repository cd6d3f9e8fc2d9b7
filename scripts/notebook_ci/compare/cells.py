"""Which cells of a notebook are compared, and with which cells of another version of it. Needs no library."""

import json
import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from notebook_ci.notebooks.document import INJECTED, Cell, Document
from notebook_ci.notebooks.imports import SKIPPED

# The second of each, and the comments, are nbval's.
CHECK, IGNORE = "compare-output", "compare-ignore"
CHECK_TAGS, IGNORE_TAGS = frozenset({CHECK, "nbval-check-output"}), frozenset({IGNORE, "nbval-ignore-output"})
_COMMENT = re.compile(r"^[ \t]*#[ \t]*NBVAL_(CHECK|IGNORE)_OUTPUT[ \t]*$", re.MULTILINE)
HOW_TO_STORE = "run the notebook in Jupyter, save it with its outputs, and commit it"


def with_code(document: Document) -> list[Cell]:
    return [cell for cell in document.cells if cell.kind == "code" and cell.source.strip()]


def is_compared(cell: Cell, policy: str) -> bool:
    marks = set(_COMMENT.findall(cell.source))
    if SKIPPED in cell.tags:
        return False
    if cell.tags & CHECK_TAGS or "CHECK" in marks:
        return True
    return policy != "lax" and not (cell.tags & IGNORE_TAGS or "IGNORE" in marks)


def stored_outputs(cell: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = cell.get("outputs")
    return [output for output in found if isinstance(output, dict)] if isinstance(found, list) else []


def has_run(cell: Mapping[str, Any]) -> bool:
    """Return whether a stored cell has outputs or a count."""
    return bool(stored_outputs(cell)) or cell.get("execution_count") is not None


def unrun(document: Document, policy: str) -> list[Cell]:
    """Return the cells whose outputs would be compared, but that had not run when the notebook was stored."""
    stored = json.loads(document.text)["cells"]
    return [cell for cell in with_code(document) if is_compared(cell, policy) and not has_run(stored[cell.index])]


def counterparts(old: Document, new: Document) -> list[int | None]:
    """Return, per cell of `new`, the index of the same cell in `old`; None: there is none.

    It is the one with the same ID, else with the same source. Of the others, those between the same cells are taken in
    their order: their sources have changed.
    """
    found: list[int | None] = [None] * len(new.cells)
    by_id = {cell.id: cell for cell in reversed(_code(old)) if cell.id}
    for cell in _code(new):
        if same := by_id.pop(cell.id, None):
            found[cell.index] = same.index
    before = [cell for cell in _code(old) if cell.index not in found]
    after = [cell for cell in _code(new) if found[cell.index] is None]
    matcher = SequenceMatcher(None, [cell.source for cell in before], [cell.source for cell in after], autojunk=False)
    for kind, start, end, new_start, new_end in matcher.get_opcodes():
        if kind in {"equal", "replace"}:
            for was, cell in zip(before[start:end], after[new_start:new_end], strict=False):
                found[cell.index] = was.index
    return found


def _code(document: Document) -> Sequence[Cell]:
    return [cell for cell in document.cells if cell.kind == "code" and INJECTED not in cell.tags]
