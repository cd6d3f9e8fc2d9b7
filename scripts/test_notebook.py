"""The script of the stage test-notebook."""

from notebook_ci.base.stage import Stage, later, run_script
from notebook_ci.records.test_notebook import PytestRecord
from notebook_ci.test_notebook import plan
from notebook_ci.test_notebook.model import OUTPUTS, PytestInputs

STAGE = Stage(
    name="test-notebook",
    inputs=PytestInputs,
    outputs=OUTPUTS,
    record=PytestRecord,
    plan=plan.make,
    run=later("notebook_ci.test_notebook.run"),
)

if __name__ == "__main__":
    run_script(STAGE)
