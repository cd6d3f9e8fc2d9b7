"""What plan-notebooks takes and gives."""

from dataclasses import dataclass

from notebook_ci.base.inputs import given
from notebook_ci.base.values import BOOLEAN, whole_number
from notebook_ci.notebooks.inputs import NotebookInputs
from notebook_ci.notebooks.settings import OF_JOBS, NotebookRule, kind_of_rules

MOST_SHARDS = 256  # GitHub's limit of jobs per matrix
OUTPUTS = {
    "matrix": "Jobs for `strategy.matrix`, as JSON: each has `shard`, `notebooks`, `runner` and `container`.",
    "count": "Number of notebooks that run.",
    "any": "`true` if a notebook runs, else `false`. GitHub refuses an empty matrix: use it in `if:` of the job.",
}


@dataclass(frozen=True, kw_only=True)
class PlanNotebooksInputs(NotebookInputs):
    """Find the notebooks that a change affects, and divide them among jobs that take equally long."""

    changed_only: bool = given(
        BOOLEAN, "Run only the notebooks that a change affects; see below. `false`: run all.", default=True
    )
    shards: int = given(
        whole_number(1, MOST_SHARDS),
        "How many jobs at most. There are fewer if a job would have less than half a minute of work.",
        default=4,
    )
    runner: tuple[str, ...] = given(
        OF_JOBS["runner"],
        "Labels of the runners.",
        default=("ubuntu-latest",),
        shown_default="`ubuntu-latest`",
    )
    container: str = given(OF_JOBS["container"], "Image that the jobs run in.", default="")
    recorded_containers: bool = given(
        BOOLEAN,
        "Run a notebook that does not set `container` in the image that Google's Workbench recorded in its metadata "
        "(`environment.uri`).",
        default=False,
    )
    for_: tuple[NotebookRule, ...] = given(
        kind_of_rules(OF_JOBS, "Write `- {notebooks: NAME.ipynb, runner: [self-hosted, gpu]}`, one per line."),
        "`runner` and `container` of single notebooks. `notebooks` are globs. If several match, the last one wins. "
        '`container: ""` means none.',
        default=(),
    )
