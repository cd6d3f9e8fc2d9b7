"""The pins of actions, renewed from real git repositories; git looks for GitHub in a folder."""

import subprocess
from pathlib import Path

import pytest

from dev import pins
from notebook_ci.base.errors import SurroundingsError

OLD = "1" * 40


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@localhost", "-c", "tag.gpgSign=false")
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def github(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that is GitHub here: `owner/name` in it is a repository."""
    folder = tmp_path / "github"
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.file://{folder}/.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "https://github.com/")
    return folder


def action(github: Path, name: str, *tags: str) -> dict[str, str]:
    """Create the repository of an action with one commit per tag; return the commits."""
    repository = github / name
    repository.mkdir(parents=True)
    git(repository, "init", "--quiet")
    commits = {}
    for tag in tags:
        git(repository, "commit", "--quiet", "--allow-empty", "--message", tag)
        git(repository, "tag", "--annotate", "--message", tag, tag)
        commits[tag] = git(repository, "rev-parse", "HEAD")
    return commits


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository that pins actions."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet")
    return folder


def test_pins_become_the_newest_release_everywhere(github: Path, repository: Path) -> None:
    cache = action(github, "actions/cache", "v9.0.0", "v10.0.1", "v10.0.0", "v10", "v11.0.0-beta", "w12.0.0")
    login = action(github, "docker/login-action", "v4.6.0")
    (repository / "ci.yml").write_text(f"- uses: actions/cache/save@{OLD} # v9.0.0\n- uses: us/us@v1\n")
    (repository / "README.md").write_text(
        f"- uses: docker/login-action@{OLD} # v4.1.0\n  uses: actions/cache@{OLD} # v9.0.0\n"
    )
    assert {path.name for path in pins.renew(repository)} == {"ci.yml", "README.md"}
    newest = f"{cache['v10.0.1']} # v10.0.1"
    assert (repository / "ci.yml").read_text() == f"- uses: actions/cache/save@{newest}\n- uses: us/us@v1\n"
    assert (repository / "README.md").read_text() == (
        f"- uses: docker/login-action@{login['v4.6.0']} # v4.6.0\n  uses: actions/cache@{newest}\n"
    )
    assert pins.renew(repository) == []


@pytest.mark.parametrize(
    ("tags", "said"), [((), "does not"), (("v4",), "it has no release")], ids=["repository", "release"]
)
def test_nothing_changes_where_one_has_no(github: Path, repository: Path, tags: tuple[str, ...], said: str) -> None:
    action(github, "actions/cache", "v10.0.0")
    if tags:
        action(github, "gone/away", *tags)
    text = f"- uses: actions/cache@{OLD} # v9.0.0\n- uses: gone/away@{OLD} # v1.0.0\n"
    (repository / "ci.yml").write_text(text)
    with pytest.raises(SurroundingsError, match=f"The releases of gone/away could not be read: .*{said}") as caught:
        pins.renew(repository)
    assert "make pins" in caught.value.hint
    assert (repository / "ci.yml").read_text() == text


def test_the_pins_of_this_repository_are_found() -> None:
    found = {
        pin[1] for path in pins.tracked(pins.ROOT, *pins.FILES) for pin in pins._PIN.finditer(path.read_text("utf-8"))
    }
    assert {"actions/cache", "actions/checkout", "docker/login-action"} <= found
