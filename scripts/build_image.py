"""The script of the stage build-image."""

from notebook_ci.base.stage import Stage, run_script
from notebook_ci.build_image.model import OUTPUTS, BuildImageInputs
from notebook_ci.build_image.run import plan, run
from notebook_ci.records.build_image import BuildImageRecord

STAGE = Stage(
    name="build-image",
    inputs=BuildImageInputs,
    outputs=OUTPUTS,
    record=BuildImageRecord,
    plan=plan,
    run=run,
)

if __name__ == "__main__":
    run_script(STAGE)
