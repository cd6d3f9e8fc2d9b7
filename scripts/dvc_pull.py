"""The script of the stage dvc-pull."""

from notebook_ci.base.stage import Stage, run_script
from notebook_ci.dvc_pull.model import OUTPUTS, DvcPullInputs, DvcPullRecord, idle
from notebook_ci.dvc_pull.run import run

STAGE = Stage(
    name="dvc-pull",
    description="Pull data versioned by DVC, and check its content.",
    inputs=DvcPullInputs,
    outputs=OUTPUTS,
    record=DvcPullRecord,
    run=run,
    headline=lambda record: record.headline,
    idle=idle,
)

if __name__ == "__main__":
    run_script(STAGE)
