"""execute-notebook with real kernels, as a runner runs it."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from integration.suite import (
    ROOT,
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

FRESH = {"executed": "0", "failed": "0"}


def statuses(executed: Mapping[str, Any]) -> list[str | None]:
    """Return papermill's status of each code cell."""
    return [cell["metadata"]["papermill"].get("status") for cell in executed["cells"] if cell["cell_type"] == "code"]


def exceptions(executed: Mapping[str, Any]) -> list[bool | None]:
    """Return whether papermill's metadata tells of an exception: of the notebook, then of each cell."""
    return [each["metadata"]["papermill"]["exception"] for each in (executed, *executed["cells"])]


def executed_cells(executed: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in executed["cells"] if cell["cell_type"] == "code"]


# --- Parameters

TELL = 'import json\nprint(json.dumps({name: globals().get(name, "missing") for name in NAMES.split()}))'
SHOW = "print([repr(value) for value in (yes, no, none, whole, small, octal, text, items, table, day)])"


@pytest.fixture(scope="module")
def with_parameters(tmp_path_factory: pytest.TempPathFactory, kernel: Path) -> tuple[Workspace, Done]:
    workspace = Workspace(tmp_path_factory.mktemp("parameters"))
    workspace.write("params.yaml", "alpha: 1\nbeta: from file\n")
    workspace.write("one.ipynb", notebook(parameters("alpha = 0\nbeta = ''"), "NAMES = 'alpha beta gamma'\n" + TELL))
    workspace.write(
        "sub/two.ipynb", notebook(parameters("beta = ''\ngamma: int = 0"), "NAMES = 'alpha beta gamma'\n" + TELL)
    )
    workspace.write("three.ipynb", notebook("NAMES = 'alpha beta gamma'\n" + TELL))
    names = "yes no none whole small octal text items table day"
    workspace.write("types.ipynb", notebook(parameters("\n".join(f"{name} = 0" for name in names.split())), SHOW))
    done = workspace.execute(
        kernel,
        parameters_file="params.yaml",
        parameters="beta: from input\ngamma: 3\nyes: true\nno: no\nnone: null\nwhole: 12\nsmall: 1e-3\noctal: 01234\n"
        'text: "it\'s\\n\\"ü\\" 🐧 ${HOME} `x`"\nitems: [1, [2.5, x], ~]\ntable: {a: {b: true}}\nday: 2024-02-29\n',
    )
    return workspace, done


def test_each_notebook_gets_what_it_declares(with_parameters: tuple[Workspace, Done]) -> None:
    _, done = with_parameters
    assert (done.code, done.outputs["executed"], done.outputs["failed"]) == (0, "4", "0"), done.log
    assert done.values("one.ipynb") == {"alpha": 1, "beta": "from input", "gamma": "missing"}
    assert done.values("sub/two.ipynb") == {"alpha": "missing", "beta": "from input", "gamma": 3}
    assert done.values("three.ipynb") == {"alpha": "missing", "beta": "missing", "gamma": "missing"}
    assert done.notebooks["one.ipynb"]["parameters"] == {"alpha": 1, "beta": "from input"}
    assert done.notebooks["three.ipynb"]["parameters"] == {}
    assert done.record["inputs"]["parameters"]["alpha"] == 1
    assert "params.yaml" in done.record["read"]


def test_types_arrive_as_yaml_1_2_has_them(with_parameters: tuple[Workspace, Done]) -> None:
    _, done = with_parameters
    text = 'it\'s\n"ü" 🐧 ${HOME} `x`'
    items, table = [1, [2.5, "x"], None], {"a": {"b": True}}
    shown = (True, "no", None, 12, 0.001, 1234, text, items, table, "2024-02-29")
    assert done.printed("types.ipynb").strip() == str([repr(value) for value in shown])


def test_the_injected_cell_stands_behind_the_defaults_and_is_no_cell_of_the_author(
    with_parameters: tuple[Workspace, Done],
) -> None:
    _, done = with_parameters
    tags = [cell["metadata"]["tags"] for cell in done.executed("one.ipynb")["cells"]]
    assert tags == [["parameters"], ["injected-parameters"], []]
    assert [done.notebooks["one.ipynb"][name] for name in ("cells", "executed_cells")] == [2, 2]


