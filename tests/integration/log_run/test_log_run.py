"""log-run: what of a run directory is found again at a real MLflow server, or in a database file."""

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from integration.suite import Done, Workspace, notebook, parameters, wait_until
from notebook_ci.base.records import Problem, Record, RunDirectory, sha256
from notebook_ci.base.texts import quote
from notebook_ci.build_image.model import BuildImageRecord
from notebook_ci.dvc_pull.model import DvcPullRecord, PulledData
from notebook_ci.execute_notebook.model import ExecuteRecord, Failure, NotebookResult
from notebook_ci.setup_env.model import SetupEnvRecord
from servers.mlflow import LOGIN, MlflowServer, Run, door, launch, shown

METRICS = (
    'display({"application/vnd.notebook-ci.metrics+json": {"accuracy": 0.94, "loss (log)": -2.5}, "text/plain": ""}, '
    "raw=True)"
)
GITHUB = {
    "GITHUB_REPOSITORY": "team/penguins",
    "GITHUB_SHA": "4f5c1b0e8a2d4f5c1b0e8a2d4f5c1b0e8a2d4f5c",
    "GITHUB_REF": "refs/heads/main",
    "GITHUB_WORKFLOW": "Notebooks",
    "GITHUB_JOB": "chain",
    "GITHUB_RUN_ID": "4711",
    "GITHUB_RUN_ATTEMPT": "2",
    "GITHUB_EVENT_NAME": "push",
    "GITHUB_ACTOR": "octocat",
    "GITHUB_SERVER_URL": "https://github.com",
}
MD5 = "a3f9c1d2e4b5a6f7c8d9e0f1a2b3c4d5.dir"


@pytest.fixture
def experiment(request: pytest.FixtureRequest) -> str:
    return str(request.node.name)[:200]


# --- Records, written as stages write them


def write(folder: Path, record: Record) -> Path:
    """Write a record into a run directory."""
    run_directory = RunDirectory.open(str(folder), {}, folder.parent / "elsewhere")
    place = run_directory.take(record.stage, record.slug)
    return place.write(record)


def execute_record(*results: NotebookResult, started: str = "2026-11-21T10:00:00.000+00:00", **more: Any) -> Record:
    return ExecuteRecord(
        stage="execute-notebook", started=started, duration=2.5, notebooks=list(results), **{"slug": "", **more}
    )


def result(path: str = "a.ipynb", status: Any = "passed", **given: Any) -> NotebookResult:
    return NotebookResult(path=path, name=path, status=status, duration=1.5, parameters=given)


def pull_record() -> Record:
    return DvcPullRecord(
        stage="dvc-pull",
        started="2026-11-21T09:59:00.000+00:00",
        duration=1.0,
        remote="storage",
        remote_url="s3://bucket/data",
        data_digest="d" * 64,
        files=2,
        bytes=300,
        data=[PulledData(path="data/raw", pointer="data/raw.dvc", hash_name="md5", hash=MD5, bytes=300, files=2)],
    )


def log(workspace: Workspace, uri: str = "", environ: Mapping[str, str | None] | None = None, **inputs: str) -> Done:
    given = {name.replace("_", "-"): value for name, value in inputs.items()}
    return workspace.run("log-run", {"tracking-uri": uri, "run-dir": "run", **given}, environ=environ)


def logged(server: MlflowServer, done: Done) -> Run:
    assert done.code == 0, done.log
    return server.run(done.outputs["run-id"])


# --- The whole


