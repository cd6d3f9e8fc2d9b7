"""What a comment hides in its first line: by it, later runs find the comment and compare with it.

Text of notebooks is never in the first line, and only comments that our own account wrote are read.
"""

import hashlib
import json
from dataclasses import dataclass

from notebook_ci.base.typed_json import from_json, parse

_BEGIN, _END = "<!-- notebook-ci comment-run ", " -->"


@dataclass(frozen=True, kw_only=True)
class Mark:
    key: str  # what the comment is about: see `key_of`
    run: int  # the newest run that wrote it, or marked it as outdated
    attempt: int
    failed: list[str]  # see `changes`
    digest: str = ""  # of the text

    @property
    def order(self) -> tuple[int, int]:
        return self.run, self.attempt


def key_of(*names: str) -> str:
    """Return the key of a comment: of its workflow, working directory and slug."""
    return "\n".join(names)


def marked(mark: Mark, text: str) -> str:
    """Return the text of a comment with its hidden first line."""
    digest = hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:16]
    hidden = json.dumps({**vars(mark), "digest": digest}).replace(">", "\\u003e")  # `-->` would end it
    return f"{_BEGIN}{hidden}{_END}\n{text}"


def first_line(body: str) -> str:
    return body.partition("\n")[0].rstrip("\r")


def read(body: str) -> Mark | None:
    """Return what the first line of a comment hides; None if it is not one of ours."""
    line = first_line(body)
    if not (line.startswith(_BEGIN) and line.endswith(_END)):
        return None
    try:
        return from_json(Mark, parse(line.removeprefix(_BEGIN).removesuffix(_END)))
    except ValueError:
        return None
