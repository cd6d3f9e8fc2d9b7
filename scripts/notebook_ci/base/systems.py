"""The CI systems that stages run on, and the variables that each sets for its jobs.

Sources: "Default environment variables" of GitHub Actions, "Predefined CI/CD variables reference" of GitLab, "Use
predefined variables" of Azure Pipelines.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from string import Template
from typing import Literal

from notebook_ci.base.texts import without_users


@dataclass(frozen=True, kw_only=True)
class System:
    name: Literal["github", "gitlab", "azure"]
    sign: tuple[str, str]  # the variable, and its value, in every job of the system
    # Fields of a record's `source`, made of variables. If it has several words, the first with set variables is used.
    source: Mapping[str, str]
    checkout: str  # the variable that names the folder which the repository is checked out into
    temp: str = ""  # the variable that names a folder which is emptied after the job
    tool_cache: str = ""  # the variable that names a folder with Pythons
    get_python: str  # what to do if a Python is missing


GITHUB = System(
    name="github",
    sign=("GITHUB_ACTIONS", "true"),
    source={
        "repository": "$GITHUB_REPOSITORY",
        "commit": "$GITHUB_SHA",
        "ref": "$GITHUB_REF",
        "branch": "$GITHUB_HEAD_REF",
        "workflow": "$GITHUB_WORKFLOW",
        "job": "$GITHUB_JOB",
        "run": "$GITHUB_RUN_ID",
        "attempt": "$GITHUB_RUN_ATTEMPT",
        "event": "$GITHUB_EVENT_NAME",
        "job_status": "$NOTEBOOK_CI_JOB_STATUS",  # of log-run's action: no variable of the runner has it
        "actor": "$GITHUB_ACTOR",
        "url": "$GITHUB_SERVER_URL/$GITHUB_REPOSITORY",
        "run_url": "$GITHUB_SERVER_URL/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID/attempts/$GITHUB_RUN_ATTEMPT",
    },
    checkout="GITHUB_WORKSPACE",
    temp="RUNNER_TEMP",
    tool_cache="RUNNER_TOOL_CACHE",
    get_python="Run `actions/setup-python` first, with the `python-version` that you need.",
)
GITLAB = System(
    name="gitlab",
    sign=("GITLAB_CI", "true"),
    source={
        "repository": "$CI_PROJECT_PATH",
        "commit": "$CI_COMMIT_SHA",
        "ref": "$CI_MERGE_REQUEST_REF_PATH refs/tags/$CI_COMMIT_TAG refs/heads/$CI_COMMIT_BRANCH",
        "branch": "$CI_MERGE_REQUEST_SOURCE_BRANCH_NAME",
        "job": "$CI_JOB_NAME",
        "run": "$CI_PIPELINE_ID",
        "event": "$CI_PIPELINE_SOURCE",
        "actor": "$GITLAB_USER_LOGIN",
        "url": "$CI_PROJECT_URL",
        "run_url": "$CI_PIPELINE_URL",
    },
    checkout="CI_PROJECT_DIR",
    get_python="Set `image` of the job to one that has it, such as `python:3.12`.",
)
AZURE = System(
    name="azure",
    sign=("TF_BUILD", "True"),
    source={
        "repository": "$BUILD_REPOSITORY_NAME",
        "commit": "$BUILD_SOURCEVERSION",
        "ref": "$BUILD_SOURCEBRANCH",
        "branch": "$SYSTEM_PULLREQUEST_SOURCEBRANCH",
        "workflow": "$BUILD_DEFINITIONNAME",
        "job": "$SYSTEM_JOBNAME",
        "run": "$BUILD_BUILDID",
        "attempt": "$SYSTEM_JOBATTEMPT",
        "event": "$BUILD_REASON",
        "job_status": "$AGENT_JOBSTATUS",
        "actor": "$BUILD_REQUESTEDFOR",
        "url": "$BUILD_REPOSITORY_URI",
        "run_url": "${SYSTEM_COLLECTIONURI}${SYSTEM_TEAMPROJECTID}/_build/results?buildId=$BUILD_BUILDID",
    },
    checkout="BUILD_SOURCESDIRECTORY",
    temp="AGENT_TEMPDIRECTORY",
    tool_cache="AGENT_TOOLSDIRECTORY",
    get_python="Run the task `UsePythonVersion@0` first, with the `versionSpec` that you need.",
)
SYSTEMS = (GITHUB, GITLAB, AZURE)


def system(environ: Mapping[str, str]) -> System | None:
    """Return the CI system that this process runs on; None on a laptop."""
    return next((each for each in SYSTEMS if environ.get(each.sign[0]) == each.sign[1]), None)


def folder(kind: Literal["temp", "tool_cache"], environ: Mapping[str, str]) -> str:
    """Return a folder of the machine that runs the job; empty if it has none."""
    return next((found for each in SYSTEMS if (found := environ.get(getattr(each, kind)))), "")


def describe(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the job, and the code that it runs, as fields of a record's `source`; empty on a laptop."""
    here = system(environ)
    if here is None:
        return {}
    found = {name: _first(alternatives, environ) for name, alternatives in here.source.items()}
    return {"system": here.name} | {name: value for name, value in found.items() if value}


def _first(alternatives: str, environ: Mapping[str, str]) -> str:
    known = {name: value for name, value in environ.items() if value}
    for template in map(Template, alternatives.split()):
        if known.keys() >= set(template.get_identifiers()):
            return without_users(template.substitute(known))
    return ""