def test_a_run_that_was_executed(workspace: Workspace, server: MlflowServer, kernel: Path) -> None:
    workspace.write("work/a b.ipynb", notebook(parameters("alpha = 1\nbeta = 'x'"), METRICS))
    workspace.write("work/b.ipynb", notebook(parameters("alpha = 1"), "1 / 0"))
    executed = workspace.run(
        "execute-notebook",
        {"python": str(kernel), "parameters": "alpha: 0.5\nbeta: yes", "run-dir": "run", "html": "true"},
        environ=GITHUB,
    )
    assert executed.code == 1, executed.log
    done = log(workspace, server.uri, GITHUB, experiment="whole")
    run = logged(server, done)
    number = server.experiment("whole")["experiment_id"]
    assert done.outputs["run-url"] == f"{server.uri}/#/experiments/{number}/runs/{done.outputs['run-id']}"
    assert (run.info["status"], run.info["run_name"]) == ("FAILED", "Notebooks 4711 2")
    assert run.info["start_time"] < run.info["end_time"] <= time.time() * 1000
    assert run.parameters == {"alpha": "0.5", "beta": "yes"}
    assert run.metrics["accuracy"] == 0.94
    assert run.metrics["loss _log_"] == -2.5
    assert run.metrics["notebook-ci/execute-notebook/executed"] == 2
    assert run.metrics["notebook-ci/execute-notebook/failed"] == 1
    assert run.metrics["notebook-ci/seconds/execute-notebook/work/b"] > 0
    assert run.tags["mlflow.source.git.commit"] == GITHUB["GITHUB_SHA"]
    assert run.tags["mlflow.source.git.branch"] == "main"
    assert run.tags["mlflow.source.git.repoURL"] == "https://github.com/team/penguins"
    assert run.tags["mlflow.user"] == run.tags["github.actor"] == "octocat"
    assert run.tags["github.run_url"] == "https://github.com/team/penguins/actions/runs/4711/attempts/2"
    assert run.tags["notebook-ci.status.execute-notebook"] == "failed"
    assert run.tags["notebook-ci.complete"] == "true"
    run_dir = workspace.folder / "run"
    made = ["execute-notebook.json", *executed.record["made"]]
    assert server.artifacts(done.outputs["run-id"]) == {name: (run_dir / name).stat().st_size for name in made}
    assert len(made) == 5
    for name in made:
        assert server.download(done.outputs["run-id"], name) == (run_dir / name).read_bytes()
    assert [note.message for note in done.annotations("notice")] == [
        "Names that MLflow does not accept were changed: `loss (log)` is `loss _log_`."
    ]
    record = done.record
    assert (record["tracking_uri"], record["experiment"], record["updated"]) == (server.uri, "whole", False)
    assert record["logged"]["artifacts"] == 5
    assert not workspace.leftovers()
    assert sorted(path.name for path in workspace.folder.iterdir()) == ["run", "work"]


def test_data_of_dvc_is_a_dataset(workspace: Workspace, server: MlflowServer, experiment: str) -> None:
    write(workspace.folder / "run", pull_record())
    run = logged(server, log(workspace, server.uri, experiment=experiment))
    dataset = run.datasets["data/raw"]
    assert (dataset["digest"], dataset["source_type"]) == (MD5, "dvc")
    assert json.loads(dataset["source"]) == {
        "uri": "s3://bucket/data",
        "path": "data/raw",
        "pointer": "data/raw.dvc",
    }
    assert json.loads(dataset["profile"]) == {"bytes": 300, "files": 2, "md5": MD5}
    assert dataset["tags"] == [{"key": "mlflow.data.context", "value": "input"}]
    assert run.tags["notebook-ci.dvc-pull.data_digest"] == "d" * 64
    assert run.metrics["notebook-ci/dvc-pull/bytes"] == 300
    assert (run.info["start_time"], run.info["end_time"]) == (1795255140000, 1795255141000)


# --- Once, twice, several


