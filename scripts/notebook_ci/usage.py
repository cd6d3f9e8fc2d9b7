"""What launch.sh tells of itself."""

import importlib

from notebook_ci.inputs import COMING, CONFIG, STAGES


def usage() -> str:
    """Return how launch.sh is called, with the stages that are there."""
    stages = [importlib.import_module(name.replace("-", "_")).STAGE for name in STAGES if name not in COMING]
    width = max(len(stage.name) for stage in stages)
    return "\n".join(
        [
            "usage: launch.sh STAGE [--help] [inputs]",
            "",
            "Runs a stage of notebook-ci on this machine, as its action does on a runner.",
            "",
            "Stages:",
            *(f"  {stage.name:<{width}}  {stage.description}" for stage in stages),
            "",
            "The workspace is the folder you run it from.",
            f"The inputs of a stage are flags, or stand in {CONFIG}: see launch.sh STAGE --help.",
            "",
        ]
    )
