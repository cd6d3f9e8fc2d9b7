"""What differs where a notebook passed in another environment of the same run."""

from typing import Literal

from notebook_ci.execute_notebook.elsewhere import differences
from notebook_ci.records.execute_notebook import ExecuteRecord, NotebookResult
from notebook_ci.records.record import Record
from notebook_ci.records.setup_env import SetupEnvRecord

Verdict = Literal["passed", "failed"]
LOCKED = SetupEnvRecord(stage="setup-env", slug="locked", packages={"six": "1.16.0", "numpy": "2.0", "old": "1"})
CANARY = SetupEnvRecord(stage="setup-env", slug="canary", packages={"six": "1.17.0", "numpy": "2.0", "new": "1"})


def executed(slug: str, **results: Verdict) -> ExecuteRecord:
    notebooks = [NotebookResult(path=name, name=name, status=status) for name, status in results.items()]
    return ExecuteRecord(stage="execute-notebook", slug=slug, notebooks=notebooks)


def said(*others: Record, **results: Verdict) -> list[str]:
    return [problem.message for problem in differences(executed("canary", **results), others)]


def test_packages_are_named_if_a_notebook_fails_only_here() -> None:
    before = executed("locked", a="passed", b="passed", c="failed", d="passed")
    [found] = said(LOCKED, before, CANARY, a="failed", b="failed", c="failed", d="passed")
    differing = "`new` missing -> 1, `old` 1 -> missing, `six` 1.16.0 -> 1.17.0"
    assert found == f"`a`, `b` passed in `locked`. These packages differ: {differing}."


def test_nothing_is_said_if_it_fails_there_too_or_nothing_differs() -> None:
    assert said(LOCKED, executed("locked", a="failed"), CANARY, a="failed") == []
    assert said(LOCKED, executed("locked", a="passed"), CANARY, a="passed") == []
    same = SetupEnvRecord(stage="setup-env", slug="canary", packages=LOCKED.packages)
    assert said(LOCKED, executed("locked", a="passed"), same, a="failed") == []


def test_nothing_is_said_of_an_environment_that_setup_env_did_not_create() -> None:
    assert said(executed("locked", a="passed"), CANARY, a="failed") == []


def test_builds_of_conda_count() -> None:
    here, there = (
        SetupEnvRecord(stage="setup-env", slug=slug, conda_packages={"gdal": version})
        for slug, version in (("canary", "3.9 h1"), ("locked", "3.8 h0"))
    )
    assert said(there, executed("locked", a="passed"), here, a="failed") == [
        "`a` passed in `locked`. These packages differ: `gdal` 3.8 h0 -> 3.9 h1."
    ]
