"""The two workflows that comment on pull requests, also from forks, against a server that behaves as GitHub's API."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import Consumer, Result
from integration.comment_run.pull_request import pull, workflow_run
from servers.github_api import JOB_TOKEN, GitHubRestApi, serving_rest_api
from workflows import copy, notebook

SECONDS = 300


@pytest.fixture
def api() -> Iterator[GitHubRestApi]:
    with serving_rest_api() as served:
        yield served


class Fork:
    """A pull request from the fork of eve."""

    def __init__(self, consumer: Consumer, api: GitHubRestApi) -> None:
        self._consumer, self._api = consumer, api
        self._push = 0

    def push(self, content: str) -> tuple[Result, Result]:
        """Push a notebook, and run both workflows, as GitHub does. Returns the results."""
        self._push += 1
        self._consumer.write("train.ipynb", content)
        head = self._consumer.commit()
        self._api.pulls = [pull(5, head)]
        fork = {"full_name": "eve/penguins"}
        payload = {"number": 5, "pull_request": {"number": 5, "head": {"sha": head, "ref": "change", "repo": fork}}}
        ran = self._consumer.run(
            "pull_request", workflow="notebooks-pull-request.yml", payload=payload, timeout=SECONDS
        )
        run = workflow_run(
            self._push, head_sha=head, conclusion="success" if ran.job("notebooks").result == "success" else "failure"
        )
        # The harness numbers all runs.
        run["id"] = 2 * self._push - 1
        commented = self._consumer.run(
            "workflow_run",
            workflow="notebooks-comment.yml",
            payload={"action": "completed", "workflow_run": run},
            env={"GITHUB_API_URL": self._api.url},
            secrets={"GITHUB_TOKEN": JOB_TOKEN},
            timeout=SECONDS,
        )
        return ran, commented


def test_a_pull_request_from_a_fork(consumer: Consumer, kernel: Path, api: GitHubRestApi) -> None:
    python = f"[execute-notebook]\npython = {json.dumps(str(kernel))}\n"
    consumer.write("notebook-ci.toml", f'[pipeline]\nstages = ["execute-notebook"]\n{python}')
    copy(consumer, "notebooks-pull-request", {})
    copy(consumer, "notebooks-comment", {})
    fork = Fork(consumer, api)
    ran, commented = fork.push(notebook("1", "frame = {}\nframe['price']"))
    assert ran.job("notebooks").result == "failure", ran.log
    assert commented.job("comment").result == "success", commented.log
    (comment,) = api.comments
    assert "`train.ipynb`, cell 2" in comment["body"]
    assert "KeyError: 'price'" in comment["body"]
    ran, commented = fork.push(notebook("1", "frame = {'price': 1}\nframe['price']"))
    assert ran.job("notebooks").result == "success", ran.log
    assert api.comments == [comment]
    assert "✅" in comment["body"]
    assert "**Since the run before**: 1 fixed (`train.ipynb`)" in comment["body"]
    assert commented.job("comment").step("Write the comment").outputs["url"] == comment["html_url"]