def test_the_same_record_logged_twice_is_one_run(workspace: Workspace, server: MlflowServer, experiment: str) -> None:
    write(workspace.folder / "run", pull_record())
    first = log(workspace, server.uri, experiment=experiment)
    write(workspace.folder / "run", execute_record(result(alpha=1), metrics={"accuracy": 0.5}))
    second = log(workspace, server.uri, experiment=experiment, run_name="named")
    third = log(workspace, server.uri, experiment=experiment, run_name="named")
    run = logged(server, third)
    assert first.outputs["run-id"] == second.outputs["run-id"] == third.outputs["run-id"]
    assert len(server.runs(experiment)) == 1
    assert [done.record["updated"] for done in (first, second, third)] == [False, True, True]
    assert run.info["run_name"] == "named"
    assert run.parameters == {"alpha": "1"}
    assert len(server.history(third.outputs["run-id"], "accuracy")) == 1
    assert len(run.datasets) == 1
    assert set(server.artifacts(third.outputs["run-id"])) == {"dvc-pull.json", "execute-notebook.json"}


def test_legs_of_a_matrix_are_runs_of_their_own(workspace: Workspace, server: MlflowServer, experiment: str) -> None:
    write(workspace.folder / "run", execute_record(result(alpha=1)))
    runs = {
        log(workspace, server.uri, experiment=experiment, slug=slug).outputs["run-id"]
        for slug in ("py311", "py312", "")
    }
    assert len(runs) == 3
    assert {run["info"]["run_name"] for run in server.runs(experiment)} == {"run", "run py311", "run py312"}


def test_several_records_of_a_stage(workspace: Workspace, server: MlflowServer, experiment: str) -> None:
    for slug, alpha, accuracy in (("one", 1, 0.5), ("two", 2, 0.75)):
        write(
            workspace.folder / "run",
            execute_record(result(alpha=alpha, beta=[1, 2]), slug=slug, metrics={"accuracy": accuracy}),
        )
    run = logged(server, log(workspace, server.uri, experiment=experiment))
    assert run.parameters == {
        "beta": "[1, 2]",
        "execute-notebook-one.a.alpha": "1",
        "execute-notebook-two.a.alpha": "2",
    }
    assert run.metrics["execute-notebook-one.accuracy"] == 0.5
    assert run.metrics["execute-notebook-two.accuracy"] == 0.75


def test_a_parameter_that_changed_keeps_its_value(workspace: Workspace, server: MlflowServer, experiment: str) -> None:
    write(workspace.folder / "run", pull_record())
    path = write(workspace.folder / "run", execute_record(result(alpha=1)))
    assert log(workspace, server.uri, experiment=experiment).code == 0
    path.unlink()
    write(workspace.folder / "run", execute_record(result(alpha=2, beta=3)))
    done = log(workspace, server.uri, experiment=experiment)
    assert logged(server, done).parameters == {"alpha": "1", "beta": "3"}
    (warning,) = done.annotations("warning")
    assert warning.message == (
        "The run has the parameter `alpha` as `1` already: MLflow cannot change it to `2`. The logged records have the "
        "new value. With another slug, the run directory becomes another run."
    )


# --- After a failure


def test_after_failed_skipped_and_cancelled_stages(workspace: Workspace, server: MlflowServer, experiment: str) -> None:
    failure = Failure(kind="cancelled", title="cancelled", message="The job was cancelled.")
    run_dir = workspace.folder / "run"
    write(run_dir, SetupEnvRecord(stage="setup-env", status="skipped", started="2026-11-21T09:00:00.000+00:00"))
    broken = NotebookResult(path="a.ipynb", name="a.ipynb", status="failed", failure=failure)
    problem = Problem(severity="error", message="Cancelled (SIGTERM).")
    write(run_dir, execute_record(broken, result("b.ipynb", "skipped"), status="error", problems=[problem]))
    no_image = BuildImageRecord(stage="build-image", status="failed", started="2026-11-21T11:00:00.000+00:00")
    no_image.image, no_image.tags, no_image.base_digest = "ghcr.io/team/study", ["v1"], "sha256:1"
    write(run_dir, no_image)
    run = logged(server, log(workspace, server.uri, experiment=experiment))
    assert run.info["status"] == "FAILED"
    assert run.tags["notebook-ci.status.execute-notebook"] == "error"
    assert run.tags["notebook-ci.status.build-image"] == "failed"
    assert not [name for name in run.tags if "docker" in name or name.startswith("notebook-ci.build-image")]
    assert run.metrics["notebook-ci/execute-notebook/failed"] == 1
    assert "notebook-ci/seconds/setup-env" not in run.metrics
    assert "notebook-ci/build-image/bytes" not in run.metrics


