"""The script of the stage validate-data."""

from notebook_ci.base.stage import Stage, imports, later, run_script
from notebook_ci.records.validate_data import ValidateRecord
from notebook_ci.validate_data import plan
from notebook_ci.validate_data.model import OUTPUTS, ValidateInputs

STAGE = Stage(
    name="validate-data",
    inputs=ValidateInputs,
    outputs=OUTPUTS,
    record=ValidateRecord,
    plan=plan.create,
    run=later("notebook_ci.validate_data.run"),
    ahead=imports("notebook_ci.validate_data.run", "notebook_ci.validate_data.engine"),
)

if __name__ == "__main__":
    run_script(STAGE)
