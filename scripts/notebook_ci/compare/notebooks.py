"""Compares the outputs of an executed notebook with those that are stored in its file."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from notebook_ci.compare import outputs
from notebook_ci.compare.outputs import OutputDifference
from notebook_ci.compare.texts import Tolerance
from notebook_ci.notebooks.document import Cell, Document
from notebook_ci.notebooks.imports import SKIPPED
from notebook_ci.records.execute_notebook import Change, Comparison, Failure

# The second of each, and the comments, are nbval's.
CHECKED = frozenset({"compare-output", "nbval-check-output"})
IGNORED = frozenset({"compare-ignore", "nbval-ignore-output"})
_COMMENT = re.compile(r"^[ \t]*#[ \t]*NBVAL_(CHECK|IGNORE)_OUTPUT[ \t]*$", re.MULTILINE)
TITLES: Mapping[Change, str] = {
    "changed": "Output changed",
    "new": "New output",
    "gone": "Output is gone",
    "error": "Another error",
}
MOST_NAMED = 10  # outputs of a cell
HOW_TO_STORE = "run the notebook in Jupyter, save it with its outputs, and commit it"


def compare(
    document: Document, new: Sequence[Sequence[Any]], policy: str, tolerance: Tolerance
) -> tuple[Comparison, list[Failure]]:
    """Compare the outputs of each cell (`new`) with the stored ones. Returns a failure per cell that differs."""
    try:
        return _compare(document, json.loads(json.dumps(new)), policy, None if policy == "strict" else tolerance)
    except RecursionError:
        return Comparison(), [refused("An output is nested too deeply.", "Tag its cell `compare-ignore`.")]


def _compare(
    document: Document, new: Sequence[Sequence[Any]], policy: str, tolerance: Tolerance | None
) -> tuple[Comparison, list[Failure]]:
    content = json.loads(document.text)["cells"]
    chosen = [cell for cell in document.cells if cell.kind == "code" and cell.source.strip()]
    compared = [cell for cell in chosen if is_compared(cell, policy)]
    if compared and not any(_has_run(content[cell.index]) for cell in chosen):
        why = "The notebook has no stored outputs to compare with."
        return Comparison(), [refused(why, f"To store them, {HOW_TO_STORE}. Or set `compare` to `off` for it.")]
    comparison = Comparison()
    failures: list[Failure] = []
    counts: Counter[str] = Counter(ignored=len(chosen) - len(compared))
    for cell in compared:
        stored = _outputs(content[cell.index])
        found = outputs.compare(stored, new[cell.index], None)
        verdict = "same"
        if found.differences:
            found, verdict = outputs.compare(stored, new[cell.index], tolerance), "within-tolerance"
        if found.differences:
            failures.append(_failure(document, cell, found.differences, is_first=not failures))
            verdict = _change(found.differences)
        counts[verdict] += 1
        comparison.not_compared += found.not_compared
    comparison.cells = {name: number for name, number in counts.items() if number}
    return comparison, failures


def refused(why: str, hint: str) -> Failure:
    return Failure(kind="not-compared", title="Outputs cannot be compared", message=why, hint=hint)


def is_compared(cell: Cell, policy: str) -> bool:
    marks = set(_COMMENT.findall(cell.source))
    if SKIPPED in cell.tags:
        return False
    if cell.tags & CHECKED or "CHECK" in marks:
        return True
    return policy != "lax" and not (cell.tags & IGNORED or "IGNORE" in marks)


def _has_run(cell: Mapping[str, Any]) -> bool:
    return bool(_outputs(cell)) or cell.get("execution_count") is not None


def _outputs(cell: Mapping[str, Any]) -> list[Any]:
    stored = cell.get("outputs")
    return [output for output in stored if isinstance(output, dict)] if isinstance(stored, list) else []


def _change(found: Sequence[OutputDifference]) -> Change:
    changes = {each.change for each in found}
    return changes.pop() if len(changes) == 1 else "changed"


def _failure(document: Document, cell: Cell, found: Sequence[OutputDifference], *, is_first: bool) -> Failure:
    output = found[0].output
    hint = f"If the new outputs are right, {HOW_TO_STORE}. Tag a cell `compare-ignore` if its outputs always differ."
    return Failure(
        kind="changed-output",
        title=f"{TITLES[_change(found)]} in cell {cell.index + 1}",
        message="\n".join(each.message for each in found[:MOST_NAMED])
        + (f"\nand {len(found) - MOST_NAMED} more outputs" if len(found) > MOST_NAMED else ""),
        cell=cell.index + 1,
        line=document.line(cell.index) if output is None else document.output_line(cell.index, output),
        hint=hint if is_first else "",
    )


def is_stripped(document: Document, policy: str) -> bool:
    """Return whether outputs would be compared, but none are stored: no code cell has an output or a count."""
    content = json.loads(document.text)["cells"]
    chosen = [cell for cell in document.cells if cell.kind == "code" and cell.source.strip()]
    stored = [content[cell.index] for cell in chosen]
    has_run = any(cell.get("outputs") or cell.get("execution_count") is not None for cell in stored)
    return not has_run and any(is_compared(cell, policy) for cell in chosen)
