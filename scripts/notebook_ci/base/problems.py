"""What a stage reports to people: errors, warnings, notices."""

from dataclasses import dataclass
from typing import Literal

from notebook_ci.base.errors import NotebookCiError

Severity = Literal["error", "warning", "notice"]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something a person should look at.

    Attributes:
        severity: `error` makes the stage fail.
        message: What is wrong.
        hint: What to do next, or nothing.
        title: A few words, shown above the message.
        file: The file with the problem, relative to the working directory, with `/`.
        line: The line in that file, counted from 1.
    """

    severity: Severity
    message: str
    hint: str = ""
    title: str = ""
    file: str | None = None
    line: int | None = None

    @classmethod
    def of(cls, error: NotebookCiError) -> "Problem":
        return cls(severity="error", message=error.message, hint=error.hint, file=error.file, line=error.line)

    @property
    def text(self) -> str:
        between = "\n" if "\n" in self.message else " "
        return f"{self.message}{between}{self.hint}" if self.hint else self.message
