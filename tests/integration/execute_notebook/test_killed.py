"""A worker, the job or the stage is ended while notebooks run."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.execute_notebook.scheduled import errors, statuses
from integration.suite import Workspace, notebook, texts, wait_until

SECONDS = 10  # after its first signal, a runner kills a step

SLEEP = """
import os, time
print('kept')
time.sleep(0.5)  # a kernel sends what is printed after a while
open(f'running-{os.getpid()}', 'w').close()
time.sleep(120)
"""


def running(workspace: Workspace, count: int) -> bool:
    return wait_until(lambda: len(list(workspace.folder.glob("running-*"))) == count)


def test_a_worker_that_is_killed_costs_its_own_notebook_alone(workspace: Workspace, kernel: Path, start: str) -> None:
    workspace.write("a.ipynb", notebook(SLEEP))
    workspace.write("executed/a.ipynb", notebook("print('of an earlier run')"))
    os.utime(workspace.folder / "executed" / "a.ipynb", (1, 1))
    process = workspace.start(
        "execute-notebook",
        {
            "python": str(kernel),
            "workers": "2",
            "kernel-start": start,
            "notebooks": "a.ipynb",
            "output-dir": "executed",
        },
    )
    with ended(workspace, process):
        assert running(workspace, 1)
        [worker] = workspace.workers()
        os.kill(worker, signal.SIGKILL)
        done = workspace.end(process, 30)
    failure = done.notebooks["a.ipynb"]["failure"]
    assert (done.code, failure["kind"]) == (1, "broken-execution"), done.log
    assert failure["message"] == (
        "The process that executed the notebook was killed by SIGKILL. The system counted no out-of-memory kill."
    )
    assert (done.notebooks["a.ipynb"]["output"], done.record["created"]) == ("", {})
    assert any(error.place[0] == "a.ipynb" for error in done.annotations())
    assert not workspace.processes()


def test_when_a_worker_is_killed_the_others_go_on(workspace: Workspace, kernel: Path, start: str) -> None:
    gate = workspace.folder / "gate"
    wait = "import os, time\nopen(f'running-{os.getpid()}', 'w').close()\n"
    wait += f"while not os.path.exists({str(gate)!r}): time.sleep(0.05)"
    for name in "abcd":
        workspace.write(f"{name}.ipynb", notebook(wait))
    process = workspace.start("execute-notebook", {"python": str(kernel), "workers": "2", "kernel-start": start})
    with ended(workspace, process):
        assert running(workspace, 2)
        os.kill(workspace.workers()[0], signal.SIGKILL)
        assert running(workspace, 3), "another one has begun in its place"
        gate.touch()
        done = workspace.end(process, 60)
    assert sorted(statuses(done).values()) == ["failed", "passed", "passed", "passed"], done.log
    [failed] = [found for found in done.record["notebooks"] if found["failure"]]
    assert failed["failure"]["kind"] == "broken-execution"
    assert failed["duration"] > 0
    assert not workspace.processes()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_all_that_run_are_saved_when_the_job_is_cancelled(
    workspace: Workspace, kernel: Path, number: signal.Signals, start: str
) -> None:
    for name in "abcd":
        workspace.write(f"{name}.ipynb", notebook("print('first')", SLEEP))
    process = workspace.start("execute-notebook", {"python": str(kernel), "workers": "3", "kernel-start": start})
    with ended(workspace, process):
        assert running(workspace, 3)
        process.send_signal(number)
        began = time.monotonic()
        done = workspace.end(process, 30)
    assert time.monotonic() - began < SECONDS
    assert done.code == 128 + number, done.log
    assert sorted(statuses(done).values()) == ["failed", "failed", "failed", "skipped"]
    for name, found in done.notebooks.items():
        if found["status"] == "failed":
            assert (found["failure"]["kind"], found["failure"]["cell"]) == ("cancelled", 2)
            assert [texts(cell) for cell in done.executed(name)["cells"]] == ["first\n", "kept\n"]
    assert "Traceback" not in done.log
    assert errors(done) == [f"Cancelled ({number.name}). Results so far were kept."]
    assert not workspace.processes()
    assert not workspace.leftovers()


def test_a_worker_that_does_not_end_when_the_job_is_cancelled_is_killed(workspace: Workspace, kernel: Path) -> None:
    until_it_is_saved = "import time\ntime.sleep(10.1)"
    workspace.write("a.ipynb", notebook(until_it_is_saved, SLEEP))
    process = workspace.start("execute-notebook", {"python": str(kernel)})
    with ended(workspace, process):
        assert running(workspace, 1)
        [worker] = workspace.workers()
        os.kill(worker, signal.SIGSTOP)
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        done = workspace.end(process, 30)
    assert time.monotonic() - began < SECONDS
    assert done.code == 128 + signal.SIGTERM, done.log
    found = done.notebooks["a.ipynb"]
    assert found["failure"]["kind"] == "cancelled"
    assert list(done.record["created"]) == [found["output"]] == ["execute-notebook/a.ipynb"]
    assert not workspace.processes()


def test_when_the_stage_is_killed_nothing_runs_on(workspace: Workspace, kernel: Path, start: str) -> None:
    sleeping = "import subprocess\nsubprocess.Popen(['sleep', '301'])\n"
    for name in "abc":
        workspace.write(f"{name}.ipynb", notebook(sleeping + SLEEP))
    process = workspace.start("execute-notebook", {"python": str(kernel), "workers": "3", "kernel-start": start})
    with ended(workspace, process):
        assert running(workspace, 3)
        assert len(workspace.workers()) == 3
        assert workspace.leftovers()
        process.kill()
        process.communicate()
        assert wait_until(lambda: not workspace.processes()), workspace.processes()
        assert wait_until(lambda: not workspace.leftovers()), workspace.leftovers()


@contextlib.contextmanager
def ended(workspace: Workspace, process: "subprocess.Popen[str]") -> Iterator[None]:
    """End a stage where the test fails before it has waited for it."""
    try:
        yield
    except BaseException:
        process.kill()
        workspace.kill_all()
        process.communicate()
        raise
