"""Compares the outputs of an executed notebook with those that are stored in its file, or with those of a baseline."""

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from notebook_ci.base.errors import InputError
from notebook_ci.base.masking import masked
from notebook_ci.base.texts import quote
from notebook_ci.base.values import ATOL, RTOL, Kind
from notebook_ci.compare import outputs
from notebook_ci.compare.cells import (
    CHECK,
    HOW_TO_STORE,
    IGNORE,
    counterparts,
    has_run,
    is_compared,
    stored_outputs,
    with_code,
)
from notebook_ci.compare.outputs import OutputDifference
from notebook_ci.compare.texts import Tolerance
from notebook_ci.notebooks.document import Cell, Document, kernel_language
from notebook_ci.records.execute_notebook import IGNORED, Change, Comparison, Failure

_TOLERANCE = re.compile(r"compare-(rtol|atol)=(.*)")
_TAG = re.compile(rf"(?!compare-).*|{CHECK}|{IGNORE}|{_TOLERANCE.pattern}", re.DOTALL)
KINDS: Mapping[str, Kind] = {"rtol": RTOL, "atol": ATOL}
TITLES: Mapping[Change, str] = {
    "changed": "Output changed",
    "new": "New output",
    "gone": "Output is gone",
    "error": "Another error",
}
MOST_NAMED = 10  # outputs of a cell


@dataclass(frozen=True)
class ChangedCell:
    cell: Cell
    failure: Failure
    old: Sequence[Any]  # its outputs
    new: Sequence[Any]


@dataclass
class Differences:
    """What a comparison of a notebook found."""

    comparison: Comparison = field(default_factory=Comparison)
    changed: list[ChangedCell] = field(default_factory=list)
    refusal: Failure | None = None  # why nothing was compared

    @property
    def failures(self) -> list[Failure]:
        return [self.refusal] if self.refusal else [each.failure for each in self.changed]


def compare(
    document: Document,
    new: Sequence[Sequence[Any]],
    policy: str,
    tolerance: Tolerance,
    *,
    baseline: Document | None = None,
    language: str | None = None,
) -> Differences:
    """Compare the outputs of each cell (`new`) with those of the baseline. None: with those stored in the document.

    `language` is that of the kernel that executes the document now.
    """
    before = kernel_language((baseline or document).metadata)
    if before and language and before != language:
        which = "baseline's outputs" if baseline else "stored outputs"
        why = f"The {which} came from a kernel for {quote(before)}, the new ones from one for {quote(language)}."
        return refused(why, "Execute the notebook with one kernel for both.")
    try:
        plain = json.loads(json.dumps(new))
        if policy == "strict":
            tolerance = dataclasses.replace(tolerance, is_exact=True)
        return _compare(document, plain, policy, tolerance, _Old(document, baseline))
    except InputError as error:
        return refused(error.message, error.hint)
    except RecursionError:
        return refused("An output is nested too deeply.", f"Tag its cell `{IGNORE}`.")


def refused(why: str, hint: str) -> Differences:
    failure = Failure(kind="not-compared", title="Outputs cannot be compared", message=why, hint=hint)
    return Differences(refusal=failure)


@dataclass
class _Old:
    """The outputs that the new ones are compared with."""

    document: Document  # that is executed
    baseline: Document | None

    def __post_init__(self) -> None:
        self._cells: list[dict[str, Any]] = masked(json.loads((self.baseline or self.document).text)["cells"])
        same = range(len(self.document.cells))
        self._indices = counterparts(self.baseline, self.document) if self.baseline else same

    def has_run(self, cell: Cell) -> bool:
        at = self._indices[cell.index]
        return at is not None and has_run(self._cells[at])

    def outputs(self, cell: Cell) -> list[Any] | None:
        """Return the outputs of a cell; None if the baseline does not have it."""
        at = self._indices[cell.index]
        return None if at is None else stored_outputs(self._cells[at])

    def failure(self, cell: Cell, found: Sequence[OutputDifference]) -> Failure:
        lines = [each.message for each in found[:MOST_NAMED]]
        if len(found) > MOST_NAMED:
            lines.append(f"and {len(found) - MOST_NAMED} more outputs")
        at, output, line = self._indices[cell.index], found[0].output, self.document.line(cell.index)
        if self.baseline and at is not None and self.baseline.cells[at].source != cell.source:
            lines.append("The source of the cell has changed, too.")
        if not self.baseline and output is not None:
            line = self.document.output_line(cell.index, output)
        return Failure(
            kind="changed-output",
            title=f"{TITLES[_change(found)]} in cell {cell.index + 1}",
            message="\n".join(lines),
            cell=cell.index + 1,
            line=line,
        )

    @property
    def hint(self) -> str:
        then = "use this run as the next `baseline`" if self.baseline else HOW_TO_STORE
        return f"If the new outputs are right, {then}. Tag a cell `{IGNORE}` if its outputs always differ."


def _compare(
    document: Document, new: Sequence[Sequence[Any]], policy: str, tolerance: Tolerance, old: _Old
) -> Differences:
    chosen = with_code(document)
    for cell in chosen:
        _check_tags(cell)
    compared = [cell for cell in chosen if is_compared(cell, policy)]
    if compared and not any(map(old.has_run, chosen)):
        if old.baseline:
            return refused("The baseline has no outputs of the notebook.", "Execute it again for the baseline.")
        why = "The notebook has no stored outputs to compare with."
        return refused(why, f"To store them, {HOW_TO_STORE}. Or set `compare` to `off` for it.")
    found = Differences()
    counts: Counter[str] = Counter({IGNORED: len(chosen) - len(compared)})
    for cell in compared:
        stored = old.outputs(cell)
        if stored is None:
            found.comparison.not_in_baseline.append(cell.index + 1)
            continue
        own = _tolerance(cell, tolerance)
        exact = dataclasses.replace(own, is_exact=True)
        seen, verdict = outputs.compare(stored, new[cell.index], exact), "same"
        if seen.differences:
            seen, verdict = outputs.compare(stored, new[cell.index], own), "within-tolerance"
        if seen.differences:
            verdict = _change(seen.differences)
            failure = old.failure(cell, seen.differences)
            found.changed.append(ChangedCell(cell, failure, stored, new[cell.index]))
        counts[verdict] += 1
        found.comparison.not_compared += seen.not_compared
    found.comparison.cells = {name: number for name, number in counts.items() if number}
    if found.changed:
        found.changed[0].failure.hint = old.hint
    return found


def _check_tags(cell: Cell) -> None:
    """Raise InputError for a misspelt tag: with `lax`, nothing would be compared."""
    if wrong := [tag for tag in sorted(cell.tags) if not _TAG.fullmatch(tag)]:
        known = f"`{CHECK}`, `{IGNORE}`, `compare-rtol=1e-3`, `compare-atol=1e-9`"
        raise InputError(f"Cell {cell.index + 1} has an unknown tag: {quote(wrong[0])}.", hint=f"Known: {known}.")


def _tolerance(cell: Cell, common: Tolerance) -> Tolerance:
    """Return the tolerance of a cell: its tags (`compare-rtol=1e-3`) win. Raises InputError if one is wrong."""
    tags = [found.groups() for tag in sorted(cell.tags) if (found := _TOLERANCE.fullmatch(tag))]
    own = {name: KINDS[name].read(value, f"The tag `compare-{name}` of cell {cell.index + 1}") for name, value in tags}
    return dataclasses.replace(common, is_exact=False, **own) if own else common


def _change(found: Sequence[OutputDifference]) -> Change:
    changes = {each.change for each in found}
    return changes.pop() if len(changes) == 1 else "changed"
