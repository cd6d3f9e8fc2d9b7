"""The script of the stage dvc-pull."""

from notebook_ci.base.stage import Stage, run_script
from notebook_ci.dvc_pull.model import OUTPUTS, DvcPullInputs
from notebook_ci.dvc_pull.run import cache, plan, run
from notebook_ci.records.dvc_pull import DvcPullRecord

STAGE = Stage(
    name="dvc-pull",
    inputs=DvcPullInputs,
    outputs=OUTPUTS,
    record=DvcPullRecord,
    plan=plan,
    run=run,
    cache=cache,
)

if __name__ == "__main__":
    run_script(STAGE)
