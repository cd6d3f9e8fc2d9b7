"""log-run against ill servers: each ends in time, in one sentence with a next step, and nothing is left."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from integration.log_run.failing import MOST_SECONDS, assert_error, log, record
from integration.suite import Workspace, base_environ
from notebook_ci.base.console import console
from notebook_ci.base.context import Context
from notebook_ci.base.errors import SurroundingsError
from notebook_ci.base.workspace import Workspace as StageWorkspace
from notebook_ci.log_run import client
from notebook_ci.log_run.description import Description
from notebook_ci.log_run.store import Store
from notebook_ci.records.dvc_pull import PulledData
from notebook_ci.records.run_directory import RunDirectory
from servers.mlflow import LOGIN, MlflowServer, door, dripping, free_port, raw, silent

AGAIN = "Check the server and its log, then log the run again."
ADDRESS = "Check `tracking-uri`: it is the address of the server's start page, without `#` and what follows."
CREDENTIALS = "Set `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`, or `MLFLOW_TRACKING_TOKEN`"
WITHOUT = "The run was logged without artifacts: "
LET_IT = "Let the server store them: start it with `mlflow server --artifacts-destination ...`"

# --- Servers


def test_a_server_that_is_down(workspace: Workspace) -> None:
    uri = f"http://127.0.0.1:{free_port()}"
    done = log(workspace, uri, {"MLFLOW_HTTP_REQUEST_TIMEOUT": None})
    assert_error(
        done,
        f"No server answers at {uri} (connection refused).",
        "Start it, or correct `tracking-uri`.",
    )
    assert (done.outputs["run-id"], done.outputs["run-url"]) == ("", "")


def test_a_server_that_hangs_may_only_warn(workspace: Workspace) -> None:
    with raw(silent) as uri:
        done = log(workspace, uri, on_error="warn")
    assert done.code == 0, done.log
    assert (done.outputs["status"], done.outputs["run-id"], done.outputs["run-url"]) == ("passed", "", "")
    assert not done.annotations()
    assert [warning.message for warning in done.annotations("warning")] == [f"{uri} did not answer in time. {AGAIN}"]
    assert done.record["problems"][0]["severity"] == "warning"


def test_servers_that_hang_are_given_up(workspace: Workspace) -> None:
    """With no setting of MLflow's: one that never answers, and one whose answer never ends."""
    record(workspace)
    with raw(silent) as mute, raw(dripping) as slow:
        began = time.monotonic()
        processes = {
            uri: workspace.start("log-run", {"tracking-uri": uri, "run-dir": "run", "slug": slug})
            for uri, slug in ((mute, "mute"), (slow, "slow"))
        }
        logs = {uri: workspace.end(process).log for uri, process in processes.items()}
        assert time.monotonic() - began < MOST_SECONDS
    assert client.SERVER_SECONDS <= 30, "what the README promises, without the time to load MLflow"
    assert f"::error::{mute} did not answer in time. {AGAIN}" in logs[mute]
    assert (
        f"::error::{slow} did not answer in time (it stopped while the experiment was looked up). {AGAIN}" in logs[slow]
    )
    assert not workspace.leftovers()
    assert not workspace.processes()


def test_a_machine_that_is_too_slow_is_not_the_servers_fault(
    workspace: Workspace, server: MlflowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "LOADING_SECONDS", 0)
    monkeypatch.setattr(client, "SERVER_SECONDS", 0)
    run_directory = RunDirectory.open("run", StageWorkspace(workspace.folder, {}))
    files = run_directory.take("log-run", "")
    screen = console(base_environ())
    context = Context(workspace.folder, base_environ(), run_directory=run_directory, files=files, console=screen)
    with pytest.raises(SurroundingsError, match=r"MLflow's client did not load in time: the machine is too slow\."):
        client.log(Store(server.uri), {"experiment": "e"}, Description("identity", "name", "FINISHED", 0, 0), context)


def test_a_server_that_breaks_off(workspace: Workspace, server: MlflowServer) -> None:
    with door(server.uri, breaks=True) as entry:
        assert_error(log(workspace, entry.uri), f"{entry.uri} closed the connection during an answer.", AGAIN)


def test_no_credentials(workspace: Workspace, server: MlflowServer) -> None:
    with door(server.uri, login=LOGIN) as entry:
        done = log(workspace, entry.uri)
        assert_error(
            done, f"{entry.uri} does not accept the credentials (401).", f"{CREDENTIALS} in `env:` of the step."
        )


def test_wrong_credentials(workspace: Workspace, server: MlflowServer) -> None:
    with door(server.uri, login=LOGIN) as entry:
        done = log(workspace, entry.uri.replace("://", "://team:wr0ng-secret@"))
        assert_error(
            done, f"{entry.uri} does not accept the credentials (401).", f"{CREDENTIALS} in `env:` of the step."
        )
    texts = [done.log, done.summary, json.dumps(done.record)]
    assert not [text for text in texts if "wr0ng-secret" in text]
    assert done.record["inputs"]["tracking-uri"] == done.record["tracking_uri"] == entry.uri


