"""The script of the stage validate-data."""

from notebook_ci.base.context import Context
from notebook_ci.base.stage import Stage, run_script
from notebook_ci.records.validate_data import ValidateRecord
from notebook_ci.validate_data import plan
from notebook_ci.validate_data.model import OUTPUTS, ValidateInputs
from notebook_ci.validate_data.plan import ValidationPlan


def _run(inputs: ValidateInputs, planned: ValidationPlan, context: Context, record: ValidateRecord) -> None:
    from notebook_ci.validate_data.run import run  # needs the tool environment, which planning does not

    run(inputs, planned, context, record)


STAGE = Stage(
    name="validate-data",
    inputs=ValidateInputs,
    outputs=OUTPUTS,
    record=ValidateRecord,
    plan=plan.create,
    run=_run,
)

if __name__ == "__main__":
    run_script(STAGE)
