"""The script of the stage compare-environments."""

from notebook_ci.base.stage import Stage, later, run_script
from notebook_ci.compare_environments.model import OUTPUTS, CompareEnvironmentsInputs
from notebook_ci.compare_environments.plan import make
from notebook_ci.records.compare_environments import CompareEnvironmentsRecord

STAGE = Stage(
    name="compare-environments",
    inputs=CompareEnvironmentsInputs,
    outputs=OUTPUTS,
    record=CompareEnvironmentsRecord,
    plan=make,
    run=later("notebook_ci.compare_environments.run"),
)

if __name__ == "__main__":
    run_script(STAGE)
