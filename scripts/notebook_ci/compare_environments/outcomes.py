"""What came of a notebook in one run, compared with the first run: from their records."""

from dataclasses import dataclass
from typing import Literal

from notebook_ci.records.execute_notebook import NotebookResult

# Failures of notebooks whose cells all ran: of their outputs, or because they were allowed to fail.
_RAN = ("changed-output", "not-compared", "secret", "unexpected-pass")


@dataclass(frozen=True)
class RunOutcome:
    kind: Literal["same", "differs", "fails", "not compared"]
    reason: str = ""  # empty if it is not compared: nobody wants that
    line: int | None = None  # in the notebook's file


def fails(result: NotebookResult) -> bool:
    return result.status == "skipped" or bool(result.failure and result.failure.kind not in _RAN)


def outcome(first: NotebookResult, after: NotebookResult) -> RunOutcome:
    """Return how `after`, whose baseline was the first run, compares with it."""
    if fails(after):
        if after.failure:
            return RunOutcome("fails", f"{after.failure.title}: {after.failure.message}", after.failure.line)
        return RunOutcome("fails", f"Needs `{after.skipped_for}`." if after.skipped_for else "")
    if fails(first) or after.settings.get("compare") in {"off", "warn"}:
        return RunOutcome("not compared")
    return _compared(first, after)


def _compared(first: NotebookResult, after: NotebookResult) -> RunOutcome:
    if first.left_out:
        return RunOutcome("not compared", "Outputs were left out: more than `max-output`.")
    if not after.comparison:
        return RunOutcome("not compared", "The first run left no executed notebook to compare with.")
    for found in (*after.failures, *after.comparison.allowed):
        if found.kind == "not-compared":
            return RunOutcome("not compared", found.message)
        if found.kind == "changed-output":
            return RunOutcome("differs", f"Cell {found.cell}: {found.message}", found.line)
    return RunOutcome("same")
