import concurrent.futures
import hashlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from notebook_ci.base.errors import CheckFailed, InputError, NotebookCiError, Problem, SurroundingsError
from notebook_ci.base.files import sha256, write
from notebook_ci.base.typed_json import to_json
from notebook_ci.base.workspace import Workspace
from notebook_ci.records.dvc_pull import DvcPullRecord
from notebook_ci.records.execute_notebook import ExecuteRecord, Failure, NotebookResult
from notebook_ci.records.record import Record, describe_source
from notebook_ci.records.run_directory import RunDirectory, StageFiles
from notebook_ci.records.setup_env import SetupEnvRecord

PROBLEM = Problem(severity="notice", message="m")
SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    return RunDirectory.open("run", Workspace(tmp_path, {}))


def written(run: RunDirectory, stage: str, slug: str = "", **values: Any) -> Path:
    files = run.take(stage, slug)
    files.write(Record(stage=stage, slug=slug, **values))
    return files.record


def names(run: RunDirectory) -> list[str]:
    return sorted(path.name for path in run.path.iterdir() if not path.name.startswith("."))


# Where the run directory is


def test_a_given_folder_is_made(tmp_path: Path) -> None:
    assert RunDirectory.open("a/b", Workspace(tmp_path, {"RUNNER_TEMP": "/nowhere"})).path == tmp_path / "a" / "b"
    assert (tmp_path / "a" / "b").is_dir()
    assert RunDirectory.open(str(tmp_path / "c"), Workspace(Path("/"), {})).path == tmp_path / "c"


def test_a_runner_has_one_for_all_stages(tmp_path: Path) -> None:
    temp = tmp_path / "temp"
    first = RunDirectory.open("", Workspace(tmp_path, {"RUNNER_TEMP": str(temp)}))
    assert first.path == temp / "notebook-ci"
    assert RunDirectory.open("", Workspace(tmp_path, {"RUNNER_TEMP": str(temp)})) == first