def test_notebooks_stand_in_sorted_order(with_parameters: tuple[Workspace, Done]) -> None:
    _, done = with_parameters
    order = ["one.ipynb", "sub/two.ipynb", "three.ipynb", "types.ipynb"]
    assert list(done.notebooks) == order
    told = re.findall(r"^✓ (.*) · \d+\.\d s$", done.log, re.MULTILINE)
    assert sorted(told) == order, "one line a notebook"


@pytest.mark.parametrize("others", [{}, {"second.ipynb": parameters("beta = 1")}], ids=["one", "two notebooks"])
def test_a_parameter_that_no_notebook_declares(workspace: Workspace, kernel: Path, others: dict[str, Any]) -> None:
    workspace.write("first.ipynb", notebook(parameters("alpha = 1"), "open('ran', 'w')"))
    for name, cell in others.items():
        workspace.write(name, notebook(cell, "open('ran', 'w')"))
    done = workspace.execute(kernel, parameters="alpha: 2\nalfa: 2")
    names = "alpha, beta" if others else "alpha"
    [error] = done.annotations()
    assert error.message == (
        f"No notebook declares the parameter `alfa`. Did you mean `alpha`? Parameters are the names assigned in the "
        f"cell tagged `parameters`; here: {names}."
    )
    assert (done.code, done.outputs["status"], done.outputs["executed"]) == (2, "error", "0")
    assert not (workspace.folder / "ran").exists()


# --- Where it runs and what it leaves


def test_outputs_are_mirrored_and_inputs_untouched(workspace: Workspace, kernel: Path) -> None:
    where = "import os\nprint(os.getcwd())\nopen('made.txt', 'w').write('x')"
    first = workspace.write("a/1.ipynb", notebook(markdown("# Title"), where), indent=None)
    second = workspace.write("a/ü b/2.ipynb", notebook(where, metadata={}), indent=3)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in (first, second)}
    done = workspace.execute(kernel, notebooks="a", output_dir="out/put")
    assert done.code == 0, done.log
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in before} == before
    assert done.outputs["output-dir"] == str(workspace.folder / "out/put")
    assert done.printed("a/1.ipynb").strip() == str(first.parent)
    assert done.printed("a/ü b/2.ipynb").strip() == str(second.parent)
    assert (second.parent / "made.txt").exists()
    assert sorted(path.name for path in (workspace.folder / "out").rglob("*") if path.is_file()) == [
        "1.ipynb",
        "2.ipynb",
    ]
    assert done.notebooks["a/1.ipynb"]["output"] == str(workspace.folder / "out/put/a/1.ipynb")
    assert not workspace.leftovers()
    again = workspace.execute(kernel, output_dir="out/put")
    assert again.outputs["executed"] == "2", "outputs of an earlier run are no notebooks to execute"


def test_the_output_stands_in_the_run_directory_and_each_run_has_its_own(workspace: Workspace, kernel: Path) -> None:
    workspace.write("a.ipynb", notebook("1 + 1"))
    first, second = workspace.execute(kernel), workspace.execute(kernel, slug="py-3.11")
    third = workspace.execute(kernel)
    root = workspace.runner_temp / "notebook-ci"
    names = ["execute-notebook", "execute-notebook-py-3.11", "execute-notebook-2"]
    for done, name in zip((first, second, third), names, strict=True):
        assert done.outputs["output-dir"] == str(root / name)
        assert done.outputs["record"] == str(root / f"{name}.json")
        assert done.record["notebooks"][0]["output"] == f"{name}/a.ipynb"
        assert done.record["made"].keys() == {f"{name}/a.ipynb"}
        assert done.executed("a.ipynb")["cells"][0]["outputs"][0]["data"]["text/plain"] in ("2", ["2"])


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (
            {"output-dir": "."},
            "which holds the notebooks themselves. Name a folder of its own with the input output-dir.",
        ),
        (
            {"output-dir": ".."},
            "which holds the notebooks themselves. Name a folder of its own with the input output-dir.",
        ),
        ({"output-dir": "out"}, "The executed notebook would be written over its source sub/b.ipynb."),
        (
            {"output-dir": "sub", "notebooks": "sub/b.ipynb"},
            "`sub/b.ipynb` lies in the output-dir or the run directory",
        ),
        ({"run-dir": "."}, "which holds the notebooks themselves. Name a folder of its own with the input run-dir."),
    ],
    ids=["the workspace", "above it", "by a link", "an output", "run-dir"],
)
def test_sources_are_never_written_over(
    workspace: Workspace, kernel: Path, inputs: dict[str, str], message: str
) -> None:
    sources = [workspace.write(name, notebook("open('ran', 'w')")) for name in ("a.ipynb", "sub/b.ipynb")]
    before = [path.read_bytes() for path in sources]
    (workspace.folder / "out").mkdir()
    (workspace.folder / "out" / "sub").symlink_to(workspace.folder / "sub")
    done = workspace.run("execute-notebook", {"python": str(kernel), **inputs})
    assert done.code == 2
    assert message in done.annotations()[0].message
    assert [path.read_bytes() for path in sources] == before
    assert not list(workspace.folder.rglob("ran"))


