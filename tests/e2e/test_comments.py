"""The two workflows that comment on pull requests, also from forks, against a server that behaves as GitHub's API."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import Consumer, Job
from integration.comment_run.pull_request import pull, workflow_run
from servers.github_api import JOB_TOKEN, GitHubRestApi, serving_rest_api
from workflows import copy, notebook, step

SECONDS = 300


@pytest.fixture
def api() -> Iterator[GitHubRestApi]:
    with serving_rest_api() as served:
        yield served


class Fork:
    """A pull request from the fork of eve."""

    def __init__(self, consumer: Consumer, api: GitHubRestApi) -> None:
        self._consumer, self._api = consumer, api
        self._run: dict[str, Any] = {}

    def push(self, content: str, *, identifier: int) -> Job:
        """Push a notebook, and run it. `identifier`: that of the run, as the harness numbers all runs."""
        self._consumer.write("train.ipynb", content)
        head = self._consumer.commit()
        self._api.pulls = [pull(5, head)]
        fork = {"full_name": "eve/penguins"}
        payload = {"number": 5, "pull_request": {"number": 5, "head": {"sha": head, "ref": "change", "repo": fork}}}
        ran = self._consumer.run(
            "pull_request", workflow="notebooks-pull-request.yml", payload=payload, timeout=SECONDS
        ).job("notebooks")
        number = self._run.get("run_number", 0) + 1
        self._run = workflow_run(number, head_sha=head, conclusion=ran.result, id=identifier)
        return ran

    def comment(self, action: str) -> Job:
        """Run the workflow that comments on that run: it was `requested`, or is `completed`."""
        run = self._run if action == "completed" else {**self._run, "conclusion": None}
        return self._consumer.run(
            "workflow_run",
            workflow="notebooks-comment.yml",
            payload={"action": action, "workflow_run": run},
            env={"GITHUB_API_URL": self._api.url},
            secrets={"GITHUB_TOKEN": JOB_TOKEN},
            timeout=SECONDS,
        ).job("comment")


def test_a_pull_request_from_a_fork(consumer: Consumer, kernel: Path, api: GitHubRestApi) -> None:
    """The second run first marks the comment of the first one as outdated. At the end, there is a check, too."""
    python = f"[execute-notebook]\npython = {json.dumps(str(kernel))}\n"
    consumer.write("notebook-ci.toml", f'[pipeline]\nstages = ["execute-notebook"]\n{python}')
    copy(consumer, "notebooks-pull-request", {})
    following = "      - name: Write the comment\n"
    check = {**step("comment-run", "check", **{"as": "check"}), "if": "github.event.action == 'completed'"}
    copy(consumer, "notebooks-comment", {following: f"      - {json.dumps(check)}\n{following}"})
    fork = Fork(consumer, api)

    ran = fork.push(notebook("1", "frame = {}\nframe['price']"), identifier=1)
    assert ran.result == "failure", ran.log
    commented = fork.comment("completed")
    assert commented.result == "success", commented.log
    (comment,) = api.comments
    assert "`train.ipynb`, cell 2" in comment["body"]
    assert "KeyError: 'price'" in comment["body"]

    ran = fork.push(notebook("1", "frame = {'price': 1}\nframe['price']"), identifier=3)
    assert ran.result == "success", ran.log
    begun = fork.comment("requested")
    assert begun.result == "success", begun.log
    assert begun.step("Get the records").outcome == "skipped"
    assert api.comments == [comment]
    assert "\n> ⏳ **Outdated**: [Notebooks, run 2](" in comment["body"]
    assert "KeyError: 'price'" in comment["body"], "until there is a new result"

    commented = fork.comment("completed")
    assert commented.result == "success", commented.log
    assert commented.step("Get the records").outcome == "success"
    assert api.comments == [comment]
    assert "Outdated" not in comment["body"]
    assert "✅" in comment["body"]
    assert "**Since the run before**: 1 fixed (`train.ipynb`)" in comment["body"]
    assert commented.step("Write the comment").outputs["url"] == comment["html_url"]
    assert [(each["name"], each["conclusion"]) for each in api.checks] == [
        ("Notebooks", "failure"),
        ("Notebooks", "success"),
    ]
