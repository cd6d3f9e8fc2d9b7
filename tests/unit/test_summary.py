import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from notebook_ci.base import markdown
from notebook_ci.base.errors import Problem
from notebook_ci.base.workspace import Workspace
from notebook_ci.records.build_image import BuildImageRecord
from notebook_ci.records.dvc_pull import DvcPullRecord, PulledData
from notebook_ci.records.execute_notebook import ExecuteRecord, Failure, NotebookResult
from notebook_ci.records.log_run import Logged, LogRunRecord
from notebook_ci.records.record import Record, Status
from notebook_ci.records.report_run import ReportRunRecord
from notebook_ci.records.setup_env import SetupEnvRecord
from notebook_ci.records.validate_data import Example, RuleResult, ValidateRecord, Violation
from notebook_ci.summary.of_run import render, summarize

GOLDEN = Path(__file__).with_name("summaries")


def rendered(*records: Record) -> str:
    return render(records)


def headline(*records: Record) -> str:
    return rendered(*records).splitlines()[0]


def passed(path: str, **values: Any) -> NotebookResult:
    found: dict[str, Any] = {"name": path, "status": "passed", "duration": 1.25, "cells": 4, "executed_cells": 4}
    return NotebookResult(path=path, **found | values)


def failed(path: str, **values: Any) -> NotebookResult:
    found: dict[str, Any] = {
        "kind": "cell-error",
        "title": "ValueError in cell 3",
        "message": "no",
        "cell": 3,
        "line": 41,
        "ename": "ValueError",
    } | values
    return NotebookResult(
        path=path, name=path, status="failed", duration=75.2, cells=4, executed_cells=2, failure=Failure(**found)
    )


def execution(*notebooks: NotebookResult, **values: Any) -> ExecuteRecord:
    status = "failed" if any(notebook.failure for notebook in notebooks) else "passed"
    common: dict[str, Any] = {"stage": "execute-notebook", "status": status, "duration": 78.4}
    return ExecuteRecord(**common | values, notebooks=list(notebooks))