# --- Limits and odd values


def test_what_mlflow_bounds(workspace: Workspace, server: MlflowServer, experiment: str) -> None:
    many = {f"p{number}": "ä" * 7000 for number in range(150)}
    metrics: dict[str, Any] = {f"m{number}": number for number in range(1500)}
    metrics |= {"nan": "nan", "up": "inf", "down": "-inf", "../x": 1, "x": 2, "ü/%": 3}
    write(workspace.folder / "run", execute_record(result(**many), metrics=metrics))
    done = log(workspace, server.uri, experiment=experiment)
    run = logged(server, done)
    assert len(run.parameters) == 150
    assert run.parameters["p0"] == "ä" * 5999 + "…"
    assert len(run.metrics) >= 1506
    assert run.metrics["nan"] == "NaN"
    assert run.metrics["up"] > 1e308
    assert run.metrics["down"] < -1e308
    assert (run.metrics["x"], run.metrics["x_2"], run.metrics["ü/_"]) == (2, 1, 3)
    notices = [notice.message for notice in done.annotations("notice")]
    assert notices == [
        "MLflow keeps at most 6000 characters of a parameter: `p0`, `p1`, `p2`, `p3`, `p4` and 145 more cut.",
        "Names that MLflow does not accept were changed: `../x` is `x_2`, `ü/%` is `ü/_`.",
    ]


def test_files_that_changed_are_left_out(workspace: Workspace, server: MlflowServer, experiment: str) -> None:
    """A notebook can put another file, or a link to a secret, where the record vouches for an output."""
    run_dir = RunDirectory.open(str(workspace.folder / "run"), {}, workspace.folder / "elsewhere").path
    secret = workspace.write("secret", "kept-secret")
    names = ("a#1.ipynb", "b.ipynb", "c.ipynb", "d.ipynb")
    outputs = [workspace.write(f"run/execute-notebook/{name}", "{}") for name in names]
    made = {path.relative_to(run_dir).as_posix(): sha256(path) for path in outputs}
    (run_dir / "execute-notebook.json").write_text("")
    write(run_dir, execute_record(result(), made=made)).rename(run_dir / "execute-notebook.json")
    outputs[1].unlink()
    outputs[1].symlink_to(secret)
    outputs[2].unlink()
    outputs[3].write_text("[]")
    done = log(workspace, server.uri, experiment=experiment)
    logged(server, done)
    assert set(server.artifacts(done.outputs["run-id"])) == {
        "execute-notebook.json",
        "execute-notebook/a_1.ipynb",
    }
    assert [notice.message for notice in done.annotations("notice")] == [
        "Not logged: `execute-notebook/b.ipynb`, which execute-notebook has made, is no regular file.",
        "Not logged: `execute-notebook/c.ipynb`, which execute-notebook has made, is not there any more.",
        "Not logged: `execute-notebook/d.ipynb`, which execute-notebook has made, is another one by now.",
    ]


