"""The summary of comment-run."""

from notebook_ci.records.comment_run import CommentRunRecord


def note(record: CommentRunRecord) -> str:
    what = f"comment on pull request {record.pull_request}" if record.pull_request else "check"
    return f"{what} {record.action}" if record.action else "nothing was written"
