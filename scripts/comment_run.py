"""The script of the stage comment-run."""

from notebook_ci.base.stage import Stage, later, run_script
from notebook_ci.comment_run.model import OUTPUTS, CommentInputs
from notebook_ci.comment_run.plan import make
from notebook_ci.records.comment_run import CommentRunRecord

STAGE = Stage(
    name="comment-run",
    inputs=CommentInputs,
    outputs=OUTPUTS,
    record=CommentRunRecord,
    plan=make,
    run=later("notebook_ci.comment_run.run"),
)

if __name__ == "__main__":
    run_script(STAGE)
