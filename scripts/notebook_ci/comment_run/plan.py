"""What comment-run will do."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from notebook_ci.base.errors import InputError
from notebook_ci.base.plan import Plan
from notebook_ci.base.texts import quote
from notebook_ci.base.workspace import Workspace
from notebook_ci.comment_run.event import Target, target
from notebook_ci.comment_run.model import CommentInputs

TOKEN = "GITHUB_TOKEN"  # noqa: S105 - the name of a variable


@dataclass(frozen=True, kw_only=True)
class CommentPlan(Plan):
    target: Target | None
    skipped: str  # why there is nothing to do, as a sentence

    def lines(self) -> Iterator[str]:
        if self.target:
            pull_request = f"pull request {self.target.number}" if self.target.number else self.target.sha
            yield f"write about run {self.target.run} of {quote(self.target.workflow)}, on {pull_request}"
        else:
            yield f"nothing: {self.skipped}"


def make(inputs: CommentInputs, workspace: Workspace) -> CommentPlan:
    """Raise InputError if an input or the token is missing, or the address of the report is not of this repository."""
    found = target(workspace, as_check=inputs.as_ == "check")
    if isinstance(found, str):
        return CommentPlan(target=None, skipped=found)
    if not workspace.environ.get(TOKEN):
        raise InputError(f"`{TOKEN}` is not set.", hint=f"Set it: `env: {{ {TOKEN}: ${{{{ github.token }}}} }}`.")
    if not found.result and inputs.when == "end":
        if any(found.head):
            hint = "Set `when` to `${{ github.event.action == 'requested' && 'start' || 'end' }}`."
            raise InputError("The run has not ended, and `when` is `end`.", hint=hint)
        if not inputs.result:
            message = "`result` is not set, and without it, a job that was killed would look as if it had passed."
            raise InputError(
                message, hint="Set it to `${{ needs.<job>.result }}`; in the same job, `${{ job.status }}`."
            )
        found = replace(found, result=inputs.result)
    if inputs.report and not inputs.report.startswith(f"{found.url}/actions/runs/"):
        raise InputError(
            f"`report` is {quote(inputs.report)}, which is not an artifact of this repository.",
            hint="Set it to the output `artifact-url` of actions/upload-artifact.",
        )
    return CommentPlan(target=found, skipped="")
