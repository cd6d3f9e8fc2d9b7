"""What git is asked, and what a repository cannot make it do."""

import os
import subprocess
from pathlib import Path

import pytest

from notebook_ci.base.workspace import Workspace
from notebook_ci.build_image.revision import Revision


@pytest.fixture
def environ() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null"}


@pytest.fixture
def repository(tmp_path: Path, environ: dict[str, str]) -> Path:
    """A repository with a commit of one file, in a folder of its own."""
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "a.txt").write_text("a\n")
    git(folder, environ, "init", "--quiet")
    git(folder, environ, "add", "--all")
    author = ("-c", "user.name=tester", "-c", "user.email=tester@example.com")
    git(folder, environ, *author, "commit", "--quiet", "--message", "first")
    return folder


def git(folder: Path, environ: dict[str, str], *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, env=environ, check=True)


def program(path: Path, mark: Path) -> str:
    """Write a program that leaves a mark."""
    path.write_text(f"#!/bin/sh\ntouch '{mark}'\n")
    path.chmod(0o755)
    return str(path)


def test_no_program_of_the_repository_is_started(repository: Path, environ: dict[str, str], tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    theirs = program(tmp_path / "theirs", mark)
    hooks = repository / ".git" / "hooks"
    for hook in ("post-index-change", "reference-transaction"):
        program(hooks / hook, mark)
    for name in ("core.fsmonitor", "core.pager", "diff.external", "core.sshCommand", "gpg.program"):
        git(repository, environ, "config", name, theirs)
    git(repository, environ, "config", "log.showSignature", "true")
    mark.unlink(missing_ok=True)
    found = Revision.of(Workspace(repository, {**environ, "GIT_EXTERNAL_DIFF": theirs, "GIT_PAGER": theirs}))
    (repository / "a.txt").write_text("b\n")
    assert found.changed() == ["a.txt"]
    assert not found.untracked_notebooks()
    assert found.created()
    found.archive(tmp_path / "work.tar", "work")
    assert not mark.exists()
    # It would have been: the same question of git itself.
    git(repository, environ, "status", "--short")
    assert mark.exists()


def test_notebooks_that_git_neither_tracks_nor_ignores(repository: Path, environ: dict[str, str]) -> None:
    names = ("new.ipynb", "sub/ü b.ipynb", "sub/ignored.ipynb", "new.csv", ".ipynb_checkpoints/new-checkpoint.ipynb")
    (repository / "module.py").write_text("x = 1\n")
    (repository / "text.py").write_text("# %%\n1\n")
    for name in (*names, "sub/.hidden/x.ipynb", "tracked.ipynb"):
        (repository / name).parent.mkdir(exist_ok=True)
        (repository / name).write_text("{}\n")
    (repository / ".gitignore").write_text("ignored.ipynb\n")
    git(repository, environ, "add", "tracked.ipynb")
    assert Revision.of(Workspace(repository, environ)).untracked_notebooks() == [
        "new.ipynb",
        "sub/ü b.ipynb",
        "text.py",
    ]
    assert Revision.of(Workspace(repository / "sub", environ)).untracked_notebooks() == ["ü b.ipynb"]


@pytest.mark.parametrize(
    ("url", "source"),
    [
        ("https://ann:hunter2@example.org/team/x.git", "https://example.org/team/x"),
        ("git@example.org:team/x.git", "git@example.org:team/x"),
        ("/srv/git/x.git", "/srv/git/x"),
        (f"https://example.org/{'gh' + 'p_'}{'a1' * 18}/x.git", "https://example.org/***/x"),
    ],
)
def test_the_address_is_told(repository: Path, environ: dict[str, str], url: str, source: str) -> None:
    git(repository, environ, "remote", "add", "origin", url)
    assert Revision.of(Workspace(repository, environ)).source() == source


@pytest.mark.parametrize(
    "url",
    [
        "https://ann:hunter2@s3cret/x@example.org",
        "https://ann:hunter2 s3cret@example.org/x",
        "https://ann:hunter2's3cret@example.org/x",
        "https:/ann:hunter2@s3cret@example.org/x",
        "https:ann:hunter2/s3cret@example.org/x",
        "ann:hunter2@s3cret@example.org:x",
    ],
)
def test_of_an_odd_address_no_part_of_a_password_is_told(repository: Path, environ: dict[str, str], url: str) -> None:
    git(repository, environ, "remote", "add", "origin", url)
    source = Revision.of(Workspace(repository, environ)).source()
    assert "hunter2" not in source
    assert "s3cret" not in source
