"""Releases of real git repositories with a real remote; the API of GitHub is a server on loopback."""

import datetime as dt
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev import release
from dev.release import Version
from notebook_ci.base.errors import InputError, NotebookCiError, SurroundingsError
from servers.github import TOKEN, GitHubApi, serving

DAY = dt.date(2027, 2, 1)
CHANGELOG = """\
# Changelog

## Unreleased

### Added

- An entry that goes
  on in the next line.
- Another one.

## 1.1.0 - 2027-01-01

- Use `notebook-ci/notebook-ci@v0` no longer.
"""
FILES = {
    "CHANGELOG.md": CHANGELOG,
    "README.md": "# Suite\n\n> Early days: no release yet.\n> Use `@main`.\n\n- uses: notebook-ci/notebook-ci@v1\n",
    "workflows-templates/notebook-ci.yml": "- uses: notebook-ci/notebook-ci/actions/setup-env@v1\n- uses: a/b@v3\n",
    "scripts/notebook_ci/__init__.py": '"""The library."""\n\nVERSION = "1.1.0"\n',
}


@pytest.fixture
def api() -> Iterator[GitHubApi]:
    with serving() as server:
        yield server


def environ(api: GitHubApi) -> dict[str, str]:
    return {**api.environ, "GH_TOKEN": TOKEN}


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@localhost", "-c", "tag.gpgSign=false")
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository before its release 1.2.0, with a bare remote."""
    git(tmp_path, "init", "--quiet", "--bare", "remote.git")
    folder = tmp_path / "suite"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "remote", "add", "origin", str(tmp_path / "remote.git"))
    commit(folder)
    git(folder, "tag", "v1.1.0")
    git(folder, "push", "--quiet", "origin", "main", "v1.1.0", "v1.1.0:refs/tags/v1", "v1.1.0:refs/tags/v1.1")
    return folder


def commit(root: Path) -> str:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message", "a")
    return git(root, "rev-parse", "HEAD")


def tagged(root: Path, version: str = "1.2.0") -> str:
    """Prepare, commit and tag a release as a maintainer does; return its commit."""
    release.prepare(root, Version.parse(version), DAY)
    made = commit(root)
    git(root, "tag", "--annotate", "--message", "a", f"v{version}")
    git(root, "push", "--quiet", "origin", "main", f"v{version}")
    return made


def remote_tags(root: Path) -> dict[str, str]:
    """Return the tags of the remote with the commits that they name."""
    listed = (line.split("\t") for line in git(root, "ls-remote", "--tags", "origin").splitlines())
    return {name.removeprefix("refs/tags/").removesuffix("^{}"): commit for commit, name in listed}


def test_a_release_is_published(root: Path, api: GitHubApi) -> None:
    old, new = git(root, "rev-parse", "v1.1.0"), tagged(root)
    release.publish(root, "v1.2.0", environ(api))
    assert remote_tags(root) == {"v1": new, "v1.1": old, "v1.1.0": old, "v1.2": new, "v1.2.0": new}
    assert api.releases == [
        {
            "tag_name": "v1.2.0",
            "name": "v1.2.0",
            "body": "### Added\n\n- An entry that goes on in the next line.\n- Another one.",
            "make_latest": "legacy",
        }
    ]
    assert api.asked[0] == f"/repos/acme/suite/actions/workflows/ci.yml/runs?head_sha={new}&event=push&per_page=1"


def refused(root: Path, api: GitHubApi, tag: str = "v1.2.0") -> NotebookCiError:
    """Return why a tag is refused, which must leave no trace on GitHub."""
    before = remote_tags(root)
    with pytest.raises(NotebookCiError) as caught:
        release.publish(root, tag, environ(api))
    assert remote_tags(root) == before
    assert not api.releases
    return caught.value


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ([], "CI has not run for"),
        (
            [{"status": "in_progress", "conclusion": None, "html_url": "https://run"}],
            "CI is not green for .*: not finished, https://run",
        ),
        (
            [{"status": "completed", "conclusion": "failure", "html_url": "https://run"}],
            "CI is not green for .*: failure, https://run",
        ),
        (
            [{"status": "completed", "conclusion": "cancelled", "html_url": "https://run"}],
            "CI is not green for .*: cancelled",
        ),
    ],
    ids=["never ran", "runs", "failed", "cancelled"],
)
def test_a_commit_whose_ci_is_not_green_is_refused(
    root: Path, api: GitHubApi, runs: list[dict[str, str]], said: str
) -> None:
    tagged(root)
    api.runs = runs
    error = refused(root, api)
    assert error.exit_code == 2
    assert pytest.raises(InputError, match=said).matches(error)


@pytest.mark.parametrize(
    ("name", "edit", "said"),
    [
        ("scripts/notebook_ci/__init__.py", ("1.2.0", "1.1.0"), "not of 1.2.0: scripts/notebook_ci/__init__.py"),
        ("README.md", ("ci@v1", "ci@main"), "not of 1.2.0: README.md"),
        (
            "workflows-templates/notebook-ci.yml",
            ("env@v1", "env@v0.9"),
            "not of 1.2.0: workflows-templates/notebook-ci.yml",
        ),
        ("README.md", ("# Suite\n", "# Suite\n\n> There is no release yet.\n"), "not of 1.2.0: README.md"),
        ("CHANGELOG.md", ("## 1.2.0 - 2027-02-01\n", ""), "not of 1.2.0: CHANGELOG.md"),
        ("CHANGELOG.md", ("## 1.2.0", "## 1.2.0 - today\n\n## 1.1.9"), "not of 1.2.0: CHANGELOG.md"),
    ],
    ids=["VERSION", "README", "template", "note", "no section", "empty section"],
)
def test_a_commit_of_another_version_is_refused(
    root: Path, api: GitHubApi, name: str, edit: tuple[str, str], said: str
) -> None:
    tagged(root)
    text = (root / name).read_text(encoding="utf-8")
    assert edit[0] in text
    (root / name).write_text(text.replace(*edit, 1), encoding="utf-8")
    commit(root)
    git(root, "tag", "--force", "v1.2.0")
    error = refused(root, api)
    assert error.exit_code == 2
    assert said in error.message
    assert "make release VERSION=1.2.0" in error.hint


def test_a_tag_of_another_commit_is_refused(root: Path, api: GitHubApi) -> None:
    tagged(root)
    commit(root)
    assert "v1.2.0 is not the commit that is checked out" in refused(root, api).message


@pytest.mark.parametrize("tag", ["v1.2", "v01.2.0", "v1.2.0-rc1", "main"])
def test_a_tag_that_is_no_version_is_refused(root: Path, api: GitHubApi, tag: str) -> None:
    assert "is not a version" in refused(root, api, tag).message


def test_a_tag_that_does_not_exist_is_refused(root: Path, api: GitHubApi) -> None:
    assert refused(root, api, "v9.0.0").exit_code == 3


def test_a_fix_of_an_older_version_does_not_take_the_tags_of_a_newer_one(root: Path, api: GitHubApi) -> None:
    new = tagged(root)
    release.publish(root, "v1.2.0", environ(api))
    git(root, "checkout", "--quiet", "-b", "old", "v1.1.0")
    release.prepare(root, Version.parse("1.1.1"), DAY)
    fix = commit(root)
    git(root, "tag", "v1.1.1")
    release.publish(root, "v1.1.1", environ(api))
    tags = remote_tags(root)
    assert (tags["v1"], tags["v1.1"], tags["v1.2"]) == (new, fix, new)


def test_a_server_that_refuses_a_tag_stops_the_release(root: Path, api: GitHubApi) -> None:
    made = tagged(root)
    hook = root.parent / "remote.git" / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho protected >&2\nexit 1\n")
    hook.chmod(0o755)
    error = refused(root, api)
    assert error.exit_code == 3
    assert "protected" in error.message
    assert f"git push --force origin {made}:refs/tags/v1" in error.hint


def test_what_failed_at_github_can_be_run_again(root: Path, api: GitHubApi) -> None:
    tagged(root)
    api.status = 422
    with pytest.raises(SurroundingsError, match=r"422 to /releases: .*Validation Failed"):
        release.publish(root, "v1.2.0", environ(api))
    api.status = 201
    release.publish(root, "v1.2.0", environ(api))
    assert len(api.releases) == 1


def test_github_that_cannot_be_reached_is_said(root: Path) -> None:
    tagged(root)
    away = {"GITHUB_API_URL": "http://127.0.0.1:9", "GITHUB_REPOSITORY": "a/b", "GH_TOKEN": "secret"}
    with pytest.raises(SurroundingsError, match="GitHub cannot be reached"):
        release.publish(root, "v1.2.0", away)


def test_a_version_is_written_where_it_stands(root: Path) -> None:
    release.prepare(root, Version.parse("2.0.0"), DAY)
    text = {name: (root / name).read_text(encoding="utf-8") for name in FILES}
    assert 'VERSION = "2.0.0"\n' in text["scripts/notebook_ci/__init__.py"]
    assert text["README.md"] == "# Suite\n\n- uses: notebook-ci/notebook-ci@v2\n"
    assert text["workflows-templates/notebook-ci.yml"] == (
        "- uses: notebook-ci/notebook-ci/actions/setup-env@v2\n- uses: a/b@v3\n"
    )
    assert "## Unreleased\n\n## 2.0.0 - 2027-02-01\n\n### Added\n" in text["CHANGELOG.md"]
    assert "notebook-ci@v0" in text["CHANGELOG.md"]  # what was true then
    release.check_files(root, Version.parse("2.0.0"))


@pytest.mark.parametrize("version", ["1.1.0", "1.0.9"])
def test_a_version_that_is_not_newer_is_refused(root: Path, version: str) -> None:
    with pytest.raises(InputError, match=f"{version} is not newer than 1.1.0"):
        release.prepare(root, Version.parse(version), DAY)


@pytest.mark.parametrize("unreleased", ["## Unreleased\n\n## 1.1.0 - x\n", "## 1.1.0 - x\n"], ids=["empty", "missing"])
def test_a_release_without_changes_is_refused(root: Path, unreleased: str) -> None:
    (root / "CHANGELOG.md").write_text(unreleased, encoding="utf-8")
    with pytest.raises(InputError, match="nothing under `Unreleased`"):
        release.prepare(root, Version.parse("1.2.0"), DAY)
    assert not git(root, "diff", "--name-only", "--", "README.md", "scripts")


@pytest.mark.parametrize(("version", "pin"), [("0.1.0", "v0.1"), ("0.2.3", "v0.2"), ("1.0.0", "v1"), ("2.3.4", "v2")])
def test_docs_pin_what_does_not_break(version: str, pin: str) -> None:
    assert Version.parse(version).pin == pin


@pytest.mark.parametrize(
    ("version", "moved"),
    [
        ("1.3.0", ["v1", "v1.3"]),
        ("1.2.10", ["v1.2"]),
        ("1.2.8", []),
        ("2.0.0", ["v2", "v2.0"]),
        ("0.9.0", ["v0", "v0.9"]),
    ],
)
def test_a_tag_follows_the_newest_of_its_releases(version: str, moved: list[str]) -> None:
    tags = ["v1", "v1.2", "v1.2.9", "v1.10.0-rc1", "v1.1.20", "v1.2.11-beta", "nightly"]
    tags += ["v1.2.12"] if moved == [] else []
    tags += ["v1.3.0"] if version.startswith("1.2") else []
    assert release.tags_to_move(Version.parse(version), tags) == moved
