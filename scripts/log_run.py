"""The script of the stage log-run."""

from notebook_ci.base.stage import Stage, run_script
from notebook_ci.log_run.model import OUTPUTS, LogRunInputs, LogRunRecord, idle
from notebook_ci.log_run.run import run

STAGE = Stage(
    name="log-run",
    description="Log the run to MLflow: parameters, metrics, data, digests, executed notebooks, records.",
    inputs=LogRunInputs,
    outputs=OUTPUTS,
    record=LogRunRecord,
    run=run,
    headline=lambda record: record.headline,
    idle=idle,
)

if __name__ == "__main__":
    run_script(STAGE)
