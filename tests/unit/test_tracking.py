"""What log-run makes of records, tracking URIs and exceptions, without MLflow."""

import math
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from notebook_ci.base.errors import InputError, SurroundingsError
from notebook_ci.base.typed_json import from_json, to_json
from notebook_ci.base.workspace import Workspace
from notebook_ci.log_run import source as origin
from notebook_ci.log_run import store
from notebook_ci.log_run.description import Description, describe
from notebook_ci.log_run.faults import Fault, explain
from notebook_ci.log_run.names import valid_name, valid_names
from notebook_ci.log_run.protocol import Job
from notebook_ci.log_run.recording import batches
from notebook_ci.records.record import Record
from notebook_ci.records.run_directory import OF_STAGE, RunDirectory

LAPTOP = Workspace(Path(), {})
NO_RUN = Description(identity="0", name="run", status="FINISHED", start=0, end=0)
ACCEPTED = "Use the address of an MLflow server (`https://...`) or of a database file (`sqlite:///mlflow.db`)."
SLASHES = (
    "Write three slashes and a path relative to the workspace (`sqlite:///mlflow.db`), or four slashes and an absolute "
    "path."
)


def error_of(uri: str, cwd: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        store.find(uri, Workspace(cwd, {}))
    return caught.value


# --- Tracking URIs


@pytest.mark.parametrize(
    ("uri", "kept"),
    [
        ("https://mlflow.example.org/team/", "https://mlflow.example.org/team"),
        ("HTTP://host:5000", "http://host:5000"),
        ("http://[::1]:5000", "http://[::1]:5000"),
        ("https://me:pa%2Fss@host", "https://host"),
    ],
)
def test_a_server(uri: str, kept: str, tmp_path: Path) -> None:
    found = store.find(uri, Workspace(tmp_path, {}))
    assert found.uri == kept
    assert found.view(downloaded=True) == found.view(downloaded=False) == ""
    assert found.run_url("1", "abc") == f"{kept}/#/experiments/1/runs/abc"


def test_credentials_leave_the_address(tmp_path: Path) -> None:
    found = store.find("https://me:pa%2Fss@host", Workspace(tmp_path, {}))
    assert found.credentials == {"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": "pa/ss"}


@pytest.mark.parametrize(
    ("uri", "message", "hint"),
    [
        (
            "localhost:5000",
            f"`tracking-uri` does not accept `localhost:5000`. {ACCEPTED}",
            "Write `http://localhost:5000` if it is a server.",
        ),
        ("databricks", f"`tracking-uri` does not accept `databricks`. {ACCEPTED}", "Databricks is not supported yet."),
        (
            "databricks://team",
            f"`tracking-uri` does not accept `databricks://team`. {ACCEPTED}",
            "Databricks is not supported yet.",
        ),
        ("http://", f"`tracking-uri` is `http://`, which is not the address of a server. {ACCEPTED}", ""),
        ("sqlite://mlflow.db", "`tracking-uri` is `sqlite://mlflow.db`, which does not name a database file.", SLASHES),
        ("sqlite:///:memory:", "`tracking-uri` is `sqlite:///:memory:`, which does not name a database file.", SLASHES),
        ("sqlite:///", "`tracking-uri` is `sqlite:///`, which does not name a database file.", SLASHES),
        (
            "sqlite:///a.db?timeout=9",
            "`tracking-uri` is `sqlite:///a.db`, which does not name a database file.",
            SLASHES,
        ),
    ],
)
def test_no_tracking_uri(uri: str, message: str, hint: str, tmp_path: Path) -> None:
    error = error_of(uri, tmp_path)
    assert (error.message, error.hint) == (message, hint)


ODD = [
    "http://ci:hunter2/pw@host",
    "http://ci:hunter2?pw@host",
    "http://ci:123?hunter2@host",
    "http://ci:12#hunter2@host",
    "http://ci:hunter2pw",
    "http://ci:hunter2pw@host:port",
    "http://ci:hunter2pw@[x",
    "http://ci:hunter2pw@ho st",
    "http://ci:hun\tter2pw@host",
    "http:///ci:hunter2@host",
    "ci:hunter2pw@host",
    "ci:hunter2pw",
    "https:/ci:hunter2pw@host/x",
    "sqlite:/ci:hunter2pw@host/x",
    "mysql://ci:hunter2/pw@host/x",
    "ftp://ci:hunter2pw",
    "http://host:99999",
    "http://a b",
]


@pytest.mark.parametrize("uri", ODD)
def test_an_address_that_is_not_understood_is_not_shown(uri: str, tmp_path: Path) -> None:
    what = "cannot be parsed. It is not shown: it may contain a password."
    assert store.shown(uri) == ""
    assert error_of(uri, tmp_path).message == f"The address in `tracking-uri` {what} {ACCEPTED}"
    with pytest.raises(InputError) as caught:
        store.find("", Workspace(tmp_path, {"MLFLOW_TRACKING_URI": uri}))
    assert caught.value.message == f"The address in `MLFLOW_TRACKING_URI` {what} {ACCEPTED}"
    assert "hunter" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("http://ci:hunter2@host:5000/x?token=hunter2", "http://host:5000/x"),
        ("http://ci:hunter@2@host", "http://host"),
        ("sqlite://ci:hunter2@x/y", "sqlite://x/y"),
        ("sqlite:////home/me@work/mlflow.db", "sqlite:////home/me@work/mlflow.db"),
        ("./mlruns", "./mlruns"),
        ("localhost:5000/x", "localhost:5000/x"),
    ],
)
def test_what_is_shown_of_an_address(uri: str, shown: str) -> None:
    assert store.shown(uri) == shown