# --- What is selected


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({}, ["a.ipynb", "deep/er/c.ipynb", "deep/b.ipynb"]),
        ({"notebooks": "*.ipynb"}, ["a.ipynb"]),
        ({"notebooks": "deep"}, ["deep/b.ipynb", "deep/er/c.ipynb"]),
        ({"notebooks": "deep/*.ipynb\n\n a.ipynb \na.ipynb"}, ["a.ipynb", "deep/b.ipynb"]),
        ({"notebooks": "**/[bc].ipynb", "exclude": "deep/er\nnot/there.ipynb"}, ["deep/b.ipynb"]),
        ({"exclude": "deep/**/*.ipynb"}, ["a.ipynb"]),
        ({"notebooks": ".hidden/h.ipynb"}, [".hidden/h.ipynb"]),
    ],
    ids=["all", "glob", "folder", "lines", "exclude", "exclude glob", "hidden, by name"],
)
def test_selection(workspace: Workspace, kernel: Path, inputs: dict[str, str], expected: list[str]) -> None:
    for name in ("a.ipynb", "deep/b.ipynb", "deep/er/c.ipynb", ".hidden/h.ipynb", "env/lib/v.ipynb"):
        workspace.write(name, notebook())
    workspace.write("env/pyvenv.cfg", "")
    workspace.write("deep/.ipynb_checkpoints/b-checkpoint.ipynb", notebook())
    workspace.write("deep/text.md", "x")
    done = workspace.run("execute-notebook", {"python": str(kernel), **inputs})
    assert (done.code, sorted(done.notebooks)) == (0, sorted(expected)), done.log


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
}


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory, kernel: Path) -> tuple[Workspace, Done]:
    workspace = Workspace(tmp_path_factory.mktemp("failing"))
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
    # In the file a quote is escaped: search for what stands there.
    line = line_of(workspace.folder / f"{name}.ipynb", json.dumps(text)[1:-1], nth)
    failure = done.notebooks[f"{name}.ipynb"]["failure"]
    assert (failure["kind"], failure["line"]) == ("cell-error", line), failure
    problem = next(problem for problem in done.record["problems"] if problem["file"] == f"{name}.ipynb")
    assert (problem["line"], problem["severity"]) == (line, "error")


def test_annotations_reach_the_runner_and_all_notebooks_were_attempted(failing: tuple[Workspace, Done]) -> None:
    _, done = failing
    assert (done.code, done.outputs["status"]) == (1, "failed")
    assert (done.outputs["executed"], done.outputs["failed"]) == ("12", "11")
    assert done.printed("zz-last.ipynb") == "last ran\n"
    problems = [problem for problem in done.record["problems"] if problem["severity"] == "error"]
    errors = done.annotations()
    assert [error.place for error in errors[:9]] == [(problem["file"], problem["line"]) for problem in problems[:9]]
    assert len(errors) == 10, "GitHub shows ten, the last one says that there are more"
    assert "The others stand in this step's log." in errors[9].message
    assert f"zjoined.ipynb:{problems[-1]['line']}: NameError" in done.log
    assert "execute-notebook failed: 11 of 12 notebooks" in done.summary


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
        assert result["output"] in done.record["made"]


# --- Ways to end


