"""What a stage reports to people: errors, warnings, notices."""

from dataclasses import dataclass
from typing import Literal

from notebook_ci.base.errors import NotebookCiError

Severity = Literal["error", "warning", "notice"]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something a person should look at."""

    severity: Severity  # `error` makes the stage fail
    message: str  # what is wrong
    hint: str = ""  # what to do next
    title: str = ""  # a few words, shown above the message
    file: str | None = None  # relative to the working directory, with `/`
    line: int | None = None  # counted from 1

    @classmethod
    def of(cls, error: NotebookCiError) -> "Problem":
        return cls(severity="error", message=error.message, hint=error.hint, file=error.file, line=error.line)

    @property
    def text(self) -> str:
        between = "\n" if "\n" in self.message else " "
        return f"{self.message}{between}{self.hint}" if self.hint else self.message
