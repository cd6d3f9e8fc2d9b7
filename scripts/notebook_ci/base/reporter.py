"""What a domain package is given to tell its progress: it never prints."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol


class Reporter(Protocol):
    """Takes what should be seen while a stage works. Faults are not told here: they are returned or raised.

    Attributes:
        is_live: Whether there is a terminal, for `live`.
    """

    is_live: bool

    def progress(self, text: str) -> None:
        """Show one line about the work that goes on."""

    def live(self, lines: Sequence[str]) -> None:
        """Show what goes on at this moment, below all else, in the place of what was shown so before."""

    def notice(self, text: str, *, file: str | None = None, line: int | None = None) -> None:
        """Show something the user should know, that needs no action."""

    def warning(self, text: str, *, file: str | None = None, line: int | None = None) -> None:
        """Show something that does not fail now, but should be looked at."""

    def output(self, text: str) -> None:
        """Show the output of a foreign program: shown, never obeyed."""

    def streaming(self) -> AbstractContextManager[Callable[[str], None]]:
        """Show the output of a foreign program while it runs: each line by a call. Nothing else is told meanwhile."""
