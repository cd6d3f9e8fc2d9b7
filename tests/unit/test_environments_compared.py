"""What compare-environments plans, refuses and shows."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeAlias

import pytest

from notebook_ci.base.errors import InputError
from notebook_ci.base.load_inputs import load
from notebook_ci.base.workspace import Workspace
from notebook_ci.compare_environments.conda_packages import exchanged
from notebook_ci.compare_environments.model import CompareEnvironmentsInputs
from notebook_ci.compare_environments.outcomes import outcome
from notebook_ci.compare_environments.plan import ComparisonPlan, make
from notebook_ci.compare_environments.run import _changes, _compared, _problem, _with_others
from notebook_ci.compare_environments.summary import lines, note, section
from notebook_ci.records.compare_environments import ComparedNotebook, CompareEnvironmentsRecord, PackageChange
from notebook_ci.records.execute_notebook import Comparison, ExecuteRecord, Failure, FailureKind, NotebookResult
from notebook_ci.summary.of_run import render

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


@pytest.mark.parametrize("flags", ["--base new.txt --head new.yml", "--base new.yml --head requirements.txt"])
def test_packages_of_conda_are_not_exchanged_with_others(project: Path, flags: str) -> None:
    for name in ("environment.yml", "new.yml"):
        (project / name).write_text("dependencies: [python]\n")
    found = planned(project, *flags.split())
    assert found.is_mixed
    [notice] = found.problems
    assert notice.text.startswith("Only one file lists packages of conda, so none is named for a ")
    assert notice.text.endswith("Compare two files of conda, or two of other kinds.")
    for same in ("--base requirements.txt --head new.txt", "--base environment.yml --head new.yml"):
        assert not planned(project, *same.split()).problems


def test_another_python_or_build_of_conda_is_a_change_of_its_own() -> None:
    before, after = {"greet": "1.0 0", "python": "3.12.9 0"}, {"greet": "1.0 1", "python": "3.13.2 0"}
    build, python = _changes(before, after, conda=True)
    assert (str(build), str(python)) == ("greet 1.0 0 -> 1.0 1", "python 3.12.9 0 -> 3.13.2 0")
    old, new = ({name: {"is": version} for name, version in each.items()} for each in (before, after))
    assert [each["is"] for each in exchanged(old, new, [build])] == ["3.12.9 0", "1.0 1"]
    assert [each["is"] for each in exchanged(old, new, [python])] == ["1.0 0", "3.13.2 0"]


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
    record.problems = [_problem(record.notebooks[1])]
    assert render([record]).startswith(
        "### ❌ compare-environments failed: `b.ipynb`: Broken by x 1 -> 2: KeyError, after"
    )
    assert "| ❌ `b.ipynb`    | broken by x 1 -> 2 | KeyError |" in section(record)[0]
    assert lines(record) == ["a.ipynb  same", "b.ipynb  broken by x 1 -> 2"]
    assert record.headline == {"differing": "0", "broken": "1"}


def failure(kind: FailureKind) -> Failure:
    return Failure(kind=kind, title=kind, message="why", cell=2, line=3)


def result(status: Status, kind: FailureKind | None = None, **settings: object) -> NotebookResult:
    found = failure(kind) if kind else None
    compared = None if settings.get("compare") == "off" else Comparison()
    return NotebookResult(
        path="a.ipynb", name="a.ipynb", status=status, failure=found, settings=settings, comparison=compared
    )


def warned(kind: FailureKind) -> NotebookResult:
    return replace(result("passed"), comparison=Comparison(allowed=[failure(kind)]))


PASSED, FAILED = result("passed"), result("failed", "cell-error")
DIFFERS, REFUSED = result("failed", "changed-output"), result("failed", "not-compared")


@pytest.mark.parametrize(
    ("before", "after", "verdict", "reason"),
    [
        (PASSED, PASSED, "same", ""),
        (PASSED, DIFFERS, "differs", "Cell 2: why"),
        (PASSED, warned("changed-output"), "differs", "Cell 2: why"),
        (PASSED, warned("not-compared"), "not compared", "why"),
        (PASSED, result("allowed", "changed-output"), "differs", "Cell 2: why"),
        (PASSED, result("failed", "unexpected-pass"), "same", ""),
        (DIFFERS, PASSED, "same", ""),  # `before` with stored outputs
        (DIFFERS, DIFFERS, "differs", "Cell 2: why"),
        (PASSED, REFUSED, "not compared", "why"),
        (replace(PASSED, left_out=1), DIFFERS, "not compared", "Outputs were left out: more than `max-output`."),
        (PASSED, result("passed", compare="off"), "not compared", ""),
        (PASSED, result("passed", compare="warn"), "not compared", ""),
        (
            PASSED,
            replace(PASSED, comparison=None),
            "not compared",
            "The first run left no executed notebook to",
        ),
        (PASSED, FAILED, "broken", "cell-error: why"),
        (PASSED, result("allowed", "cell-error"), "broken", "cell-error: why"),
        (PASSED, replace(result("skipped"), skipped_for="b.ipynb"), "broken", "Needs `b.ipynb`."),
        (FAILED, FAILED, "fails in both", "cell-error: why"),
        (result("skipped"), FAILED, "fails in both", "cell-error: why"),
        (FAILED, replace(PASSED, comparison=None), "fixed", ""),
    ],
)
def test_the_verdict_of_two_runs(before: NotebookResult, after: NotebookResult, verdict: str, reason: str) -> None:
    found = _compared(before, outcome(before, after))
    assert (found.verdict, found.reason[: len(reason) or None]) == (verdict, reason)
    assert found.line == (3 if verdict != "not compared" and reason.endswith("why") else None)


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