def test_a_user_who_may_only_read(workspace: Workspace, server: MlflowServer) -> None:
    server.call("POST", "experiments/create", name="of others")
    with door(server.uri, method="POST", status=403, body=b"read only") as entry:
        done = log(workspace, entry.uri, experiment="of others")
        message = f"{entry.uri} denied access (403) while the run was created: read only."
        assert_error(done, message, f"{CREDENTIALS} of a user who can write to the experiment.")


@pytest.mark.parametrize(
    ("status", "body"),
    [(200, b"<html></html>"), (404, b"<html></html>"), (404, b'{"detail": "Not Found"}'), (302, b"")],
)
def test_a_page_that_is_no_mlflow(workspace: Workspace, server: MlflowServer, status: int, body: bytes) -> None:
    with door(server.uri, status=status, body=body) as entry:
        message = f"{entry.uri} is not an MLflow server: it answers with something else."
        assert_error(log(workspace, entry.uri), message, ADDRESS)


@pytest.mark.parametrize("status", [500, 503])
def test_a_server_that_fails(workspace: Workspace, server: MlflowServer, status: int) -> None:
    with door(server.uri, status=status) as entry:
        done = log(workspace, entry.uri)
        assert_error(done, f"{entry.uri} failed ({status}) while the experiment was looked up.", AGAIN)
        assert len(entry.asked) == (3 if status == 503 else 1)


def test_tls_to_a_server_without(workspace: Workspace, server: MlflowServer) -> None:
    uri = server.uri.replace("http:", "https:")
    hint = "Use `http://` in `tracking-uri` if the server has no TLS."
    assert_error(log(workspace, uri), f"{uri} does not speak TLS.", hint)


def test_a_host_that_is_not_known(workspace: Workspace) -> None:
    assert_error(
        log(workspace, "http://mlflow.invalid:5000"), "The host of http://mlflow.invalid:5000 is not known.", ADDRESS
    )


def test_a_server_that_knows_no_datasets(workspace: Workspace, server: MlflowServer) -> None:
    """That of MLflow 2.3 answers so."""
    record(workspace, data=[PulledData(path="d", pointer="d.dvc", hash_name="md5", hash="a", bytes=1, files=1)])
    with door(server.uri, part="log-inputs", status=404) as entry:
        done = log(workspace, entry.uri, experiment="old")
    assert done.code == 0, done.log
    (warning,) = done.annotations("warning")
    assert warning.message == f"{entry.uri} does not support datasets: its MLflow is older than 2.4."
    assert server.run(done.outputs["run-id"]).tags["notebook-ci.complete"] == "true"


def test_a_server_that_loses_its_mind(workspace: Workspace, server: MlflowServer) -> None:
    with door(server.uri, part="log-batch", status=404) as entry:
        done = log(workspace, entry.uri)
    message = f"{entry.uri} did not accept the run (404) while parameters, metrics and tags were logged: Welcome."
    assert_error(done, message, AGAIN)


# --- Experiments


def test_a_deleted_experiment(workspace: Workspace, server: MlflowServer) -> None:
    number = server.call("POST", "experiments/create", name="gone")["experiment_id"]
    server.call("POST", "experiments/delete", experiment_id=number)
    done = log(workspace, server.uri, experiment="gone")
    assert_error(
        done,
        f"The experiment `gone` was deleted at {server.uri}; its name is still in use.",
        f"Restore it (`MLFLOW_TRACKING_URI={server.uri} mlflow experiments restore "
        f"--experiment-id {number}`), or set `experiment` to another name.",
    )
    warned = log(workspace, server.uri, experiment="gone", on_error="warn")
    assert (warned.code, warned.outputs["run-id"]) == (0, "")


@pytest.mark.parametrize(("name", "shown"), [("e" * 501, "e" * 80 + "…"), ("a\nb", "a\\nb")], ids=["long", "two lines"])
def test_a_name_that_is_none(workspace: Workspace, server: MlflowServer, name: str, shown: str) -> None:
    done = log(workspace, server.uri, experiment=name, on_error="warn")
    assert_error(done, f"`experiment` does not accept `{shown}`. Use up to 500 characters, on one line.", code=2)


# --- Runs and experiments that variables name