@pytest.mark.parametrize("scheme", ["", "file:", "file://"])
def test_the_store_of_files(scheme: str, tmp_path: Path) -> None:
    assert error_of(f"{scheme}/x/mlruns", tmp_path).hint.startswith(
        "MLflow no longer supports a store in a folder of files"
    )


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg2", "mysql+pymysql", "mssql"])
def test_a_database_server_shows_no_password(scheme: str, tmp_path: Path) -> None:
    error = error_of(f"{scheme}://me:p@ss/word@db/mlflow?sslmode=x", tmp_path)
    assert error.hint.startswith("Start an MLflow server in front of this database")
    assert "p@ss" not in error.message


def test_a_database_file_is_relative_to_the_workspace(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    found = store.find("sqlite:///sub/../mlflow.db", Workspace(tmp_path, {}))
    assert found.uri == f"sqlite:///{tmp_path}/mlflow.db"
    assert found.run_url("1", "abc") == ""


def test_the_input_wins_over_the_variable(tmp_path: Path) -> None:
    environ = {"MLFLOW_TRACKING_URI": "http://variable"}
    assert store.find("http://given", Workspace(tmp_path, environ)).uri == "http://given"
    assert store.find("", Workspace(tmp_path, environ)).uri == "http://variable"


def test_a_database_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").mkdir()
    error = error_of("sqlite:///mlflow.db", tmp_path)
    assert error.message == f"`tracking-uri` `sqlite:///mlflow.db`: {tmp_path / 'mlflow.db'} is not a file."


# --- Names


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        ("accuracy", "accuracy"),
        ("a/b.c-d e_f", "a/b.c-d e_f"),
        ("loss (log)", "loss _log_"),
        ("/a//b/../c/", "a/b/c"),
        ("..", "_"),
        ("", "_"),
        ("größe", "größe"),
        ("a:b\nc", "a_b_c"),
        ("x" * 300, "x" * 250),
    ],
)
def test_valid_names(name: str, valid: str) -> None:
    assert valid_name(name) == valid


def test_no_name_is_lost() -> None:
    notices: list[str] = []
    long = "x" * 300
    assert valid_names({"a(": 1, "a)": 2, long: 3, long + "y": 4}, notices) == {
        "a_": 1,
        "a__2": 2,
        "x" * 250: 3,
        "x" * 248 + "_2": 4,
    }
    assert len(notices) == 1


def test_a_valid_name_is_never_changed() -> None:
    """Whatever comes before it: its curve would change its meaning."""
    notices: list[str] = []
    values = {"MAP@k": 1, "MAP_k": 2, "MAP_k_2": 3, "MAP:k": 4}
    assert valid_names(values, notices) == {"MAP_k": 2, "MAP_k_2": 3, "MAP_k_3": 1, "MAP_k_4": 4}
    assert notices == ["Names that MLflow does not accept were changed: `MAP@k` is `MAP_k_3`, `MAP:k` is `MAP_k_4`."]


# --- Records


def record(stage: str = "setup-env", **fields: Any) -> Record:
    given = {"stage": stage, "started": "2026-11-21T10:00:00.000+00:00", "duration": 1.0, **fields}
    return from_json(OF_STAGE[stage], to_json(given))


def written(folder: Path, **fields: Any) -> Path:
    files = RunDirectory(folder).take("setup-env", "")
    files.write(record(**fields))
    return files.record


def described(tmp_path: Path, records: Mapping[str, Record]) -> Description:
    for name in records:
        (tmp_path / f"{name}.json").touch()
    return describe(records, tmp_path, identity="0", name="run", context={})


# --- Which run it is


