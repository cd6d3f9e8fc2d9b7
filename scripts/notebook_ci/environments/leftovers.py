"""Ends what code of the user leaves behind."""

import contextlib
from collections.abc import Iterator

from kernel_server.interface import processes
from notebook_ci.base import signals
from notebook_ci.base.process import LINUX


@contextlib.contextmanager
def nothing_left() -> Iterator[None]:
    """At the end, kill processes that have left the group of the program which started them, and outlived it.

    Works only on Linux, and only if this process had no children at the start (a shell that called `exec` may have
    some): their orphans could not be distinguished.
    """
    if not LINUX or processes.children():
        yield
        return
    processes.adopt()
    try:
        yield
    finally:
        with signals.held_back():
            processes.end_all(0)