def test_nothing_but_files_of_the_run_directory_is_logged(
    workspace: Workspace, server: MlflowServer, experiment: str
) -> None:
    """Whatever a record vouches for: it may be forged."""
    run_dir = workspace.folder / "run"
    secret = workspace.write("secrets/key", "kept-secret")
    digest = sha256(secret)
    (run_dir / "in").mkdir(parents=True)
    os.mkfifo(run_dir / "pipe")
    (run_dir / "zero").symlink_to("/dev/zero")
    (run_dir / "link").symlink_to(secret)
    (run_dir / "linked").symlink_to(secret.parent)
    with (run_dir / "huge").open("wb") as huge:
        huge.truncate(2**40)
    good = workspace.write("run/in/good", "x")
    faults = {
        "pipe": "is no regular file",
        "zero": "is no regular file",
        "link": "is no regular file",
        "in": "is no regular file",
        "huge": "is bigger than 1 GiB",
        str(secret): "is outside of the run directory",
        "../secrets/key": "is outside of the run directory",
        "linked/key": "is outside of the run directory",
        "in/good/x": "is not there any more",
        "a\0b": "cannot be read (",
    }
    made = {**dict.fromkeys(faults, digest), "in/../in/good": sha256(good)}
    write(run_dir, execute_record(result(), made=made))
    done = log(workspace, server.uri, experiment=experiment)
    logged(server, done)
    assert set(server.artifacts(done.outputs["run-id"])) == {"execute-notebook.json", "in/good"}
    notices = [problem["message"] for problem in done.record["problems"]]
    for name, notice in zip(faults, notices, strict=True):
        assert notice.startswith(f"Not logged: {quote(name)}, which execute-notebook has made, {faults[name]}")


def test_a_copy_of_a_record_changes_no_other_run(workspace: Workspace, server: MlflowServer, experiment: str) -> None:
    """Records are artifacts that anyone may read: that of another run of the workflow, put first, is still not it."""
    theirs = execute_record(result(), metrics={"accuracy": 0.9}, source={"repository": "team/penguins", "run": "4711"})
    write(workspace.folder / "run", theirs)
    first = log(workspace, server.uri, GITHUB, experiment=experiment)
    before = server.run(first.outputs["run-id"]).json
    write(workspace.folder / "copy", theirs)
    write(workspace.folder / "copy", execute_record(status="failed", started="2026-11-21T11:00:00.000+00:00"))
    later = log(workspace, server.uri, {**GITHUB, "GITHUB_RUN_ID": "4712"}, experiment=experiment, run_dir="copy")
    assert later.code == 0, later.log
    assert later.outputs["run-id"] != first.outputs["run-id"]
    assert server.run(first.outputs["run-id"]).json == before
    job = {**GITHUB, "GITHUB_JOB": "log", "GITHUB_RUN_ATTEMPT": "3"}
    assert log(workspace, server.uri, job, experiment=experiment).outputs["run-id"] == first.outputs["run-id"]


# --- Where


def test_the_variables_of_mlflow(workspace: Workspace, server: MlflowServer) -> None:
    write(workspace.folder / "run", pull_record())
    environ: dict[str, str | None] = {"MLFLOW_TRACKING_URI": server.uri, "MLFLOW_EXPERIMENT_NAME": "by variable"}
    done = log(workspace, environ=environ)
    assert logged(server, done).info["status"] == "FINISHED"
    assert done.record["experiment"] == "by variable"


def test_the_input_wins_over_variables_that_name_an_experiment(
    workspace: Workspace, server: MlflowServer, experiment: str
) -> None:
    number = server.call("POST", "experiments/create", name="by number")["experiment_id"]
    write(workspace.folder / "run", pull_record())
    variables = {"MLFLOW_EXPERIMENT_ID": number}
    done = log(workspace, server.uri, variables)
    assert logged(server, done).info["experiment_id"] == number
    assert done.record["experiment"] == "by number"
    assert f"Logging to {server.uri}, experiment `{number}`" in done.log
    done = log(workspace, server.uri, {**variables, "MLFLOW_EXPERIMENT_NAME": "by number"})
    assert logged(server, done).info["experiment_id"] == number
    logged(server, log(workspace, server.uri, variables, experiment=experiment))
    assert len(server.runs("by number")) == len(server.runs(experiment)) == 1


OWN = """
import mlflow
with mlflow.start_run():
    mlflow.log_param("alpha", 0.1)
    mlflow.log_metric("loss", 0.25, step=7)
    with mlflow.start_run(nested=True, run_name="fold"):
        mlflow.log_metric("loss", 0.75)
"""