@pytest.fixture(scope="module")
def endings(tmp_path_factory: pytest.TempPathFactory, kernel: Path) -> tuple[Workspace, Done]:
    workspace = Workspace(tmp_path_factory.mktemp("endings"))
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
    return workspace, workspace.execute(kernel)


def test_a_cell_that_may_raise(endings: tuple[Workspace, Done]) -> None:
    _, done = endings
    assert done.notebooks["allowed.ipynb"]["status"] == "passed"
    assert done.printed("allowed.ipynb") == "went on\n"


def test_sys_exit(endings: tuple[Workspace, Done]) -> None:
    workspace, done = endings
    assert done.notebooks["exit-0.ipynb"]["status"] == "passed"
    [warning] = done.annotations("warning")
    assert warning.message == "1 of 2 code cells did not run: the notebook ended itself with exit code 0."
    assert warning.place[0] == "exit-0.ipynb"
    failure = done.notebooks["exit-3.ipynb"]["failure"]
    assert (failure["ename"], failure["evalue"]) == ("SystemExit", "3")
    assert failure["line"] == line_of(workspace.folder / "exit-3.ipynb", "sys.exit(3)")
    assert done.printed("exit-3.ipynb").startswith("before\n")


@pytest.mark.parametrize("name", ["_exit", "sigkill"])
def test_the_death_of_a_kernel(endings: tuple[Workspace, Done], name: str) -> None:
    workspace, done = endings
    path = f"{name}.ipynb"
    failure = done.notebooks[path]["failure"]
    assert (failure["kind"], failure["cell"]) == ("kernel-died", 2)
    assert failure["line"] == line_of(workspace.folder / path, "import os")
    how = {"_exit": "ended with exit code 1", "sigkill": "was killed by SIGKILL"}[name]
    assert failure["message"].startswith(f"The kernel {how} while this cell ran.")
    executed = done.executed(path)
    assert texts(executed["cells"][0]) == "kept\n"
    assert statuses(executed)[:2] == ["completed", "failed"]
    assert exceptions(executed)[:3] == [True, False, True]
    if name == "sigkill":
        assert "last words" in failure["traceback"]


def test_nothing_to_execute_in_a_notebook_is_no_fault(endings: tuple[Workspace, Done]) -> None:
    _, done = endings
    assert [done.notebooks[f"{name}.ipynb"]["status"] for name in ("empty", "only-text")] == ["passed", "passed"]


def test_streams_are_joined(endings: tuple[Workspace, Done]) -> None:
    _, done = endings
    [output] = done.executed("wide.ipynb")["cells"][0]["outputs"]
    assert "".join(output["text"]) == "xxxxxxxxxx\n" * 3


def test_nothing_is_left_behind(endings: tuple[Workspace, Done]) -> None:
    workspace, done = endings
    assert done.code == 1
    assert not workspace.processes()
    assert not workspace.leftovers()


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


# --- Limits of time

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
    assert failure["message"] == f"A cell ran longer than its cell-timeout of 1.5 seconds, and was interrupted{killed}."
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
        assert result["failure"]["message"].startswith("The notebook ran longer than its notebook-timeout of 8 seconds")
        assert 8 < result["duration"] < 30
        assert result["output"]
    assert 0 < done.notebooks["many.ipynb"]["executed_cells"] < 20


def test_within_the_limits_nothing_happens(workspace: Workspace, kernel: Path) -> None:
    workspace.write("a.ipynb", notebook("import time\ntime.sleep(0.3)", "time.sleep(0.3)"))
    done = workspace.execute(kernel, cell_timeout="30", notebook_timeout="60")
    assert done.code == 0, done.log


# --- Kernels and interpreters


def test_foreign_kernel_names_run_with_a_notice(workspace: Workspace, kernel: Path) -> None:
    conda = {"kernelspec": {"name": "conda-base-py", "display_name": "x", "language": "python"}}
    workspace.write("conda.ipynb", notebook("1", metadata=conda))
    workspace.write("none.ipynb", notebook("1", metadata={}))
    workspace.write("nameless.ipynb", notebook("1", metadata={"language_info": {"name": "python"}}))
    workspace.write("plain.ipynb", notebook("1"))
    done = workspace.execute(kernel)
    assert (done.code, done.outputs["executed"]) == (0, "4"), done.log
    notices = [notice.message for notice in done.annotations("notice")]
    version = done.record["python_version"]
    assert any(notice.startswith("conda.ipynb: saved with the kernel `conda-base-py`.") for notice in notices)
    assert any(f"Run here with Python {version} ({kernel}), whatever kernel a notebook names." in n for n in notices)
    assert any(notice.startswith("nameless.ipynb, none.ipynb: saved with no kernel.") for notice in notices)
    assert not any("plain.ipynb" in notice for notice in notices)


