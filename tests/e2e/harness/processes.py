"""Finding and ending every process of a run. Reads /proc, so Linux only.

act starts each step in a process group of its own, so there is not one group to signal; and a process whose parent has
died belongs to nobody. Like GitHub's runner, the harness therefore marks its processes: the variable RUNNER_TRACKING_ID
has a value of its own in each run. Processes that dropped it are found by their parents, or by their working folder.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

PROC = Path("/proc")


def children(parent: int) -> list[int]:
    """The processes that a process has started and that are alive or not waited for yet."""
    return [process for process, (_, its_parent) in _table().items() if its_parent == parent]


def descendants(process: int) -> set[int]:
    """A process and all that it, or one of these, has started, unless the one in between has ended."""
    return _descendants(_table(), process)


def variable(process: int, name: str) -> str:
    """A variable of the environment a process was started with; "" if it has none."""
    variables = (entry.partition("=") for entry in _read(process, "environ").split("\0"))
    return next((value for its_name, _, value in variables if its_name == name), "")


def is_alive(process: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for (a zombie) does not."""
    return _table().get(process, ("Z", 0))[0] not in "ZX"


def command_line(process: int) -> str:
    """The command line of a process; "" if it is gone."""
    return _read(process, "cmdline").replace("\0", " ").strip()


def of_run(tracking_id: str, jobs_folder: Path, root: int | None = None) -> list[int]:
    """The living processes of a run.

    Args:
        tracking_id: The value of RUNNER_TRACKING_ID in that run.
        jobs_folder: The folder of the run's workspaces, in which no other process works.
        root: A process whose descendants, and itself, belong to the run.
    """
    table = _table()
    found = _descendants(table, root) if root else set()
    mark = f"RUNNER_TRACKING_ID={tracking_id}\0"
    for process in table:
        if mark in _read(process, "environ") or _works_in(process, jobs_folder):
            found.add(process)
    found.discard(os.getpid())
    return sorted(process for process in found if table.get(process, ("Z", 0))[0] not in "ZX")


def end_all(find: Callable[[], Iterable[int]]) -> None:
    """Kill what `find` finds until it finds nothing: a process may start another before its end reaches it."""
    for _ in range(50):
        found = list(find())
        if not found:
            return
        for process in found:
            send(process, signal.SIGKILL)
        time.sleep(0.02)
    raise RuntimeError(f"These processes cannot be ended: {[command_line(process) for process in find()]}")


def send(process: int, number: signal.Signals) -> None:
    """Send a signal to a process that may be gone by now."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, number)


def _table() -> dict[int, tuple[str, int]]:
    """State (one letter) and parent of every process."""
    table = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            # "PID (NAME) STATE PARENT ...", and NAME can hold anything, parentheses too
            fields = _read(int(entry.name), "stat").rpartition(")")[2].split()
            if fields:
                table[int(entry.name)] = (fields[0], int(fields[1]))
    return table


def _descendants(table: dict[int, tuple[str, int]], root: int) -> set[int]:
    found = {root}
    while more := {process for process, (_, parent) in table.items() if parent in found} - found:
        found |= more
    return found


def _works_in(process: int, folder: Path) -> bool:
    try:
        return (PROC / str(process) / "cwd").readlink().is_relative_to(folder)
    except OSError:
        return False


def _read(process: int, name: str) -> str:
    try:
        return (PROC / str(process) / name).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
