"""Cancelling: the runner signals the process it started, which is the script by then."""

import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.index_server import Gate, IndexServer, make_wheel, serve
from integration.suite import Done, Workspace, notebook, texts, wait_until

SIGNALS = [signal.SIGINT, signal.SIGTERM]
SECONDS = 10  # after its first signal, a runner kills a step
SPAWN = "import subprocess, time\nsubprocess.Popen(['sleep', '301'])\nopen('running', 'w').close()\ntime.sleep(300)"


@pytest.fixture(params=SIGNALS, ids=lambda number: number.name)
def number(request: pytest.FixtureRequest) -> signal.Signals:
    return signal.Signals(request.param)


def cancel(workspace: Workspace, process: "subprocess.Popen[str]", *numbers: signal.Signals) -> Done:
    """Send signals to the process that was started, and to no other."""
    for number in numbers:
        process.send_signal(number)
    began = time.monotonic()
    done = workspace.end(process)
    assert time.monotonic() - began < SECONDS, done.log
    assert not workspace.processes()
    return done


def assert_reported(done: Done, number: signal.Signals) -> None:
    assert done.code == 128 + number, done.log
    assert (done.outputs["status"], done.record["status"]) == ("error", "error")
    assert "Traceback" not in done.log
    errors = [problem["message"] for problem in done.record["problems"] if problem["severity"] == "error"]
    assert errors == [f"Cancelled ({number.name})."]
    assert [error.message for error in done.annotations()] == [f"Cancelled ({number.name}). Results so far were kept."]


def test_in_mid_cell(workspace: Workspace, kernel: Path, number: signal.Signals) -> None:
    workspace.write("1.ipynb", notebook("print('first')"))
    workspace.write("2.ipynb", notebook("print('kept')", SPAWN, "print('not reached')"))
    workspace.write("3.ipynb", notebook("print('third')"))
    process = workspace.start("execute-notebook", {"python": str(kernel), "html": "true"})
    assert wait_until((workspace.folder / "running").exists)
    done = cancel(workspace, process, number)
    assert_reported(done, number)
    assert [result["status"] for result in done.record["notebooks"]] == ["passed", "failed", "skipped"]
    assert (done.outputs["executed"], done.outputs["failed"]) == ("2", "1")
    failure = done.notebooks["2.ipynb"]["failure"]
    assert (failure["kind"], failure["cell"], failure["message"]) == ("cancelled", 2, "The job was cancelled.")
    partial = done.executed("2.ipynb")
    assert texts(partial["cells"][0]) == "kept\n"
    assert [cell["metadata"]["papermill"]["status"] for cell in partial["cells"]] == ["completed", "failed", "pending"]
    assert not (Path(done.outputs["output-dir"]) / "3.ipynb").exists()
    assert not workspace.leftovers()
    assert "2.ipynb" in done.summary


@pytest.mark.parametrize(
    "source",
    [
        "while True: pass",
        "while True: print('x' * 100)",
        "import signal, time\nfor number in (2, 15): signal.signal(number, signal.SIG_IGN)\ntime.sleep(300)",
    ],
    ids=["busy", "printing", "deaf"],
)
def test_whatever_the_cell_does(workspace: Workspace, kernel: Path, source: str) -> None:
    workspace.write("a.ipynb", notebook("print('kept')", f"open('running', 'w').close()\n{source}"))
    process = workspace.start("execute-notebook", {"python": str(kernel)})
    assert wait_until((workspace.folder / "running").exists)
    time.sleep(0.3)
    # As a runner does it, only faster: a second signal must not interrupt the saving.
    done = cancel(workspace, process, signal.SIGINT, signal.SIGTERM)
    assert done.code in {130, 143}
    assert done.record["status"] == "error"
    assert texts(done.executed("a.ipynb")["cells"][0]) == "kept\n"
    assert not workspace.leftovers()


def test_while_a_kernel_starts(workspace: Workspace, kernel: Path, number: signal.Signals) -> None:
    """The kernel hangs in its start, as one on a slow disk does."""
    workspace.write("1.ipynb", notebook("print('first')"))
    workspace.write("2/2.ipynb", notebook("print('second')"))
    # The kernel imports it from the folder of its notebook.
    workspace.write("2/ipykernel_launcher.py", "import time\nopen('running', 'w').close()\ntime.sleep(300)\n")
    process = workspace.start("execute-notebook", {"python": str(kernel), "workers": "1"})
    assert wait_until((workspace.folder / "2" / "running").exists)
    done = cancel(workspace, process, number)
    assert_reported(done, number)
    assert [result["status"] for result in done.record["notebooks"]] == ["passed", "failed"]
    assert done.notebooks["2/2.ipynb"]["failure"]["kind"] == "cancelled"
    assert not workspace.leftovers()


def test_before_the_first_notebook(workspace: Workspace, kernel: Path) -> None:
    """The script's own Python has just started: nothing to save, and nothing left."""
    workspace.write("1.ipynb", notebook("print('first')"))
    process = workspace.start("execute-notebook", {"python": str(kernel)})
    assert wait_until(lambda: any("execute_notebook.py" in line for line in workspace.processes().values()))
    done = cancel(workspace, process, signal.SIGTERM)
    assert done.code in {128 + signal.SIGTERM, -signal.SIGTERM}
    assert not workspace.leftovers()


# --- setup-env


@pytest.fixture
def index(tmp_path: Path) -> Iterator[IndexServer]:
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name in ("nbslow", "ipykernel"):
        make_wheel(folder, name)
    with serve(IndexServer(folder)) as server:
        yield server


def test_setup_env_during_an_installation(workspace: Workspace, index: IndexServer, number: signal.Signals) -> None:
    workspace.write("requirements.txt", "nbslow\nipykernel\n")
    environ = {"UV_DEFAULT_INDEX": index.url(), "UV_CACHE_DIR": str(workspace.base / "uv")}
    index.gate = Gate("nbslow")
    process = workspace.start("setup-env", {}, environ=environ)
    assert index.gate.reached.wait(SECONDS * 3)
    assert any("uv" in line for line in workspace.processes().values())
    done = cancel(workspace, process, number)
    assert_reported(done, number)
    assert done.outputs["python"] == ""
    assert not workspace.leftovers()
    index.gate = Gate()
    after = workspace.run("setup-env", {}, environ=environ)
    assert (after.code, after.record["reused"]) == (0, False), after.log
    assert after.record["packages"] == {"ipykernel": "1.0", "nbslow": "1.0"}
    assert not workspace.leftovers()
