"""What the launcher prints with `--help`."""

import importlib

from notebook_ci.base.inputs import CONFIG, STAGES
from notebook_ci.base.launcher import COMMAND


def usage() -> str:
    """Return how the launcher is called, and the list of stages."""
    pipeline = importlib.import_module("pipeline").PIPELINE
    stages = [pipeline, *(importlib.import_module(name.replace("-", "_")).STAGE for name in STAGES)]
    width = max(len(stage.name) for stage in stages)
    return "\n".join(
        [
            f"usage: {COMMAND} STAGE [--help] [inputs]",
            f"       {COMMAND} --version",
            "",
            "Runs a stage of notebook-ci on this machine, as its action does on a runner; `pipeline` runs all of them.",
            "",
            "Stages:",
            *(f"  {stage.name:<{width}}  {stage.description}" for stage in stages),
            "",
            "The workspace is the folder you run it from.",
            f"The inputs of a stage are flags, or stand in {CONFIG}: see {COMMAND} STAGE --help.",
            "",
        ]
    )
