"""The script of the stage setup-env."""

from notebook_ci.base.stage import Stage, run_script
from notebook_ci.records.setup_env import SetupEnvRecord
from notebook_ci.setup_env.model import OUTPUTS, SetupEnvInputs
from notebook_ci.setup_env.run import cache, plan, run

STAGE = Stage(
    name="setup-env",
    inputs=SetupEnvInputs,
    outputs=OUTPUTS,
    record=SetupEnvRecord,
    plan=plan,
    run=run,
    cache=cache,
)

if __name__ == "__main__":
    run_script(STAGE)