def link(folder: Path, python: Path) -> Path:
    """Make a folder laid out as an installation whose `bin/python` is the given one."""
    (folder / "bin").mkdir(parents=True)
    program = folder / "bin" / "python"
    program.write_text(f'#!/bin/sh\nexec "{python}" "$@"\n')
    program.chmod(0o755)
    return program


def test_the_interpreter_is_looked_for_in_order(workspace: Workspace, kernel: Path) -> None:
    workspace.write("a.ipynb", notebook("1"))
    by_input, by_venv, by_location, on_path = (link(workspace.base / name, kernel) for name in "ivlp")
    run_dir = workspace.runner_temp / "notebook-ci"
    run_dir.mkdir()
    of_setup = link(workspace.base / "s", kernel)
    record: dict[str, Any] = {"schema": "notebook-ci/record/1", "stage": "setup-env", "slug": "", "status": "passed"}
    record |= {"started": "2024", "outputs": {}, "problems": [], "source": {}}
    record_file = run_dir / "setup-env.json"
    record_file.write_text(json.dumps({**record, "python": str(of_setup)}))
    environ: dict[str, str | None] = {
        "VIRTUAL_ENV": str(by_venv.parents[1]),
        "pythonLocation": str(by_location.parents[1]),
        "PATH": f"{on_path.parent}:{workspace.environ['PATH']}",
    }
    expected = [("input python", by_input), ("setup-env", of_setup), ("VIRTUAL_ENV", by_venv)]
    expected += [("pythonLocation", by_location), ("PATH", on_path)]
    given = {"python": str(by_input)}
    for origin, python in expected:
        done = workspace.run("execute-notebook", given, environ=environ)
        assert (done.code, done.record["python"]) == (0, str(python)), done.log
        assert f"({origin}: {python})" in done.log
        given = {}
        if origin == "setup-env":
            record_file.unlink()
        environ[origin] = None if origin in {"VIRTUAL_ENV", "pythonLocation"} else environ.get(origin)


def test_on_a_laptop_a_lock_that_changed_since_its_environment_was_made(workspace: Workspace) -> None:
    workspace.write("a.ipynb", notebook("1"))
    workspace.write("requirements.txt", "ipykernel\n-r more.txt\n")
    workspace.write("more.txt", "six\n")
    assert workspace.run("setup-env").code == 0
    python = workspace.folder / ".notebook-ci" / "venv" / "bin" / "python"
    for _ in range(2):  # kernels leave nothing in it
        same = workspace.run("execute-notebook")
        assert same.code == 0, same.log
        assert f"(an earlier setup-env: {python})" in same.log
        assert "changed" not in same.log
    # Written anew: the file that is there is also that of uv's cache, from which other tests install.
    edit = "import os, six\nos.unlink(six.__file__)\nopen(six.__file__, 'w').write('X = 1')"
    workspace.write("a.ipynb", notebook(edit))
    assert "have changed" not in workspace.run("execute-notebook").log
    workspace.write("a.ipynb", notebook("import six\nprint(six.X)"))
    installed = workspace.run("execute-notebook")
    assert "Files in the environment .notebook-ci/venv have changed since setup-env made it, or" in installed.log
    workspace.write("more.txt", "six\nidna\n")
    said = (
        "more.txt has changed since the environment .notebook-ci/venv was made from it. Run setup-env to make it anew."
    )
    changed = workspace.run("execute-notebook")
    assert changed.code == 0, changed.log
    assert said in changed.log
    assert "requirements.txt has changed" not in changed.log
    assert said not in workspace.run("execute-notebook", flags=["--python", str(python)]).log


