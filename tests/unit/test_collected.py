"""collect-runs: the merged run, the verdict, and what it refuses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from notebook_ci.base.errors import Problem
from notebook_ci.log_run.description import describe
from notebook_ci.records.dvc_pull import DvcPullRecord
from notebook_ci.records.execute_notebook import ExecuteRecord
from notebook_ci.records.setup_env import SetupEnvRecord
from unit.shard_runs import SOURCE, TWO, Artifacts, failed, good, passed, shard, skipped


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    return Artifacts(tmp_path)


def test_shards_become_one_run(artifacts: Artifacts) -> None:
    good(artifacts)
    done = artifacts.collect(shards_result="success")
    assert (done.code, done.commands) == (0, [])
    assert done.outputs == {
        "status": "passed",
        "record": str(done.run.path / "collect-runs.json"),
        "executed": "3",
        "failed": "0",
        "allowed-failures": "0",
        "flaky": "0",
        "run-dir": str(done.run.path),
    }
    record = done.record
    assert [each.path for each in record.notebooks] == ["a.ipynb", "b.ipynb", "c.ipynb"]
    assert record.metrics == {"a.f1": 0.5, "b.f1": 0.75, "rows": 3, "loss": 2}
    assert [(each.name, each.attempt, each.records) for each in record.shards] == [
        ("1", 1, ["execute-notebook-1", "setup-env-1"]),
        ("2", 1, ["execute-notebook-2", "setup-env-2"]),
    ]
    names = ["plan-notebooks", "setup-env-1", "setup-env-2", "execute-notebook-1", "execute-notebook-2"]
    assert done.run.records().keys() == {*names, "collect-runs"}
    outputs = {"execute-notebook-1/a.ipynb", "execute-notebook-1/b.ipynb", "execute-notebook-2/c.ipynb"}
    assert done.files >= {"collect-runs.json", *(f"{name}.json" for name in names), *outputs}
    known = json.loads((artifacts.temp / "notebook-ci-durations" / "durations.json").read_text(encoding="utf-8"))
    assert known == {"a.ipynb": 1.5, "b.ipynb": 1.5, "c.ipynb": 1.5}


def test_the_summary_shows_one_row_per_stage_and_one_table_of_notebooks(artifacts: Artifacts) -> None:
    good(artifacts)
    summary = artifacts.collect().summary
    assert summary.startswith("### ✅ 3 stages passed in 5 min "), "the slowest shard"
    rows = [line for line in summary.splitlines() if line.startswith(("| plan", "| setup", "| execute", "| collect"))]
    assert [row.split("|")[1].strip() for row in rows] == ["plan-notebooks", "setup-env", "collect-runs"]
    assert "3 notebooks passed" in rows[2]
    assert summary.count("| cells run |") == 1
    assert summary.count("ab" * 32) == 1


def test_a_failed_notebook_makes_the_run_red_and_is_shown(artifacts: Artifacts) -> None:
    artifacts.plan(*TWO)
    artifacts.shard("1", passed("a.ipynb"), failed("b.ipynb"))
    artifacts.shard("2", passed("c.ipynb", earlier_failures=failed("c.ipynb").failures))
    done = artifacts.collect(shards_result="failure")
    assert done.code == 1
    assert done.commands == [
        (
            "::error title=Failed notebooks::1 of 3 notebooks failed: `b.ipynb`. "
            "The jobs of their shards show the lines that failed."
        )
    ]
    assert done.outputs["status"] == "failed"
    assert [done.outputs[name] for name in ("executed", "failed", "flaky")] == ["3", "1", "1"]
    assert done.summary.startswith("### ❌ failed: `b.ipynb`, cell 3: ValueError: no, after ")
    assert "execute-notebook-1/b.ipynb" in done.files


def test_allowed_failures_and_those_skipped_for_them_are_green(artifacts: Artifacts) -> None:
    may_fail = {"allow-failure": "until 2027-03-01: waits"}
    artifacts.plan(*TWO)
    artifacts.shard(
        "1",
        failed("a.ipynb", status="allowed", settings=may_fail),
        skipped("b.ipynb", skipped_for="a.ipynb", settings=may_fail),
    )
    artifacts.shard("2", passed("c.ipynb"))
    done = artifacts.collect(shards_result="success")
    assert (done.code, done.outputs["allowed-failures"], done.outputs["executed"]) == (0, "1", "2")


def test_a_plan_without_notebooks_is_green_and_says_so(artifacts: Artifacts) -> None:
    artifacts.plan(unaffected=["a.ipynb"])
    done = artifacts.collect(shards_result="skipped")
    assert done.code == 0
    assert done.commands == ["::notice::The plan has no notebooks, because none is affected: nothing was executed."]
    assert done.record.notebooks == []


def test_a_shard_that_ran_again_replaces_its_earlier_attempt(artifacts: Artifacts) -> None:
    artifacts.plan(*TWO)
    artifacts.shard("1", passed("a.ipynb"), passed("b.ipynb"))
    artifacts.shard("2", failed("c.ipynb"))
    artifacts.shard("2", passed("c.ipynb"), attempt=2)
    done = artifacts.collect(shards_result="success")
    assert done.code == 0
    assert done.commands == ["::notice::Artifacts of earlier attempts do not count: `shard-2-attempt-1`."]
    assert [each.attempt for each in done.record.shards] == [1, 2]
    assert (done.run.path / "execute-notebook-2" / "c.ipynb").read_text() == "executed in attempt 2"


def test_names_of_artifacts_may_begin_with_that_of_a_project(artifacts: Artifacts) -> None:
    good(artifacts)
    for path in list(artifacts.folder.iterdir()):
        path.rename(path.with_name(f"penguins-{path.name}"))
    assert artifacts.collect().code == 0


def test_artifacts_of_other_plans_are_ignored_if_the_name_is_given(artifacts: Artifacts) -> None:
    """Also if the name of another plan begins with that of this one, and in whatever order they come."""
    good(artifacts)
    for path in list(artifacts.folder.iterdir()):
        path.rename(path.with_name(f"penguins-{path.name}"))
    for name in ("a", "penguins-2", "penguins-shard-1", "penguins-shard-1-attempt-1"):
        (artifacts.folder / f"{name}-plan-attempt-1").mkdir()
        (artifacts.folder / f"{name}-shard-2-attempt-9").mkdir()
    done = artifacts.collect(artifact="penguins")
    assert (done.code, done.outputs["executed"], done.commands) == (0, "3", [])


def test_a_later_attempt_that_failed_counts_too(artifacts: Artifacts) -> None:
    good(artifacts)
    artifacts.shard("2", failed("c.ipynb"), attempt=10)
    artifacts.shard("2", passed("c.ipynb"), attempt=9)
    assert artifacts.collect().code == 1


def test_if_all_jobs_ran_again_results_of_the_earlier_plan_do_not_count(artifacts: Artifacts) -> None:
    good(artifacts)
    artifacts.plan(*TWO, attempt=2)
    artifacts.shard("1", passed("a.ipynb"), passed("b.ipynb"), attempt=2)
    done = artifacts.collect()
    assert done.code == 3
    assert done.commands[0].startswith("::error::The shard `2` has no run directory")


def test_stages_that_differ_between_shards_are_shown_for_each(artifacts: Artifacts) -> None:
    good(artifacts)
    other = DvcPullRecord(stage="dvc-pull", slug="1", source=SOURCE, data_digest="da" * 32)
    artifacts.write("shard-1-attempt-1", other)
    artifacts.write(
        "shard-2-attempt-1", DvcPullRecord(stage="dvc-pull", slug="2", source=SOURCE, data_digest="db" * 32)
    )
    summary = artifacts.collect().summary
    assert "| dvc-pull (1) " in summary
    assert "| dvc-pull (2) " in summary
    assert "| setup-env " in summary


# What is missing


def setup_failed(artifacts: Artifacts) -> None:
    problem = Problem(severity="error", message="No version 9 of `numpy`.")
    own: dict[str, Any] = {"slug": "2", "source": SOURCE}
    failed_env = SetupEnvRecord(stage="setup-env", status="error", problems=[problem], **own)
    artifacts.write("shard-2-attempt-1", failed_env)
    reason = Problem(severity="notice", message="Not run, because setup-env failed.")
    artifacts.write(
        "shard-2-attempt-1", ExecuteRecord(stage="execute-notebook", status="skipped", problems=[reason], **own)
    )


def cancelled(artifacts: Artifacts) -> None:
    problem = Problem(severity="error", message="Cancelled (SIGINT).")
    artifacts.shard("2", skipped("c.ipynb"), status="error", problems=[problem])


def ended_before(artifacts: Artifacts) -> None:
    artifacts.write("shard-2-attempt-1", SetupEnvRecord(stage="setup-env", slug="2", source=SOURCE))


MISSING: dict[str, tuple[Callable[[Artifacts], object], list[str]]] = {
    "no artifact": (
        lambda _: None,
        [
            (
                "The shard `2` has no run directory: its job was cancelled, or did not start. Not executed: `c.ipynb`. "
                "Run the failed jobs again."
            )
        ],
    ),
    "cancelled while it ran": (
        cancelled,
        [
            "The shard `2`: execute-notebook failed. Cancelled (SIGINT). The job of this shard shows more.",
            "The shard `2` did not execute `c.ipynb`. The job of this shard shows why.",
        ],
    ),
    "ended before its notebooks": (
        ended_before,
        [
            (
                "The shard `2` has no record of execute-notebook: its job ended before, or was cancelled. "
                "Run the failed jobs again."
            )
        ],
    ),
    "no environment": (
        setup_failed,
        [
            "The shard `2`: setup-env failed. No version 9 of `numpy`. The job of this shard shows more.",
            "The shard `2` did not execute `c.ipynb`. The job of this shard shows why.",
        ],
    ),
    "nothing executed, and no reason": (
        lambda artifacts: artifacts.shard("2"),
        ["The shard `2` did not execute `c.ipynb`. The job of this shard shows why."],
    ),
    "skipped for nothing that may fail": (
        lambda artifacts: artifacts.shard("2", skipped("c.ipynb", skipped_for="x.ipynb")),
        ["The shard `2` did not execute `c.ipynb`. The job of this shard shows why."],
    ),
    "stopped, though it may fail": (
        lambda artifacts: artifacts.shard("2", skipped("c.ipynb", settings={"allow-failure": "until 2027-03-01: x"})),
        ["The shard `2` did not execute `c.ipynb`. The job of this shard shows why."],
    ),
    "a failed stage, and no reason": (
        lambda artifacts: artifacts.shard("2", passed("c.ipynb"), status="error"),
        ["The shard `2`: execute-notebook failed. No reason was recorded. The job of this shard shows more."],
    ),
}


@pytest.mark.parametrize("name", MISSING)
def test_a_shard_that_did_not_do_its_work_is_named(artifacts: Artifacts, name: str) -> None:
    write, messages = MISSING[name]
    artifacts.plan(*TWO)
    artifacts.shard("1", passed("a.ipynb"), passed("b.ipynb"))
    write(artifacts)
    done = artifacts.collect()
    assert done.commands == [f"::error::{message}" for message in messages]
    assert (done.code, done.outputs["status"], done.outputs["executed"][0] in "23") == (3, "error", True)
    assert done.summary.startswith("### 🛑 ")


def test_all_that_is_wrong_is_named_at_once(artifacts: Artifacts) -> None:
    artifacts.plan(*TWO, shard("3", "d.ipynb"))
    artifacts.shard("1", failed("a.ipynb"), passed("x.ipynb"))
    artifacts.shard("2", failed("c.ipynb"))
    done = artifacts.collect(shards_result="failure")
    assert done.code == 2
    said = [command.removeprefix("::error::")[:45] for command in done.commands]
    assert sorted(said) == sorted(
        [
            "The shard `3` has no run directory: its job was cancelled"[:45],
            "`execute-notebook-1.json` in `shard-1-attempt-1` has a"[:45],
            "::error title=Failed notebooks::1 of 1 notebooks"[:45],
        ]
    )


@pytest.mark.parametrize("result", ["failure", "cancelled", "skipped"])
def test_records_that_hide_the_failure_of_a_job_do_not_make_the_run_green(artifacts: Artifacts, result: str) -> None:
    good(artifacts)
    done = artifacts.collect(shards_result=result)
    assert done.code == 3
    assert done.commands == [
        (
            f"::error::The job of the shards ended as `{result}`, and no record says why. "
            "Look at the jobs of the shards, and run the failed ones again."
        )
    ]


def test_a_job_that_failed_without_any_shard_does_not_make_the_run_green(artifacts: Artifacts) -> None:
    artifacts.plan()
    assert artifacts.collect(shards_result="failure").code == 3


def test_log_run_describes_the_merged_run_as_one(artifacts: Artifacts) -> None:
    artifacts.plan(*TWO)
    artifacts.shard("1", passed("a.ipynb", metrics={"f1": 0.5}), passed("b.ipynb", parameters={"seed": 1}))
    artifacts.shard("2", passed("c.ipynb", metrics={"f1": 0.75}, parameters={"seed": 2}))
    run = artifacts.collect().run
    found = describe(run.records(), run.path, identity="0", name="Notebooks 7", context={})
    metrics = {each.name: each.value for each in found.metrics}
    assert (metrics["a.f1"], metrics["c.f1"]) == (0.5, 0.75)
    assert metrics["notebook-ci/collect-runs/executed"] == 3
    assert metrics["notebook-ci/seconds/collect-runs/b"] == 1.5
    assert found.parameters == {"b.seed": "1", "c.seed": "2"}
    assert {name for name in found.tags if name.startswith("notebook-ci.status.")} == {
        "notebook-ci.status.plan-notebooks",
        "notebook-ci.status.setup-env",
        "notebook-ci.status.collect-runs",
    }
    assert found.tags["notebook-ci.setup-env.env_digest"] == "ab" * 32
    assert found.status == "FINISHED"
    assert len(found.artifacts) == 6  # the records; only digests would make the outputs artifacts


def test_a_missing_shard_makes_the_logged_run_a_failed_one(artifacts: Artifacts) -> None:
    artifacts.plan(*TWO)
    artifacts.shard("1", passed("a.ipynb"), passed("b.ipynb"))
    run = artifacts.collect().run
    assert describe(run.records(), run.path, identity="0", name="", context={}).status == "FAILED"