ENVIRONMENT = SetupEnvRecord(
    stage="setup-env",
    duration=3.14,
    python_version="3.12.4",
    lock_file="requirements.txt",
    packages={"numpy": "2.0.0", "pandas": "2.2.0"},
    env_digest="0123456789abcdef" * 4,
    outputs={"env-digest": "0123456789abcdef" * 4},
    read={"requirements.txt": "ab" * 32},
)
TRACEBACK = "\n".join(
    ["ValueError                Traceback (most recent call last)", *(f"frame {n}" for n in range(6)), "```", "<b>"]
)
HOSTILE = "a|b `c` <script>alert(1)</script>\n# @team [x](http://y) *é*.ipynb"
DATA = DvcPullRecord(
    stage="dvc-pull",
    duration=1.2,
    remote="storage",
    remote_url="s3://acme/penguins",
    scheme="s3",
    verified=True,
    data_digest="da" * 32,
    files=2,
    bytes=53_098,
    downloaded_files=2,
    downloaded_bytes=53_098,
    data=[
        PulledData(
            path="data/raw",
            pointer="data/raw.dvc",
            hash_name="md5",
            hash=f"{'ab' * 16}.dir",
            bytes=53_098,
            files=2,
        )
    ],
    outputs={"data-digest": "da" * 32},
)
RULE = RuleResult(
    data="data/penguins.csv",
    rows=344,
    columns=17,
    suite="suites/penguins.json",
    suite_name="penguins",
    evaluated=15,
)
VALIDATION = ValidateRecord(
    stage="validate-data",
    duration=5.0,
    success=True,
    evaluated=15,
    results=[dataclasses.replace(RULE, success=True)],
)
VIOLATED = dataclasses.replace(
    RULE,
    failed=2,
    warned=1,
    violations=[
        Violation(
            kind="violation",
            severity="warning",
            expectation="expect_column_values_to_not_be_null",
            column="Sex",
            file="suites/penguins.json",
            line=30,
            message="11 of 344 values are missing (3.2 %).",
        ),
        Violation(
            kind="violation",
            severity="critical",
            expectation="expect_column_values_to_be_between",
            column="Body Mass (g)",
            file="suites/penguins.json",
            line=41,
            message="4 of 342 values are not between 2000 and 7000, e.g. 12, 9400 and 9500.",
            note="A penguin weighs some kilograms.",
            unexpected=4,
            total=342,
            percent=1.17,
            examples=[Example(row=row, value=value) for row, value in ((3, "12"), (9, "940"), (10, "950"), (11, "0"))],
        ),
        Violation(
            kind="missing-column",
            severity="critical",
            expectation="expect_column_values_to_be_in_set",
            column="Iland",
            file="suites/penguins.json",
            line=52,
            message="The data has no column `Iland`. Did you mean `Island`?",
        ),
    ],
)
REFUSED = dataclasses.replace(
    ValidateRecord(stage="validate-data", duration=5.0),
    status="failed",
    evaluated=15,
    failed=2,
    results=[VIOLATED],
    problems=[Problem(severity="error", title="Violated", message="…", file="suites/penguins.json", line=41)],
)
IMAGE = BuildImageRecord(
    stage="build-image",
    duration=12.5,
    image="ghcr.io/acme/penguins",
    tags=["6aebc5f", "latest"],
    image_id=f"sha256:{'1d' * 32}",
    digest=f"sha256:{'d1' * 32}",
    base_image="python:3.12-slim",
    base_digest=f"sha256:{'ba' * 32}",
    dockerfile="build-image/Dockerfile",
    builder="buildkit",
    bytes=612_000_000,
    pushed=["6aebc5f", "latest"],
    outputs={"image-id": f"sha256:{'1d' * 32}", "digest": f"sha256:{'d1' * 32}"},
)
LOG = LogRunRecord(
    stage="log-run",
    duration=2.5,
    tracking_uri="https://mlflow.example.org",
    experiment="penguins",
    run_id="0f" * 16,
    run_name="Notebooks 12",
    run_url="https://mlflow.example.org/#/experiments/1/runs/0f",
    artifact_uri="mlflow-artifacts:/1/0f/artifacts",
    logged=Logged(parameters=4, metrics=12, tags=20, datasets=1, artifacts=9, artifact_bytes=812_345),
)


def skipped(record: Record, reason: str) -> Record:
    return dataclasses.replace(record, status="skipped", problems=[Problem(severity="notice", message=reason)])


def with_error(record: Record, status: Status, message: str, hint: str = "", **place: Any) -> Record:
    """Return a record of a stage that ended by an error."""
    problem = Problem(severity="error", message=message, hint=hint, **place)
    return dataclasses.replace(record, status=status, problems=[problem])


