"""What report-run takes and gives."""

from dataclasses import dataclass

from notebook_ci.base.inputs import StageInputs, given
from notebook_ci.base.values import PATH, SIZE

OUTPUTS = {"report": "Path of the report, an HTML page about the run."}


@dataclass(frozen=True, kw_only=True)
class ReportInputs(StageInputs):
    """Write one HTML page about the run: what failed, when what ran, all notebooks, metrics, data, environment."""

    baseline: str = given(
        PATH,
        "Run directory of an earlier run, for example of the main branch: the report shows what differs: "
        "metrics, notebooks, data, packages.",
        default="",
        shown_default="none",
    )
    max_size: int = given(
        SIZE,
        "Size of the page. If it would be larger, the largest outputs are left out, then the largest notebooks; a "
        "notice says so.",
        default=20_000_000,
        shown_default="`20 MB`",
    )
