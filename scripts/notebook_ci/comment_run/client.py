"""Talks to GitHub's REST API. The adapter of PyGithub (2.10), whose own retries are unbounded, and are not used.

Not githubkit: its version 0.16 cannot be imported with the newest hishel.
"""

import contextlib
import functools
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import requests
from github import Auth, Github, GithubException
from github.Artifact import Artifact
from github.GithubObject import GithubObject
from github.Issue import Issue
from github.IssueComment import IssueComment
from github.PaginatedList import PaginatedList
from github.WorkflowJob import WorkflowJob

from notebook_ci import VERSION
from notebook_ci.base.console import Console
from notebook_ci.base.errors import SurroundingsError
from notebook_ci.base.texts import printable
from notebook_ci.comment_run.event import Target, result_of
from notebook_ci.comment_run.faults import OF_FORKS, fault
from notebook_ci.comment_run.mark import Mark, first_line, read
from notebook_ci.comment_run.plan import TOKEN

MOST_LOOKS = 6
BOT = "github-actions[bot]"  # the account of a job's own token
SECONDS = 30
TRIES, MOST_WAIT = 3, 120.0
LIMITED_WAIT = 60.0  # GitHub asks for at least a minute, if it gives no time
MOST_SAID = 300
MILDEST_FIRST = ("skipped", "success", "cancelled", "failure")
REPORT = re.compile(r"report(-.+)?\.html")  # how report-run names its file, and so its artifact
Value = TypeVar("Value")
Listed = TypeVar("Listed", bound=GithubObject)


@dataclass(frozen=True, kw_only=True)
class Comment:
    """A comment of ours on the pull request."""

    mark: Mark
    body: str
    url: str
    handle: IssueComment


