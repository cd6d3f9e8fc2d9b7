"""What report-run will do."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from notebook_ci.base.errors import InputError
from notebook_ci.base.plan import Plan
from notebook_ci.base.workspace import Workspace
from notebook_ci.report_run.model import ReportInputs


@dataclass(frozen=True, kw_only=True)
class ReportPlan(Plan):
    baseline: Path | None  # run directory of an earlier run

    def lines(self) -> Iterator[str]:
        yield f"write a page about the run{f', compared with {self.baseline}' if self.baseline else ''}"


def make(inputs: ReportInputs, workspace: Workspace) -> ReportPlan:
    """Raise InputError if the run directory of the earlier run does not exist."""
    baseline = workspace.cwd / inputs.baseline if inputs.baseline else None
    if baseline and not baseline.is_dir():
        raise InputError(f"`baseline` is `{inputs.baseline}`, which is not a folder.", hint="Name a run directory.")
    return ReportPlan(baseline=baseline)
