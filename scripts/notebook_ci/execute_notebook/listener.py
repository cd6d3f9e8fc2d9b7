"""What is told of an execution while it goes on."""

from typing import Protocol


class Listener(Protocol):
    """Is told while a notebook is executed, and tells how busy the machine is."""

    def kernel(self, pid: int) -> None:
        """A kernel runs that leads this process group; 0: it has ended, with all that it had started."""

    def cell(self, number: int) -> None:
        """A cell begins; cells are counted from 1."""

    def has_free_cpu(self) -> bool:
        """Return whether there is a CPU that nobody needs, beside the one that the kernel keeps busy."""

    def ending(self) -> None:
        """All cells have run: what follows is for the most part waiting for the kernel's end."""