def test_a_run_of_the_notebooks_own_and_that_of_the_pipeline_are_one(
    workspace: Workspace, server: MlflowServer, kernel: Path, experiment: str
) -> None:
    """The variable reaches the kernel, where MLflow's own `start_run` takes it, and log-run takes it as well."""
    number = server.call("POST", "experiments/create", name=experiment)["experiment_id"]
    made = server.call("POST", "runs/create", experiment_id=number, run_name="mine", start_time=1)
    run_id = made["run"]["info"]["run_id"]
    environ = {"TRACKING_URI": server.uri, "RUN_ID": run_id, "EXPERIMENT_ID": number, "DISABLE_TELEMETRY": "true"}
    environ = {f"MLFLOW_{name}": value for name, value in environ.items()}
    python = subprocess.run(
        launch("python", "-c", "import sys; print(sys.executable)"), capture_output=True, text=True, check=True
    ).stdout.strip()
    track = f"import subprocess; subprocess.run([{python!r}, '-c', {OWN!r}], check=True)"
    workspace.write("a.ipynb", notebook(parameters("alpha = 1\nbeta = 1"), track, METRICS))
    given = {"notebooks": "a.ipynb", "python": str(kernel), "parameters": "alpha: 0.5\nbeta: 2", "run-dir": "run"}
    executed = workspace.run("execute-notebook", given, environ=environ)
    assert executed.code == 0, executed.log
    first, second = (log(workspace, environ=environ) for _ in "12")
    run = logged(server, second)
    assert first.outputs["run-id"] == second.outputs["run-id"] == run_id
    assert [done.record["updated"] for done in (first, second)] == [False, True]
    assert (second.record["run_name"], run.info["run_name"], run.tags["mlflow.runName"]) == ("mine", "mine", "mine")
    assert second.record["experiment"] == experiment
    assert run.info["status"] == "FINISHED"
    assert run.info["end_time"] > run.info["start_time"] == 1
    assert run.parameters == {"alpha": "0.1", "beta": "2"}
    (warning,) = second.annotations("warning")
    assert warning.message == (
        "The run has the parameter `alpha` as `0.1` already: MLflow cannot change it to `0.5`. The logged records have "
        "the new value."
    )
    assert (run.metrics["loss"], run.metrics["accuracy"]) == (0.25, 0.94)
    assert len(server.history(run_id, "accuracy")) == 1
    assert run.tags["notebook-ci.complete"] == "true"
    assert "execute-notebook/a.ipynb" in server.artifacts(run_id)
    others = [Run(each) for each in server.runs(experiment) if each["info"]["run_id"] != run_id]
    assert [(each.info["run_name"], each.tags["mlflow.parentRunId"]) for each in others] == [("fold", run_id)]
    named = log(workspace, environ=environ, run_name="named")
    assert logged(server, named).info["run_name"] == "named"


def test_a_run_of_the_users_own_that_failed_stays_so(
    workspace: Workspace, server: MlflowServer, experiment: str
) -> None:
    number = server.call("POST", "experiments/create", name=experiment)["experiment_id"]
    run_id = server.call("POST", "runs/create", experiment_id=number, start_time=1)["run"]["info"]["run_id"]
    server.call("POST", "runs/update", run_id=run_id, status="KILLED", end_time=1795255141999)
    write(workspace.folder / "run", pull_record())
    for _ in "12":
        run = logged(server, log(workspace, server.uri, {"MLFLOW_RUN_ID": run_id}, experiment=experiment))
        assert (run.info["status"], run.info["end_time"]) == ("KILLED", 1795255141999)
    server.call("POST", "runs/update", run_id=run_id, status="RUNNING")
    write(workspace.folder / "run", execute_record(status="failed"))
    assert logged(server, log(workspace, server.uri, {"MLFLOW_RUN_ID": run_id})).info["status"] == "FAILED"


