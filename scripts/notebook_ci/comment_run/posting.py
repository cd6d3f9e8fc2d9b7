"""Keeps one comment, also if several runs write it at the same time, or people delete it meanwhile."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from notebook_ci.comment_run.mark import Mark, first_line

MOST_LOOKS = 6


@dataclass(frozen=True, kw_only=True)
class Comment:
    """A comment of ours on the pull request."""

    number: int  # older comments have smaller ones
    url: str
    body: str
    mark: Mark


class Comments(Protocol):
    def own(self, key: str) -> Sequence[Comment]:
        """Return our comments with that key, the oldest first."""

    def create(self, body: str) -> None: ...

    def edit(self, comment: Comment, body: str) -> None:
        """Do nothing if the comment was deleted."""

    def delete(self, comment: Comment) -> None:
        """Do nothing if the comment was deleted."""


def keep_one(comments: Comments, key: str, body: Callable[[Comment | None], str]) -> Comment | None:
    """Write the comment, and return it: None if there is none to write.

    `body` returns its text for the one that exists; empty: leave all as it is. GitHub cannot change a comment only if
    nobody else has: after each change, look again until there is one comment, with that text. Of several, the oldest
    one stays: all runs agree which one it is.
    """
    written, found = "", None
    for _ in range(MOST_LOOKS):
        found, *others = comments.own(key) or (None,)
        for other in others:
            comments.delete(other)
        if found and written and first_line(found.body) == first_line(written):
            break
        written = body(found)
        if not written:
            break
        if found:
            comments.edit(found, written)
        else:
            comments.create(written)
    return found