def test_the_identity_is_that_of_the_first_record(tmp_path: Path) -> None:
    path = written(tmp_path)
    first = origin.identity(path, "", LAPTOP)
    assert first == origin.identity(path.rename(tmp_path / "moved.json"), "", LAPTOP)
    others = [
        origin.identity(tmp_path / "moved.json", "py311", LAPTOP),
        origin.identity(written(tmp_path, started="2026-11-21T10:00:00.001+00:00"), "", LAPTOP),
        origin.identity(written(tmp_path, source={"run": "4712"}), "", LAPTOP),
    ]
    assert len({first, *others}) == 4


RUNNER = {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "team/penguins", "GITHUB_RUN_ID": "7"}


def test_the_identity_is_that_of_the_run_of_the_workflow(tmp_path: Path) -> None:
    """Another run has another one with the same records; a later job or attempt of it has not."""
    path = written(tmp_path, source={"repository": "team/penguins", "run": "7"})
    here = origin.identity(path, "", Workspace(tmp_path, RUNNER))
    later = RUNNER | {"GITHUB_JOB": "log", "GITHUB_RUN_ATTEMPT": "2"}
    assert here == origin.identity(path, "", Workspace(tmp_path, later))
    others = [{}, {**RUNNER, "GITHUB_RUN_ID": "8"}, {**RUNNER, "GITHUB_REPOSITORY": "fork/penguins"}]
    assert len({here, *(origin.identity(path, "", Workspace(tmp_path, environ)) for environ in others)}) == 4


# --- Times that no stage has written


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"duration": math.nan}, "its times are invalid: cannot convert float NaN to integer"),
        ({"duration": 1e300}, "its times are invalid: "),
        ({"duration": -1e10}, "its times are before 1970"),
        ({"started": "yesterday"}, "its times are invalid: Invalid isoformat string: 'yesterday'"),
        ({"started": "0001-01-01T00:00:00+00:00"}, "its times are before 1970"),
    ],
    ids=repr,
)
def test_times_that_no_stage_has_written(fields: dict[str, Any], reason: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        described(tmp_path, {"setup-env": record(**fields)})
    assert caught.value.message.startswith(f"{tmp_path}/setup-env.json is not a notebook-ci record ({reason}")
    assert caught.value.hint == "Remove it from the run directory."


# --- What a run says


@pytest.mark.parametrize(
    ("status", "logged"), [("passed", "FINISHED"), ("skipped", "FINISHED"), ("failed", "FAILED"), ("error", "FAILED")]
)
def test_the_status(status: str, logged: str, tmp_path: Path) -> None:
    assert described(tmp_path, {"setup-env": record(status=status)}).status == logged


def test_data_that_two_stages_know_is_one_dataset(tmp_path: Path) -> None:
    data = {"path": "d.csv", "pointer": "d.csv.dvc", "hash_name": "md5", "hash": "a" * 32, "bytes": 9, "files": 1}
    pulled = {"data": [data], "data_digest": "", "remote_url": "s3://b", "files": 1, "bytes": 9, "downloaded_bytes": 0}
    rule = {"data": "d.csv", "sha256": "b" * 64, "rows": 344, "suite": "s.json", "suite_name": "s", "evaluated": 12}
    rule["failed"] = 1
    validated = {"evaluated": 12, "failed": 1, "results": [rule, {**rule, "data": "e.csv"}]}
    first, second = described(
        tmp_path, {"dvc-pull": record("dvc-pull", **pulled), "validate-data": record("validate-data", **validated)}
    ).datasets
    assert (first.name, first.digest, first.source_type) == ("d.csv", "a" * 32, "dvc")
    assert '"num_rows": 344' in first.profile
    assert '"md5"' in first.profile
    assert (second.name, second.digest, second.source_type) == ("e.csv", "b" * 36, "local")


@pytest.mark.parametrize("status", ["passed", "failed", "error", "skipped"])
def test_only_an_image_that_was_made_as_asked_is_one(status: str, tmp_path: Path) -> None:
    fields = {"image": "ghcr.io/team/study", "image_id": "sha256:1", "digest": "", "base_digest": "", "bytes": 7}
    run = described(tmp_path, {"build-image": record("build-image", status=status, **fields)})
    is_one = status == "passed"
    names = {"mlflow.docker.image.uri", "mlflow.docker.image.id", "notebook-ci.build-image.image"}
    assert names & run.tags.keys() == (names if is_one else set())
    assert ("notebook-ci/build-image/bytes" in [each.name for each in run.metrics]) == is_one


# --- Where code and run come from


URL = "https://gitlab.com/team/penguins"


@pytest.mark.parametrize(
    ("fields", "branch"),
    [
        ({"ref": "refs/heads/main"}, "main"),
        ({"ref": "refs/pull/3/merge", "branch": "better"}, "better"),
        ({"ref": "refs/pull/3/merge", "branch": "refs/heads/better"}, "better"),
        ({"ref": "refs/tags/v1"}, None),
    ],
    ids=["push", "pull request", "pull request of Azure", "tag"],
)
def test_the_tags_of_a_run_of_a_ci_system(fields: dict[str, str], branch: str | None) -> None:
    """They are those of the records: where it is logged does not count."""
    source = {"system": "gitlab", "run": "7", "commit": "abc", "url": URL, "run_url": f"{URL}/-/pipelines/7", **fields}
    found = origin.tags(source | {"actor": "tanuki"}, Workspace(Path(), {**RUNNER, "GITHUB_ACTOR": "octocat"}))
    assert found.get("mlflow.source.git.branch") == branch
    assert found["mlflow.source.name"] == found["mlflow.source.git.repoURL"] == URL
    assert found["gitlab.run_url"] == f"{URL}/-/pipelines/7"
    assert found["mlflow.user"] == found["gitlab.actor"] == "tanuki"
    assert "mlflow.user" not in origin.tags(source, Workspace(Path(), {**RUNNER, "GITHUB_ACTOR": "octocat"}))


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_a_laptop_says_what_git_says(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "trunk")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "first")
    git(tmp_path, "remote", "add", "origin", "https://me:kept-secret@example.org/team/penguins.git")
    commit = git(tmp_path, "rev-parse", "HEAD")
    found = origin.tags({"commit": commit}, Workspace(tmp_path, {}))
    assert (found["mlflow.source.git.commit"], found["mlflow.source.git.branch"]) == (commit, "trunk")
    assert found["mlflow.source.git.repoURL"] == "https://example.org/team/penguins.git"
    moved_on = origin.tags({"commit": "0" * 40}, Workspace(tmp_path, {}))
    assert "mlflow.source.git.branch" not in moved_on


