"""What a worker tells the stage's process while it executes a notebook."""

from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any


@dataclass(frozen=True)
class Ending:
    """A worker's message: all cells have run. The rest is mostly waiting for the kernel's end."""


@dataclass(frozen=True)
class ExecutionListener:
    """Receives the events of an execution, and knows how busy the machine is. The numbers are in shared memory."""

    connection: "Connection[Any, Any]"
    cell_value: Any
    kernel_value: Any
    free_cpu_value: Any

    def kernel(self, pid: int) -> None:
        """A kernel runs that leads this process group; 0: it has ended, with everything that it had started."""
        self.kernel_value.value = pid

    def cell(self, number: int) -> None:
        """A cell begins; cells are counted from 1."""
        self.cell_value.value = number

    def has_free_cpu(self) -> bool:
        """Return whether another CPU is free, in addition to the one that the kernel uses."""
        return bool(self.free_cpu_value.value)

    def ending(self) -> None:
        self.connection.send(Ending())
