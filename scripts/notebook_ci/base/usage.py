"""What launch.sh tells of itself."""

import importlib

from notebook_ci.base.inputs import CONFIG, STAGES


def usage() -> str:
    """Return how launch.sh is called, with the stages that are there."""
    pipeline = importlib.import_module("pipeline").PIPELINE
    stages = [pipeline, *(importlib.import_module(name.replace("-", "_")).STAGE for name in STAGES)]
    width = max(len(stage.name) for stage in stages)
    return "\n".join(
        [
            "usage: launch.sh STAGE [--help] [inputs]",
            "",
            "Runs a stage of notebook-ci on this machine, as its action does on a runner; `pipeline` runs all of them.",
            "",
            "Stages:",
            *(f"  {stage.name:<{width}}  {stage.description}" for stage in stages),
            "",
            "The workspace is the folder you run it from.",
            f"The inputs of a stage are flags, or stand in {CONFIG}: see launch.sh STAGE --help.",
            "",
        ]
    )
