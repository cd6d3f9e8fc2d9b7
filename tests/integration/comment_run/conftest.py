"""A pull request on a server that behaves as GitHub's REST API, and comment-run for it."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.comment_run.pull_request import Driver, PullRequest
from integration.suite import ROOT, Workspace, base_environ
from servers.github_api import GitHubRestApi, serving_rest_api


@pytest.fixture(scope="session")
def driver() -> Iterator[Driver]:
    launch = ["/bin/bash", str(ROOT / "scripts" / "launch.sh"), "--env", "comment-run", "--exec", "python"]
    process = subprocess.Popen(
        [*launch, str(Path(__file__).with_name("driver.py"))],
        env=base_environ(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    with process:
        source, target = process.stdout, process.stdin

        def run(job: object) -> tuple[int, str]:
            target.write(json.dumps(job) + "\n")
            target.flush()
            done = json.loads(source.readline())
            return done["code"], done["log"]

        yield run
        target.close()


@pytest.fixture
def api() -> Iterator[GitHubRestApi]:
    with serving_rest_api() as served:
        yield served


@pytest.fixture
def pull_request(tmp_path: Path, api: GitHubRestApi, driver: Driver) -> PullRequest:
    return PullRequest(Workspace(tmp_path), api, driver)
