"""What compare-environments plans, refuses and shows."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeAlias

import pytest

from notebook_ci.base.errors import InputError
from notebook_ci.base.load_inputs import load
from notebook_ci.base.workspace import Workspace
from notebook_ci.compare_environments.model import CompareEnvironmentsInputs
from notebook_ci.compare_environments.outcomes import outcome
from notebook_ci.compare_environments.plan import ComparisonPlan, make
from notebook_ci.compare_environments.run import _compared, _problem, _with_others
from notebook_ci.compare_environments.summary import note, section, verdict
from notebook_ci.records.compare_environments import ComparedNotebook, CompareEnvironmentsRecord, PackageChange
from notebook_ci.records.execute_notebook import ExecuteRecord, Failure, FailureKind, NotebookResult

Status: TypeAlias = Literal["passed", "failed", "allowed", "skipped"]
NOTEBOOK = '{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "requirements.txt").write_text("a==1\n")
    (tmp_path / "new.txt").write_text("a==2\n")
    (tmp_path / "a.ipynb").write_text(NOTEBOOK)
    return tmp_path


def planned(folder: Path, *flags: str) -> ComparisonPlan:
    inputs, workspace = load(
        CompareEnvironmentsInputs, "compare-environments", flags, io.StringIO(), Workspace(folder, {})
    )
    return make(inputs, workspace)


def test_the_plan(project: Path) -> None:
    assert list(planned(project, "--head", "new.txt").lines()) == [
        "install `requirements.txt` and `new.txt`",
        "compare the results of 1 notebooks: a.ipynb",
    ]
    (project / "notebook-ci.toml").write_text("[execute-notebook]\nnotebooks = ['b.ipynb']\n")
    (project / "b.ipynb").write_text(NOTEBOOK)
    assert planned(project, "--head", "new.txt").notebooks == ("b.ipynb",), "the settings of execute-notebook count"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("", "`head` is not set."),
        ("--head gone.txt", "`head` is `gone.txt`, which is not a file."),
        ("--head new.txt --base gone.txt", "`base` is `gone.txt`, which is not a file."),
        ("--head .", "`head` is `.`, which is not a file."),
        ("--head requirements.txt", "`base` and `head` are the same file: `requirements.txt`."),
        ("--base new.txt --head ./new.txt", "`base` and `head` are the same file: `new.txt`."),
        ("--base new.txt --head link.txt", "`base` and `head` are the same file: `link.txt`."),
        ("--head conflict.txt", "`conflict.txt` has an unresolved merge conflict."),
        ("--head a.ipynb", "`requirements` is `a.ipynb`, which setup-env cannot install from."),
        ("--head new.txt --notebooks b.ipynb", "No notebook matches `b.ipynb` in `"),
        ("--head new.txt --exclude a.ipynb", "`exclude` matches all notebooks."),
    ],
)
def test_what_is_refused_before_anything_runs(project: Path, flags: str, message: str) -> None:
    (project / "link.txt").symlink_to("new.txt")
    (project / "conflict.txt").write_text("<<<<<<< ours\na\n")
    with pytest.raises(InputError) as caught:
        planned(project, *flags.split())
    assert caught.value.message.startswith(message)
    assert caught.value.hint


def test_the_summary() -> None:
    record = CompareEnvironmentsRecord(stage="compare-environments", base="a.txt", head="b.txt")
    assert note(record) == "the same environment"
    record.changes = [PackageChange(name="x", before="1", after="2")]
    record.notebooks = [
        ComparedNotebook(path="a.ipynb", name="a.ipynb", verdict="same"),
        ComparedNotebook(path="b.ipynb", name="b.ipynb", verdict="broken", packages=record.changes, reason="KeyError"),
    ]
    record.status = "failed"
    assert note(record) == "1 same, 1 broken (1 package changed)"
    assert verdict(record) == "`b.ipynb` broken by x 1 -> 2"
    assert "| ❌ `b.ipynb`    | broken by x 1 -> 2 | KeyError |" in section(record)[0]
    assert record.headline == {"differing": "0", "broken": "1"}


def failure(kind: FailureKind) -> Failure:
    return Failure(kind=kind, title=kind, message="why", line=3)


def result(status: Status, kind: FailureKind | None = None, **settings: object) -> NotebookResult:
    found = failure(kind) if kind else None
    return NotebookResult(path="a.ipynb", name="a.ipynb", status=status, failure=found, settings=settings)


def executed(path: Path, *texts: str, tags: tuple[str, ...] = ()) -> str:
    cells = [
        {
            "cell_type": "code",
            "source": "x",
            "metadata": {"tags": tags},
            "outputs": [{"output_type": "stream", "name": "stdout", "text": text}],
        }
        for text in texts
    ]
    path.write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}, indent=1))
    return path.name


PASSED, FAILED = result("passed"), result("failed", "cell-error")
INPUTS = {"rtol": 1e-6, "atol": 0.0}


@pytest.mark.parametrize(
    ("before", "after", "texts", "verdict"),
    [
        (PASSED, PASSED, ("1.0", "1.0"), "same"),
        (PASSED, PASSED, ("1.0", "1.00000001"), "same"),
        (PASSED, result("passed", compare="strict"), ("1.0", "1.00000001"), "differs"),
        (PASSED, result("passed", rtol="0.5"), ("1.0", "1.1"), "same"),
        (PASSED, PASSED, ("1.0", "1.1"), "differs"),
        (PASSED, result("failed", "unexpected-pass"), ("a", "b"), "differs"),
        (result("failed", "changed-output"), PASSED, ("a", "a"), "same"),
        (PASSED, result("passed", compare="off"), ("a", "b"), "not compared"),
        (PASSED, result("passed", compare="lax"), ("a", "b"), "same"),
        (PASSED, FAILED, ("a", "a"), "broken"),
        (PASSED, result("allowed", "cell-error"), ("a", "a"), "broken"),
        (PASSED, result("skipped"), ("a", "a"), "broken"),
        (FAILED, FAILED, ("a", "a"), "fails in both"),
        (result("skipped"), FAILED, ("a", "a"), "fails in both"),
        (FAILED, PASSED, ("a", "b"), "fixed"),
    ],
)
def test_the_verdict_of_two_runs(
    tmp_path: Path, before: NotebookResult, after: NotebookResult, texts: tuple[str, str], verdict: str
) -> None:
    before = replace(before, output=executed(tmp_path / "before.ipynb", "same", texts[0]))
    after = replace(after, output=executed(tmp_path / "after.ipynb", "same", texts[1]))
    assert _compared(before, outcome(before, after, INPUTS, tmp_path)).verdict == verdict


def test_executed_notebooks_that_cannot_be_read_are_not_the_same(tmp_path: Path) -> None:
    before = replace(PASSED, output=executed(tmp_path / "before.ipynb", "a"))
    for name in ("gone.ipynb", executed(tmp_path / "longer.ipynb", "a", "a")):
        found = outcome(before, replace(PASSED, output=name), INPUTS, tmp_path)
        assert (found.kind, found.reason[:31]) == ("not compared", "The outputs cannot be compared:")


def test_ignored_and_injected_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    executed(tmp_path / "a.ipynb", "a")
    names = [executed(tmp_path / f"{text}.ipynb", text, tags=("compare-ignore",)) for text in "bc"]
    before, after = (replace(PASSED, output=name) for name in names)
    assert outcome(before, after, INPUTS, tmp_path).kind == "same"
    names = [executed(tmp_path / f"{text}.ipynb", text) for text in "bc"]
    found = outcome(before, after, INPUTS, tmp_path)
    assert (found.reason, found.line) == ("Cell 1: `stdout`: `b` became `c`", 5)


def test_a_notebook_that_nothing_explains_blames_no_package() -> None:
    found = ComparedNotebook(path="a.ipynb", name="a@b.ipynb", verdict="differs", reason="1 became 2", line=3)
    problem = _problem(found)
    assert (problem.title, problem.message, problem.line) == ("Differs with `head`", "a@b.ipynb: 1 became 2", 3)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({"needs": {}, "execution-order": "auto"}, ["a.ipynb"]),
        ({"needs": {"b.ipynb": ["a.ipynb"]}, "execution-order": "auto"}, ["a.ipynb", "1-b.ipynb", "2-c.ipynb"]),
        ({"needs": {}, "execution-order": "sorted"}, ["a.ipynb", "1-b.ipynb", "2-c.ipynb"]),
    ],
)
def test_all_run_again_if_some_may_use_files_of_others(inputs: dict[str, object], expected: list[str]) -> None:
    names = ["a.ipynb", "1-b.ipynb", *(["2-c.ipynb"] if len(expected) > 1 else [])]
    notebooks = [NotebookResult(path=name, name=name) for name in names]
    record = ExecuteRecord(stage="execute-notebook", inputs=inputs, notebooks=notebooks)
    assert _with_others([ComparedNotebook(path="a.ipynb", name="a.ipynb", verdict="differs")], record) == expected