RECORDS: dict[str, list[Record]] = {
    "chain": [
        ENVIRONMENT,
        DATA,
        VALIDATION,
        execution(passed("notebooks/01-clean.ipynb"), metrics={"accuracy": 0.987654321}),
        IMAGE,
        LOG,
    ],
    "stopped": [
        ENVIRONMENT,
        REFUSED,
        skipped(ExecuteRecord(stage="execute-notebook"), "Not run, because validate-data failed."),
        LOG,
    ],
    "skipped": [
        ENVIRONMENT,
        skipped(DvcPullRecord(stage="dvc-pull"), "There is no `.dvc` folder: DVC tracks no data. Searched: `/work`."),
        skipped(
            ExecuteRecord(stage="execute-notebook"), "No notebook is affected by what changed since `0123456789ab`."
        ),
        skipped(BuildImageRecord(stage="build-image"), "`image` of build-image is not set."),
    ],
    "every stage failed": [
        with_error(
            SetupEnvRecord(stage="setup-env", duration=2.0, lock_file="requirements.txt"),
            "error",
            "The packages of requirements.txt could not be installed: there is no version 9 of `numpy`.",
            "Correct it.",
            file="requirements.txt",
            line=3,
        ),
        with_error(
            DvcPullRecord(stage="dvc-pull", duration=3.0),
            "failed",
            "data/raw.csv is corrupt: its MD5 is `0123`, and must be `abcd`.",
            "Push it again.",
            file="data/raw.csv.dvc",
            line=2,
        ),
        REFUSED,
        execution(
            passed("notebooks/01-clean.ipynb"),
            failed("notebooks/02-train.ipynb", traceback="Traceback (most recent call last)\nValueError: no"),
        ),
        with_error(
            BuildImageRecord(stage="build-image", duration=9.0, image="penguins", tags=["6aebc5f"]),
            "failed",
            "Step 3 of the Dockerfile failed: `RUN make`.",
            "Its last lines stand in the log.",
            file="Dockerfile",
            line=7,
        ),
        with_error(
            LogRunRecord(stage="log-run", duration=30.0),
            "error",
            "The MLflow server https://mlflow.example.org did not answer within 30 s.",
            "Look whether it runs.",
        ),
    ],
    "passed": [
        ENVIRONMENT,
        execution(
            passed("notebooks/01-clean.ipynb"),
            passed("notebooks/02-train.ipynb"),
            metrics={"accuracy": 0.987654321, "rows": 344, "loss": float("nan")},
            created={"execute-notebook/notebooks/01-clean.ipynb": "cd" * 32},
            problems=[
                Problem(severity="warning", message="Cell 3: the metric `x` is no number.", file="notebooks/01.ipynb")
            ],
        ),
    ],
    "failed": [
        execution(
            passed("notebooks/01-clean.ipynb"),
            failed("notebooks/02_train.ipynb", traceback=TRACEBACK, hint="Ask `@team` <b>.\n# x"),
            failed(
                HOSTILE,
                ename="",
                title="Over the cell-timeout in cell 3",
                message="A cell ran longer than its limit.",
                line=None,
            ),
            NotebookResult(path="notebooks/03.ipynb", name="notebooks/03.ipynb"),
            problems=[Problem(severity="error", title="ValueError in cell 3", message="x", file="notebooks/02.ipynb")],
        ),
    ],
    "allowed and flaky": [
        execution(
            passed("notebooks/01-clean.ipynb"),
            dataclasses.replace(
                failed("notebooks/02-train.ipynb"),
                status="allowed",
                settings={"allow-failure": "until 2027-03-01: waits for <b> 2"},
                own_settings=["allow-failure"],
            ),
            passed("notebooks/03.ipynb", earlier_failures=failed("x", message="no | net").failures * 2),
            NotebookResult(path="04.ipynb", name="04.ipynb", skipped_for="notebooks/02-train.ipynb"),
            status="passed",
        ),
    ],
    "several cells": [
        execution(
            passed("notebooks/01-clean.ipynb"),
            dataclasses.replace(
                failed("notebooks/02-train.ipynb", traceback="first"),
                other_failures=failed("x", title="KeyError in cell 4", traceback="second", line=50).failures,
            ),
        ),
    ],
    "invalid": [
        execution(
            failed(
                "a.ipynb",
                ename="",
                kind="invalid-notebook",
                title="Cannot be executed",
                message="a.ipynb is empty.",
                line=None,
            ),
            problems=[Problem(severity="error", message="a.ipynb is empty.", hint="Restore it.", file="a.ipynb")],
        ),
    ],
    "cancelled": [
        execution(
            failed("a.ipynb", ename="", title="Cancelled in cell 3", message="The job was cancelled.", line=None),
            NotebookResult(path="b.ipynb", name="b.ipynb"),
            status="error",
            problems=[Problem(severity="error", message="Cancelled (SIGINT).", hint="What was done is kept.")],
        ),
    ],
}


