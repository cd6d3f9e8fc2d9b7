"""The record of report-run."""

from dataclasses import dataclass, field

from notebook_ci.records.record import Record


@dataclass(kw_only=True)
class ReportRunRecord(Record):
    report: str = ""  # path of the page, an HTML file in the run directory
    bytes: int = 0  # size of the page
    notebooks: int = 0  # number of executed notebooks that it shows
    left_out: int = 0  # number of outputs and notebooks that it does not show, because of `max-size`
    baseline_metrics: dict[str, float] = field(default_factory=dict)  # those of the run that `baseline` names

    @property
    def headline(self) -> dict[str, str]:
        return {"report": self.report}