def test_a_laptop_gets_a_new_one_each_time_that_git_ignores(tmp_path: Path) -> None:
    first, second = (RunDirectory.open("", Workspace(tmp_path, {})).path for _ in range(2))
    assert first != second
    assert {first.parent, second.parent} == {tmp_path / ".notebook-ci" / "runs"}
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (first / "x").touch()
    status = subprocess.run(["git", "status", "--short"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert status.stdout == ""


def test_a_gitignore_of_the_user_is_kept(tmp_path: Path) -> None:
    (tmp_path / ".notebook-ci").mkdir()
    (tmp_path / ".notebook-ci" / ".gitignore").write_text("mine\n")
    RunDirectory.open("", Workspace(tmp_path, {}))
    assert (tmp_path / ".notebook-ci" / ".gitignore").read_text() == "mine\n"


@pytest.mark.parametrize("link", [".notebook-ci", ".notebook-ci/runs"])
def test_nothing_is_written_behind_a_link_that_a_branch_has_brought(tmp_path: Path, link: str) -> None:
    workspace, elsewhere = tmp_path / "workspace", tmp_path / "elsewhere"
    (workspace / link).parent.mkdir(parents=True)
    (elsewhere / "runs").mkdir(parents=True)
    (workspace / link).symlink_to(elsewhere)
    with pytest.raises(InputError, match=f"{link}.* is a link, or is reached through one. Nothing is written there."):
        RunDirectory.open("", Workspace(workspace, {}))
    assert [path.name for path in elsewhere.rglob("*")] == ["runs"]
    assert RunDirectory.open(str(elsewhere / "mine"), Workspace(workspace, {})).path.is_dir()


def test_the_gitignore_is_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / ".notebook-ci").mkdir()
    (tmp_path / ".notebook-ci" / ".gitignore").symlink_to(tmp_path / "elsewhere")
    RunDirectory.open("", Workspace(tmp_path, {}))
    assert not (tmp_path / "elsewhere").exists()


def test_a_workspace_may_be_a_link_itself(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert RunDirectory.open("", Workspace(tmp_path / "link", {})).path.is_dir()


@pytest.mark.parametrize("given", ["file", "file/below", "x" * 300, "a\0b"])
def test_a_folder_that_cannot_be_made_is_a_wrong_input(tmp_path: Path, given: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="The run directory cannot be created"):
        RunDirectory.open(given, Workspace(tmp_path, {}))


def test_a_folder_of_notebooks_is_no_run_directory(tmp_path: Path) -> None:
    """Else they would not be executed any more."""
    (tmp_path / "notebooks" / "deep").mkdir(parents=True)
    (tmp_path / "notebooks" / "deep" / "a.ipynb").touch()
    with pytest.raises(InputError, match="which contains your notebooks"):
        RunDirectory.open("notebooks", Workspace(tmp_path, {}))
    assert [path.name for path in (tmp_path / "notebooks").iterdir()] == ["deep"]
    (tmp_path / "notebooks" / "deep" / "a.ipynb").unlink()
    run = RunDirectory.open("notebooks", Workspace(tmp_path, {})).path
    (run / "executed.ipynb").touch()
    assert RunDirectory.open("notebooks", Workspace(tmp_path, {})).path == run


# Names


def test_a_stage_takes_its_name_and_a_number_where_that_is_taken(run: RunDirectory) -> None:
    taken = [run.take(*stage).name for stage in [("a", ""), ("a", ""), ("a", "x"), ("a", ""), ("a", "x"), ("a", "2")]]
    assert taken == ["a", "a-2", "a-x", "a-3", "a-x-2", "a-2-2"]
    assert all((run.path / name).is_dir() for name in taken)


def test_a_name_is_taken_by_a_record_without_artifacts_too(run: RunDirectory) -> None:
    written(run, "a")
    assert names(run) == ["a.json"]
    assert run.take("a", "").name == "a-2"
    assert names(run) == ["a-2", "a-2.started", "a.json"]


def test_processes_at_once_never_get_one_name(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from notebook_ci.records.record import Record; "
        "from notebook_ci.records.run_directory import RunDirectory\n"
        "run = RunDirectory(Path(sys.argv[1])); sys.stdin.readline()\n"
        "for _ in range(10):\n"
        "    files = run.take('stage', '')\n"
        "    files.write(Record(stage='stage'))\n"
        "    print(files.record.name)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    started = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(3)
    ]
    with concurrent.futures.ThreadPoolExecutor() as pool:  # all are let go at once
        taken = [
            name for output, _ in pool.map(lambda each: each.communicate("\n"), started) for name in output.split()
        ]
    assert sorted(taken) == sorted(["stage.json", *(f"stage-{n}.json" for n in range(2, 31))])
    assert len(RunDirectory(tmp_path).records()) == 30


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SurroundingsError, match="Nothing can be written to the run directory"):
        RunDirectory(tmp_path / "file").take("a", "")


# Writing


def test_a_record_is_json_that_people_can_read(run: RunDirectory) -> None:
    path = written(run, "a", metrics={"f1": 0.5}, inputs={"notebooks": ("naïve.ipynb",)})
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["schema"] == "notebook-ci/record/1"
    assert (record["metrics"], record["inputs"]) == ({"f1": 0.5}, {"notebooks": ["naïve.ipynb"]})
    assert "naïve" in path.read_text(encoding="utf-8")
    assert path.stat().st_mode & 0o777 == 0o644


def test_artifacts_stay_and_an_empty_folder_goes(run: RunDirectory) -> None:
    place = run.take("a", "")
    (place.artifacts / "out.txt").touch()
    place.write(Record(stage="a"))
    written(run, "b")
    assert names(run) == ["a", "a.json", "b.json"]


def test_a_record_is_never_written_over_another(run: RunDirectory) -> None:
    place = run.take("a", "")
    place.write(Record(stage="a", metrics={"first": 1}))
    with pytest.raises(SurroundingsError, match="File exists"):
        place.write(Record(stage="a", metrics={"second": 2}))
    assert run.record("a").metrics == {"first": 1}
    assert names(run) == ["a.json"]


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    """A process that is killed just before its record gets its name leaves none, and what it leaves is not read."""
    code = (
        "import os, signal, sys; from pathlib import Path; from notebook_ci.base import files\n"
        "files.os.link = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "files.write(Path(sys.argv[1]), 'x' * 100_000, new=True)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.json")], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [path.name.startswith(".a.json.") for path in tmp_path.iterdir()] == [True]
    assert RunDirectory(tmp_path).records() == {}


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write(tmp_path / "folder", "")
    with pytest.raises(FileExistsError):
        write(tmp_path / "folder", "", new=True)
    with pytest.raises(FileNotFoundError):
        write(tmp_path / "none" / "a.json", "")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_record_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SurroundingsError, match="cannot be written: Not a directory") as caught:
        StageFiles("a", tmp_path / "file").write(Record(stage="a"))
    assert "run-dir" in caught.value.hint


@dataclass(kw_only=True)
class Odd(Record):
    """A record of a stage with values that JSON does not know."""

    odd: dict[object, object] = field(default_factory=dict)


def test_odd_values_become_json(run: RunDirectory) -> None:
    odd = {
        1: (math.nan, math.inf, -math.inf),
        "path": PurePosixPath("a/b"),
        "file\udcff": "name\udcff",
        "nested": [{"set": {1}}, None, True, 1.5, 10**20],
        "bytes": b"x",
    }
    run.take("a", "").write(Odd(stage="a", odd=odd))
    assert json.loads((run.path / "a.json").read_text())["odd"] == {
        "1": ["nan", "inf", "-inf"],
        "path": "a/b",
        "file\\udcff": "name\\udcff",
        "nested": [{"set": "{1}"}, None, True, 1.5, 10**20],
        "bytes": "b'x'",
    }
    assert to_json(value=True) is True


def test_what_is_nested_too_deeply_is_cut(run: RunDirectory) -> None:
    deep: Any = "x"
    for _ in range(900):
        deep = [{"a": deep}]
    run.take("a", "").write(Record(stage="a", inputs={"deep": deep}))
    assert json.dumps(run.record("a").inputs).count("[") == 50


def test_paths_in_the_run_directory_are_relative_so_that_it_can_be_moved(run: RunDirectory, tmp_path: Path) -> None:
    place = run.take("a", "")
    assert place.relative(place.artifacts / "x" / "y.ipynb") == "a/x/y.ipynb"
    assert place.relative(tmp_path / "out" / "y.ipynb") == (tmp_path / "out" / "y.ipynb").as_posix()
    (tmp_path / "link").symlink_to(run.path)
    assert place.relative(tmp_path / "link" / "a" / "y") == "a/y"


# Reading


def test_records_come_in_the_order_the_stages_began(run: RunDirectory) -> None:
    for stage, started in (("a", "2026-01-03"), ("b", "2026-01-01"), ("c", "2026-01-02")):
        written(run, stage, started=started)
    assert [record.stage for record in run.records().values()] == ["b", "c", "a"]
    assert RunDirectory(run.path / "none").records() == {}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", r"is not a notebook-ci record \(Expecting value"),
        ("[]", r"is not a notebook-ci record \(no `schema` field\)"),
        ('{"name": "package"}', r"is not a notebook-ci record \(no `schema` field\)"),
        ('{"schema": 3}', "its `schema` is not `notebook-ci/record/1`"),
        ('{"schema": "https://json-schema.org/draft/2020-12/schema"}', "its `schema` is not `notebook-ci/record/1`"),
        ("[" * 200_000, "nested too deeply"),
        ('{"schema": "notebook-ci/record/1", "stage": "a"}', "no field `slug`, `status`, `started`, `duration`,"),
        (
            '{"schema": "notebook-ci/record/2"}',
            "by another version of notebook-ci .its `schema` is `notebook-ci/r",
        ),
        (b"\xff", "is not UTF-8 text"),
    ],
)
def test_a_foreign_file_is_refused(run: RunDirectory, content: str | bytes, said: str) -> None:
    written(run, "a")
    (run.path / "package.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=said) as caught:
        run.records()
    assert "package.json" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"stage": ["a"]}, '`stage` is `["a"]`, not text'),
        ({"status": "well"}, "`status` is `well`, not `passed` or `failed` or `skipped` or `error`"),
        ({"duration": "long"}, "`duration` is `long`, not a number"),
        ({"duration": True}, "`duration` is `true`, not a number"),
        ({"duration": math.nan}, "Out of range float values are not JSON compliant"),
        ({"metrics": 5}, "`metrics` is `5`, not an object"),
        ({"metrics": {"a": 10**400}}, "`metrics.a` is `1000"),
        ({"metrics": {"a": [1]}}, "`metrics.a` is `[1]`, not a number"),
        ({"source": {"run": {}}}, "`source.run` is `{}`, not text"),
        ({"platform": "\ud800"}, "surrogates not allowed"),
        ({"problems": [{"message": "m"}]}, "`problems[0].severity` is missing"),
        ({"problems": [{"severity": "error", "message": "m", "line": 1.5}]}, "`problems[0].line` is `1.5`, not a wh"),
        ({"problems": [5]}, "`problems[0]` is `5`, not an object"),
        ({"python": None}, "`python` is `null`, not text"),
        ({"fixed": 1}, "`fixed` is `1`, not `true` or `false`"),
        ({"stage": "setup-env; ls"}, "`stage` is `setup-env; ls`, not a name"),
        ({"slug": "@ada"}, "`slug` is `@ada`, not a name"),
        ({"slug": "x" * 65}, "not a name"),
    ],
)
def test_a_record_that_no_stage_has_written_is_refused(run: RunDirectory, fields: dict[str, Any], reason: str) -> None:
    content = to_json(SetupEnvRecord(stage="setup-env")) | fields
    path = run.path / "x.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError) as caught:
        run.records()
    assert caught.value.message.startswith(f"{path} is not a notebook-ci record (")
    assert reason in caught.value.message
    assert caught.value.hint == "Remove it from the run directory."