@pytest.mark.parametrize("name", RECORDS)
def test_the_summary_is_as_it_was_read_and_approved(name: str) -> None:
    """To approve a change: read the new text in a Markdown viewer, then put it into the file."""
    expected = (GOLDEN / f"{name}.md").read_text(encoding="utf-8")
    assert rendered(*RECORDS[name]) == expected


# The headline


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([execution(passed("a.ipynb"))], "### ✅ execute-notebook: 1 notebook passed in 1 min 18 s"),
        ([execution(passed("a"), passed("b"), slug="py311")], "### ✅ execute-notebook (py311): 2 notebooks passed in"),
        ([ENVIRONMENT], "### ✅ setup-env: Python 3.12.4, 2 packages in 3.1 s"),
        ([ENVIRONMENT, execution()], "### ✅ 2 stages passed in 1 min 22 s"),
        ([ENVIRONMENT, Record(stage="dvc-pull", status="skipped")], "### ✅ 1 stage passed, 1 skipped in 3.1 s"),
        ([Record(stage="dvc-pull", status="skipped")], "### ⏭️ dvc-pull skipped"),
        (
            [execution(passed("a"), failed("x/b.ipynb"))],
            "### ❌ execute-notebook failed: `x/b.ipynb`, cell 3: ValueError: no, after 1 min",
        ),
        (
            [execution(failed("a"), failed("b"), passed("c"))],
            "### ❌ execute-notebook failed: `a`, cell 3: ValueError: no (and 1 more failure), after",
        ),
        (
            [ENVIRONMENT, execution(*(failed(f"{n}") for n in range(5)))],
            "### ❌ failed: `0`, cell 3: ValueError: no (and 4 more failures), after 1 min 22 s",
        ),
        (
            [
                execution(failed("a")),
                LogRunRecord(
                    stage="log-run", status="error", problems=[Problem(severity="error", message="No server `x_y`.")]
                ),
            ],
            "### 🛑 log-run failed: No server `x_y` (and 1 more failure), after 1 min 18 s",
        ),
        ([Record(stage="a", status="error")], "### 🛑 a failed: no reason was recorded, after 0.0 s"),
    ],
)
def test_the_headline_says_what_failed_and_where(records: list[Record], said: str) -> None:
    assert headline(*records).startswith(said)


def test_a_long_message_does_not_fill_the_headline() -> None:
    record = Record(stage="a", status="error", problems=[Problem(severity="error", message="long\n" * 500)])
    assert len(headline(record)) < 300


# Bounds


def test_many_notebooks_are_bounded_and_the_failed_ones_come_first() -> None:
    text = rendered(execution(*(passed(f"good{n}.ipynb") for n in range(500)), failed("bad.ipynb")))
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert "`bad.ipynb`" in rows[2]
    assert len(rows) == 2 + markdown.MOST_ROWS + 1
    assert "… and 401 more" in rows[-1]


def test_many_failures_are_bounded() -> None:
    problems = [Problem(severity="warning", message=f"warning {n}") for n in range(50)]
    text = rendered(execution(*(failed(f"{n}.ipynb", traceback="t") for n in range(25)), problems=problems))
    assert text.count("```text") == markdown.MOST_LISTED
    assert "- … and 5 more: see the record." in text
    assert "- … and 30 more: see the record." in text


# Hostile names and texts


