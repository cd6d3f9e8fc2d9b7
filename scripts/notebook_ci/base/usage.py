"""What the launcher prints with `--help`."""

import importlib

from notebook_ci.base.inputs import CONFIG
from notebook_ci.base.launcher import COMMAND
from notebook_ci.stages import STAGES, load_stage


def usage() -> str:
    """Return how the launcher is called, and the list of stages."""
    pipeline = importlib.import_module("pipeline").PIPELINE
    stages = [pipeline, *(load_stage(name) for name in STAGES)]
    width = max(len(stage.name) for stage in stages)
    listed = "\n".join(f"  {stage.name:<{width}}  {stage.description}" for stage in stages)
    return f"""\
usage: {COMMAND} STAGE [--help] [--plan] [inputs]
       {COMMAND} --version

Run one stage of notebook-ci, as its action does on a runner. `pipeline` runs all stages.

Stages:
{listed}

--plan shows what a stage would do, without running it.
The workspace is the current folder.
Inputs are flags, or keys in {CONFIG}: see {COMMAND} STAGE --help.
"""