def test_a_name_on_path_and_a_path_of_the_workspace(workspace: Workspace, kernel: Path) -> None:
    workspace.write("a.ipynb", notebook("1"))
    link(workspace.folder / "own", kernel)
    environ = {"PATH": f"{workspace.folder / 'own' / 'bin'}:{workspace.environ['PATH']}"}
    assert workspace.run("execute-notebook", {"python": "python"}, environ=environ).code == 0
    assert workspace.run("execute-notebook", {"python": "own/bin/python"}).code == 0


def test_the_kernel_finds_its_own_programs_first(workspace: Workspace, kernel: Path) -> None:
    workspace.write(
        "a.ipynb",
        notebook(
            "import os, shutil, json, sys\n"
            "print(json.dumps([shutil.which('python'), sys.prefix, os.environ.get('VIRTUAL_ENV')]))"
        ),
    )
    done = workspace.execute(kernel, {"VIRTUAL_ENV": "/nowhere"})
    prefix = str(kernel.parents[1])
    assert json.loads(done.printed("a.ipynb")) == [str(kernel), prefix, prefix]


def test_no_ipykernel(workspace: Workspace, bare: Path) -> None:
    workspace.write("a.ipynb", notebook("1"))
    done = workspace.execute(bare)
    assert (done.code, done.outputs["status"]) == (3, "error")
    assert done.annotations()[0].message == (
        f"The Python {bare} (input python) has no ipykernel, so it cannot run notebooks. "
        "Run setup-env before in the same run directory, or add ipykernel to the environment."
    )


def test_the_users_python_settings_reach_the_kernel_and_not_the_tools(workspace: Workspace, kernel: Path) -> None:
    workspace.write("lib/helper.py", "VALUE = 42\n")
    for name in ("papermill", "nbformat", "json"):
        workspace.write(f"bad/{name}.py", "raise SystemExit('imported by a tool')\n")
    workspace.write("a.ipynb", notebook("import helper\nprint(helper.VALUE)"))
    lib = str(workspace.folder / "lib")
    done = workspace.execute(kernel, {"PYTHONPATH": lib})
    assert (done.code, done.printed("a.ipynb")) == (0, "42\n"), done.log
    harm = workspace.execute(kernel, {"PYTHONPATH": str(workspace.folder / "bad")})
    assert harm.code == 2, "the Python that was named is broken by it"
    assert "imported by a tool" in harm.log
    assert "Traceback" not in "\n".join(command.message for command in harm.commands)


def test_a_module_beside_the_notebook_is_imported(workspace: Workspace, kernel: Path) -> None:
    workspace.write("nb/beside.py", "VALUE = 43\n")
    workspace.write("nb/a.ipynb", notebook("import beside\nprint(beside.VALUE)"))
    assert workspace.execute(kernel).printed("nb/a.ipynb") == "43\n"


def test_a_long_temporary_folder(workspace: Workspace, kernel: Path) -> None:
    """The path of a Unix socket has at most 107 bytes."""
    folder = workspace.tmp / ("long-" * 20)
    folder.mkdir()
    workspace.write("a.ipynb", notebook("print(1)"))
    done = workspace.execute(kernel, {"TMPDIR": str(folder)})
    assert done.code == 0, done.log
    assert not list(folder.iterdir())


# --- Hostile notebooks

ATTACKS = (
    "::error::obeyed",
    "  ::set-output name=status::obeyed",
    "x ##[error]obeyed",
    "::add-mask::passed",
    "::stop-commands::obeyed",
    "\r::error file=x,line=1::obeyed",
)
ATTACK = "\n".join(ATTACKS)
HOSTILE = {
    "attack.ipynb": notebook(
        f"ATTACK = {ATTACK!r}\nprint(ATTACK)",
        "import sys\nprint(ATTACK, file=sys.stderr)",
        "import os\nfor n in (1, 2): os.write(n, ATTACK.encode())",
        "import subprocess\nsubprocess.run(['printf', '%s', ATTACK])",
        "from IPython.display import display\n"
        "metrics = {ATTACK: 1, '::error::obeyed': 2, 'x ##[error]obeyed': 'x'}\n"
        "display({'application/vnd.notebook-ci.metrics+json': metrics}, raw=True)",
        "display({'application/scrapbook.scrap.json+json': {'name': 'a', 'data': ATTACK}}, raw=True)",
        "class Odd(Exception): pass\nOdd.__name__ = Odd.__qualname__ = '::error::obeyed'\n"
        "raise Odd(ATTACK)  # ##[error]obeyed",
    ),
    "return.ipynb": notebook("raise ValueError('a\\r::error::obeyed')"),
    "dies.ipynb": notebook(f"import os\nos.write(2, {ATTACK!r}.encode())\nos._exit(1)"),
    "::error::obeyed.ipynb": notebook("1 / 0"),
    "x\n::error::obeyed.ipynb": notebook("1"),
    "x\r::error::obeyed\n##[error]obeyed.ipynb": notebook(
        "1 / 0", metadata={"kernelspec": {"name": "\r::error::obeyed"}}
    ),
    "z##[error]obeyed.ipynb": notebook(
        "1", metadata={"kernelspec": {"name": "x ##[error]obeyed", "language": "::error::obeyed"}}
    ),
}


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory, kernel: Path) -> Done:
    workspace = Workspace(tmp_path_factory.mktemp("attacked"))
    for name, content in HOSTILE.items():
        workspace.write(name, content)
    return workspace.execute(kernel)


