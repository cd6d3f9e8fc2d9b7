"""Where log-run logs to: servers, runs of the user's own, database files, the store beside the runs."""

import contextlib
import json
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from integration.log_run.runs import METRICS, execute_record, log, logged, pull_record, result, write
from integration.suite import Workspace, notebook, parameters, wait_until
from servers.mlflow import LOGIN, MlflowServer, Run, door, launch, shown

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
        "The run already has the parameter `alpha` as `0.1`: MLflow cannot change it to `0.5`. The logged records have "
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
    assert f"{entry.uri} is not available: trying again in 1 s" in done.log
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
    (command,) = re.findall("To open it, .*: (mlflow ui .*)", done[0].log)
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


def test_a_named_run_in_a_database_file(workspace: Workspace, database: Path) -> None:
    uri = "sqlite:///mlflow.db"
    shutil.copyfile(database, workspace.folder / "mlflow.db")
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
    assert rows(database, "SELECT key, value FROM params ORDER BY value") == [("alpha", "1"), ("alpha", "2")]


# --- Cancelling


def test_a_cancelled_upload_leaves_no_run_that_runs(
    workspace: Workspace, server: MlflowServer, experiment: str
) -> None:
    write(workspace.folder / "run", pull_record())
    with door(server.uri, method="PUT", holds=True) as entry:
        process = workspace.start("log-run", {"tracking-uri": entry.uri, "run-dir": "run", "experiment": experiment})
        assert entry.reached.wait(40)
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
        assert entry.reached.wait(40)
        assert server.runs(experiment)[0]["info"]["status"] == "RUNNING"
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        entry.opened.set()
        done = workspace.end(process)
    assert done.code == 128 + signal.SIGTERM
    (run,) = server.runs(experiment)
    assert run["info"]["status"] == "FINISHED"
    assert ("POST", "/api/2.0/mlflow/runs/log-batch") not in entry.asked
