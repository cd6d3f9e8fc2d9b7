"""What the page of a run shows, and how it is kept to its size."""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest

from notebook_ci.base.errors import InputError, Problem
from notebook_ci.base.markdown import duration
from notebook_ci.records.build_image import BuildImageRecord
from notebook_ci.records.dvc_pull import DvcPullRecord, PulledData
from notebook_ci.records.execute_notebook import ExecuteRecord, Failure, NotebookResult
from notebook_ci.records.record import Record
from notebook_ci.records.setup_env import SetupEnvRecord
from notebook_ci.records.test_notebook import CaseResult, PytestRecord
from notebook_ci.records.validate_data import RuleResult, ValidateRecord, Violation
from notebook_ci.report_run import executed, pieces, view
from notebook_ci.report_run.pieces import Piece
from notebook_ci.report_run.timeline import WIDTH, Timeline
from notebook_ci.summary.of_run import UNRECORDED

GITHUB = {"system": "github", "url": "https://github.com/team/study", "commit": "c0ffee", "directory": "a b"}


def failed(**fields: Any) -> NotebookResult:
    failure = Failure(
        kind="cell-error", title="KeyError in cell 2", message="'price'", ename="KeyError", evalue="'price'", cell=2,
        line=31, source="frame['price']", hint="Check the column.", traceback="Traceback",
    )  # fmt: skip
    result = NotebookResult(path="train.ipynb", name="train.ipynb", status="failed", failure=failure)
    return dataclasses.replace(result, **fields)


def of(*records: Record, baseline: list[Record] | None = None, code: str = "import x\nframe['price']\n") -> view.View:
    return view.make(list(records), baseline, {"n1": {2: code}})


def test_a_failure_is_told_in_the_users_words_with_its_line_and_link() -> None:
    found = of(ExecuteRecord(stage="execute-notebook", status="failed", source=GITHUB, notebooks=[failed()]))
    assert (found.status, found.headline) == ("failed", "train.ipynb, cell 2: KeyError: 'price'")
    (trouble,) = found.troubles
    assert (trouble.element, trouble.line, trouble.failed.hint) == ("n1-c2", 2, "Check the column.")
    assert trouble.link == "https://github.com/team/study/blob/c0ffee/a%20b/train.ipynb?plain=1#L31"


def test_what_has_no_cell_and_no_notebook_is_told_too() -> None:
    tests = PytestRecord(
        stage="test-notebook", status="failed",
        cases=[CaseResult(test="tests/t.py::test_a", status="failed", message="assert 1 == 2", file="t.py", line=3)],
        problems=[Problem(severity="error", message="assert 1 == 2", title="tests/t.py::test_a")],
    )  # fmt: skip
    problem = Problem(severity="error", message="No such data.", hint="Pull it.", file="a.dvc", line=4)
    data = Record(stage="dvc-pull", status="error", problems=[problem, Problem(severity="warning", message="Slow.")])
    found = of(tests, data)
    assert (found.status, found.headline) == ("error", "a.dvc: No such data (and 1 more failure)")
    assert [(each.where, each.failed.message, each.failed.hint) for each in found.troubles] == [
        ("a.dvc", "No such data.", "Pull it."),
        ("tests/t.py::test_a", "assert 1 == 2", ""),
    ]


def test_a_step_without_a_record_is_not_forgotten() -> None:
    found = view.make([SetupEnvRecord(stage="setup-env")], None, {}, is_incomplete=True)
    assert (found.status, found.headline) == ("error", f"{UNRECORDED}")


def test_an_allowed_failure_is_no_trouble() -> None:
    found = of(ExecuteRecord(stage="execute-notebook", notebooks=[failed(status="allowed")]))
    assert (found.status, found.headline, found.troubles) == ("passed", "1 stage passed", [])


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "http:[", ""])
def test_no_link_leads_anywhere_but_to_the_web(url: str) -> None:
    source = GITHUB | {"url": url, "run_url": url}
    found = of(ExecuteRecord(stage="execute-notebook", status="failed", source=source, notebooks=[failed()]))
    assert not [link for _, _, link in found.facts if link]
    assert not found.troubles[0].link
    assert not found.notebooks[0].link