class GitHubClient:
    """The comments of a pull request, and the checks of a commit."""

    def __init__(self, target: Target, environ: Mapping[str, str], console: Console) -> None:
        self._target, self._console = target, console
        self._url = environ.get("GITHUB_API_URL") or "https://api.github.com"
        self._github = Github(
            auth=Auth.Token(environ[TOKEN]),
            base_url=self._url,
            verify=environ.get("SSL_CERT_FILE") or True,
            user_agent=f"notebook-ci/{VERSION}",
            timeout=SECONDS,
            per_page=100,
            retry=None,
            seconds_between_requests=None,
            lazy=True,
        )
        self._repository = self._github.get_repo(target.repository)
        self._what, self._permission = "read the run", "actions: read"
        self._waited = 0.0
        self._authors = {BOT}
        self._number = 0

    def open(self) -> int | None:
        """Find the pull request, and return its number: None if it has none, or several, with the commit of the run."""
        self._what, self._permission = "write comments", "pull-requests: write"
        self._number = self._target.number or self._find()
        return self._number or None

    def result(self, job: str) -> str:
        """Return how the job of the run ended, or those of the reusable workflow it calls; empty if there is none."""
        found = [
            result_of(each.conclusion)
            for each in self._of_run(WorkflowJob, f"attempts/{self._target.attempt}/jobs")
            if each.conclusion and (each.name == job or each.name.startswith(f"{job} / "))
        ]
        return max(found, key=MILDEST_FIRST.index, default="")

    def report(self, slug: str) -> str:
        """Return the address of the report that the run uploaded; empty if there is none, or several."""
        found = {  # by name: an earlier attempt may have uploaded one, too
            each.name: each.id
            for each in sorted(self._of_run(Artifact, "artifacts"), key=lambda artifact: artifact.id)
            if REPORT.fullmatch(each.name) and each.name.endswith(f"-{slug}.html" if slug else "")
        }
        (number,) = found.values() if len(found) == 1 else (None,)
        return f"{self._target.url}/actions/runs/{self._target.run_id}/artifacts/{number}" if number else ""

    def _of_run(self, kind: type[Listed], path: str) -> list[Listed]:
        url = f"{self._repository.url}/actions/runs/{self._target.run_id}/{path}"
        listed = PaginatedList(kind, self._github.requester, url, None, list_item=path.rpartition("/")[2])
        return self._tried(lambda: list(listed))

    def _find(self) -> int:
        """Return the pull request of a run: GitHub does not say it of forks, and other forks may have the commit."""
        name, branch = self._target.head
        head = f"{name.partition('/')[0]}:{branch}"
        pulls = self._tried(lambda: list(self._repository.get_pulls(state="open", head=head)))
        found = [
            pull.number
            for pull in pulls
            if pull.head.sha == self._target.sha and pull.head.repo and pull.head.repo.full_name == name
        ]
        return found[0] if len(found) == 1 else 0

    def keep_one(self, key: str, body: Callable[[Comment | None], str]) -> Comment | None:
        """Write the comment with that key, and return it: None if there is none to write.

        `body` returns its text for the one that exists; empty: leave all as it is. Others may write or delete it at
        the same time, and GitHub cannot refuse a change because of that. So after each change, look again until there
        is one comment, with that text. Of several, the oldest one stays: all runs agree which one it is.
        """
        written, found = "", None
        for _ in range(MOST_LOOKS):
            found, *others = self._own(key) or (None,)
            for other in others:
                self._if_it_exists(other.handle.delete)
            if found and written and first_line(found.body) == first_line(written):
                break
            written = body(found)
            if not written:
                break
            if found:
                self._if_it_exists(partial(found.handle.edit, written))
            else:
                created = self._tried(partial(self._issue.create_comment, written))
                self._authors.add(created.user.login)
        return found

    @property
    def _issue(self) -> Issue:
        return self._repository.get_issue(self._number)

    def _own(self, key: str) -> list[Comment]:
        """Return our comments with that key, the oldest first."""
        found = []
        for each in self._tried(lambda: list(self._issue.get_comments())):
            mark = read(each.body or "")
            if mark and mark.key == key and self._is_own(getattr(each.user, "login", "")):
                found.append(Comment(mark=mark, body=each.body, url=each.html_url, handle=each))
        return sorted(found, key=lambda comment: comment.handle.id)

    def _is_own(self, author: str) -> bool:
        return author in self._authors or (author != "" and author == self._account)

    @functools.cached_property
    def _account(self) -> str:
        """The account of the token; empty if it is unknown. REST does not say it to tokens of apps, GraphQL does."""
        with contextlib.suppress(SurroundingsError):
            _, answer = self._tried(lambda: self._github.requester.graphql_query("{ viewer { login } }", {}))
            return str(answer["data"]["viewer"]["login"])
        return ""

    def create_check(self, name: str, *, conclusion: str, title: str, summary: str) -> str:
        """Return the address of the new check. GitHub shows the newest one of a name."""
        self._what, self._permission = "write checks", "checks: write"
        created = self._tried(
            lambda: self._repository.create_check_run(
                name,
                self._target.sha,
                details_url=self._target.run_url,
                status="completed",
                conclusion=conclusion,
                output={"title": title, "summary": summary},
            )
        )
        return str(created.html_url)

    def _if_it_exists(self, change: Callable[[], object]) -> None:
        def changed() -> None:
            try:
                change()
            except GithubException as error:
                if error.status != requests.codes.not_found:
                    raise

        self._tried(changed)

    def _tried(self, ask: Callable[[], Value]) -> Value:
        """Return the answer, after some tries if GitHub is overloaded or limits requests. Raises SurroundingsError."""
        for attempt in range(TRIES):
            try:
                return ask()
            # PyGithub raises the last three if the answer is not that of GitHub, or not all of it: a page of a proxy.
            except (GithubException, OSError, AssertionError, TypeError, ValueError) as error:
                wait = _wait(error, attempt)
                if wait is None or attempt == TRIES - 1 or self._waited + wait > MOST_WAIT:
                    raise self._fault(error) from error
                self._console.progress(f"GitHub cannot answer now. Next try in {wait:.0f} s.")
                self._waited += wait
                time.sleep(wait)
        raise AssertionError

    def _fault(self, error: Exception) -> SurroundingsError:
        said = str(error) or type(error).__name__
        status = ""
        if isinstance(error, GithubException):
            data: Any = error.data if isinstance(error.data, dict) else {}
            reasons = [
                str(each.get("message") or each) if isinstance(each, dict) else str(each)
                for each in data.get("errors") or []
            ]
            said = ": ".join([str(data.get("message") or "no message"), *reasons])
            status = f"{error.status} "
        return fault(
            status + said,
            said=printable(said[:MOST_SAID]).rstrip("."),
            what=self._what,
            permission=self._permission,
            more=OF_FORKS if self._permission.endswith("write") else "",
            subject=f"pull request {self._number}" if self._number else "the run or its pull request",
            repository=self._target.repository,
            url=self._url,
        )


def _wait(error: Exception, attempt: int) -> float | None:
    """Return the seconds until another try makes sense; None: never."""
    if not isinstance(error, GithubException):
        return 2.0**attempt if isinstance(error, requests.ConnectionError | requests.Timeout) else None
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    if after := str(headers.get("retry-after", "")):
        return float(after) if after.isdecimal() else LIMITED_WAIT
    if headers.get("x-ratelimit-remaining") == "0" and str(headers.get("x-ratelimit-reset", "")).isdecimal():
        return max(float(headers["x-ratelimit-reset"]) - time.time(), 0.0) + 1
    if error.status == requests.codes.too_many_requests or "rate limit" in str(error.data).lower():
        return LIMITED_WAIT
    return 2.0**attempt if error.status >= requests.codes.internal_server_error else None