def outside_code(text: str) -> str:
    """Return Markdown without its blocks and spans of code, as GitHub's renderer finds them."""
    text = re.sub(r"^(`{3,})text\n.*?^\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"(?<![\\`])(`+)(?!`).*?(?<!`)\1(?!`)", "", text)


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<details><summary>",
        "&lt;img src=x&gt;",
        "@team and x@example.org",
        "[click](https://example.org) ![x](y)",
        "**bold** _it_ ~~gone~~ # title",
        "a|b|c",
        "a\\|b\\",
        "`",
        "```\n<b>",
        "x ` y | z ` w",
        "\n\n# Title\n- list\n\n| a |",
        "\x1b[31mred\x1b[0m \u202egnp.exe",
    ],
)
def test_hostile_text_stays_text(hostile: str) -> None:
    problems = [Problem(severity="error", message=hostile, hint=hostile, file=hostile)]
    notebook = failed(hostile, ename=hostile, message=hostile, hint=hostile, traceback=hostile)
    text = rendered(
        execution(notebook, problems=problems, metrics={hostile: 1.0}, read={hostile: "0"}, slug="x"),
    )
    open_text = outside_code(text)
    assert "<script" not in open_text
    assert open_text.count("<details>") == open_text.count("</details>") == 2
    assert "&lt;img" not in open_text
    assert "@team" not in open_text
    assert "](" not in re.sub(r"\\.", "", open_text)
    assert "**bold" not in re.sub(r"\\.", "", open_text)
    assert "\x1b" not in open_text
    assert "\u202e" not in open_text
    assert not re.search(r"^(# Title|- list)", open_text, re.MULTILINE)
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert len(tables) >= 2
    for table in tables:
        columns = {len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) for row in table.splitlines()}
        assert len(columns) == 1, f"a row has other columns: {table}"


def test_a_name_without_marks_is_shown_as_code_and_prose_without_backslashes() -> None:
    problem = Problem(severity="notice", message="module 'pandas' has no attribute 'read_cvs' (see #1)", file="a_b.py")
    assert "- notice: `a_b.py`: module 'pandas' has no attribute 'read_cvs' (see #1)\n" in rendered(
        Record(stage="a", problems=[problem])
    )


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.04, "0.0 s"), (59.4, "59.4 s"), (59.96, "1 min 0 s"), (61, "1 min 1 s"), (7322, "122 min 2 s")],
)
def test_times_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert headline(Record(stage="a", duration=seconds)).endswith(f"in {said}")


def test_a_table_does_not_wrap_a_duration(tmp_path: Path) -> None:
    found = summarize([ENVIRONMENT, execution(passed("a.ipynb"), failed("b.ipynb"))], Workspace(tmp_path, {}))
    rows = "\n".join(line for line in found.markdown.splitlines() if line.startswith("|"))
    assert [rows.count(text.replace(" ", "\N{NO-BREAK SPACE}")) for text in ("1 min 18 s", "1 min 15 s", "1.2 s")] == [
        1,
        1,
        1,
    ]
    assert not re.search(r"\d (s|min)\b", rows)
    assert "1 min 18 s" in found.text


def test_packages_of_conda_are_counted_and_listed() -> None:
    found = dataclasses.replace(ENVIRONMENT, status="passed", conda_packages={"gdal": "3.9 h1_0", "python": "3.12.1 0"})
    text = rendered(found)
    assert re.search(r"\| packages of conda +\| 2 +\|", text)
    assert "gdal 3.9 h1_0\npython 3.12.1 0\n" in text
    assert "conda" not in rendered(ENVIRONMENT)


def test_metrics_have_their_change_against_the_baseline(tmp_path: Path) -> None:
    report = ReportRunRecord(stage="report-run", baseline_metrics={"accuracy": 0.5, "rows": 3.0, "gone": 1.0})
    run = execution(passed("a.ipynb", metrics={"accuracy": 0.75, "rows": 3.0, "new": 2.0}))
    run.merge_metrics()
    found = summarize([run, report], Workspace(tmp_path, {}))
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in found.markdown.splitlines() if "a.ipynb`" in line
    ]
    assert rows[:3] == [
        ["`accuracy`", "0.75", "+0.25", "`a.ipynb`"],
        ["`rows`", "3", "", "`a.ipynb`"],
        ["`new`", "2", "", "`a.ipynb`"],
    ]
    assert "  accuracy  0.75  +0.25\n  rows  3\n  new  2\n" in found.text
    assert "| metric | value | reported by |" in re.sub(" +", " ", rendered(run))
