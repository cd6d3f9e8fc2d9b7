"""The script of the stage execute-notebook."""

from notebook_ci.base.context import Context
from notebook_ci.base.stage import Stage, run_script
from notebook_ci.execute_notebook import plan
from notebook_ci.execute_notebook.model import OUTPUTS, ExecuteInputs
from notebook_ci.execute_notebook.plan import ExecutionPlan
from notebook_ci.records.execute_notebook import ExecuteRecord


def _run(inputs: ExecuteInputs, planned: ExecutionPlan, context: Context, record: ExecuteRecord) -> None:
    from notebook_ci.execute_notebook.run import run  # needs the tool environment, which planning does not

    run(inputs, planned, context, record)


STAGE = Stage(
    name="execute-notebook",
    inputs=ExecuteInputs,
    outputs=OUTPUTS,
    record=ExecuteRecord,
    plan=plan.make,
    run=_run,
)

if __name__ == "__main__":
    run_script(STAGE)
