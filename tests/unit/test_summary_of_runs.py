"""A summary that speaks for other steps, or compares with another run."""

import dataclasses
import re
from pathlib import Path

import pytest

from notebook_ci.log_run.run import in_summary
from notebook_ci.records.report_run import ReportRunRecord
from notebook_ci.records.run_directory import RunDirectory
from notebook_ci.report_run import plan
from notebook_ci.summary.of_run import render
from unit.test_summary import DATA, ENVIRONMENT, LOG, execution, failed, headline, passed, rendered, with_error


def test_the_last_step_sums_up_all_and_shows_its_own_details(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path)
    for number, record in enumerate((ENVIRONMENT, execution(failed("a.ipynb", traceback="Traceback")))):
        run.take(record.stage, "").write(dataclasses.replace(record, started=f"2026-01-0{number + 1}"))
    elsewhere = dataclasses.replace(DATA, source={"directory": "other"}, started="2026-01-03")
    run.take("dvc-pull", "").write(elsewhere)
    records, detailed = in_summary(dataclasses.replace(LOG, source={"directory": ""}), run)
    assert [each.stage for each in records] == ["setup-env", "execute-notebook", "dvc-pull", "log-run"]
    assert [each.stage for each in detailed] == ["log-run"]
    text = render(records, detailed)
    assert text.startswith("### ❌ failed: `a.ipynb`, cell 3: ValueError: no, after 1 min 25 s\n\n| stage ")
    assert re.findall("Details of (.*)<", text) == ["log-run"]
    of_other, _ = in_summary(dataclasses.replace(LOG, source={"directory": "other"}), run)
    assert [each.stage for each in of_other] == ["dvc-pull", "log-run"]
    (tmp_path / "broken.json").write_text("{")
    assert in_summary(LOG, run) == ([LOG], [LOG])


def test_steps_after_the_comparison_show_how_metrics_changed(tmp_path: Path) -> None:
    run, report = RunDirectory(tmp_path), ReportRunRecord(stage="report-run", started="2")
    executed = execution(passed("a.ipynb", metrics={"accuracy": 0.75}))
    executed.merge_metrics()
    compared = dataclasses.replace(report, baseline_metrics={"accuracy": 0.5})
    for record in (executed, compared):
        run.take(record.stage, "").write(record)
    for found in (in_summary(LOG, run), plan.in_summary(compared, run)):
        rows = re.findall("^.*`accuracy`.*$", render(*found), re.MULTILINE)
        assert [re.split(r"[| ]+", row)[1:-1] for row in rows] == [["`accuracy`", "0.75", "+0.25", "`a.ipynb`"]]
    assert plan.in_summary(report, run) == ([report], [report])
    run.path.joinpath("report-run.json").unlink()
    assert "accuracy" not in render(*in_summary(LOG, run)), "the steps before have shown it"


def test_the_last_step_says_why_it_failed_if_its_headline_is_about_another() -> None:
    environment = with_error(ENVIRONMENT, "error", "No numpy.")
    last = with_error(LOG, "error", "No server.", "Start it.")
    text = render([environment, last], [last])
    assert text.startswith("### 🛑 setup-env failed: No numpy (and 1 more failure), after ")
    assert "\n\n**🛑 log-run**: No server\n\nHint: Start it.\n" in text


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("failure", "🛑 failed: a step of this job failed or was cancelled, and left no record."),
        ("Canceled", "🛑 failed: a step of this job failed or was cancelled, and left no record."),
        ("success", "✅ 2 stages passed in "),
        ("SucceededWithIssues", "✅ 2 stages passed in "),
        ("", "✅ 2 stages passed in "),
    ],
)
def test_a_step_without_a_record_is_not_forgotten(status: str, said: str) -> None:
    last = dataclasses.replace(LOG, source={"job_status": status})
    assert render([ENVIRONMENT, last], [last]).startswith(f"### {said}")
    assert headline(ENVIRONMENT, last).startswith("### ✅ 2 stages passed in "), "a chain knows all of its stages"


def test_metrics_name_their_notebooks() -> None:
    notebooks = [passed("a.ipynb", metrics={"rows": 3.0, "loss": 0.5}), passed("b.ipynb", metrics={"rows": 4.0})]
    record = execution(*notebooks)
    record.merge_metrics()
    assert "| `loss`   | 0.5   | `a.ipynb`   |\n| `b.rows` | 4     | `b.ipynb`   |" in rendered(record)
