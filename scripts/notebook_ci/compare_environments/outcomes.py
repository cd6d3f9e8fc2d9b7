"""What came of a notebook in one run, compared with another: from the executed notebooks."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from notebook_ci.base.errors import NotebookCiError
from notebook_ci.compare import outputs
from notebook_ci.compare.notebooks import is_compared
from notebook_ci.compare.texts import Tolerance
from notebook_ci.notebooks import document
from notebook_ci.records.execute_notebook import NotebookResult

# Of runs that are compared with stored outputs, or that passed and were allowed to fail: all cells ran.
_RAN = ("changed-output", "not-compared", "unexpected-pass")
INJECTED = "injected-parameters"  # papermill's tag of the cell that it adds


@dataclass(frozen=True)
class RunOutcome:
    kind: Literal["same", "differs", "fails", "not compared"]
    reason: str = ""  # empty if it is not compared: nobody wants that
    line: int | None = None  # in the notebook's file


def fails(result: NotebookResult) -> bool:
    return result.status == "skipped" or bool(result.failure and result.failure.kind not in _RAN)


def outcome(before: NotebookResult, after: NotebookResult, inputs: Mapping[str, object], run: Path) -> RunOutcome:
    """Return how `after` compares with `before`; `inputs` are those of execute-notebook, `run` the run directory."""
    if fails(after):
        reason = f"Needs `{after.skipped_for}`." if after.skipped_for else ""
        if after.failure:
            return RunOutcome("fails", f"{after.failure.title}: {after.failure.message}", after.failure.line)
        return RunOutcome("fails", reason)
    settings = {**inputs, "compare": "numbers", **after.settings}
    if settings["compare"] == "off" or fails(before):
        return RunOutcome("not compared")
    if before.left_out or after.left_out:
        return RunOutcome("not compared", "Outputs were left out: more than `max-output`.")
    try:
        return _compared(run / before.output, run / after.output, settings, after.path)
    except (NotebookCiError, OSError, ValueError, RecursionError) as error:  # a notebook may write there, too
        return RunOutcome("not compared", f"The outputs cannot be compared: {error}")


def _compared(before: Path, after: Path, settings: Mapping[str, object], source: str) -> RunOutcome:
    tolerance = Tolerance(float(str(settings["rtol"])), float(str(settings["atol"])))
    executed = document.read(after)
    pairs = zip(*(json.loads(path.read_text(encoding="utf-8"))["cells"] for path in (before, after)), strict=True)
    added = 0
    for cell, (old, new) in zip(executed.cells, pairs, strict=True):
        added += INJECTED in cell.tags
        if cell.kind != "code" or not is_compared(cell, str(settings["compare"])):
            continue
        exact = None if settings["compare"] == "strict" else tolerance
        if found := outputs.compare(old["outputs"], new["outputs"], exact).differences:
            index = cell.index - added
            return RunOutcome("differs", f"Cell {index + 1}: {found[0].message}", _line(source, index))
    return RunOutcome("same")


def _line(source: str, index: int) -> int | None:
    try:
        return document.read(Path(source)).line(index)
    except NotebookCiError:  # a text notebook: jupytext is not installed here
        return None
