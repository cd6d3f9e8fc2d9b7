"""The input `working-directory`: which folders it accepts, and what starts from it."""

import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from notebook_ci.base import lock_search, locks
from notebook_ci.base.console import console
from notebook_ci.base.errors import InputError, Problem
from notebook_ci.base.stage import Command
from notebook_ci.base.working_directory import enter
from notebook_ci.base.workspace import Workspace
from notebook_ci.dvc_pull import run as dvc_pull
from notebook_ci.dvc_pull.model import DvcPullInputs
from notebook_ci.log_run import run as log_run
from notebook_ci.records.build_image import BuildImageRecord
from notebook_ci.records.environment import default_environment
from notebook_ci.records.record import Record, describe_source
from notebook_ci.records.run_directory import RunDirectory
from notebook_ci.stages import ALL_STAGES, load_stage
from pipeline import PIPELINE
from unit.consoles import Written
from unit.example_inputs import Caller, in_toml

ROOT = Path(__file__).resolve().parents[2]
COMMANDS: list[Command[Any]] = [PIPELINE, *map(load_stage, ALL_STAGES)]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A repository on a runner, with two projects."""
    root = tmp_path.resolve() / "checkout"
    for folder in (".git", "projects/a", "projects/b"):
        (root / folder).mkdir(parents=True)
    monkeypatch.chdir(root)
    return Workspace(root, {"GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(root), "RUNNER_TEMP": str(tmp_path)})


# --- Which folders are accepted


@pytest.mark.parametrize("given", ["projects/a", "projects/../projects/a", "{}/projects/a", "link"])
def test_it_becomes_the_folder_of_the_process(checkout: Workspace, given: str) -> None:
    (checkout.cwd / "link").symlink_to("projects/a")
    entered = enter(given.format(checkout.cwd), checkout)
    assert entered.cwd == Path.cwd() == checkout.cwd / "projects" / "a"
    assert (entered.directory, entered.repository) == ("projects/a", checkout.cwd)
    assert entered.environ == checkout.environ


def test_without_it_nothing_changes(checkout: Workspace) -> None:
    assert enter("", checkout) is checkout


def a_file(root: Path) -> str:
    (root / "file").touch()
    return "file"


def a_link_that_leads_out(root: Path) -> str:
    (root / "out").symlink_to(root.parent)
    return "out"


def a_link_in_a_circle(root: Path) -> str:
    (root / "circle").symlink_to("circle")
    return "circle"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda _: "projects/c", "is not a folder that can be entered: No such file or directory."),
        (a_file, "is not a folder that can be entered: Not a directory."),
        (lambda _: "a" * 5000, "is not a folder that can be entered: File name too long."),
        (a_link_in_a_circle, "is not a folder that can be entered: Too many levels of symbolic links."),
        (lambda _: "..", "leads out of the checkout `{}`."),
        (lambda _: "projects/../../elsewhere", "leads out of the checkout `{}`."),
        (lambda _: "/", "leads out of the checkout `{}`."),
        (a_link_that_leads_out, "leads out of the checkout `{}`."),
    ],
)
def test_wrong_folders_are_refused(checkout: Workspace, make: Callable[[Path], str], said: str) -> None:
    with pytest.raises(InputError) as caught:
        enter(make(checkout.cwd), checkout)
    assert caught.value.message.startswith("`working-directory` is `")
    assert caught.value.message.endswith(f"`, which {said.format(checkout.cwd)}")
    assert caught.value.hint
    assert Path.cwd() == checkout.cwd


def test_a_person_may_go_anywhere(checkout: Workspace) -> None:
    assert enter("../checkout/projects/b", Workspace(checkout.cwd, {})).directory == "projects/b"


# --- What starts from it


def test_its_file_is_read(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(call.folder)
    (call.folder / "a").mkdir()
    (call.folder / "a" / "notebook-ci.toml").write_text(in_toml('output-dir = "of a"'))
    assert call.load("--working-directory", "a", toml=in_toml('output-dir = "of root"')).output_dir == "of a"


def test_a_file_cannot_choose_it(call: Caller) -> None:
    for name in ("working-directory", "config"):
        error = call.refused(toml=in_toml(f'{name} = "a"'))
        assert error.message == f"`{name}` decides which file is read, so it cannot be set in a file."
        assert (error.file, error.line) == ("notebook-ci.toml", 2)


@pytest.mark.parametrize(
    ("file", "shown"),
    [
        ("x.ipynb", "projects/a/x.ipynb"),
        ("../b/x.ipynb", "projects/b/x.ipynb"),
        ("../../.dvc/config", ".dvc/config"),
        ("/elsewhere/x", "/elsewhere/x"),
    ],
)
def test_an_annotation_starts_from_the_root_of_the_repository(
    checkout: Workspace, tmp_path: Path, file: str, shown: str
) -> None:
    enter("projects/a", checkout)
    written = Written(tmp_path, on_runner=True)
    problems = [Problem(severity="error", message="No.", file=file, line=3)] * 10
    written.console.annotate([*problems, Problem(severity="notice", message="Nowhere.")])
    assert written.lines[:9] == [f"::error file={shown},line=3::No."] * 9
    assert f"error: {shown}:3: No." in written.lines
    assert written.lines[-1] == "::notice::Nowhere."


def test_a_repository_beside_others_has_its_own_root(checkout: Workspace, tmp_path: Path) -> None:
    """With `path:`, actions/checkout puts it into a folder of the workspace."""
    (checkout.cwd / "projects" / "a" / ".git").mkdir()
    (checkout.cwd / "projects" / "a" / "deep").mkdir()
    assert enter("projects/a/deep", checkout).directory == "deep"
    written = Written(tmp_path, on_runner=True)
    written.console.annotate([Problem(severity="error", message="No.", file="x.ipynb")])
    assert written.lines == ["::error file=deep/x.ipynb::No."]


def test_without_git_the_workspace_of_the_runner_is_the_root(checkout: Workspace) -> None:
    (checkout.cwd / ".git").rmdir()
    assert enter("projects/a", checkout).directory == "projects/a"
    assert Workspace(Path.cwd(), {}).directory == ""


def test_a_working_directory_that_a_notebook_deleted_hides_no_problem(checkout: Workspace, tmp_path: Path) -> None:
    written = Written(tmp_path, on_runner=True)
    enter("projects/a", checkout).cwd.rmdir()
    written.console.annotate([Problem(severity="error", message="No.", file="x.ipynb")])
    assert written.lines == ["::error file=x.ipynb::No."]


def test_the_record_names_it(checkout: Workspace) -> None:
    entered = enter("projects/a", checkout)
    described = describe_source(entered)
    assert described == {"system": "github", "directory": "projects/a", "workspace": str(entered.cwd)}
    assert describe_source(checkout) == {"system": "github", "workspace": str(checkout.cwd)}


# --- What projects of a job do not share


def test_each_project_has_its_own_environment(checkout: Workspace, tmp_path: Path) -> None:
    projects = [Workspace(checkout.cwd / name, checkout.environ) for name in (".", "projects/a", "projects/b")]
    found = [default_environment(slug, project) for project in projects for slug in ("", "x")]
    assert found[:2] == [tmp_path / "notebook-ci-venv", tmp_path / "notebook-ci-venv-x"]
    assert len(set(found)) == 6
    moved = Workspace(tmp_path / "projects" / "a", {**checkout.environ, "GITHUB_WORKSPACE": str(tmp_path)})
    assert default_environment("", moved) == found[2], "it is cached, also if another runner has other folders"


def test_each_project_has_its_own_cache_of_data(checkout: Workspace) -> None:
    keys = []
    for name in ("projects/a", "projects/b"):
        (checkout.cwd / name / ".dvc").mkdir()
        (checkout.cwd / name / ".dvc" / "config").write_text(
            "[core]\nremote = s\n['remote \"s\"']\nurl = s3://bucket/data\n"
        )
        for project in (Workspace(checkout.cwd / name, checkout.environ), Workspace(checkout.cwd, checkout.environ)):
            inputs = DvcPullInputs(dvc_dir="" if project.directory else name)
            planned = dvc_pull.plan(inputs, project)
            assert isinstance(planned, dvc_pull.PullPlan)
            named = dvc_pull.cache(inputs, planned, project, console(checkout.environ))
            assert named["path"] == str(checkout.cwd / name / ".dvc" / "cache")
            keys.append((named["key"], named["restore-keys"]))
    assert keys[0] == keys[1] != keys[2] == keys[3]
    assert keys[0][1] != keys[2][1]


@pytest.mark.parametrize(
    ("directory", "logged"), [("", "a b root"), ("projects", "a b"), ("projects/a", "a"), ("p", "")]
)
def test_a_project_logs_its_own_records(checkout: Workspace, directory: str, logged: str) -> None:
    run_directory = RunDirectory.open("run", checkout)
    for name, folder in {"a": "projects/a", "b": "projects/b", "root": ""}.items():
        run_directory.take(name, "").write(Record(stage=name, source={"directory": folder}, started=name))
    assert list(log_run._records(run_directory, directory)) == logged.split()


def test_a_project_shows_its_own_killed_stages(checkout: Workspace) -> None:
    run_directory = RunDirectory.open("run", checkout)
    for stage, folder in {"dvc-pull": "projects/a", "setup-env": "projects/b", "log-run": ""}.items():
        run_directory.take(stage, "", folder)
    run_directory.take("build-image", "", "projects/b").write(BuildImageRecord(stage="build-image"))
    (run_directory.path / "execute-notebook").mkdir()  # downloaded without the file that says where
    for directory, killed in {
        "": "dvc-pull execute-notebook log-run setup-env",
        "projects/a": "dvc-pull execute-notebook",
    }.items():
        assert [each.stage for each in run_directory.unfinished(directory)] == killed.split()


# --- Where else something is


def test_a_search_in_vain_names_the_folders_that_have_something(tmp_path: Path) -> None:
    names = "b/notebook-ci.toml team/x/a/uv.lock a/requirements.txt c/requirements.txt a/deep/uv.lock docs/notes.md"
    for name in (*names.split(), "one/two/three/four/uv.lock", ".hidden/uv.lock", "venv/uv.lock"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "circle").symlink_to(tmp_path)
    said = "`a`, `b`, `c`, `team/x/a` have a `notebook-ci.toml` or a lock: set `working-directory`."
    assert locks.nothing(tmp_path) == f"{locks.NOTHING} Searched: `{tmp_path}`. {said}"
    assert lock_search.searched(tmp_path / "docs", ["uv.lock"], "one") == f"Searched: `{tmp_path / 'docs'}`."
    with pytest.raises(InputError) as caught:
        locks.search(tmp_path)
    assert caught.value.hint.endswith(" If each folder is a project, set `working-directory`.")
    above = lock_search.searched(tmp_path / "team", ["uv.lock"], "one")
    assert above.endswith(" `x/a` has one: set `working-directory`.")


# --- The commands


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_refuses_a_wrong_one(
    command: Command[Any], checkout: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["--working-directory=projects/c"], checkout.environ, io.StringIO()) == 2
    assert "::error::`working-directory` is `projects/c`, which is not a folder" in capsys.readouterr().out
    assert not list(checkout.cwd.rglob("*.json"))


def test_the_chain_plans_the_same_as_in_that_folder(checkout: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    config = '[execute-notebook]\nnotebooks = ["b.ipynb"]\n[execute-notebook.parameters]\nalpha = 2\n'
    cell = {"cell_type": "code", "source": "alpha = 1", "metadata": {"tags": ["parameters"]}}
    for name in ("projects/a/a.ipynb", "projects/a/b.ipynb", "root.ipynb"):
        Path(name).write_text(json.dumps({"nbformat": 4, "metadata": {}, "cells": [cell]}))
    Path("projects/a/requirements.txt").write_text("ipykernel\n")
    Path("projects/a/notebook-ci.toml").write_text(config)
    shown = []
    for folder, flags in ((".", ["--working-directory", "projects/a"]), ("projects/a", [])):
        with contextlib.chdir(folder):
            assert PIPELINE.main(["--plan", *flags], {}, io.StringIO()) == 0
        shown.append(capsys.readouterr().err)
    assert shown[0] == shown[1]
    assert "execute 1 notebook: b.ipynb\n  set parameters: alpha\n" in shown[0]
    assert f"into `{checkout.cwd}/projects/a/.notebook-ci/venv`" in shown[0]


def test_the_steps_that_name_caches_get_it() -> None:
    steps = [step for path in [ROOT / "action.yml", *ROOT.glob("actions/*/action.yml")] for step in naming_steps(path)]
    assert len(steps) == 4
    for step in steps:
        is_given = "INPUTS" in step["env"] or '"--working-directory=$DIRECTORY"' in step["run"]
        assert is_given, step["run"]


def naming_steps(path: Path) -> list[dict[str, Any]]:
    action = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    return [step for step in action["runs"]["steps"] if "--name-cache" in step.get("run", "")]
