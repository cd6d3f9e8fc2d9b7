"""What keeps the repository current: Dependabot, the renewal of locks and pins, releases, and the forms of GitHub."""

import datetime as dt
import fnmatch
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from dev import pins, release
from servers.github import GREEN, TOKEN, GitHubApi, serving

ROOT = Path(__file__).resolve().parents[2]
GITHUB = ROOT / ".github"
DEPENDABOT = GITHUB / "dependabot.yml"
CONFIG = GITHUB / "ISSUE_TEMPLATE" / "config.yml"
FORMS = sorted(set(CONFIG.parent.glob("*.yml")) - {CONFIG})
SCHEMAS = {"dependabot": [DEPENDABOT], "github-issue-config": [CONFIG], "github-issue-forms": FORMS}


def load(path: Path) -> dict[str, Any]:
    return dict(YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")))


def run(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program of the environment that the tests run in."""
    command = [str(Path(sys.executable).with_name(program)), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def api() -> Iterator[GitHubApi]:
    with serving() as server:
        yield server


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@localhost")
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("schema", SCHEMAS)
def test_files_for_github_follow_their_schema(schema: str) -> None:
    assert SCHEMAS[schema]
    done = run("check-jsonschema", "--builtin-schema", f"vendor.{schema}", *SCHEMAS[schema])
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("schema", "right", "wrong"),
    [
        ("dependabot", "github-actions", "github-action"),
        ("github-issue-config", "contact_links", "contacts"),
        ("github-issue-forms", "type: textarea", "type: text"),
    ],
)
def test_the_schema_finds_what_is_wrong(schema: str, right: str, wrong: str, tmp_path: Path) -> None:
    text = SCHEMAS[schema][0].read_text(encoding="utf-8")
    assert right in text
    (tmp_path / "wrong.yml").write_text(text.replace(right, wrong), encoding="utf-8")
    assert run("check-jsonschema", "--builtin-schema", f"vendor.{schema}", tmp_path / "wrong.yml").returncode == 1


def zizmor(path: Path) -> subprocess.CompletedProcess[str]:
    return run("zizmor", "--offline", "--strict-collection", "--pedantic", "--no-progress", path)


def test_zizmor_finds_nothing_in_the_settings_of_dependabot() -> None:
    done = zizmor(DEPENDABOT)
    assert done.returncode == 0, done.stdout


def test_zizmor_finds_an_update_without_a_cooldown(tmp_path: Path) -> None:
    path = tmp_path / ".github" / "dependabot.yml"
    path.parent.mkdir()
    text = DEPENDABOT.read_text(encoding="utf-8")
    path.write_text(text.replace("    cooldown:\n      default-days: 7\n", "", 1), encoding="utf-8")
    assert "dependabot-cooldown" in zizmor(path).stdout


def unread(directories: Iterable[str], names: Iterable[str]) -> set[str]:
    """Return the YAML files that Dependabot does not read: in a folder it reads all, for `/` the workflows too."""
    folders = {"/.github/workflows", *directories}
    return {name for name in names if not any(fnmatch.fnmatch(f"/{Path(name).parent}".rstrip("."), f) for f in folders)}


def test_dependabot_reads_all_files_with_pins() -> None:
    (update,) = (each for each in load(DEPENDABOT)["updates"] if each["package-ecosystem"] == "github-actions")
    pinned = {path.relative_to(ROOT).as_posix() for paths in by_pin("*.yml").values() for path in paths}
    assert len(pinned) > 4
    assert not unread(update["directories"], pinned)
    assert unread(["/"], {"action.yml", "x/action.yml", ".github/workflows/a.yml"}) == {"x/action.yml"}


def by_pin(*patterns: str) -> dict[tuple[str, str], set[Path]]:
    """Return the files that pin an action, by its repository and the whole pin."""
    found = defaultdict(set)
    for path in pins.tracked(ROOT, *patterns):
        for repository, pin in re.findall(r"uses: ([\w.-]+/[\w.-]+)\S*@([0-9a-f]{40} # \S+)", path.read_text("utf-8")):
            found[repository, pin].add(path)
    return found


def several(found: Iterable[tuple[str, str]]) -> set[str]:
    """Return the repositories that have several pins."""
    names = [repository for repository, _ in found]
    return {name for name in names if names.count(name) > 1}


def test_an_action_has_one_pin_everywhere() -> None:
    assert not several(by_pin(*pins.FILES)), "run `make pins`"


def test_an_action_with_two_pins_is_found() -> None:
    assert several([("a/b", "1 # v1.0.0"), ("a/b", "2 # v1.0.0"), ("c/d", "1 # v1.0.0")]) == {"a/b"}


def own_pins(root: Path) -> set[str]:
    texts = [path.read_text(encoding="utf-8") for path in pins.tracked(root, *release._DOCS)]
    return {pin[2] for text in texts for pin in release._OWN_PIN.finditer(text)}


def test_docs_and_templates_name_one_version_of_this_suite() -> None:
    assert len(own_pins(ROOT)) == 1


def test_the_readme_says_that_there_is_no_release_until_there_is_one() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
    note = release.NOTE.search((ROOT / "README.md").read_text(encoding="utf-8"))
    assert bool(note) is not bool(release.released(changelog, "## "))


GH = """\
#!/usr/bin/env bash
# Stands in for gh: notes what it is asked, and knows of $OPEN open pull requests.
echo "$*" >>"$ASKED"
if [ "$1 $2" = "pr list" ]; then echo "$OPEN"; fi
"""


@pytest.fixture
def weekly(tmp_path: Path) -> Path:
    """A folder with a clone of a repository that has a lock, its bare remote, and a stand-in for gh."""
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch", "main", "remote.git")
    git(tmp_path, "clone", "--quiet", "remote.git", "clone")
    (tmp_path / "clone" / "lock.txt").write_text("a==1\n")
    git(tmp_path / "clone", "add", ".")
    git(tmp_path / "clone", "commit", "--quiet", "--message", "a")
    git(tmp_path / "clone", "push", "--quiet", "origin", "HEAD:main")
    (tmp_path / "gh").write_text(GH)
    (tmp_path / "gh").chmod(0o755)
    return tmp_path


def renewal(weekly: Path, *, already_open: int = 0) -> list[str]:
    """Run the step that opens a pull request, as a runner does; return what gh was asked."""
    step = load(GITHUB / "workflows" / "renew-locks.yml")["jobs"]["renew"]["steps"][-1]
    environ = {"PATH": f"{weekly}:{os.environ['PATH']}", "HOME": str(weekly), "BODY": step["env"]["BODY"]}
    environ |= {"ASKED": str(weekly / "asked"), "OPEN": str(already_open)}
    script = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]]
    subprocess.run(script, cwd=weekly / "clone", env=environ, check=True)
    asked = weekly / "asked"
    return asked.read_text().splitlines() if asked.exists() else []


def test_renewed_locks_become_a_pull_request(weekly: Path) -> None:
    (weekly / "clone" / "lock.txt").write_text("a==2\n")
    asked = renewal(weekly)
    assert git(weekly / "remote.git", "show", "renew-locks:lock.txt") == "a==2"
    assert git(weekly / "remote.git", "show", "main:lock.txt") == "a==1"
    assert any(line.startswith("pr create --head renew-locks") for line in asked)


def test_an_open_pull_request_is_renewed(weekly: Path) -> None:
    git(weekly / "clone", "push", "--quiet", "origin", "HEAD:renew-locks")
    git(weekly / "clone", "commit", "--quiet", "--amend", "--message", "main has moved")
    (weekly / "clone" / "lock.txt").write_text("a==3\n")
    asked = renewal(weekly, already_open=1)
    assert git(weekly / "remote.git", "show", "renew-locks:lock.txt") == "a==3"
    assert [line.split()[:2] for line in asked] == [["auth", "setup-git"], ["pr", "list"]]


def test_locks_that_are_fresh_open_nothing(weekly: Path) -> None:
    assert renewal(weekly) == []
    assert git(weekly / "remote.git", "branch", "--list", "renew-locks") == ""


@pytest.fixture
def suite(weekly: Path) -> Path:
    """A copy of this repository, as far as a release goes, with a bare remote."""
    for path in pins.tracked(ROOT, "*.md", "*.yml", "tests/e2e/*.py", "scripts/dev", "scripts/notebook_ci"):
        copy = weekly / "suite" / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    changelog = weekly / "suite" / "CHANGELOG.md"
    text = changelog.read_text(encoding="utf-8")
    changelog.write_text(text.replace("## Unreleased\n", "## Unreleased\n\n- An entry.\n"), encoding="utf-8")
    git(weekly / "suite", "init", "--quiet", "--initial-branch", "main")
    git(weekly / "suite", "remote", "add", "origin", str(weekly / "remote.git"))
    return weekly / "suite"


def released(suite: Path, api: GitHubApi) -> subprocess.CompletedProcess[str]:
    """Prepare the release 997.0.0, tag it, and run the step of the workflow, as a runner does."""
    release.prepare(suite, release.Version(997, 0, 0), dt.date(2027, 2, 1))
    git(suite, "add", "--all")
    git(suite, "commit", "--quiet", "--message", "a")
    git(suite, "tag", "v997.0.0")
    step = load(GITHUB / "workflows" / "release.yml")["jobs"]["release"]["steps"][-1]
    assert step["env"] == {"GH_TOKEN": "${{ github.token }}"}
    environ = {"PATH": f"{suite.parent}:{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(suite.parent)}
    environ |= {**api.environ, "GH_TOKEN": TOKEN, "GITHUB_REF_NAME": "v997.0.0", "ASKED": str(suite.parent / "asked")}
    script = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]]
    return subprocess.run(script, cwd=suite, env=environ, capture_output=True, text=True, check=False)


def test_this_repository_can_be_released(suite: Path, api: GitHubApi) -> None:
    done = released(suite, api)
    assert done.returncode == 0, done.stderr
    assert own_pins(suite) == {"v997"}
    assert 'VERSION = "997.0.0"' in (suite / release.VERSION_FILE).read_text(encoding="utf-8")
    assert git(suite.parent / "remote.git", "tag").split() == ["v997", "v997.0"]
    (made,) = api.releases
    assert made["tag_name"] == "v997.0.0"
    assert made["body"].startswith("- An entry.")


def test_a_release_that_is_refused_fails_the_step(suite: Path, api: GitHubApi) -> None:
    api.runs = [{**GREEN, "conclusion": "failure"}]
    done = released(suite, api)
    assert done.returncode == 2
    assert done.stderr.startswith("error: CI is not green for ")
    assert not git(suite.parent / "remote.git", "tag")


def test_only_the_tag_of_a_version_starts_a_release() -> None:
    # As GitHub's filter patterns have it: `+` repeats the character or the brackets before it.
    (pattern,) = load(GITHUB / "workflows" / "release.yml")["on"]["push"]["tags"]
    matches = re.compile(pattern.replace(".", r"\."))
    tags = ("v1", "v1.2", "v1.2.3", "v10.20.30", "v1.2.3-rc1")
    assert [tag for tag in tags if matches.fullmatch(tag)] == ["v1.2.3", "v10.20.30"]
