"""log-run: what of a run directory is found again at a real MLflow server."""

import json
import os
import time
from pathlib import Path
from typing import Any

from integration.log_run.runs import MD5, METRICS, execute_record, log, logged, pull_record, result, write
from integration.suite import Workspace, notebook, parameters
from notebook_ci.base.errors import Problem
from notebook_ci.base.files import sha256
from notebook_ci.base.texts import quote
from notebook_ci.base.workspace import Workspace as StageWorkspace
from notebook_ci.records.build_image import BuildImageRecord
from notebook_ci.records.execute_notebook import Failure, NotebookResult
from notebook_ci.records.run_directory import RunDirectory
from notebook_ci.records.setup_env import SetupEnvRecord
from servers.mlflow import MlflowServer

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
    assert run.metrics["notebook-ci/execute-notebook/flaky"] == 0
    assert run.metrics["notebook-ci/seconds/execute-notebook/work/b"] > 0
    assert run.tags["mlflow.source.git.commit"] == GITHUB["GITHUB_SHA"]
    assert run.tags["mlflow.source.git.branch"] == "main"
    assert run.tags["mlflow.source.git.repoURL"] == "https://github.com/team/penguins"
    assert run.tags["mlflow.user"] == run.tags["github.actor"] == "octocat"
    assert run.tags["github.run_url"] == "https://github.com/team/penguins/actions/runs/4711/attempts/2"
    assert run.tags["notebook-ci.status.execute-notebook"] == "failed"
    assert run.tags["notebook-ci.complete"] == "true"
    run_dir = workspace.folder / "run"
    made = ["execute-notebook.json", *executed.record["created"]]
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
        "The run already has the parameter `alpha` as `1`: MLflow cannot change it to `2`. The logged records have the "
        "new value. With another `slug`, the run directory becomes another MLflow run."
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
        "MLflow stores at most 6000 characters per parameter. Shortened: `p0`, `p1`, `p2`, `p3`, `p4` and 145 more.",
        "Names that MLflow does not accept were changed: `../x` is `x_2`, `ü/%` is `ü/_`.",
    ]


def test_files_that_changed_are_left_out(workspace: Workspace, server: MlflowServer, experiment: str) -> None:
    """A notebook can put another file, or a link to a secret, where the record vouches for an output."""
    run_dir = RunDirectory.open(str(workspace.folder / "run"), StageWorkspace(workspace.folder / "elsewhere", {})).path
    secret = workspace.write("secret", "kept-secret")
    names = ("a#1.ipynb", "b.ipynb", "c.ipynb", "d.ipynb")
    outputs = [workspace.write(f"run/execute-notebook/{name}", "{}") for name in names]
    made = {path.relative_to(run_dir).as_posix(): sha256(path) for path in outputs}
    (run_dir / "execute-notebook.json").write_text("")
    write(run_dir, execute_record(result(), created=made)).rename(run_dir / "execute-notebook.json")
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
        "Not logged: `execute-notebook/b.ipynb`, which execute-notebook created, is not a regular file.",
        "Not logged: `execute-notebook/c.ipynb`, which execute-notebook created, no longer exists.",
        "Not logged: `execute-notebook/d.ipynb`, which execute-notebook created, has changed since.",
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
        "pipe": "is not a regular file",
        "zero": "is not a regular file",
        "link": "is not a regular file",
        "in": "is not a regular file",
        "huge": "is larger than 1 GiB",
        str(secret): "is outside the run directory",
        "../secrets/key": "is outside the run directory",
        "linked/key": "is outside the run directory",
        "in/good/x": "no longer exists",
        "a\0b": "cannot be read (",
    }
    made = {**dict.fromkeys(faults, digest), "in/../in/good": sha256(good)}
    write(run_dir, execute_record(result(), created=made))
    done = log(workspace, server.uri, experiment=experiment)
    logged(server, done)
    assert set(server.artifacts(done.outputs["run-id"])) == {"execute-notebook.json", "in/good"}
    notices = [problem["message"] for problem in done.record["problems"]]
    for name, notice in zip(faults, notices, strict=True):
        assert notice.startswith(f"Not logged: {quote(name)}, which execute-notebook created, {faults[name]}")


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
