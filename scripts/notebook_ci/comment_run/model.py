"""What comment-run takes and gives."""

from dataclasses import dataclass

from notebook_ci.base.errors import InputError
from notebook_ci.base.inputs import StageInputs, given
from notebook_ci.base.values import TEXT, choice

OUTPUTS = {"url": "Address of the comment or the check; empty if there is none."}


@dataclass(frozen=True, kw_only=True)
class CommentInputs(StageInputs):
    """Write one comment about the run on its pull request, and keep it up to date."""

    as_: str = given(
        choice("comment", "check"),
        "`comment`: a comment on the pull request. `check`: a check of the commit, with the same text.",
        default="comment",
    )
    when: str = given(
        choice("start", "end"),
        "`end`: the run has ended, and its results are written. `start`: it begins, and the comment of the run before "
        "is marked as outdated.",
        default="end",
    )
    result: str = given(
        choice("success", "failure", "cancelled", "skipped"),
        "How the job of the notebooks ended: `needs.<job>.result`, or `job.status` in the same job. If it failed, and "
        "no record says why, the comment says so.",
        default="",
        shown_default="none; required at the end, except in a workflow on `workflow_run`, where GitHub says it",
    )
    job: str = given(
        TEXT,
        "In a workflow on `workflow_run`: name of the job whose end counts, as the page of the run lists it, if other "
        "jobs are about other projects. The job of this step needs `actions: read`.",
        default="",
        shown_default="none: the whole run counts",
    )
    report: str = given(
        TEXT,
        "Address of the report: the output `artifact-url` of actions/upload-artifact.",
        default="",
        shown_default="none; in a workflow on `workflow_run`, the report that the run uploaded",
    )

    def check(self) -> None:
        if self.as_ == "check" and self.when == "start":
            raise InputError(
                "`when: start` is for comments: a check belongs to one commit, and is never outdated.",
                hint="Remove this step, or set `as` to `comment`.",
            )
