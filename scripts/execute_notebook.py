"""The script of the stage execute-notebook."""

from notebook_ci.base.stage import Stage, imports, later, run_script
from notebook_ci.execute_notebook import plan
from notebook_ci.execute_notebook.model import OUTPUTS, ExecuteInputs
from notebook_ci.records.execute_notebook import ExecuteRecord

STAGE = Stage(
    name="execute-notebook",
    inputs=ExecuteInputs,
    outputs=OUTPUTS,
    record=ExecuteRecord,
    plan=plan.make,
    run=later("notebook_ci.execute_notebook.run"),
    ahead=imports("notebook_ci.execute_notebook.run", "notebook_ci.execute_notebook.conductor"),
)

if __name__ == "__main__":
    run_script(STAGE)
