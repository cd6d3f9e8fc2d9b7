"""The workflow on `workflow_run`: a stranger has written all records."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from integration.comment_run.pull_request import HEAD, PullRequest, notebooks, pull
from notebook_ci.base.errors import Problem
from notebook_ci.records.execute_notebook import ExecuteRecord, Failure, NotebookResult
from notebook_ci.records.record import Record

HOSTILE = (
    "@ada @acme/team #1 GH-2 acme/other#3 fixes https://github.com/acme/penguins/issues/4 www.evil.example "
    "![x](https://evil.example/x.png) [y](https://evil.example) <img src=https://evil.example/z.png> "
    "HTTPS://evil.example <!-- notebook-ci comment-run {} --> </details> | `a` `` @eve `b`"
)


def hostile() -> ExecuteRecord:
    failure = Failure(
        kind="cell-error", title=HOSTILE, message=HOSTILE, cell=1, line=3, hint=HOSTILE, source=HOSTILE,
        traceback=f"```\n{HOSTILE}\n<!-- notebook-ci comment-run {{}} -->",
    )  # fmt: skip
    result = NotebookResult(path=f"../{HOSTILE}", name=HOSTILE, status="failed", failure=failure)
    problem = Problem(severity="error", message=HOSTILE, hint=HOSTILE, title="", file="../../../login")
    return ExecuteRecord(
        stage="execute-notebook", status="failed", notebooks=[result], problems=[problem], metrics={HOSTILE: 1.0},
        source={"url": "https://evil.example", "run_url": "https://evil.example", "directory": "../.."},
    )  # fmt: skip


def prose(text: str) -> str:
    """Return what GitHub reads as Markdown: without code."""
    kept, fence = [], ""
    for line in text.splitlines():
        if line.startswith("```"):
            fence = "" if line == fence else fence or line.removesuffix("text")
        elif not fence:
            kept.append("".join(piece for number, piece in enumerate(line.split("`")) if number % 2 == 0))
    return "\n".join(kept)


def test_the_comment_of_a_fork_is_harmless(pull_request: PullRequest) -> None:
    pull_request.api.pulls = [pull(5)]
    other = Record(stage="other", status="failed", problems=[Problem(severity="error", message=HOSTILE)])
    done = pull_request.follow(1, hostile(), other, conclusion="failure")
    assert done.code == 0, done.log
    text = pull_request.comment
    for name in ("evil", "ada"):
        assert name in text, "it is shown"
    shown = prose(text)
    assert "@ada" not in shown
    assert "@acme" not in shown
    assert "#1" not in shown.replace("\u200b", "|")
    assert "GH-2" not in shown
    assert "other#3" not in shown
    assert "www.evil" not in shown
    links = shown.split("://")[1:]
    assert all(link.startswith("github.com/acme/penguins/actions/runs/1001") for link in links), links
    assert "<img" not in shown
    assert "![" not in shown
    assert "<!--" not in shown
    assert shown.count("<details>") == shown.count("</details>")
    assert "from a fork, whose code wrote these results" in text
    assert pull_request.follow(2, when="start", conclusion=None).record["action"] == "marked"
    assert pull_request.comment.startswith("> ⏳ **Outdated**: [Notebooks, run 2](")
    assert pull_request.follow(2, notebooks(train="passed")).record["action"] == "updated"


def test_only_the_pull_request_of_the_run_gets_the_comment(pull_request: PullRequest) -> None:
    """Another fork has the same commit; the artifact cannot name a pull request."""
    pull_request.api.pulls = [pull(4, repository="mallory/penguins"), pull(5), pull(7, repository="eve/other")]
    assert pull_request.follow(1, notebooks(train="passed")).record["pull_request"] == 5
    for pulls in ([pull(5, sha="c" * 40)], [], [pull(5), pull(6)]):
        pull_request.api.pulls = pulls
        done = pull_request.follow(2, notebooks(train="KeyError"))
        assert (done.code, done.outputs["status"]) == (0, "skipped")
        assert "The run has no open pull request, or several: it was closed, or has newer commits." in done.log
    assert "run 1](" in pull_request.comment
    done = pull_request.follow(3, notebooks(train="passed"), head_repository=None)
    assert "The fork or the branch of the run was deleted." in done.log
    done = pull_request.follow(4, notebooks(train="passed"), event="push")
    assert "The run was started by `push`, and is not about a pull request." in done.log


@pytest.mark.parametrize("when", ["start", "end"])
def test_a_run_that_waits_for_approval_has_not_failed(pull_request: PullRequest, when: str) -> None:
    pull_request.api.pulls = [pull(5)]
    done = pull_request.follow(1, when=when, conclusion="action_required")
    assert (done.code, done.outputs["status"]) == (0, "skipped")
    assert "The run has not begun: it waits for the approval of a maintainer." in done.log
    assert not pull_request.api.comments


@pytest.mark.parametrize(
    ("conclusion", "headline"),
    [
        ("failure", "### 🛑 failed: a job or a step failed or was cancelled, and left no record. See its log"),
        ("timed_out", "### 🛑 failed: a job or a step failed or was cancelled, and left no record. See its log"),
        ("cancelled", "### 🛑 failed: a job or a step failed or was cancelled, and left no record. See its log"),
        ("skipped", "### ⏭️ nothing ran"),
    ],
)
def test_a_run_that_did_not_pass_never_looks_green(pull_request: PullRequest, conclusion: str, headline: str) -> None:
    pull_request.api.pulls = [pull(5)]
    assert pull_request.follow(1, conclusion=conclusion).code == 0
    assert pull_request.comment.startswith(headline)
    pull_request.follow(2, notebooks(train="passed"), conclusion=conclusion)
    assert ("✅" in pull_request.comment.partition("\n")[0]) == (conclusion == "skipped")


JOBS = {
    "Notebooks of churn": "success",
    "Notebooks of pricing": "failure",
    "all / a": "success",
    "all / b": "cancelled",
}
FILES = ["notebook-ci-records", "report-churn.html", "report-pricing.html", "report-churn.html"]


@pytest.mark.parametrize(
    ("slug", "job", "headline", "artifact"),
    [
        ("churn", "Notebooks of churn", "### ✅ execute-notebook", 3),  # of the second attempt
        ("pricing", "Notebooks of pricing", "### 🛑 failed: ", 2),
        ("", "all", "### 🛑 failed: ", None),  # which of the reports is unknown
        ("other", "Notebooks", "### 🛑 failed: ", None),
    ],
)
def test_the_job_of_a_project_decides_in_a_run_that_failed(
    pull_request: PullRequest, slug: str, job: str, headline: str, artifact: int | None
) -> None:
    pull_request.api.pulls = [pull(5)]
    jobs = [{"id": number, "name": name, "conclusion": end} for number, (name, end) in enumerate(JOBS.items())]
    artifacts = [{"id": number, "name": name} for number, name in enumerate(FILES)]
    pull_request.api.of_runs = {"1001/attempts/1/jobs": jobs, "1001/artifacts": artifacts}
    given = {"slug": slug, "job": job}
    done = pull_request.follow(1, notebooks(train="passed"), conclusion="failure", given=given)
    assert pull_request.comment.startswith(headline)
    reports = [f"https://github.com/acme/penguins/actions/runs/1001/artifacts/{artifact}"] if artifact else []
    assert re.findall(r"\[report\]\((.*?)\)", pull_request.comment) == reports
    assert ("The run has no job `Notebooks`, so" in done.log) == (slug == "other")


def test_a_token_that_cannot_read_the_run_changes_nothing(pull_request: PullRequest) -> None:
    pull_request.api.pulls = [pull(5)]
    pull_request.api.illness, pull_request.api.ill_for = "denied", 1
    done = pull_request.follow(1, notebooks(train="passed"), conclusion="failure", given={"job": "Notebooks"})
    assert "::warning::The token cannot read the run: Resource not accessible by integration. Give the jo" in done.log
    assert "`permissions: { actions: read }`" in done.log
    assert pull_request.comment.startswith("### 🛑 failed: ")


def test_a_run_that_has_not_ended_has_not_failed(pull_request: PullRequest) -> None:
    pull_request.api.pulls = [pull(5)]
    done = pull_request.follow(1, conclusion=None)
    assert (done.code, "The run has not ended, and `when` is `end`. Set `when` to" in done.log) == (2, True)
    assert not pull_request.api.asked


def broken() -> dict[str, tuple[Any, str]]:
    record = json.loads(json.dumps(vars(Record(stage="execute-notebook")) | {"problems": []}))
    return {
        "another version": (
            record | {"schema": "notebook-ci/record/9"},
            "was written by another version of notebook-ci",
        ),
        "no record": ({"stage": "execute-notebook"}, "no `schema` field"),
        "a list": ([], "no `schema` field"),
        "another type": (record | {"duration": "long"}, "`duration` is `long`, not a number"),
        "another name": (record | {"stage": "@ada"}, "`stage` is `@ada`, not a name"),
        "another slug": (record | {"slug": "](x)"}, "`slug` is `](x)`, not a name"),
        "deep": ("[" * 100_000, "nested too deeply"),
        "no JSON": ("@ada", "Expecting value"),
        "no text": (b"\xff\xfe", "is not UTF-8 text"),
        "large": (b"", "The run directory has 1 records with 70.0 MB: more than any run."),
    }


@pytest.mark.parametrize("name", broken())
def test_records_that_cannot_be_read_are_said(pull_request: PullRequest, name: str) -> None:
    content, message = broken()[name]
    if not isinstance(content, str | bytes):
        content = json.dumps(content)
    pull_request.api.pulls = [pull(5)]
    folder = Path(pull_request.directory(1))
    path = folder / "execute-notebook.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    if name == "large":
        os.truncate(path, 70_000_000)
    done = pull_request.follow(1)
    assert done.code == 2
    assert message in done.log
    assert pull_request.comment.startswith("### 🛑 The results of this run cannot be shown\n")
    assert message in pull_request.comment.replace("\\", "")
    assert "@ada" not in prose(pull_request.comment)


def test_links_and_pipes_in_the_artifact_are_not_read(pull_request: PullRequest) -> None:
    pull_request.api.pulls = [pull(5)]
    folder = Path(pull_request.directory(1, notebooks(train="passed")))
    (folder / "secret.json").symlink_to("/etc/passwd")
    assert pull_request.follow(1).code == 0
    assert HEAD[:12] in pull_request.comment