def test_variables_that_name_nothing_to_log_to(workspace: Workspace, server: MlflowServer) -> None:
    """Each is a wrong input, also where a failure may only warn; nothing is logged anywhere."""
    mine, other = (server.call("POST", "experiments/create", name=name)["experiment_id"] for name in ("mine", "other"))
    run, gone = (
        server.call("POST", "runs/create", experiment_id=mine, start_time=1)["run"]["info"]["run_id"] for _ in "12"
    )
    server.call("POST", "runs/delete", run_id=gone)
    missing = f"which does not exist at {server.uri}"
    of_mine = f"which is of the experiment `mine` ({mine}), not"
    cases: list[tuple[dict[str, str], str, str, str]] = [
        ({"RUN_ID": "0" * 32}, "", "RUN_ID", missing),
        ({"RUN_ID": "../x"}, "", "RUN_ID", missing),
        ({"RUN_ID": gone}, "", "RUN_ID", "a deleted run"),
        ({"RUN_ID": run}, "other", "RUN_ID", f"{of_mine} `other`"),
        ({"RUN_ID": run, "EXPERIMENT_NAME": "other"}, "", "RUN_ID", f"{of_mine} `other`"),
        ({"RUN_ID": run, "EXPERIMENT_ID": other}, "", "RUN_ID", f"{of_mine} `{other}`"),
        ({"EXPERIMENT_ID": "4711"}, "", "EXPERIMENT_ID", missing),
        ({"EXPERIMENT_ID": "no id"}, "", "EXPERIMENT_ID", missing),
        ({"EXPERIMENT_ID": mine, "EXPERIMENT_NAME": "new"}, "", "EXPERIMENT_ID", f"{of_mine} `new`"),
    ]
    for variables, experiment, name, reason in cases:
        environ = {f"MLFLOW_{each}": value for each, value in variables.items()}
        done = log(workspace, server.uri, environ, experiment=experiment, on_error="warn")
        message = f"`MLFLOW_{name}` is `{variables[name]}`, {reason}."
        assert_error(done, message, f'Correct it, or set `MLFLOW_{name}: ""` in `env:` of the step.', code=2)
    assert [each["info"]["status"] for each in server.runs("mine")] == ["RUNNING"]
    assert not server.runs("other")
    assert "new" not in [
        each["name"] for each in server.call("GET", "experiments/search?max_results=999")["experiments"]
    ]


def test_a_named_run_at_what_is_no_mlflow(workspace: Workspace, server: MlflowServer) -> None:
    with door(server.uri, status=404) as entry:
        done = log(workspace, entry.uri, {"MLFLOW_RUN_ID": "0" * 32})
        assert_error(done, f"{entry.uri} is not an MLflow server: it answers with something else.", ADDRESS)


# --- Artifacts


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"status": 403}, "{uri} denied access (403) while artifacts were uploaded: Welcome. Set "),
        ({"status": 413}, "{uri} refused a request as too large (413)."),
        ({"status": 500}, "{uri} failed (500) while artifacts were uploaded. "),
    ],
    ids=["forbidden", "too large", "failing"],
)
def test_an_upload_that_is_refused(
    workspace: Workspace, server: MlflowServer, settings: dict[str, Any], message: str
) -> None:
    name = f"refused {settings['status']}"
    with door(server.uri, method="PUT", **settings) as entry:
        done = log(workspace, entry.uri, experiment=name)
        assert done.code == 3, done.log
        assert done.annotations()[0].message.startswith(message.format(uri=entry.uri))
    (run,) = server.runs(name)
    assert done.outputs["run-id"] == run["info"]["run_id"]
    assert (run["info"]["status"], server.run(done.outputs["run-id"]).tags["notebook-ci.complete"]) == (
        "FINISHED",
        "false",
    )


def test_an_upload_that_hangs(workspace: Workspace, server: MlflowServer) -> None:
    with door(server.uri, method="PUT", holds=True) as entry:
        done = log(workspace, entry.uri, experiment="held", on_error="warn")
    assert done.code == 0, done.log
    assert [warning.message for warning in done.annotations("warning")] == [
        f"{entry.uri} did not answer in time. {AGAIN}"
    ]
    assert done.outputs["run-id"]


@pytest.mark.parametrize(
    ("location", "message", "hint"),
    [
        (
            "/srv/no-such/artifacts",
            f"{WITHOUT}the server stores them in /srv/no-such/artifacts, which is not writable from here.",
            f"{LET_IT}, and use an experiment that was created after that.",
        ),
        (
            "s3://bucket/artifacts",
            f"{WITHOUT}log-run cannot write to their storage (No module named 'boto3').",
            f"{LET_IT}.",
        ),
    ],
    ids=["folder", "s3"],
)
def test_artifacts_out_of_reach(
    workspace: Workspace, server: MlflowServer, location: str, message: str, hint: str
) -> None:
    server.call("POST", "experiments/create", name=f"at {location}", artifact_location=location)
    done = log(workspace, server.uri, experiment=f"at {location}")
    assert_error(done, message, hint)
    assert done.outputs["run-id"]
    assert not Path("/srv/no-such").exists()
