"""How a domain package reports progress: it never prints."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from notebook_ci.base.problems import Problem


class Reporter(Protocol):
    """Shows progress while a stage works. Errors are returned or raised instead."""

    is_live: bool  # whether `live` shows anything: on a terminal only

    def progress(self, text: str) -> None:
        """Show one line about the current work."""

    def live(self, lines: Sequence[str]) -> None:
        """Show the current state below all other lines; it replaces what the last call showed."""

    def notice(self, text: str, *, file: str | None = None, line: int | None = None) -> None:
        """Show something the user should know, but need not act on."""

    def warning(self, text: str, *, file: str | None = None, line: int | None = None) -> None:
        """Show something that is not an error now, but should be checked."""

    def failed(self, what: str, problem: Problem, details: str) -> None:
        """Show a problem when it occurs: `what` is a line of progress, `details` are the output of a foreign program.

        The problem belongs into the record, too; it is shown only once.
        """

    def output(self, text: str) -> None:
        """Show the output of a foreign program. The runner obeys no command in it."""

    def streaming(self) -> AbstractContextManager[Callable[[str], None]]:
        """Show the output of a running foreign program: call the result per line. Show nothing else meanwhile."""