def test_nothing_a_notebook_prints_is_obeyed(attacked: Done) -> None:
    assert attacked.outputs["executed"] == "7"
    for command in attacked.commands:
        assert command.name in {"error", "notice", "warning"}, command
        assert not re.fullmatch(r"\W*obeyed(\.ipynb)?.*", command.message), command
    assert attacked.outputs["status"] == "failed"
    # The attacks did reach the log, where it is fenced: the check above can fail.
    assert "::set-output name=status::obeyed" in attacked.log


def test_annotations_of_odd_names_are_still_in_place(attacked: Done) -> None:
    files = [error.place[0] for error in attacked.annotations()]
    assert "::error::obeyed.ipynb" in files
    assert "x\r::error::obeyed\n##[error]obeyed.ipynb" in files


def test_a_subprocess_prints_not_into_the_log(workspace: Workspace, kernel: Path) -> None:
    workspace.write(
        "a.ipynb",
        notebook("import os, subprocess\nos.write(1, b'written to 1')\nsubprocess.run(['echo', 'by a child'])"),
    )
    done = workspace.execute(kernel)
    assert done.code == 0
    assert "written to 1" not in "\n".join(command.message for command in done.commands)
    assert "by a child" not in done.log


LOOK = """
import json, os
found, pid = {}, os.getpid()
while pid > 1:
    with open(f'/proc/{pid}/environ', 'rb') as file:
        found[pid] = file.read().decode(errors='replace')
    with open(f'/proc/{pid}/stat') as file:
        pid = int(file.read().rpartition(')')[2].split()[1])
print(json.dumps({'names': sorted(os.environ), 'ancestors': list(found.values())}))
"""


def test_a_notebook_finds_no_inputs_and_no_way_to_speak_for_the_step(workspace: Workspace, kernel: Path) -> None:
    workspace.write("a.ipynb", notebook(parameters("secret = 0"), LOOK))
    tokens = {"ACTIONS_RUNTIME_TOKEN": "t0ken", "INPUT_SECRET": "t0ken"}
    done = workspace.execute(kernel, tokens, parameters="secret: hidden-value")
    told = done.values("a.ipynb")
    assert not {"GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE", "GITHUB_STEP_SUMMARY"} & set(
        told["names"]
    )
    assert not {"INPUTS", *tokens} & set(told["names"])
    assert {"PATH", "HOME", "GITHUB_ACTIONS"} <= set(told["names"])
    # The script is among the ancestors; it was handed its inputs by standard input.
    assert any("GITHUB_OUTPUT=" in environ for environ in told["ancestors"])
    for environ in told["ancestors"]:
        assert "\0INPUTS=" not in "\0" + environ
        assert "hidden-value" not in environ


# --- Metrics and pages

METRICS = """
from IPython.display import display
display({"application/vnd.notebook-ci.metrics+json": {"accuracy": 0.5, "rows": 3}}, raw=True)
for name, data in {"loss": 0.25, "classes": ["a", "b"]}.items():
    scrap = {"name": name, "data": data, "encoder": "json", "version": 1}
    display({"application/scrapbook.scrap.json+json": scrap}, raw=True)
display({"application/vnd.notebook-ci.metrics+json": {"accuracy": 0.75, "bad": float("nan")}}, raw=True)
"""


