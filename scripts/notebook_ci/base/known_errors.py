"""Tables of what the output of a tool means."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from notebook_ci.base.errors import NotebookCiError, SurroundingsError


@dataclass(frozen=True)
class KnownError:
    """`message` and `hint` are templates for the groups of the pattern, and for values of the caller.

    The group `line` is the location in the file that the caller knows.
    """

    pattern: str  # a regular expression for the output; letter case does not count
    message: str
    hint: str = ""
    kind: type[NotebookCiError] = SurroundingsError

    def error(self, values: Mapping[str, str]) -> NotebookCiError:
        message = re.sub(r"([.?!])\.$", r"\1", self.message.format_map(values))  # a tool's text may end a sentence
        line = int(values["line"]) if "line" in values else None
        return self.kind(message, hint=self.hint.format_map(values), line=line)


def find(known: Iterable[KnownError], output: str) -> tuple[KnownError, dict[str, str]] | None:
    """Return the first entry whose pattern is in `output`, and its groups without surrounding white space."""
    for entry in known:
        if found := re.search(entry.pattern, output, re.IGNORECASE | re.MULTILINE):
            return entry, {name: value.strip() for name, value in found.groupdict().items() if value}
    return None


def explain(known: Iterable[KnownError], output: str, **values: str) -> NotebookCiError | None:
    """Return the error of the first entry that fits; None if none does."""
    found = find(known, output)
    return found[0].error({**values, **found[1]}) if found else None
