"""The script of the stage log-run."""

from notebook_ci.base.stage import Stage, run_script
from notebook_ci.log_run.model import OUTPUTS, LogRunInputs
from notebook_ci.log_run.run import plan, run
from notebook_ci.records.log_run import LogRunRecord

STAGE = Stage(
    name="log-run",
    description="Log the run to MLflow: parameters, metrics, datasets, digests, executed notebooks, records.",
    inputs=LogRunInputs,
    outputs=OUTPUTS,
    record=LogRunRecord,
    plan=plan,
    run=run,
    headline=lambda record: record.headline,
)

if __name__ == "__main__":
    run_script(STAGE)