def test_metrics_stand_in_record_and_summary(workspace: Workspace, kernel: Path) -> None:
    workspace.write("a.ipynb", notebook(METRICS, "1 / 0"))
    workspace.write("deep/b.ipynb", notebook(METRICS.replace('"rows": 3', '"only_b": 1e-9')))
    done = workspace.execute(kernel)
    assert done.notebooks["a.ipynb"]["metrics"] == {"accuracy": 0.75, "rows": 3, "loss": 0.25}, "also of a failed one"
    assert done.notebooks["a.ipynb"]["scraps"] == {"classes": ["a", "b"]}
    assert done.record["metrics"] == {
        "a.accuracy": 0.75,
        "deep/b.accuracy": 0.75,
        "rows": 3,
        "a.loss": 0.25,
        "deep/b.loss": 0.25,
        "only_b": 1e-9,
    }
    assert "1e-09" in done.summary
    warnings = [warning for warning in done.annotations("warning") if warning.place[0] == "a.ipynb"]
    assert len(warnings) == 1
    assert warnings[0].message.startswith('Cell 1: The metric "bad" is ')


def test_a_failed_notebook_has_a_page(workspace: Workspace, kernel: Path) -> None:
    workspace.write("a/page.ipynb", notebook("1 / 0"))
    done = workspace.execute(kernel, html="true")
    result = done.notebooks["a/page.ipynb"]
    assert result["html"] == "execute-notebook/a/page.html"
    assert result["html"] in done.record["made"]
    assert "ZeroDivisionError" in (Path(done.outputs["output-dir"]) / "a/page.html").read_text(encoding="utf-8")


def test_making_a_page_prints_nothing(workspace: Workspace) -> None:
    """What nbconvert warns of (lexers of another environment, types it cannot show) is nothing to act on."""
    info = {"language_info": {"name": "python", "pygments_lexer": "ipython3"}}
    written = workspace.write("a.ipynb", notebook("1", markdown("```nonesuch\nx\n```"), metadata=info))
    page = written.with_suffix(".html")
    script = "import nbformat, pathlib\nfrom notebook_ci.execute_notebook.html import render\n"
    script += f"render(nbformat.read({str(written)!r}, as_version=4), pathlib.Path({str(page)!r}))"
    done = in_the_tool_environment(workspace, script)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert page.exists()


def test_without_the_input_there_is_no_page(workspace: Workspace, kernel: Path) -> None:
    workspace.write("page.ipynb", notebook("1"))
    done = workspace.execute(kernel)
    assert (done.notebooks["page.ipynb"]["html"], list(workspace.base.rglob("*.html"))) == ("", [])


# --- From a shell


def test_from_a_shell_flags_and_the_config_are_the_inputs(workspace: Workspace, kernel: Path) -> None:
    workspace.write("a.ipynb", notebook(parameters("x = 1"), "print(x)"))
    workspace.write("b.ipynb", notebook("1"))
    workspace.write(
        "notebook-ci.toml", "[execute-notebook]\nexclude = ['b.ipynb']\n[execute-notebook.parameters]\nx = 5\n"
    )
    done = workspace.run("execute-notebook", flags=["--python", str(kernel)])
    assert done.code == 0, done.log
    assert re.search("✅ execute-notebook", done.log), "the summary"
    assert not done.commands
    [run] = (workspace.folder / ".notebook-ci" / "runs").iterdir()
    record = json.loads((run / "execute-notebook.json").read_text())
    assert [(result["path"], result["parameters"]) for result in record["notebooks"]] == [("a.ipynb", {"x": 5})]
    again = workspace.run("execute-notebook", flags=["--python", str(kernel), "--parameters", "x: 6"])
    assert again.code == 0, again.log
    assert len(list((workspace.folder / ".notebook-ci" / "runs").iterdir())) == 2


def test_the_suite_itself_is_not_written_to() -> None:
    """Nothing above may have left a trace beside the scripts."""
    names = {path.name for path in (ROOT / "scripts").rglob("*") if path.suffix in {".ipynb", ".json", ".log"}}
    assert not names - {path.name for path in (ROOT / "scripts").rglob(".mypy_cache/**/*")}
