"""The stages, in the order of the chain."""

from importlib import import_module
from typing import Any

STAGES = ("setup-env", "dvc-pull", "validate-data", "execute-notebook", "build-image", "log-run")
# Not in the chain: they divide its notebooks among several jobs, and bring the results together.
ACROSS_JOBS = ("plan-notebooks",)
ALL_STAGES = (*STAGES, *ACROSS_JOBS)


def load_stage(name: str) -> Any:
    """Return the `Stage` of a stage's script."""
    return import_module(name.replace("-", "_")).STAGE
