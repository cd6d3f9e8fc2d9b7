"""What came of a notebook in one run, compared with the first run: from their records."""

from dataclasses import dataclass
from typing import Literal

from notebook_ci.records.execute_notebook import NotebookResult


@dataclass(frozen=True)
class RunOutcome:
    kind: Literal["same", "differs", "fails", "not compared"]
    reason: str = ""  # empty if it is not compared: nobody wants that
    line: int | None = None  # in the notebook's file


def outcome(first: NotebookResult, after: NotebookResult) -> RunOutcome:
    """Return how `after`, whose baseline was the first run, compares with it."""
    failure = after.failure
    if not after.has_completed:
        if failure:
            return RunOutcome("fails", f"{failure.title}: {failure.message}", failure.line)
        return RunOutcome("fails", f"Needs `{after.skipped_for}`." if after.skipped_for else "")
    if not first.has_completed or after.settings.get("compare") in {"off", "ignore"}:
        return RunOutcome("not compared")
    if reason := _why_not_compared(first, after):
        return RunOutcome("not compared", reason)
    if failure and failure.kind == "changed-output":
        return RunOutcome("differs", f"Cell {failure.cell}: {failure.message}", failure.line)
    return RunOutcome("same")


def _why_not_compared(first: NotebookResult, after: NotebookResult) -> str:
    if first.left_out:
        return "Outputs were left out: more than `max-output`."
    if not after.comparison:
        return "The first run left no executed notebook to compare with."
    return after.failure.message if after.failure and after.failure.kind == "not-compared" else ""
