"""What fails in a notebook, on which line it is annotated, and the ways to end."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from integration.execute_notebook.results import exceptions, statuses
from integration.suite import (
    Done,
    Workspace,
    code,
    in_the_tool_environment,
    line_of,
    markdown,
    notebook,
    parameters,
    texts,
)
from servers.shared import made_once


def executed_cells(executed: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in executed["cells"] if cell["cell_type"] == "code"]


# --- What fails, and on which line


SOURCE_LINES = "x = 1\n\ny = x + 1\nassert y == 3, 'y is off'\nprint(y)"
FAILING: dict[str, tuple[dict[str, Any], int | None, str, int]] = {
    # name: the notebook, its indent, the text that stands on the line, and which of its occurrences
    "assert": (notebook("ok = 1", markdown("text"), SOURCE_LINES), 1, "assert y == 3", 1),
    "compact": (notebook("ok = 1", "1 / 0"), None, "1 / 0", 1),
    "escapes": (notebook('t = "tab\\t\\"quote\\" ü \\u00e9 \U0001f427"\nt["a\\\\b"]'), 4, "t[", 1),
    "same": (notebook("def f(x):\n    return 1 / x", "f(1)\nf(0)", "f(0)"), 1, "return 1 / x", 1),
    "twice": (notebook("v = 0\nv == 0 or 1 / 0", "v = 1\nv == 0 or 1 / 0"), 1, "v == 0 or 1 / 0", 2),
    "syntax": (notebook("ok = 1", "a = 1\nif a\n    b = 2"), 1, "if a", 1),
    "library": (notebook("import json\n\njson.loads('{')"), 2, "json.loads", 1),
    # Of this the kernel's reply names no exception.
    "shown": (
        notebook("class Shown:\n    def _repr_html_(self):\n        raise RuntimeError('no html')\n\nShown()"),
        1,
        "raise RuntimeError",
        1,
    ),
    "injected": (notebook(parameters("p = 1\nfloat = None"), "pass"), 1, "p = 1", 1),
    "behind": (notebook(parameters("p = 1"), "q = 1\nq / 0 * p"), 1, "q / 0 * p", 1),
    "vast": (notebook(f"image = '{'x' * 100_000}'\nlen(image) / 0"), 1, "len(image) / 0", 1),
}


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory, kernel: Path) -> tuple[Workspace, Done]:
    return made_once(tmp_path_factory, "failing", lambda folder: fail(Workspace(folder), kernel))


def fail(workspace: Workspace, kernel: Path) -> tuple[Workspace, Done]:
    for name, (content, indent, _, _) in FAILING.items():
        workspace.write(f"{name}.ipynb", content, indent)
    # As a string, not a list of lines: another valid form.
    joined = notebook("ok = 1\n\nundefined_name")
    joined["cells"][0]["source"] = "".join(joined["cells"][0]["source"])
    workspace.write("zjoined.ipynb", joined)
    workspace.write("zz-last.ipynb", notebook("print('last ran')"))
    return workspace, workspace.execute(kernel, parameters="p: .nan")


@pytest.mark.parametrize("name", FAILING)
def test_a_failure_is_annotated_on_its_physical_line(failing: tuple[Workspace, Done], name: str) -> None:
    workspace, done = failing
    _, _, text, nth = FAILING[name]
    # A quote is escaped in the file: search for it as it is there.
    line = line_of(workspace.folder / f"{name}.ipynb", json.dumps(text)[1:-1], nth)
    failure = done.notebooks[f"{name}.ipynb"]["failure"]
    assert (failure["kind"], failure["line"]) == ("cell-error", line), failure
    problem = next(problem for problem in done.record["problems"] if problem["file"] == f"{name}.ipynb")
    assert (problem["line"], problem["severity"]) == (line, "error")


def test_annotations_reach_the_runner_and_all_notebooks_were_attempted(failing: tuple[Workspace, Done]) -> None:
    _, done = failing
    assert (done.code, done.outputs["status"]) == (1, "failed")
    assert (done.outputs["executed"], done.outputs["failed"]) == ("13", "12")
    assert done.printed("zz-last.ipynb") == "last ran\n"
    problems = [problem for problem in done.record["problems"] if problem["severity"] == "error"]
    errors = done.annotations()
    assert [error.place for error in errors[:9]] == [(problem["file"], problem["line"]) for problem in problems[:9]]
    assert len(errors) == 10, "GitHub shows ten, the last one says that there are more"
    assert "The others are in its log." in errors[9].message
    assert f"zjoined.ipynb:{problems[-1]['line']}: NameError" in done.log
    number = sum(len(result["other_failures"]) for result in done.notebooks.values()) + 11
    assert f" (and {number} more failures), after " in done.summary.splitlines()[0]


def test_the_words_of_an_annotation(failing: tuple[Workspace, Done]) -> None:
    _, done = failing
    errors = {error.place[0]: error for error in done.annotations()}
    error = errors["assert.ipynb"]
    assert error.properties["title"] == "AssertionError in cell 3"
    assert error.message == "y is off\nassert y == 3, 'y is off'"
    assert errors["same.ipynb"].properties["title"] == "ZeroDivisionError in cell 2, raised in cell 1"
    assert errors["behind.ipynb"].properties["title"] == "ZeroDivisionError in cell 2"
    assert errors["syntax.ipynb"].message == "expected ':' (cell 2, line 2)\nif a"
    failure = done.notebooks["same.ipynb"]["failure"]
    assert (failure["cell"], failure["points_to"], failure["ename"]) == (2, 1, "ZeroDivisionError")
    assert failure["source"] == "return 1 / x"
    assert "division by zero" in failure["traceback"]
    assert "\x1b" not in failure["traceback"]


def test_a_cell_that_the_kernel_cannot_compile(workspace: Workspace, kernel: Path) -> None:
    """ipykernel sends no reply for it."""
    workspace.write("a.ipynb", notebook("x = 1", f"x{'.y' * 5000}", "print(x)"))
    failure = workspace.execute(kernel).notebooks["a.ipynb"]["failure"]
    assert (failure["kind"], failure["title"]) == ("broken-execution", "Broken execution in cell 2")
    assert failure["message"].startswith("The kernel finished this cell, but sent no reply: RecursionError: ")
    assert len(failure["source"]) < 1000


def test_the_times_of_a_cell(failing: tuple[Workspace, Done]) -> None:
    for cell in executed_cells(failing[1].executed("same.ipynb"))[:2]:
        noted = cell["metadata"]["papermill"]
        began, ended = (datetime.fromisoformat(noted[name]) for name in ("start_time", "end_time"))
        assert began.tzinfo is not None
        assert noted["duration"] == (ended - began).total_seconds() > 0


def test_dates_of_messages_are_read_quickly(workspace: Workspace) -> None:
    """Not by dateutil, whose time zones are others."""
    script = "from notebook_ci.execute_notebook import kernels\nfrom jupyter_client.jsonutil import parse_date\n"
    done = in_the_tool_environment(workspace, f"{script}print(repr(parse_date('2026-01-02T03:04:05.678901Z')))")
    assert done.stdout == "datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=datetime.timezone.utc)\n", done.stderr


def test_the_partial_notebook_is_kept_and_truthful(failing: tuple[Workspace, Done]) -> None:
    _, done = failing
    executed = done.executed("same.ipynb")
    assert statuses(executed) == ["completed", "failed", "pending"]
    last = executed_cells(executed)[2]
    assert last["metadata"]["papermill"]["start_time"] is None
    assert last["outputs"] == []
    assert [done.notebooks["same.ipynb"][name] for name in ("cells", "executed_cells")] == [3, 2]
    assert executed["metadata"]["papermill"]["exception"] is True
    for path, result in done.notebooks.items():
        assert result["output"] == f"execute-notebook/{path}"
        assert result["output"] in done.record["created"]


# --- Ways to end


@dataclass(frozen=True)
class Ended:
    """What came of notebooks that end in several ways, and the processes and temporary files that they left."""

    folder: Path
    done: Done
    left: list[str]


@pytest.fixture(scope="module")
def endings(tmp_path_factory: pytest.TempPathFactory, kernel: Path) -> Ended:
    return made_once(tmp_path_factory, "several-endings", lambda folder: end(Workspace(folder), kernel))


def end(workspace: Workspace, kernel: Path) -> Ended:
    raising = code("1 / 0", "raises-exception")
    workspace.write("allowed.ipynb", notebook(raising, "print('went on')"))
    workspace.write("exit-0.ipynb", notebook("import sys\nsys.exit(0)", "print('not reached')"))
    workspace.write("exit-3.ipynb", notebook("import sys", "print('before'); sys.exit(3)", "print('not reached')"))
    workspace.write("_exit.ipynb", notebook("print('kept')", "import os\nos._exit(1)", "print('not reached')"))
    # ipykernel takes in what is written to its standard error, and passes it on in a thread.
    kill = "import os, signal, time\nos.write(2, b'::error::last words')\ntime.sleep(0.5)\n"
    kill += "os.kill(os.getpid(), signal.SIGKILL)"
    workspace.write("sigkill.ipynb", notebook("print('kept')", kill))
    workspace.write("empty.ipynb", notebook())
    workspace.write("only-text.ipynb", notebook(markdown("# Hello"), code("")))
    workspace.write("wide.ipynb", notebook("for _ in range(3): print('x' * 10, flush=True)", metadata={}))
    done = workspace.execute(kernel)
    return Ended(workspace.folder, done, [*workspace.processes().values(), *workspace.leftovers()])


def test_a_cell_that_may_raise(endings: Ended) -> None:
    done = endings.done
    assert done.notebooks["allowed.ipynb"]["status"] == "passed"
    assert done.printed("allowed.ipynb") == "went on\n"


def test_sys_exit(endings: Ended) -> None:
    done = endings.done
    assert done.notebooks["exit-0.ipynb"]["status"] == "passed"
    [warning] = done.annotations("warning")
    assert warning.message == "1 of 2 code cells did not run: the notebook ended itself with exit code 0."
    assert warning.place[0] == "exit-0.ipynb"
    failure = done.notebooks["exit-3.ipynb"]["failure"]
    assert (failure["ename"], failure["evalue"]) == ("SystemExit", "3")
    assert failure["line"] == line_of(endings.folder / "exit-3.ipynb", "sys.exit(3)")
    assert done.printed("exit-3.ipynb").startswith("before\n")


@pytest.mark.parametrize("name", ["_exit", "sigkill"])
def test_the_death_of_a_kernel(endings: Ended, name: str) -> None:
    done = endings.done
    path = f"{name}.ipynb"
    failure = done.notebooks[path]["failure"]
    assert (failure["kind"], failure["cell"]) == ("kernel-died", 2)
    assert failure["line"] == line_of(endings.folder / path, "import os")
    how = {"_exit": "ended with exit code 1", "sigkill": "was killed by SIGKILL"}[name]
    assert failure["message"].startswith(f"The kernel {how} while this cell ran.")
    executed = done.executed(path)
    assert texts(executed["cells"][0]) == "kept\n"
    assert statuses(executed)[:2] == ["completed", "failed"]
    assert exceptions(executed)[:3] == [True, False, True]
    if name == "sigkill":
        assert "last words" in failure["traceback"]


def test_nothing_to_execute_in_a_notebook_is_no_fault(endings: Ended) -> None:
    done = endings.done
    assert [done.notebooks[f"{name}.ipynb"]["status"] for name in ("empty", "only-text")] == ["passed", "passed"]


def test_streams_are_joined(endings: Ended) -> None:
    done = endings.done
    [output] = done.executed("wide.ipynb")["cells"][0]["outputs"]
    assert "".join(output["text"]) == "xxxxxxxxxx\n" * 3


def test_nothing_is_left_behind(endings: Ended) -> None:
    assert endings.done.code == 1
    assert not endings.left


def test_what_a_notebook_started_ends_with_it(workspace: Workspace, kernel: Path) -> None:
    start = (
        "import subprocess, sys\n"
        "sleep = 'import signal, time\\nfor n in (2, 15, 1): signal.signal(n, signal.SIG_IGN)\\n'\n"
        "subprocess.Popen([sys.executable, '-c', sleep + 'time.sleep(300)'])\n"
        "subprocess.Popen('sleep 300 & sleep 300', shell=True)\n"
    )
    workspace.write("a-passes.ipynb", notebook(start + "print('started')"))
    workspace.write("b-dies.ipynb", notebook(start + "import os; os._exit(3)"))
    workspace.write("c-exits.ipynb", notebook(start + "sys.exit(0)"))
    done = workspace.execute(kernel)
    assert [result["status"] for result in done.record["notebooks"]] == ["passed", "failed", "passed"]
    assert not workspace.processes()