def test_a_huge_file_is_no_record(run: RunDirectory) -> None:
    with (run.path / "a.json").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(InputError, match="32 MiB"):
        run.records()


def test_a_record_is_read_as_it_was_written(run: RunDirectory) -> None:
    failure = Failure(kind="cell-error", title="t", message="m", line=3)
    metrics = {"loss": math.inf, "accuracy": 0.5}
    result = NotebookResult(path="a.ipynb", name="a@x.ipynb", parameters={"p": [1, {"q": None}]}, failure=failure)
    problem = Problem(severity="warning", message="m", file="a.ipynb")
    record = ExecuteRecord(stage="execute-notebook", notebooks=[result], metrics=metrics, problems=[problem])
    run.take("execute-notebook", "").write(record)
    assert run.record("execute-notebook") == record


def test_fields_and_stages_of_a_newer_version_are_ignored(run: RunDirectory) -> None:
    for stage in ("setup-env", "new-stage"):
        content = to_json(SetupEnvRecord(stage=stage)) | {"new": 1, "problems": [vars(PROBLEM) | {"new": 1}]}
        (run.path / f"{stage}.json").write_text(json.dumps(content))
    assert run.record("setup-env") == SetupEnvRecord(stage="setup-env", problems=[PROBLEM])
    assert run.record("new-stage") == Record(stage="new-stage", problems=[PROBLEM])


