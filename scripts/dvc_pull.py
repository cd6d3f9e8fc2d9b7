"""The script of the stage dvc-pull."""

from notebook_ci.data.model import OUTPUTS, DvcPullInputs, DvcPullRecord, idle
from notebook_ci.data.stage import run
from notebook_ci.stage import Stage, run_script

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
