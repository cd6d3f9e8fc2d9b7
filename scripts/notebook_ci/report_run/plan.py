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
    base: Path | None  # run directory of the base run

    def lines(self) -> Iterator[str]:
        yield f"write a page about the run{f', compared with {self.base}' if self.base else ''}"


def make(inputs: ReportInputs, workspace: Workspace) -> ReportPlan:
    """Raise InputError if the run directory of the base run does not exist."""
    base = workspace.cwd / inputs.base if inputs.base else None
    if base and not base.is_dir():
        raise InputError(f"`base` is `{inputs.base}`, which is not a folder.", hint="Name a run directory.")
    return ReportPlan(base=base)
