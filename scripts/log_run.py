"""The script of the stage log-run."""

from notebook_ci.base.stage import Stage, run_script
from notebook_ci.log_run.client import waiting_worker
from notebook_ci.log_run.model import OUTPUTS, LogRunInputs
from notebook_ci.log_run.run import in_summary, plan, run
from notebook_ci.records.log_run import LogRunRecord

STAGE = Stage(
    name="log-run",
    inputs=LogRunInputs,
    outputs=OUTPUTS,
    record=LogRunRecord,
    plan=plan,
    run=run,
    ahead=waiting_worker,
    in_summary=in_summary,
)

if __name__ == "__main__":
    run_script(STAGE)