@pytest.mark.parametrize("how", ["address", "variables"])
def test_a_login(workspace: Workspace, server: MlflowServer, experiment: str, how: str) -> None:
    write(workspace.folder / "run", pull_record())
    user, password = LOGIN.split(":")
    environ: dict[str, str | None] = {"MLFLOW_TRACKING_USERNAME": user, "MLFLOW_TRACKING_PASSWORD": password}
    with door(server.uri, login=LOGIN) as entry:
        uri, given = (entry.uri_with_login, None) if how == "address" else (entry.uri, environ)
        done = log(workspace, uri, given, experiment=experiment)
        assert logged(server, done).tags["notebook-ci.complete"] == "true"
    seen = [done.log, done.summary, json.dumps(done.record), json.dumps(server.runs(experiment))]
    assert not [text for text in seen if password in text]


def test_a_server_that_restarts(workspace: Workspace, server: MlflowServer, experiment: str) -> None:
    write(workspace.folder / "run", pull_record())
    with door(server.uri, unavailable=1) as entry:
        done = log(workspace, entry.uri, experiment=experiment)
    assert logged(server, done).tags["notebook-ci.complete"] == "true"
    assert f"{entry.uri} is not available: tried again in 1 s" in done.log
    assert len(server.runs(experiment)) == 1


# --- The store beside the runs


def rows(database: Path, query: str) -> list[Any]:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()


def test_the_store_beside_the_runs_keeps_history(workspace: Workspace) -> None:
    home = workspace.runner_temp / "notebook-ci-mlflow"
    done = []
    for number in (1, 2):
        run_dir = workspace.folder / f"run{number}"
        write(run_dir, execute_record(result(alpha=number), started=f"2026-11-21T1{number}:00:00.000+00:00"))
        done.append(workspace.run("log-run", {"run-dir": run_dir.name}))
        assert done[-1].code == 0, done[-1].log
    database = home / "mlflow.db"
    assert len(rows(database, "SELECT * FROM runs WHERE status = 'FINISHED'")) == 2
    assert sorted(rows(database, "SELECT key, value FROM params")) == [("alpha", "1"), ("alpha", "2")]
    assert len(list(home.glob("artifacts/*/artifacts/execute-notebook.json"))) == 2
    assert sorted(path.name for path in home.iterdir()) == ["artifacts", "mlflow.db"]
    assert "Then open http://127.0.0.1:5000; Ctrl-C ends it." in done[0].log
    assert done[0].outputs["run-url"] == ""
    assert done[0].record["artifact_uri"].startswith(home.as_uri())
    assert done[0].record["artifact_uri"] in done[0].log
    assert sorted(path.name for path in workspace.folder.iterdir()) == ["run1", "run2"]
    assert not workspace.leftovers()
    assert not list(workspace.home.iterdir())
    # What is printed works on the machine that it is downloaded to, with nothing of the runner's.
    (command,) = re.findall("To look at it, .*: (mlflow ui .*)", done[0].log)
    assert f"\n{command}\n" in done[0].summary
    downloaded = workspace.base / "down loaded"
    shutil.move(home, downloaded)
    with shown(command, downloaded) as server:
        found = server.call("POST", "runs/search", experiment_ids=["1"])["runs"]
        assert {Run(each).parameters["alpha"] for each in found} == {"1", "2"}


def test_the_store_of_a_laptop_stays_out_of_git(workspace: Workspace) -> None:
    write(workspace.folder / "run", execute_record(result(alpha=1)))
    done = workspace.run("log-run", flags=["--run-dir", "run"])
    assert done.code == 0, done.log
    home = workspace.folder / ".notebook-ci"
    assert sorted(path.name for path in home.iterdir()) == [".gitignore", "mlflow"]
    assert rows(home / "mlflow" / "mlflow.db", "SELECT name FROM runs") == [("run",)]
    uri = shlex.quote(f"sqlite:///{home}/mlflow/mlflow.db")
    assert f"--exec mlflow ui --workers 1 --backend-store-uri {uri}\n" in done.log
    assert sorted(path.name for path in workspace.folder.iterdir()) == [".notebook-ci", "run"]


