"""Ends what a process has started, and all descendants, whatever their sessions and groups. Linux only.

Runs in the user's interpreter, as `server.py` does, and in the tool environment.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
GRACE_SECONDS = 1.0
END_SECONDS = 5.0
LOOK_SECONDS = 0.01


def adopt() -> None:
    """Make this process the parent of its orphaned descendants."""
    ctypes.PyDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def reap(pid: int) -> tuple[int, int] | None:
    """Collect ended children. Return the exit code of `pid` as in `subprocess`, and its peak memory in bytes."""
    ended = None
    with suppress(ChildProcessError):
        while True:
            child, status, usage = os.wait4(-1, os.WNOHANG)
            if child == 0:
                break
            if child == pid:
                code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
                ended = code, usage.ru_maxrss * 1024
    return ended


def end_after(kernel: int, code: int | None) -> None:
    """End what a kernel has left. `kernel` leads its group (0: unknown); `code` is None if it has not ended."""
    if code not in {None, -signal.SIGKILL}:
        let_end()  # the resource tracker of multiprocessing cleans up
    end_all(kernel)


def let_end() -> None:
    ends = time.monotonic() + GRACE_SECONDS
    while children() and time.monotonic() < ends:
        time.sleep(LOOK_SECONDS)
        reap(0)


def end_all(group: int) -> None:
    """Kill a process group (0: none), and everything that is or becomes a child of this process."""
    if group:
        with suppress(OSError):
            os.killpg(group, signal.SIGKILL)
    ends = time.monotonic() + END_SECONDS
    left = children()
    while left and time.monotonic() < ends:
        refused = [pid for pid in left if not is_killed(pid)]
        if refused == left:
            return
        time.sleep(LOOK_SECONDS)
        reap(0)
        left = children()


def is_killed(pid: int) -> bool:
    """Kill a process; return False if it now belongs to another user."""
    try:
        os.kill(pid, signal.SIGKILL)
    except PermissionError:
        return False
    except OSError:
        pass
    return True


def children() -> list[int]:
    """Return the process ids of the children of this process, whichever thread started them."""
    try:
        lists = [path.read_bytes() for path in Path("/proc/self/task").glob("*/children")]
    except OSError:  # a thread has ended
        lists = []
    if lists:
        return [int(pid) for each in lists for pid in each.split()]
    # Some Linux kernels have no `children` file.
    return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/stat") if parent(path) == os.getpid()]


def parent(stat: Path) -> int:
    with suppress(OSError):
        return int(stat.read_bytes().rpartition(b")")[2].split()[1])
    return 0
