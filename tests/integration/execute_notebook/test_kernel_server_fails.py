"""A kernel server that dies, hangs or cannot fork costs nothing but time."""

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from integration.execute_notebook.forked import notices, starts
from integration.suite import Workspace, notebook, parent, wait_until

SERVER = "kernel_server/inside/start.py"


def server_of(workspace: Workspace) -> int:
    """Return the process id of the server, once it is there."""
    found: list[int] = []

    def look() -> bool:
        found[:] = [pid for pid, command in workspace.processes().items() if SERVER in command and parent_runs(pid)]
        return bool(found)

    assert wait_until(look)
    return min(found)


def parent_runs(pid: int) -> bool:
    """Return whether a process is a child of execute-notebook, and no supervisor or kernel."""
    parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
    return SERVER not in Path(f"/proc/{parent}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def stop(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)


def waiting(workspace: Workspace, kernel: Path, preload: str) -> tuple["subprocess.Popen[str]", Path]:
    """Start three notebooks, one after the other. Each waits for a file: the second that is returned."""
    gate = workspace.base / "gate"
    wait = f"import time, pathlib\nwhile not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.05)\nprint('done')"
    for name in "abc":
        workspace.write(f"{name}.ipynb", notebook(wait))
    inputs = {"python": str(kernel), "kernel-start": "fork", "workers": "1", "preload": preload}
    return workspace.start("execute-notebook", inputs), gate


@pytest.mark.parametrize(("fail", "why"), [(kill, "the server ended"), (stop, "the server does not answer")])
def test_a_server_that_dies_or_hangs_costs_nothing_but_time(
    workspace: Workspace, kernel: Path, fail: Callable[[int], None], why: str
) -> None:
    """It fails while the first notebook runs, which is not touched."""
    process, gate = waiting(workspace, kernel, "off")
    assert wait_until(lambda: sum(SERVER in each for each in workspace.processes().values()) == 3)
    fail(server_of(workspace))
    gate.touch()
    done = workspace.end(process)
    assert done.code == 0, done.log
    assert starts(done) == ["fork", "spawn", "spawn"]
    [notice] = notices(done)
    assert notice.startswith("From now on, kernels are started, not forked: ")
    assert why in notice
    assert not workspace.processes()
    assert not workspace.leftovers()


@pytest.mark.parametrize("fail", [kill, stop])
def test_a_server_that_has_imported_something_and_dies_or_hangs(
    workspace: Workspace, kernel: Path, fail: Callable[[int], None]
) -> None:
    """One notebook at the most misses its imports: then there is another."""
    process, gate = waiting(workspace, kernel, "colorsys")
    assert wait_until(lambda: sum(SERVER in each for each in workspace.processes().values()) == 4)
    [grown] = [pid for pid in workspace.processes() if parent(pid) == server_of(workspace)]
    fail(grown)
    gate.touch()
    done = workspace.end(process)
    assert done.code == 0, done.log
    assert [done.printed(f"{name}.ipynb") for name in "abc"] == ["done\n"] * 3
    assert [done.record["notebooks"][place]["preloaded"] for place in (0, 2)] == [["colorsys"]] * 2
    assert not workspace.processes()
    assert not workspace.leftovers()


def test_a_server_that_cannot_fork(workspace: Workspace, kernel: Path) -> None:
    workspace.write(
        "broken/sitecustomize.py",
        "import ctypes, sys\n"
        "class Full(ctypes.PyDLL):\n"
        "    def fork(self): return -1\n"
        "if any('kernel_server' in each for each in sys.orig_argv):\n"
        "    ctypes.PyDLL = Full\n",
    )
    workspace.write("a.ipynb", notebook("print(1)"))
    workspace.write("b.ipynb", notebook("print(1)"))
    done = workspace.execute(kernel, {"PYTHONPATH": str(workspace.folder / "broken")}, kernel_start="fork")
    assert done.code == 0, done.log
    assert starts(done) == ["spawn", "spawn"]
    assert notices(done) == ["From now on, kernels are started, not forked: the server cannot fork."]


def test_a_forked_kernel_that_does_not_begin(workspace: Workspace, kernel: Path) -> None:
    workspace.write(
        "broken/sitecustomize.py",
        "import importlib.util, os, sys\n"
        "if any('kernel_server' in each for each in sys.orig_argv):\n"
        "    made = importlib.util.module_from_spec\n"
        "    importlib.util.module_from_spec = lambda spec: os._exit(9) if 'launcher' in spec.name else made(spec)\n",
    )
    workspace.write("a.ipynb", notebook("print(1)"))
    done = workspace.execute(kernel, {"PYTHONPATH": str(workspace.folder / "broken")}, kernel_start="fork")
    assert done.code == 0, done.log
    assert starts(done) == ["spawn"]
    assert notices(done) == ["The forked kernel failed to start; a normal kernel was used."]
