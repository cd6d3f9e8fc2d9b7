"""What report-run will do."""

from collections.abc import Iterator
from dataclasses import dataclass

from notebook_ci.base.errors import InputError
from notebook_ci.base.plan import Plan
from notebook_ci.base.workspace import Workspace
from notebook_ci.records.record import Record
from notebook_ci.records.report_run import ReportRunRecord
from notebook_ci.records.run_directory import RunDirectory
from notebook_ci.records.shards import whole_run
from notebook_ci.report_run.model import ReportInputs


@dataclass(frozen=True, kw_only=True)
class ReportPlan(Plan):
    baseline: RunDirectory | None  # of an earlier run

    def lines(self) -> Iterator[str]:
        yield f"write a page about the run{f', compared with {self.baseline.path}' if self.baseline else ''}"


def make(inputs: ReportInputs, workspace: Workspace) -> ReportPlan:
    """Raise InputError if the earlier run does not exist, or has no records."""
    return ReportPlan(baseline=baseline(inputs.baseline, workspace))


def baseline(given: str, workspace: Workspace) -> RunDirectory | None:
    try:
        return RunDirectory.existing(given, workspace) if given else None
    except InputError as error:
        raise InputError(f"`baseline` cannot be used: {error.message}", hint=error.hint) from error


def in_summary(record: ReportRunRecord, run_directory: RunDirectory) -> tuple[list[Record], list[Record]]:
    """Return the records of the whole run if there is a baseline: only then it is known how their metrics changed."""
    return whole_run(record, run_directory) if record.baseline_metrics else [record], [record]
