import pytest

from notebook_ci.execute_notebook.outcome import problem
from notebook_ci.execute_notebook.progress import ProgressDisplay, Running
from notebook_ci.records.execute_notebook import Failure, NotebookResult
from unit.consoles import Terminal, Written

NOW = 1000.0


def running(name: str = "a.ipynb", *, cell: int = 2, seconds: float = 0.0, cell_seconds: float = 0.0) -> Running:
    return Running(name, 5, NOW - seconds, cell=cell, cell_began=NOW - cell_seconds)


def result(name: str = "a.ipynb") -> NotebookResult:
    return NotebookResult(path="a.ipynb", name=name, duration=1.25)


def test_where_a_notebook_is() -> None:
    assert running(seconds=70.4, cell_seconds=30.2).at(NOW) == "a.ipynb · cell 2/5 · running 30 s"
    assert running(cell=0, seconds=1.6).at(NOW) == "a.ipynb · starting · running 2 s"


def test_in_a_log_each_notebook_is_told_of_every_half_minute(runner: Written) -> None:
    progress = ProgressDisplay(runner.console, 2)
    for second in range(100):
        progress.show([running("a.ipynb"), running("b.ipynb", cell=0, seconds=-15)], NOW + second)
    assert runner.lines == [
        "  a.ipynb · cell 2/5 · running 30 s",
        "  b.ipynb · starting · running 30 s",
        "  a.ipynb · cell 2/5 · running 60 s",
        "  b.ipynb · starting · running 60 s",
        "  a.ipynb · cell 2/5 · running 90 s",
    ]


def test_quick_notebooks_and_none_are_not_told_of(runner: Written) -> None:
    progress = ProgressDisplay(runner.console, 1)
    progress.show([running(seconds=29.9)], NOW)
    progress.show([])
    assert runner.lines == []


def test_one_line_a_finished_notebook(runner: Written) -> None:
    progress = ProgressDisplay(runner.console, 3)
    progress.ended(result("a.ipynb"), [])
    failure = Failure(kind="cell-error", title="ValueError in cell 3", message="no")
    progress.repeated(result("b.ipynb"), failure, 2)
    other = Failure(kind="cell-error", title="KeyError in cell 4", message="key")
    errors = [(problem(result("b.ipynb"), failure), "Trace\n  back"), (problem(result("b.ipynb"), other), "")]
    progress.ended(result("b.ipynb"), errors)
    progress.skipped("c.ipynb", "b.ipynb")
    assert [line for line in runner.lines if line[0] in "✓✗↻-"] == [
        "✓ a.ipynb · 1.2 s",
        "↻ b.ipynb · 1.2 s · ValueError in cell 3: no · attempt 2 follows",
        "✗ b.ipynb · 1.2 s · ValueError in cell 3 of b.ipynb: no",
        "✗ b.ipynb · 1.2 s · KeyError in cell 4 of b.ipynb: key",
        "- c.ipynb · skipped: b.ipynb, which it needs, did not pass",
    ]
    assert "Trace" in runner.lines
    assert "  back" in runner.lines


def test_that_memory_is_short_is_told_once_until_a_notebook_has_ended(runner: Written) -> None:
    progress = ProgressDisplay(runner.console, 3)
    for _ in range(5):
        progress.held_back(123_456_789)
    assert runner.lines == ["  Only 123 MB of memory are free: the next notebook waits."]
    progress.ended(result(), [])
    for _ in range(5):
        progress.held_back(5_000_000)
    assert [line for line in runner.lines if "Only" in line][1:] == [
        "  Only 5 MB of memory are free: the next notebook waits."
    ]


def test_on_a_terminal_what_runs_stands_below(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    terminal = Terminal()
    progress = ProgressDisplay(terminal.console, 2)
    progress.show([running("a.ipynb", cell_seconds=1), running("b.ipynb", cell=0, seconds=3)], NOW)
    assert terminal.screen == ["0/2", "a.ipynb · cell 2/5 · running 1 s", "b.ipynb · starting · running 3 s"]
    progress.ended(result(), [])
    progress.show([running("b.ipynb", cell_seconds=40)], NOW)
    assert terminal.screen == ["✓ a.ipynb · 1.2 s", "1/2", "b.ipynb · cell 2/5 · running 40 s"]
    progress.ended(result("b.ipynb"), [])
    progress.show([])
    assert terminal.screen == ["✓ a.ipynb · 1.2 s", "✓ b.ipynb · 1.2 s"], "no heartbeat lines, and nothing left"