def test_metrics_and_packages_are_compared_with_those_of_the_baseline() -> None:
    def run(accuracy: float, **packages: str) -> list[Record]:
        return [
            SetupEnvRecord(stage="setup-env", packages=packages),
            ExecuteRecord(stage="execute-notebook", metrics={"accuracy": accuracy, "rows": 3.0}),
        ]

    assert [each.has_changed for each in of(*run(0.75)).metrics] == [True, True]
    assert of(*run(0.75)).changes is None
    found = of(*run(0.75, numpy="2.0", scipy="1"), baseline=run(0.5, numpy="1.26", pandas="2"))
    assert [(each.name, each.value, each.baseline, each.delta, each.has_changed) for each in found.metrics] == [
        ("accuracy", "0.75", "0.5", "+0.25", True),
        ("rows", "3", "3", "", False),
    ]
    assert {each.name: (each.value, each.baseline) for each in found.packages} == {
        "numpy": ("2.0", "1.26"), "scipy": ("1", ""), "pandas": ("", "2"),
    }  # fmt: skip


def test_all_else_that_differs_from_the_baseline_is_listed() -> None:
    def run(commit: str, text: str, status: Any, rows: int, *, met: bool) -> list[Record]:
        broken = Violation(
            kind="violation", severity="critical", expectation="expect_x", column="b", file="s", line=3, message="No."
        )
        checked = RuleResult(data="d.csv", suite="s", suite_name="s", rows=rows, violations=[] if met else [broken])
        checked.met = ["expect_y of a", *(["expect_x of b"] if met else [])]
        pulled = PulledData(path="d.csv", pointer="d.csv.dvc", hash_name="md5", hash=text * 32, bytes=3, files=1)
        result = NotebookResult(path="t.ipynb", name="t.ipynb", status=status, parameters={"seed": 1, "text": text})
        return [
            SetupEnvRecord(stage="setup-env", python_version="3.12.1", env_digest=text, source={"commit": commit}),
            DvcPullRecord(stage="dvc-pull", data=[pulled], source={"commit": commit}),
            ValidateRecord(stage="validate-data", results=[checked], source={"commit": commit}),
            ExecuteRecord(stage="execute-notebook", notebooks=[result], source={"commit": commit}),
            PytestRecord(stage="test-notebook", cases=[CaseResult(test="t.py::a", status=status)]),
            BuildImageRecord(stage="build-image", image="i", image_id=f"sha256:{text * 64}"),
        ]

    new = run("c" * 40, "e", "failed", 1_234_568, met=False)
    old = run("c" * 40, "f", "passed", 1_234_567, met=True)
    assert {each.name: (each.value, each.baseline) for each in of(*new, baseline=old).changes or []} == {
        "environment": ("e", "f"),
        "d.csv": ("e" * 12, "f" * 12),
        "d.csv: rows": ("1,234,568", "1,234,567"),
        "d.csv: expect_x of b": ("not met", "met"),
        "t.ipynb": ("failed", "passed"),
        "t.ipynb: text": ('"e"', '"f"'),
        "t.py::a": ("failed", "passed"),
        "i": ("e" * 12, "f" * 12),
    }
    assert of(*new, baseline=new).changes == []


def test_a_run_that_had_nothing_to_do_has_not_passed() -> None:
    assert of(Record(stage="dvc-pull", status="skipped")).status == "skipped"


def test_bars_stand_where_things_ran() -> None:
    one = Record(stage="setup-env", started="2026-11-30T08:00:00.000+00:00", duration=5.0)
    two = ExecuteRecord(stage="execute-notebook", started="2026-11-30T08:00:05.000+00:00", duration=5.0)
    timeline = Timeline([one, two])
    assert timeline.took == 10
    assert [(bar.start, bar.width) for bar in timeline.of_stage(two)] == [(WIDTH / 2, WIDTH / 2)]
    result = failed(started="2026-11-30T08:00:06+00:00", duration=4.0, cell_seconds={"1": 1.0, "2": 2.0})
    assert [(bar.start, bar.width) for bar in timeline.of_notebook(result)] == [(600, 400), (700, 100), (800, 200)]


@pytest.mark.parametrize("seconds", [math.nan, math.inf])
def test_a_duration_that_is_none_is_shown_so(seconds: float) -> None:
    assert duration(seconds) == "?"
    assert view.make([SetupEnvRecord(stage="setup-env", started="2026-11-30T08:00:00Z", duration=seconds)], None, {})


