"""How git is started."""

import os
import subprocess
from pathlib import Path

import pytest

from notebook_ci.base import git
from notebook_ci.base.workspace import Workspace

PATH = {"PATH": os.environ["PATH"], "GIT_CONFIG_GLOBAL": "/dev/null"}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository that ignores a file, and whose settings start a program which leaves a mark."""
    folder = tmp_path / "repository"
    subprocess.run(["git", "init", "--quiet", folder], env=PATH, check=True)
    (folder / ".gitignore").write_text("ignored\n")
    subprocess.run(["git", "add", ".gitignore"], cwd=folder, env=PATH, check=True)
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch '{tmp_path}/mark'\n")
    program.chmod(0o755)
    subprocess.run(["git", "config", "core.fsmonitor", program], cwd=folder, env=PATH, check=True)
    (tmp_path / "mark").unlink(missing_ok=True)
    return folder


@pytest.mark.parametrize(("name", "code"), [("ignored", 0), (".gitignore", 1)])
def test_a_question_starts_no_program_of_the_repository(repository: Path, name: str, code: int) -> None:
    mark = repository.parent / "mark"
    arguments = ("check-ignore", "--quiet", "--", name)
    assert git.run(Workspace(repository, PATH), *arguments).returncode == code
    assert not mark.exists()
    # It would have been: the same question of git itself.
    subprocess.run(["git", *arguments], cwd=repository, env=PATH, check=False)
    assert mark.exists()


def test_an_answer_is_one_only_where_git_succeeds(repository: Path, tmp_path: Path) -> None:
    assert git.answer(Workspace(repository, PATH), "rev-parse", "--is-inside-work-tree") == "true"
    assert git.answer(Workspace(repository, PATH), "rev-parse", "HEAD") == "", (
        "there is no commit, and git prints `HEAD`"
    )
    assert git.answer(Workspace(tmp_path / "none", PATH), "rev-parse") == ""


def test_no_git(repository: Path, tmp_path: Path) -> None:
    done = git.run(Workspace(repository, {"PATH": str(tmp_path)}), "status")
    assert (done.returncode, done.output) == (127, "No such file or directory")
