"""The record of comment-run."""

from dataclasses import dataclass

from notebook_ci.records.record import Record


@dataclass(kw_only=True)
class CommentRunRecord(Record):
    url: str = ""  # of the comment or the check
    pull_request: int | None = None  # its number
    action: str = ""  # what was done with the comment: `created`, `updated`, `marked` (as outdated) ...

    @property
    def headline(self) -> dict[str, str]:
        return {"url": self.url}