@pytest.mark.parametrize("started", ["", "yesterday", "9999-99-99", "0001-01-01T00:00:00"])
def test_a_time_that_is_none_has_no_bar_or_a_small_one(started: str) -> None:
    record = Record(stage="setup-env", started=started, duration=1e12)
    assert all(0 <= bar.start <= bar.start + bar.width <= WIDTH for bar in Timeline([record]).of_stage(record))
    assert not list(Timeline([]).of_notebook(failed(started="never")))


SMALL, LARGE, LARGER = Piece("a" * 10), Piece("b" * 100, "(100)"), Piece("c" * 200, "(200)")
FIRST, SECOND = [SMALL, LARGER, LARGE], [SMALL, SMALL, LARGE]
LEFT_OUT = '<p class="notice">[A notebook of {} B is left out: `max-size`.]</p>'


@pytest.mark.parametrize(
    ("most", "first", "second", "left_out"),
    [
        (445, "aaaaaaaaaa" + "c" * 200 + "b" * 100, "a" * 20 + "b" * 100, 0),
        (444, "aaaaaaaaaa(200)" + "b" * 100, "a" * 20 + "b" * 100, 1),
        (244, "aaaaaaaaaa(200)(100)", "a" * 20 + "(100)", 3),
        (44, "aaaaaaaaaa(200)(100)", LEFT_OUT.format(25), 3),
        (19, LEFT_OUT.format(20), LEFT_OUT.format(25), 2),
    ],
)
def test_the_largest_outputs_are_left_out_first_and_then_notebooks(
    most: int, first: str, second: str, left_out: int
) -> None:
    assert pieces.fitted({"1": FIRST, "2": SECOND}, most) == ({"1": first, "2": second}, left_out)
    assert Piece("é").bytes == 2


WRONG: dict[str, object] = {
    "not an object": [],
    "no cells": {},
    "cells that are none": {"cells": ["x", 3, None, {"cell_type": 3, "source": 3, "outputs": {}, "metadata": []}]},
}


@pytest.mark.parametrize("name", WRONG)
def test_what_has_a_wrong_type_counts_as_missing(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.ipynb").write_text(json.dumps(WRONG[name]), encoding="utf-8")
    assert all((each.kind, each.source, each.outputs) == ("", "", []) for each in executed.read(tmp_path, "a.ipynb"))


def test_cells_are_counted_without_the_injected_one(tmp_path: Path) -> None:
    injected = {"cell_type": "code", "source": ["a = 1\n", "b = 2"], "metadata": {"tags": ["injected-parameters"]}}
    content = {"cells": [{"cell_type": "markdown", "source": "# x"}, injected, {"cell_type": "code", "source": "y"}]}
    (tmp_path / "a.ipynb").write_text(json.dumps(content), encoding="utf-8")
    found = executed.read(tmp_path, "a.ipynb")
    assert [(each.number, each.source) for each in found] == [(1, "# x"), (None, "a = 1\nb = 2"), (2, "y")]


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("../secret.ipynb", "`../secret.ipynb` is not in the run directory."),
        ("link.ipynb", "`link.ipynb` is not in the run directory."),
        ("gone.ipynb", "`gone.ipynb` does not exist."),
        ("folder", "`folder` is a folder."),
        ("circle.ipynb", "`circle.ipynb` is not the path of a file."),
        ("a\0b", "`a\\x00b` is not the path of a file."),
        ("torn.ipynb", "`torn.ipynb` is not a notebook: "),
        ("deep.ipynb", "`deep.ipynb` is not a notebook: "),
        ("huge.ipynb", "`huge.ipynb` is larger than 50.0 MB."),
    ],
)
def test_a_notebook_that_cannot_be_shown_says_why(tmp_path: Path, output: str, message: str) -> None:
    run = tmp_path / "run"
    (run / "folder").mkdir(parents=True)
    (tmp_path / "secret.ipynb").write_text("{}", encoding="utf-8")
    (run / "link.ipynb").symlink_to(tmp_path / "secret.ipynb")
    (run / "circle.ipynb").symlink_to(run / "circle.ipynb")
    (run / "torn.ipynb").write_text('{"cells": [', encoding="utf-8")
    (run / "deep.ipynb").write_text("[" * 100_000, encoding="utf-8")
    with (run / "huge.ipynb").open("wb") as file:
        file.truncate(executed.MOST_BYTES + 1)
    with pytest.raises(InputError) as caught:
        executed.read(run, output)
    assert caught.value.message.startswith(message)
