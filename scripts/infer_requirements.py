"""The command infer-requirements: writes a list of packages from the imports of the notebooks, and its lock."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from notebook_ci.base.console import Console
from notebook_ci.base.errors import InputError
from notebook_ci.base.files import unwritable
from notebook_ci.base.inputs import StageInputs
from notebook_ci.base.launcher import COMMAND
from notebook_ci.base.load_inputs import CHECK_ONLY
from notebook_ci.base.plan import Nothing
from notebook_ci.base.stage import Command, run_script
from notebook_ci.base.texts import quote
from notebook_ci.base.workspace import Workspace
from notebook_ci.environments.uv import Uv
from notebook_ci.setup_env import inference, pythons
from notebook_ci.setup_env.model import SetupEnvInputs
from notebook_ci.setup_env.run import plan

DESCRIPTION = (
    "Write `requirements.in`, the packages that the notebooks and their local modules name and import, and the lock "
    "`requirements.txt`, in versions as old as the last commit."
)


class InferRequirements(Command[StageInputs]):
    def _main(self, argv: Sequence[str], environ: Mapping[str, str], _stdin: TextIO, console: Console) -> int:
        argparse.ArgumentParser(prog=f"{COMMAND} {self.name}", description=DESCRIPTION).parse_args(
            [each for each in argv if each != CHECK_ONLY]
        )
        workspace = Workspace(Path.cwd(), environ)
        planned = plan(SetupEnvInputs(infer=True), workspace)
        if isinstance(planned, Nothing):
            raise InputError("No notebook in this folder imports anything.", hint="Run it in the folder of a project.")
        if not planned.inference:
            raise InputError(f"{quote(planned.lock.name)} already says what to install.", hint="Delete or rename it.")
        if CHECK_ONLY in argv:
            return 0
        lock, problems = replace(planned.lock, path=workspace.cwd / "requirements.txt"), list(planned.problems)
        uv = Uv(workspace, console, Path(os.devnull))
        python = pythons.find_or_download(uv, planned.python, problems)
        try:
            problems += inference.write(planned.inference, lock, python, uv)
        except OSError as error:
            raise unwritable(f"{quote(lock.name)} cannot be written", lock.path, error) from error
        console.annotate(problems)
        console.progress("Written: requirements.in and requirements.txt. Check them, and commit both.")
        return 0


if __name__ == "__main__":
    run_script(InferRequirements(name="infer-requirements", inputs=StageInputs, outputs={}))
