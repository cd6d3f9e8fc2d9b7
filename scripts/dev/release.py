"""Prepares a release on a local machine, and publishes it from .github/workflows/release.yml.

release.py prepare 1.2.0     writes the version into VERSION, CHANGELOG.md and this suite's pins in the docs
release.py publish v1.2.0    checks that tag, moves `v1` and `v1.2` to it, and creates the release on GitHub
"""

import argparse
import datetime as dt
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

from dev.pins import tracked
from notebook_ci.base.errors import InputError, NotebookCiError, SurroundingsError

CI = "ci.yml"
CHANGELOG = "CHANGELOG.md"
VERSION_FILE = "scripts/notebook_ci/__init__.py"
SECONDS = 60

_X_Y_Z = r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
_UNRELEASED = "## Unreleased\n"
_VERSION = re.compile(r'^VERSION = ".*"$', re.MULTILINE)
_OWN_PIN = re.compile(r"(?<=notebook-ci/notebook-ci)([\w./{}-]*)@([\w.-]*\w)")
# The files with pins of this suite: docs, templates, and the end-to-end tests that run them.
_DOCS = ("*.md", "*.yml", "tests/e2e/*.py", f":!{CHANGELOG}")
# README.md has this note until the first release.
NOTE = re.compile(r"^> .*no release yet.*\n(?:>.*\n)*\n", re.MULTILINE)


class Version(NamedTuple):
    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return ".".join(map(str, self))

    @classmethod
    def parse(cls, text: str) -> "Version":
        if not (found := re.fullmatch(_X_Y_Z, text)):
            raise InputError(f"`{text}` is not a version", hint="Give it as X.Y.Z, for example 1.2.0.")
        return cls(*map(int, found.groups()))

    @property
    def moving_tags(self) -> tuple[str, str]:
        """The tags that always point at the newest release: `v1` and `v1.2`."""
        return f"v{self.major}", f"v{self.major}.{self.minor}"

    @property
    def pin(self) -> str:
        """The tag that the docs use. In 0.x a new minor version may break workflows (Semantic Versioning, 4)."""
        major, minor = self.moving_tags
        return major if self.major else minor


def released(lines: Iterable[str], before: str) -> set[Version]:
    """Return the versions of lines such as `v1.2.0` (`before`: `v`); a date may follow. Other lines are ignored."""
    found = (re.match(rf"{before}{_X_Y_Z}(?: .*)?$", line) for line in lines)
    return {Version(*map(int, match.groups())) for match in found if match}


def tags_to_move(version: Version, tags: Iterable[str]) -> list[str]:
    """Return the moving tags whose newest release is `version`: 1.2.4 does not take `v1` from 1.3.0."""
    newer = {other for other in released(tags, "v") if other > version}
    return [tag for tag in version.moving_tags if not any(tag in other.moving_tags for other in newer)]


def notes(changelog: str, version: Version) -> str:
    """Return the entries of a version in CHANGELOG.md, one line each: GitHub keeps line breaks in release notes."""
    heading = rf"^## {re.escape(str(version))}(?: [^\n]*)?\n"
    section = re.search(rf"{heading}(.*?)(?=^## |\Z)", changelog, re.MULTILINE | re.DOTALL)
    return re.sub(r"\n {2,}(?=[^\s*-])", " ", section[1].strip()) if section else ""


def stale(root: Path, version: Version) -> dict[Path, str]:
    """Return the files that do not use `version` yet, with their new texts."""
    changed = {}
    for path in tracked(root, VERSION_FILE, *_DOCS):
        text = path.read_text(encoding="utf-8")
        new = _VERSION.sub(f'VERSION = "{version}"', text)
        new = _OWN_PIN.sub(rf"\1@{version.pin}", new)
        new = NOTE.sub("", new)
        if new != text:
            changed[path] = new
    return changed


def prepare(root: Path, version: Version, today: dt.date) -> None:
    """Write a new version into the files that contain it. Raises InputError if it cannot be the next one."""
    changelog = (root / CHANGELOG).read_text(encoding="utf-8")
    last = max(released(changelog.splitlines(), "## "), default=None)
    if last and version <= last:
        raise InputError(f"{version} is not newer than {last}, the last release in {CHANGELOG}")
    changelog = changelog.replace(_UNRELEASED, f"{_UNRELEASED}\n## {version} - {today.isoformat()}\n", 1)
    if not notes(changelog, version):
        raise InputError(f"{CHANGELOG} has nothing under `Unreleased`", hint="Write what has changed there.")
    for path, text in {root / CHANGELOG: changelog, **stale(root, version)}.items():
        path.write_text(text, encoding="utf-8")


