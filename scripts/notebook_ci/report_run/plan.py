"""What report-run will do."""

from collections.abc import Iterator
from dataclasses import dataclass

from notebook_ci.base.errors import InputError
from notebook_ci.base.plan import Plan
from notebook_ci.base.workspace import Workspace
from notebook_ci.records.run_directory import RunDirectory
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
