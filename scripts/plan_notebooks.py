"""The script of the stage plan-notebooks."""

from notebook_ci.base.stage import Stage, run_script
from notebook_ci.plan_notebooks.model import OUTPUTS, PlanNotebooksInputs
from notebook_ci.plan_notebooks.run import plan, run
from notebook_ci.records.plan_notebooks import PlanNotebooksRecord

STAGE = Stage(
    name="plan-notebooks",
    inputs=PlanNotebooksInputs,
    outputs=OUTPUTS,
    record=PlanNotebooksRecord,
    plan=plan,
    run=run,
)

if __name__ == "__main__":
    run_script(STAGE)
