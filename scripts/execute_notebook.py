"""The script of the stage execute-notebook."""

from notebook_ci.base.context import Context
from notebook_ci.base.stage import Stage, run_script
from notebook_ci.execute_notebook.model import OUTPUTS, ExecuteInputs, ExecuteRecord


def _run(inputs: ExecuteInputs, context: Context, record: ExecuteRecord) -> None:
    from notebook_ci.execute_notebook.run import run  # needs the tool environment, which checking inputs does not

    run(inputs, context, record)


STAGE = Stage(
    name="execute-notebook",
    description="Execute Jupyter notebooks with parameters, and annotate what fails on its line.",
    inputs=ExecuteInputs,
    outputs=OUTPUTS,
    record=ExecuteRecord,
    run=_run,
    headline=lambda record: record.headline,
    idle=lambda *_: "",  # a chain that runs no notebook would be green for nothing
)

if __name__ == "__main__":
    run_script(STAGE)