# --- Faults


def test_a_fault_names_what_is_behind_it() -> None:
    try:
        try:
            raise ConnectionRefusedError(111, "Connection refused")
        except OSError as error:
            raise ValueError("API request failed") from error
    except ValueError as error:
        fault = Fault(error)
    assert fault.kinds == ["ValueError", "ConnectionRefusedError"]
    assert fault.is_transient


def test_braces_of_a_server_are_its_own() -> None:
    job = Job(
        uri="http://host/{x}", database="", scratch="", experiment="e", run=Description("0", "run", "FINISHED", 0, 0)
    )
    text = "API request failed with error code 403 != 200. Response body: '<b>no {y}</b>'"
    error = explain(Fault(ValueError(text)), job, "it was tried", run_exists=False)
    assert error.message == "http://host/{x} denied access (403) while it was tried: no {y}."


def test_names_that_mlflow_refuses_are_a_wrong_input() -> None:
    job = Job(uri="http://host", database="", scratch="", experiment="e", run=Description("0", "run", "FINISHED", 0, 0))
    raised = ValueError("INVALID_PARAMETER_VALUE: Invalid experiment name")
    vars(raised)["error_code"] = "INVALID_PARAMETER_VALUE"
    fault = Fault(raised)
    error = explain(fault, job, "the experiment was looked up", run_exists=False)
    assert isinstance(error, InputError)
    assert error.message == "http://host refused the run: INVALID_PARAMETER_VALUE: Invalid experiment name."
    later = explain(fault, job, "artifacts were uploaded", run_exists=True)
    assert isinstance(later, SurroundingsError)


# --- Batches


class Item:
    def __init__(self, text: str) -> None:
        self.text = text


def test_batches_are_bounded_by_number_and_size() -> None:
    assert [len(batch) for batch in batches([Item("x")] * 250, 100)] == [100, 100, 50]
    assert [len(batch) for batch in batches([Item("ä" * 100_000)] * 5, 100)] == [2, 2, 1]
    assert list(batches([], 100)) == []


@pytest.mark.parametrize("link", [".notebook-ci", ".notebook-ci/mlflow", ".notebook-ci/mlflow/mlflow.db"])
def test_the_store_beside_the_runs_is_not_behind_a_link(tmp_path: Path, link: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "workspace" / link).parent.mkdir(parents=True)
    (tmp_path / "workspace" / link).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="Nothing is written there"):
        store.find("", Workspace(tmp_path / "workspace", {}))
    assert not any((tmp_path / "elsewhere").iterdir())
    assert store.find("", Workspace(tmp_path / "workspace", {"RUNNER_TEMP": str(tmp_path)})).database
