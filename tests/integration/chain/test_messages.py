"""What execute-notebook says of a failure, and whether others can read what it writes; with real kernels."""

import json
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pytest

from integration.suite import Done, Workspace, code, line_of, notebook, parameters, unfenced


class Said(NamedTuple):
    """A notebook that fails, and what is said of it.

    Attributes:
        content: The notebook.
        title: What failed, and in which cell.
        message: The text of the exception.
        line: The line of code that is pointed to.
        hint: The beginning of what to do.
    """

    content: dict[str, Any]
    title: str
    message: str
    line: str
    hint: str = ""


RICH = "import rich.traceback\nrich.traceback.install(show_locals=True)"
FUNCTION = "def g(v):\n    s = v\n    return 1 / v"
NO_INPUT = "raw_input was called, but this frontend does not support input requests."
NOBODY = "Nobody can answer `input()` in CI. Read the value from a cell tagged `parameters`"
HOOK = (
    "def show(self, etype, value, tb, tb_offset=None):\n    import traceback\n"
    "    traceback.print_exception(etype, value, tb)\nget_ipython().set_custom_exc((Exception,), show)"
)

SAID = {
    "rich": Said(
        notebook(RICH, FUNCTION + "\ng(0)"), "ZeroDivisionError in cell 2", "division by zero", "return 1 / v"
    ),
    "rich-two": Said(
        notebook(RICH, FUNCTION, "g(0)"),
        "ZeroDivisionError in cell 3, raised in cell 2",
        "division by zero",
        "return 1 / v",
    ),
    "rich-syntax": Said(
        notebook(RICH, "x = 1\nif x\n  y = 1"), "SyntaxError in cell 2", "expected ':' (cell 2, line 2)", "if x"
    ),
    "hook": Said(
        notebook(HOOK, FUNCTION + "\ng(0)"), "ZeroDivisionError in cell 2", "division by zero", "return 1 / v"
    ),
    "pdb": Said(
        notebook("%pdb on", "x = 1\ny = x / 0"), "ZeroDivisionError in cell 2", "division by zero", "y = x / 0"
    ),
    "exit": Said(
        notebook("import sys\nsys.exit('no data')"),
        "SystemExit in cell 1",
        "The notebook exited: no data",
        "sys.exit('no data')",
    ),
    "indent": Said(
        notebook("ok = 1", "\na = 1\n  b = 2"),
        "IndentationError in cell 2",
        "unexpected indent (cell 2, line 3)",
        "b = 2",
    ),
    "input": Said(
        notebook("a = 1\nb = input('?')"), "StdinNotImplementedError in cell 1", NO_INPUT, "b = input('?')", NOBODY
    ),
    "module": Said(
        notebook("import no_such"),
        "ModuleNotFoundError in cell 1",
        "No module named 'no_such'",
        "import no_such",
        "Add the package that provides it to your requirements",
    ),
    "no-text": Said(notebook("assert 1 == 2"), "AssertionError in cell 1", "", "assert 1 == 2"),
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory, kernel: Path) -> tuple[Workspace, Done]:
    workspace = Workspace(tmp_path_factory.mktemp("said"))
    for name, each in SAID.items():
        workspace.write(f"{name}.ipynb", each.content)
    return workspace, workspace.execute(kernel)


@pytest.mark.parametrize("name", SAID)
def test_a_failure_is_named_once_at_the_line_of_its_author(said: tuple[Workspace, Done], name: str) -> None:
    workspace, done = said
    path, expected = f"{name}.ipynb", SAID[name]
    failure = done.notebooks[path]["failure"]
    line = line_of(workspace.folder / path, json.dumps(expected.line)[1:-1])
    assert (failure["title"], failure["message"]) == (expected.title, expected.message)
    assert (failure["source"], failure["line"]) == (expected.line, line)
    assert failure["hint"].startswith(expected.hint)
    assert bool(failure["hint"]) == bool(expected.hint)
    problems = [problem for problem in done.record["problems"] if problem["file"] == path]
    [problem] = [problem for problem in problems if problem["severity"] == "error"]
    # The check of imports had warned of it.
    assert [each["severity"] for each in problems if each != problem] == ["warning"] * (name == "module")
    assert (problem["title"], problem["line"], problem["hint"]) == (expected.title, line, failure["hint"])
    assert problem["message"].split("\n") == [text for text in (expected.message, expected.line) if text]
    why = f": {expected.message}" if expected.message else ""
    assert f"s · {expected.title}: {expected.message or expected.line}\n" in done.log
    [row] = [row for row in done.summary.splitlines() if row.startswith(f"| ❌ `{path}` ")]
    assert f"{expected.title} (line {line} of the file){why.removesuffix('.')}" in row
    if expected.hint:
        assert f"\n\nHint: {failure['hint']}\n" in done.summary


def test_a_traceback_that_another_library_shows_is_in_the_summary(said: tuple[Workspace, Done]) -> None:
    _, done = said
    for name in ("rich", "hook"):
        traceback = done.notebooks[f"{name}.ipynb"]["failure"]["traceback"]
        assert "return 1 / v" in traceback
        assert traceback in done.summary
    assert "ipykernel_" not in done.notebooks["hook.ipynb"]["failure"]["traceback"]
    assert "File cell 2, line 3, in g" in done.notebooks["hook.ipynb"]["failure"]["traceback"]


