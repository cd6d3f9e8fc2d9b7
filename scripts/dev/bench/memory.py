"""The memory of a command's processes. Linux only."""

import contextlib
import os
from collections import defaultdict
from pathlib import Path
from typing import Literal

from kernel_server.interface import proportional_bytes

# "drivers": without kernels, the servers that fork them, and what these started. "kernels": only these.
Part = Literal["drivers", "kernels"]
# Parts of the command line of a kernel, or of a kernel server (its forked kernels keep its command line).
KERNELS = (b"ipykernel_launcher", b"kernel_server/inside/start.py")


def memory(root: int, part: Part) -> int:
    """Return the bytes (PSS) of a part of a process and its descendants."""
    children = _children()
    total = 0
    pending = [(root, False)]
    while pending:
        pid, is_kernel = pending.pop()
        is_kernel = is_kernel or any(mark in _command_line(pid) for mark in KERNELS)
        if is_kernel == (part == "kernels"):
            total += proportional_bytes(pid)
        pending += [(child, is_kernel) for child in children[pid]]
    return total


def _command_line(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _children() -> dict[int, list[int]]:
    found = defaultdict(list)
    for name in os.listdir("/proc"):  # noqa: PTH208 - faster: runs twenty times a second during the measurement
        if name.isdecimal():
            with contextlib.suppress(OSError):
                stat = Path(f"/proc/{name}/stat").read_bytes()
                found[int(stat.rpartition(b")")[2].split()[1])].append(int(name))
    return found
