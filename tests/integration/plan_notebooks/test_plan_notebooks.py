"""plan-notebooks as an action and on a laptop, and `changed-only` of execute-notebook, in real git repositories."""

import json
from pathlib import Path

import pytest

from integration.suite import Done, Workspace, notebook
from unit.planned import commit, git

BY_PATH = {"a": "print('a')", "b": "import helper", "c": "1"}


@pytest.fixture
def workspace(workspace: Workspace) -> Workspace:
    """A repository with three notebooks; a module of the second has changed since the commit."""
    for name, code in BY_PATH.items():
        workspace.write(f"{name}.ipynb", notebook(code))
    workspace.write("helper.py", "x = 1\n")
    workspace.write(".gitignore", ".notebook-ci\n")
    git(workspace.folder, "init", "--quiet")
    commit(workspace.folder)
    workspace.write("helper.py", "x = 2\n")
    return workspace


def on_push(workspace: Workspace) -> dict[str, str | None]:
    """Return the variables of a push of the last commit to the default branch."""
    before = git(workspace.folder, "rev-parse", "HEAD~1")
    event = {"before": before, "repository": {"default_branch": "main"}}
    path = workspace.base / "event.json"
    path.write_text(json.dumps(event))
    names = {"CI": "true", "GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/main"}
    return {**names, "GITHUB_EVENT_PATH": str(path)}


def jobs(done: Done) -> list[dict[str, object]]:
    return list(json.loads(done.outputs["matrix"])["include"])


def test_a_push_plans_what_it_affects(workspace: Workspace) -> None:
    commit(workspace.folder)
    done = workspace.run("plan-notebooks", {"runner": "self-hosted\ngpu"}, environ=on_push(workspace))
    assert done.code == 0, done.log
    assert jobs(done) == [{"shard": "1", "notebooks": "b.ipynb", "runner": ["self-hosted", "gpu"], "container": ""}]
    assert (done.outputs["count"], done.outputs["any"], done.outputs["status"]) == ("1", "true", "passed")
    assert done.record["reasons"] == {"b.ipynb": "uses `helper.py`, which changed"}
    assert done.record["unaffected"] == ["a.ipynb", "c.ipynb"]
    assert "| `b.ipynb` | uses `helper.py`, which changed |" in done.summary


def test_a_push_that_affects_nothing_has_an_empty_matrix(workspace: Workspace) -> None:
    git(workspace.folder, "checkout", "--quiet", "helper.py")
    workspace.write("README.md", "# About\n")
    commit(workspace.folder)
    done = workspace.run("plan-notebooks", {}, environ=on_push(workspace))
    assert done.code == 0, done.log
    assert (jobs(done), done.outputs["count"], done.outputs["any"]) == ([], "0", "false")


def test_a_schedule_plans_all(workspace: Workspace) -> None:
    done = workspace.run("plan-notebooks", {"shards": "2"}, environ={"GITHUB_EVENT_NAME": "schedule", "CI": "true"})
    assert done.code == 0, done.log
    assert [each["notebooks"] for each in jobs(done)] == ["a.ipynb\nc.ipynb", "b.ipynb"]
    [notice] = done.annotations("notice")
    assert notice.message == "All notebooks run: the event is `schedule`."


def test_a_laptop_is_shown_the_same(workspace: Workspace) -> None:
    done = workspace.run("plan-notebooks", flags=["--plan"])
    assert done.code == 0, done.log
    assert "  choose among 3 notebooks: a.ipynb, b.ipynb, c.ipynb\n  run on ubuntu-latest: a.ipynb, b.ipynb" in done.log
    done = workspace.run("plan-notebooks")
    assert done.code == 0, done.log
    assert "b.ipynb: uses `helper.py`, which changed\n" in done.log
    assert "1 notebook in 1 shard, 2 not affected" in done.log


def test_wrong_inputs_are_refused(workspace: Workspace) -> None:
    done = workspace.run("plan-notebooks", {"shards": "0"})
    assert (done.code, done.outputs["status"]) == (2, "error")
    assert done.annotations()[0].message == "`shards` does not accept `0`. Use a whole number from 1 to 256."
    done = workspace.run("plan-notebooks", flags=["--base", "gone"])
    assert done.code == 2
    assert "`base` is `gone`, which is not a branch or commit that HEAD has a common commit with." in done.log


def test_only_affected_notebooks_are_executed(workspace: Workspace, kernel: Path) -> None:
    flags = ["--python", str(kernel), "--changed-only"]
    done = workspace.run("execute-notebook", flags=flags)
    assert done.code == 0, done.log
    assert "b.ipynb: uses `helper.py`, which changed\n" in done.log
    assert "Not executed, because not affected by what changed since " in done.log
    [record] = workspace.folder.glob(".notebook-ci/runs/*/execute-notebook.json")
    assert [each["path"] for each in json.loads(record.read_text())["notebooks"]] == ["b.ipynb"]


def test_an_affected_notebook_that_fails_fails_the_stage(workspace: Workspace, kernel: Path) -> None:
    workspace.write("helper.py", "raise ValueError('broken')\n")
    done = workspace.run("execute-notebook", flags=["--python", str(kernel), "--changed-only"])
    assert done.code == 1, done.log
    assert "broken" in done.log


def test_nothing_affected_is_skipped_without_a_kernel(workspace: Workspace) -> None:
    git(workspace.folder, "checkout", "--quiet", "helper.py")
    workspace.write("README.md", "# About\n")
    commit(workspace.folder)
    base = git(workspace.folder, "rev-parse", "HEAD~1")
    done = workspace.run("execute-notebook", {"changed-only": "true", "python": "/none"}, environ=on_push(workspace))
    assert (done.code, done.outputs["status"]) == (0, "skipped"), done.log
    assert done.record["problems"][-1]["message"] == f"No notebook is affected by what changed since `{base[:12]}`."
    workspace.write("helper.py", "x = 2\n")
    done = workspace.run("execute-notebook", {"changed-only": "true", "python": "/none"}, environ=on_push(workspace))
    assert done.code == 2, "the same with an affected notebook needs a kernel"