# --- Notebooks that are not there, or not as they should be


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory, kernel: Path) -> tuple[Workspace, Done]:
    workspace = Workspace(tmp_path_factory.mktemp("odd"))
    shown = "display({'application/json': {'x': math.nan, 'y': [math.inf]}, 'text/plain': 'x'}, raw=True)"
    content = notebook(parameters("low = 0.5\nhigh = 1.0"), f"import math\n{shown}\nprint(low, high)")
    content["metadata"]["weight"] = float("nan")
    workspace.write("json.ipynb", content)
    for name, ids in {"no-ids": (None, None), "same-ids": ("a", "a")}.items():
        content = notebook("x = 1", "y = 2")
        for cell, identity in zip(content["cells"], ids, strict=True):
            cell.update(id=identity) if identity else cell.pop("id")
        content["metadata"]["half"] = "\ud83d"
        workspace.write(f"{name}.ipynb", json.dumps(content))
    workspace.write("twice.ipynb", notebook(parameters("low = 0"), code("beta = 2", "parameters"), "print(low, beta)"))
    workspace.write("unparsable.ipynb", notebook("ok = 1", parameters("low = 1\nhigh = ")))
    workspace.write("1-deletes.ipynb", notebook("import os\nos.remove('2-deleted.ipynb')"))
    workspace.write("2-deleted.ipynb", notebook("print('ran')"))
    (workspace.folder / "dangling.ipynb").symlink_to("nowhere.ipynb")
    return workspace, workspace.execute(kernel, parameters="{low: .nan, high: .inf}")


@pytest.mark.parametrize(
    ("name", "message", "line"),
    [
        ("dangling", "`dangling.ipynb` is a link to `nowhere.ipynb`, which does not exist.", None),
        (
            "2-deleted",
            "`2-deleted.ipynb` disappeared during the run: a notebook or another process deleted or moved it.",
            None,
        ),
        ("unparsable", "The parameters cell of `unparsable.ipynb` is not valid Python: invalid syntax.", "high = "),
    ],
)
def test_a_notebook_that_cannot_be_executed_fails(
    odd: tuple[Workspace, Done], name: str, message: str, line: str | None
) -> None:
    workspace, done = odd
    path = f"{name}.ipynb"
    result = done.notebooks[path]
    assert (done.code, result["status"], result["failure"]["message"]) == (1, "failed", message)
    assert result["failure"]["title"] == "Cannot be executed"
    assert result["failure"]["line"] == (line_of(workspace.folder / path, line) if line else None)
    assert f"Cannot be executed{' (line' if line else ': '}" in done.summary
    assert any(error.message.startswith(message) and error.place[0] == path for error in done.annotations())


def test_the_others_pass(odd: tuple[Workspace, Done]) -> None:
    passed = {result["path"] for result in odd[1].record["notebooks"] if result["status"] == "passed"}
    assert passed == {f"{name}.ipynb" for name in ("json", "no-ids", "same-ids", "twice", "1-deletes")}


def test_executed_notebooks_are_strict_json(odd: tuple[Workspace, Done]) -> None:
    def refuse(constant: str) -> NoReturn:
        raise AssertionError(constant)

    _, done = odd
    for name in ("json", "no-ids", "same-ids", "twice"):
        data = (Path(done.outputs["output-dir"]) / f"{name}.ipynb").read_bytes()
        executed = json.loads(data.decode("utf-8"), parse_constant=refuse)
        ids = [cell["id"] for cell in executed["cells"]]
        assert len(set(ids)) == len(ids)
    executed = done.executed("json.ipynb")
    assert executed["metadata"]["papermill"]["parameters"] == {"low": "nan", "high": "inf"}
    assert executed["metadata"]["weight"] == "nan"
    assert done.executed("no-ids.ipynb")["metadata"]["half"] == "\ud83d"
    bundles = [output["data"] for output in executed["cells"][2]["outputs"] if "data" in output]
    assert bundles[0]["application/json"] == {"x": "nan", "y": ["inf"]}
    assert "nan inf\n" in done.printed("json.ipynb"), "the kernel got the numbers"


def test_no_warning_of_a_library_reaches_the_log(odd: tuple[Workspace, Done]) -> None:
    assert "Warning" not in odd[1].log


def test_a_second_cell_of_parameters_is_told_of(odd: tuple[Workspace, Done]) -> None:
    workspace, done = odd
    [warning] = done.annotations("warning")
    assert warning.place == ("twice.ipynb", line_of(workspace.folder / "twice.ipynb", "beta = 2"))
    assert warning.message.startswith("2 cells are tagged `parameters`; only the first, cell 1, is used.")
    refused = workspace.execute(Path("python3"), notebooks="twice.ipynb", parameters="beta: 1")
    assert refused.code == 2
    assert f"twice.ipynb: {warning.message}" in refused.annotations()[0].message


def test_the_log_holds_no_line_of_the_tools(odd: tuple[Workspace, Done]) -> None:
    starts = ("Executing", "✓", "✗", "One after the other", "error: ", "warning: ", "notice: ", "::")
    assert [line for line in unfenced(odd[1].log) if line and not line.startswith(starts)] == []
