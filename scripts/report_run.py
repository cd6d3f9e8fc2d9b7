"""The script of the stage report-run."""

from notebook_ci.base.stage import Stage, later, run_script
from notebook_ci.records.report_run import ReportRunRecord
from notebook_ci.report_run.model import OUTPUTS, ReportInputs
from notebook_ci.report_run.plan import in_summary, make

STAGE = Stage(
    name="report-run",
    inputs=ReportInputs,
    outputs=OUTPUTS,
    record=ReportRunRecord,
    plan=make,
    run=later("notebook_ci.report_run.run"),
    in_summary=in_summary,
)

if __name__ == "__main__":
    run_script(STAGE)
