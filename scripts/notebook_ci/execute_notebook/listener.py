"""The events of an execution while it runs."""

from typing import Protocol


class Listener(Protocol):
    """Receives the events of an execution, and knows how busy the machine is."""

    def kernel(self, pid: int) -> None:
        """A kernel runs that leads this process group; 0: it has ended, with everything that it had started."""

    def cell(self, number: int) -> None:
        """A cell begins; cells are counted from 1."""

    def has_free_cpu(self) -> bool:
        """Return whether another CPU is free, beside the one that the kernel keeps busy."""

    def ending(self) -> None:
        """All cells have run: the rest is mostly waiting for the kernel's end."""