def test_a_field_that_an_older_version_did_not_write_has_its_default(run: RunDirectory) -> None:
    content = to_json(SetupEnvRecord(stage="setup-env", python="p"))
    del content["reused"]
    (run.path / "a.json").write_text(json.dumps(content))
    assert run.record("a") == SetupEnvRecord(stage="setup-env", python="p", reused=False)


def test_the_workspace_is_no_run_directory_and_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    for given in (".", "..", str(tmp_path)):
        with pytest.raises(InputError, match="which contains your notebooks"):
            RunDirectory.open(given, Workspace(tmp_path / "work", {}))
    assert [path.name for path in tmp_path.rglob("*")] == ["work"]


def test_a_folder_with_files_of_the_user_is_not_hidden_from_git(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.md").touch()
    assert not (RunDirectory.open("run", Workspace(tmp_path, {})).path / ".gitignore").exists()


def test_a_run_directory_in_the_workspace_is_ignored_by_git(tmp_path: Path) -> None:
    inside = RunDirectory.open("run", Workspace(tmp_path / "work", {}))
    outside = RunDirectory.open(str(tmp_path / "elsewhere"), Workspace(tmp_path / "work", {}))
    assert (inside.path / ".gitignore").read_text() == "*\n"
    assert not (outside.path / ".gitignore").exists()


def test_the_last_is_the_newest_of_that_slug_or_else_of_any_in_this_folder(run: RunDirectory) -> None:
    here = {"workspace": str(run.path)}
    for number, slug in enumerate(["", "x", "x", "x", "y", "z"]):
        made = SetupEnvRecord(stage="setup-env", slug=slug, started=f"2026-01-0{number}", source=here)
        run.take("a", slug).write(made)
    run.take("b", "x").write(DvcPullRecord(stage="dvc-pull", slug="x", started="2027", source=here))
    run.take("c", "x").write(DvcPullRecord(stage="dvc-pull", slug="x", started="2028", source={"workspace": "/other"}))

    def started(kind: type[Record], slug: str) -> str | None:
        record = run.last(kind, slug, Workspace(run.path, {}))
        return record.started if record else None

    assert started(SetupEnvRecord, "x") == "2026-01-03"
    assert started(SetupEnvRecord, "") == "2026-01-00"
    assert started(SetupEnvRecord, "y") == "2026-01-04"
    assert started(SetupEnvRecord, "w") == "2026-01-05"
    assert started(DvcPullRecord, "") == "2027"
    assert started(ExecuteRecord, "") is None


def test_the_run_directories_of_two_legs_merge_by_copying(tmp_path: Path) -> None:
    legs = [RunDirectory.open(name, Workspace(tmp_path, {})) for name in ("one", "two")]
    for number, (leg, slug) in enumerate(zip(legs, ("py311", "py312"), strict=True)):
        place = leg.take("execute-notebook", slug)
        (place.artifacts / "a.ipynb").write_text(slug)
        made = {place.relative(place.artifacts / "a.ipynb"): slug}
        place.write(Record(stage="execute-notebook", slug=slug, created=made, started=str(number)))
    for leg in legs:
        shutil.copytree(leg.path, tmp_path / "merged", dirs_exist_ok=True)
    merged = RunDirectory(tmp_path / "merged")
    for record in merged.records().values():
        ((path, content),) = record.created.items()
        assert (merged.path / path).read_text() == content == record.slug
    assert len(merged.records()) == 2
    assert merged.take("execute-notebook", "py311").name == "execute-notebook-py311-2"


# What else a record says


@pytest.mark.parametrize(
    ("errors", "status"),
    [
        ([], "passed"),
        ([CheckFailed("a")], "failed"),
        ([CheckFailed("a"), SurroundingsError("b")], "error"),
        ([InputError("a"), CheckFailed("b")], "error"),
        ([NotebookCiError("a bug")], "error"),
    ],
)
def test_the_status_follows_the_worst_error(errors: list[NotebookCiError], status: str) -> None:
    record = Record(stage="a")
    for error in errors:
        record.add(error)
    assert record.status == status
    assert [problem.message for problem in record.problems] == [error.message for error in errors]


def test_an_error_becomes_a_problem_at_its_place() -> None:
    problem = Problem.of(CheckFailed("What.", hint="Do.", file="a", line=1))
    assert problem == Problem(severity="error", message="What.", hint="Do.", file="a", line=1)
    assert problem.text == "What. Do."


def test_a_runner_says_where_the_code_comes_from(tmp_path: Path) -> None:
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_SHA": "abc", "GITHUB_RUN_ID": "7", "GITHUB_REF": "", "SECRET": "x"}
    here = {"system": "github", "workspace": str(tmp_path)}
    assert describe_source(Workspace(tmp_path, environ)) == {"commit": "abc", "run": "7", **here}


def test_git_says_where_the_code_comes_from(tmp_path: Path) -> None:
    nothing = {"workspace": str(tmp_path)}
    assert describe_source(Workspace(tmp_path, {})) == nothing
    git = ["git", "-c", "user.name=n", "-c", "user.email=e"]
    subprocess.run([*git, "init", "-q"], cwd=tmp_path, check=True)
    assert describe_source(Workspace(tmp_path, {})) == nothing, "there is no commit yet"
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "m"], cwd=tmp_path, check=True)
    assert len(describe_source(Workspace(tmp_path, {}))["commit"]) == 40


def test_a_digest_is_that_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"content\r\n" * 1000)
    assert sha256(tmp_path / "x") == hashlib.sha256(b"content\r\n" * 1000).hexdigest()


def test_what_is_no_regular_file_is_no_record(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "link.json").symlink_to("/dev/zero")
    (tmp_path / "folder.json").mkdir()
    directory = RunDirectory(tmp_path)
    assert directory.records() == {}
    assert directory.records() == {}
    with pytest.raises(InputError, match="not a regular file"):
        directory.record("pipe")


def test_the_next_name_is_the_one_that_is_taken(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path)
    for _ in range(3):
        name = directory.next_name("log-run", "x")
        assert directory.take("log-run", "x").name == name
    (tmp_path / "log-run-x-4.json").touch()
    assert directory.next_name("log-run", "x") == "log-run-x-5" == directory.take("log-run", "x").name
