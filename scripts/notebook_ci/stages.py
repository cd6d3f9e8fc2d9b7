"""The stages, in the order of the chain."""

from importlib import import_module
from typing import Any

STAGES = (
    *("setup-env", "dvc-pull", "validate-data", "execute-notebook", "test-notebook", "build-image", "log-run"),
    "report-run",
)
# A stage begins when those before it have ended. These begin when the named ones have, because they read nothing of
# the others: only later stages use the environment of setup-env.
_AWAITS = {"dvc-pull": (), "validate-data": ("dvc-pull",)}
# Not in the chain: two divide its notebooks among several jobs, and bring the results together; the third runs some of
# its stages in two environments; the last one needs a token that the jobs of notebooks must not have.
OTHERS = ("plan-notebooks", "collect-runs", "compare-environments", "comment-run")
ALL_STAGES = (*STAGES, *OTHERS)


def awaited(name: str) -> tuple[str, ...]:
    """Return the stages that must have ended before a stage begins."""
    return _AWAITS.get(name, STAGES[: STAGES.index(name)])


def load_stage(name: str) -> Any:
    """Return the `Stage` of a stage's script."""
    return import_module(name.replace("-", "_")).STAGE
