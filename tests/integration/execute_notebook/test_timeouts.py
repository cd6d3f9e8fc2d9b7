"""The limits of time for a cell and for a notebook."""

from pathlib import Path

import pytest

from integration.execute_notebook.results import exceptions, statuses
from integration.suite import Done, Workspace, line_of, notebook, texts

STUBBORN = """
import time
def wait():
    while True:
        try:
            time.sleep(60)
        except BaseException:
            pass
wait()
"""
LONG_CELLS = {
    "busy": "while True:\n    pass",
    "printing": "import sys\nwhile True:\n    print('x' * 100)",
    "sleep": "import time\ntime.sleep(60)",
    "stubborn": STUBBORN,
}


@pytest.fixture(scope="module")
def timed_out(tmp_path_factory: pytest.TempPathFactory, kernel: Path) -> tuple[Workspace, Done]:
    workspace = Workspace(tmp_path_factory.mktemp("timed-out"))
    for name, source in LONG_CELLS.items():
        workspace.write(f"{name}.ipynb", notebook("print('kept')", source, "print('not reached')"))
    return workspace, workspace.execute(kernel, cell_timeout="1.5")


@pytest.mark.parametrize("name", LONG_CELLS)
def test_a_cell_timeout(timed_out: tuple[Workspace, Done], name: str) -> None:
    workspace, done = timed_out
    path = f"{name}.ipynb"
    result = done.notebooks[path]
    failure = result["failure"]
    assert (failure["kind"], failure["cell"]) == ("cell-timeout", 2)
    killed = "; 5 seconds later its kernel was killed" if name == "stubborn" else ""
    assert failure["message"] == f"A cell ran longer than `cell-timeout` (1.5 seconds) and was interrupted{killed}."
    assert result["duration"] < 25
    executed = done.executed(path)
    assert texts(executed["cells"][0]) == "kept\n"
    assert statuses(executed) == ["completed", "failed", "pending"]
    assert exceptions(executed) == [True, False, True, None]
    if name == "sleep":
        assert failure["line"] == line_of(workspace.folder / path, "time.sleep"), "where it hung"
    assert any(error.place == (path, failure["line"]) for error in done.annotations())


def test_after_timeouts_nothing_is_left(timed_out: tuple[Workspace, Done]) -> None:
    workspace, done = timed_out
    assert (done.code, done.outputs["failed"]) == (1, "4")
    assert not workspace.processes()
    assert not workspace.leftovers()


def test_a_notebook_timeout_bounds_the_whole(workspace: Workspace, kernel: Path) -> None:
    workspace.write("many.ipynb", notebook(*["import time\ntime.sleep(0.8)"] * 20))
    workspace.write("printing.ipynb", notebook("print('kept')", LONG_CELLS["printing"]))
    done = workspace.execute(kernel, notebook_timeout="8", cell_timeout="100")
    for path, result in done.notebooks.items():
        assert result["failure"]["kind"] == "notebook-timeout", path
        assert result["failure"]["message"].startswith("The notebook ran longer than `notebook-timeout` (8 seconds)")
        assert 8 < result["duration"] < 30
        assert result["output"]
    assert 0 < done.notebooks["many.ipynb"]["executed_cells"] < 20


def test_within_the_limits_nothing_happens(workspace: Workspace, kernel: Path) -> None:
    workspace.write("a.ipynb", notebook("import time\ntime.sleep(0.3)", "time.sleep(0.3)"))
    done = workspace.execute(kernel, cell_timeout="30", notebook_timeout="60")
    assert done.code == 0, done.log