def test_a_named_run_in_a_database_file(workspace: Workspace) -> None:
    uri = "sqlite:///mlflow.db"
    for number in (1, 2):
        given: dict[str, Any] = {f"p{number}": number}
        write(workspace.folder / f"run{number}", execute_record(result(**given)))
    first = log(workspace, uri, run_dir="run1")
    named = {"MLFLOW_RUN_ID": first.outputs["run-id"]}
    second = log(workspace, uri, named, run_dir="run2")
    assert first.outputs["run-id"] == second.outputs["run-id"] != "", second.log
    assert rows(workspace.folder / "mlflow.db", "SELECT key FROM params ORDER BY key") == [("p1",), ("p2",)]
    assert log(workspace, uri, {"MLFLOW_RUN_ID": "0" * 32}, run_dir="run2").code == 2


def test_a_database_of_the_user_twice_at_once(workspace: Workspace) -> None:
    """Both find no database and no experiment, and make them."""
    for number in (1, 2):
        write(workspace.folder / f"run{number}", execute_record(result(alpha=number), slug=str(number)))
    inputs = {"tracking-uri": "sqlite:///runs é.db"}
    processes = [workspace.start("log-run", {**inputs, "run-dir": f"run{number}"}) for number in (1, 2)]
    done = [workspace.end(process) for process in processes]
    assert [each.code for each in done] == [0, 0], [each.log for each in done]
    database = workspace.folder / "runs é.db"
    assert len(rows(database, "SELECT * FROM runs")) == 2
    assert rows(database, "SELECT name FROM experiments") == [("Default",), (workspace.folder.name,)]
    script = (
        "import sys; from mlflow import MlflowClient; c = MlflowClient(sys.argv[1]);"
        "print(*[r.data.params['alpha'] for r in c.search_runs(['1'])])"
    )
    told = subprocess.run(
        launch("python", "-c", script, f"sqlite:///{database}"), capture_output=True, text=True, check=True
    )
    assert sorted(told.stdout.split()) == ["1", "2"]


# --- Cancelling


def test_a_cancelled_upload_leaves_no_run_that_runs(
    workspace: Workspace, server: MlflowServer, experiment: str
) -> None:
    write(workspace.folder / "run", pull_record())
    with door(server.uri, method="PUT", holds=True) as entry:
        process = workspace.start("log-run", {"tracking-uri": entry.uri, "run-dir": "run", "experiment": experiment})
        assert entry.reached.wait(30)
        process.send_signal(signal.SIGTERM)
        done = workspace.end(process)
    assert done.code == 128 + signal.SIGTERM
    assert wait_until(lambda: not workspace.processes())
    (run,) = server.runs(experiment)
    assert run["info"]["status"] == "FINISHED"
    assert Run(run).tags["notebook-ci.complete"] == "false"
    again = log(workspace, server.uri, experiment=experiment)
    assert logged(server, again).tags["notebook-ci.complete"] == "true"
    assert again.outputs["run-id"] == run["info"]["run_id"]
    assert not workspace.leftovers()


def test_a_run_that_is_made_while_the_job_is_cancelled_has_its_status(
    workspace: Workspace, server: MlflowServer, experiment: str
) -> None:
    write(workspace.folder / "run", pull_record())
    with door(server.uri, part="runs/update", holds=True) as entry:
        process = workspace.start("log-run", {"tracking-uri": entry.uri, "run-dir": "run", "experiment": experiment})
        assert entry.reached.wait(30)
        assert server.runs(experiment)[0]["info"]["status"] == "RUNNING"
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        entry.opened.set()
        done = workspace.end(process)
    assert done.code == 128 + signal.SIGTERM
    (run,) = server.runs(experiment)
    assert run["info"]["status"] == "FINISHED"
    assert ("POST", "/api/2.0/mlflow/runs/log-batch") not in entry.asked