def check_files(root: Path, version: Version) -> str:
    """Raise InputError if the files are not as `prepare` writes them. Return the release notes."""
    text = notes((root / CHANGELOG).read_text(encoding="utf-8"), version)
    wrong = [] if text else [CHANGELOG]
    wrong += [path.relative_to(root).as_posix() for path in stale(root, version)]
    if wrong:
        raise InputError(
            f"These files are not of {version}: {', '.join(wrong)}",
            hint=f"Run `make release VERSION={version}` and merge that. Delete the tag, and tag the new commit.",
        )
    return text


def ask_github(environ: Mapping[str, str], path: str, body: Mapping[str, Any] | None = None) -> Any:
    """Return the answer to GET, or to POST if there is a body. Raises SurroundingsError if GitHub refuses.

    `environ` names the repository as on a runner, and has a token as `GH_TOKEN`.
    """
    url = f"{environ['GITHUB_API_URL']}/repos/{environ['GITHUB_REPOSITORY']}{path}"
    headers = {"Authorization": f"Bearer {environ['GH_TOKEN']}", "Accept": "application/vnd.github+json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers)  # noqa: S310 - the runner's own URL
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 - as above
            return json.load(answer)
    except urllib.error.HTTPError as error:
        said = error.read().decode(errors="replace")
        raise SurroundingsError(f"GitHub answers {error.code} to {path}: {said}") from error
    except OSError as error:
        raise SurroundingsError(f"GitHub cannot be reached: {error}") from error


def check_ci(commit: str, environ: Mapping[str, str]) -> None:
    """Raise InputError if CI failed for a pushed commit, or has not finished."""
    # The newest run comes first. `event`: a pull request from a fork may have run a different CI for this commit.
    path = f"/actions/workflows/{CI}/runs?head_sha={commit}&event=push&per_page=1"
    runs = ask_github(environ, path)["workflow_runs"]
    if not runs:
        hint = "Tag a commit of main. If CI runs there, run this workflow again."
        raise InputError(f"CI has not run for {commit}", hint=hint)
    if runs[0]["conclusion"] != "success":
        result = runs[0]["conclusion"] or "not finished"
        raise InputError(
            f"CI is not green for {commit}: {result}, {runs[0]['html_url']}",
            hint="When it is green, run this workflow again. If it failed, fix it, and tag the new commit.",
        )


def publish(root: Path, tag: str, environ: Mapping[str, str]) -> None:
    """Check a pushed tag, move the moving tags to it, and create its release.

    The release is created last, so that a failed attempt can be repeated.
    """
    version = Version.parse(tag.removeprefix("v"))
    commit = git(root, "rev-parse", "--verify", f"refs/tags/{tag}^{{commit}}")
    if commit != git(root, "rev-parse", "HEAD"):
        raise InputError(f"{tag} is not the commit that is checked out", hint=f"Run `git checkout {tag}` first.")
    text = check_files(root, version)
    check_ci(commit, environ)
    for moving in tags_to_move(version, git(root, "tag").splitlines()):
        git(root, "push", "--force", "origin", f"{commit}:refs/tags/{moving}")
    # `legacy`: GitHub shows the release with the highest version as the latest one.
    ask_github(environ, "/releases", {"tag_name": tag, "name": tag, "body": text, "make_latest": "legacy"})


def git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SurroundingsError(
            f"git failed: {done.stderr.strip()}", hint=f"Fix it, or run this yourself: git {' '.join(arguments)}"
        )
    return done.stdout.strip()


def main(argv: list[str]) -> int:
    """Prepare or publish. The exit code is 2 if the release is refused, 3 if git or GitHub failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["prepare", "publish"])
    parser.add_argument("version", help="X.Y.Z to prepare, vX.Y.Z to publish")
    arguments = parser.parse_args(argv)
    try:
        if arguments.what == "publish":
            publish(ROOT, arguments.version, os.environ)
        else:
            version = Version.parse(arguments.version)
            prepare(ROOT, version, dt.datetime.now(dt.UTC).date())
            print(f"Commit and merge this. When CI is green on main: git tag v{version} && git push origin v{version}")
    except NotebookCiError as error:
        print(f"error: {error.message}\n{error.hint}".rstrip(), file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
