"""The CI systems, and what their variables say of a job."""

import io
from collections.abc import Mapping
from pathlib import Path

import pytest

from notebook_ci.base import systems
from notebook_ci.base.console import console
from notebook_ci.base.workspace import Workspace
from notebook_ci.records.record import describe_source
from notebook_ci.records.run_directory import RunDirectory

# As the systems set them.
GITHUB = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "team/penguins",
    "GITHUB_SHA": "4f5c",
    "GITHUB_REF": "refs/heads/main",
    "GITHUB_HEAD_REF": "",
    "GITHUB_WORKFLOW": "Notebooks",
    "GITHUB_JOB": "chain",
    "GITHUB_RUN_ID": "4711",
    "GITHUB_RUN_ATTEMPT": "2",
    "GITHUB_EVENT_NAME": "push",
    "GITHUB_ACTOR": "octocat",
    "RUNNER_TEMP": "/temp",
    "RUNNER_TOOL_CACHE": "/tools",
}
GITLAB = {
    "GITLAB_CI": "true",
    "CI_PROJECT_PATH": "team/penguins",
    "CI_PROJECT_URL": "https://gitlab.com/team/penguins",
    "CI_COMMIT_SHA": "4f5c",
    "CI_COMMIT_BRANCH": "main",
    "CI_JOB_NAME": "notebooks",
    "CI_PIPELINE_ID": "4711",
    "CI_PIPELINE_SOURCE": "push",
    "CI_PIPELINE_URL": "https://gitlab.com/team/penguins/-/pipelines/4711",
    "GITLAB_USER_LOGIN": "tanuki",
}
AZURE = {
    "TF_BUILD": "True",
    "BUILD_REPOSITORY_NAME": "penguins",
    "BUILD_REPOSITORY_URI": "https://team@dev.azure.com/team/Study%20One/_git/penguins",
    "BUILD_SOURCEVERSION": "4f5c",
    "BUILD_SOURCEBRANCH": "refs/heads/main",
    "BUILD_DEFINITIONNAME": "Notebooks",
    "BUILD_BUILDID": "4711",
    "BUILD_REASON": "IndividualCI",
    "BUILD_REQUESTEDFOR": "Ada Lovelace",
    "SYSTEM_JOBNAME": "notebooks",
    "SYSTEM_JOBATTEMPT": "2",
    "SYSTEM_COLLECTIONURI": "https://dev.azure.com/team/",
    "SYSTEM_TEAMPROJECTID": "6b0c",
    "AGENT_TEMPDIRECTORY": "/temp",
    "AGENT_TOOLSDIRECTORY": "/tools",
}
COMMON = {"commit": "4f5c", "ref": "refs/heads/main", "run": "4711"}


@pytest.mark.parametrize(
    ("environ", "source"),
    [
        (
            GITHUB,
            {
                "system": "github",
                "repository": "team/penguins",
                "workflow": "Notebooks",
                "job": "chain",
                "attempt": "2",
                "event": "push",
                "actor": "octocat",
                "url": "https://github.com/team/penguins",
                "run_url": "https://github.com/team/penguins/actions/runs/4711/attempts/2",
            },
        ),
        (
            GITLAB,
            {
                "system": "gitlab",
                "repository": "team/penguins",
                "job": "notebooks",
                "event": "push",
                "actor": "tanuki",
                "url": "https://gitlab.com/team/penguins",
                "run_url": "https://gitlab.com/team/penguins/-/pipelines/4711",
            },
        ),
        (
            AZURE,
            {
                "system": "azure",
                "repository": "penguins",
                "workflow": "Notebooks",
                "job": "notebooks",
                "attempt": "2",
                "event": "IndividualCI",
                "actor": "Ada Lovelace",
                "url": "https://dev.azure.com/team/Study%20One/_git/penguins",
                "run_url": "https://dev.azure.com/team/6b0c/_build/results?buildId=4711",
            },
        ),
    ],
    ids=["github", "gitlab", "azure"],
)
def test_a_record_says_where_it_was_written(environ: Mapping[str, str], source: dict[str, str], tmp_path: Path) -> None:
    assert describe_source(Workspace(tmp_path, environ)) == {**COMMON, **source, "workspace": str(tmp_path)}


@pytest.mark.parametrize(
    ("variables", "ref", "branch"),
    [
        (
            {"CI_MERGE_REQUEST_REF_PATH": "refs/merge-requests/1/head", "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "fix"},
            "refs/merge-requests/1/head",
            "fix",
        ),
        ({"CI_COMMIT_TAG": "v1", "CI_COMMIT_BRANCH": ""}, "refs/tags/v1", None),
        ({"CI_COMMIT_BRANCH": ""}, None, None),
    ],
    ids=["merge request", "tag", "neither"],
)
def test_the_first_that_is_set_counts(variables: dict[str, str], ref: str | None, branch: str | None) -> None:
    found = systems.describe(GITLAB | variables)
    assert (found.get("ref"), found.get("branch")) == (ref, branch)


@pytest.mark.parametrize("environ", [{}, {"TF_BUILD": "False", "GITLAB_CI": "1", "GITHUB_ACTIONS": ""}])
def test_a_laptop_is_none(environ: dict[str, str], tmp_path: Path) -> None:
    assert systems.system(environ) is None
    assert systems.describe({**AZURE, **environ, "TF_BUILD": ""}) == {}
    assert not Workspace(tmp_path, environ).is_on_runner


def test_each_has_its_console() -> None:
    names = [type(console(environ, io.StringIO())).__name__ for environ in ({}, GITHUB, GITLAB, AZURE)]
    assert names == ["TerminalConsole", "RunnerConsole", "GitLabConsole", "AzureConsole"]


def test_gitlab_keeps_only_files_of_the_project(tmp_path: Path) -> None:
    folders = [RunDirectory.location("", Workspace(tmp_path, environ)) for environ in (GITHUB, GITLAB, AZURE)]
    assert folders == [Path("/temp/notebook-ci"), tmp_path / ".notebook-ci" / "runs", Path("/temp/notebook-ci")]
    assert [systems.folder("tool_cache", environ) for environ in (GITHUB, GITLAB, AZURE)] == ["/tools", "", "/tools"]
