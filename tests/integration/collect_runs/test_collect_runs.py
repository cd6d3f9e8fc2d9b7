"""A workflow run that is divided among jobs: a plan, shards with real kernels, one merged run, one run in MLflow."""

import json
import shutil
from pathlib import Path

from integration.suite import Done, Workspace, notebook
from servers.mlflow import MlflowServer

FOLDER = "notebook-ci-shards"
ENVIRON = {"GITHUB_REPOSITORY": "acme/penguins", "GITHUB_SHA": "c0ffee", "GITHUB_RUN_ID": "7", "GITHUB_WORKFLOW": "N"}
METRIC = 'display({"application/vnd.notebook-ci.metrics+json": {"accuracy": 0.5}, "text/plain": ""}, raw=True)'
FLAKY = 'import os\nif os.environ["GITHUB_RUN_ATTEMPT"] == "1":\n    raise RuntimeError("no network")'


def job(workspace: Workspace, command: str, artifact: str = "", attempt: int = 1, **inputs: str) -> Done:
    """Run a job on a fresh runner, with the artifacts so far; upload its run directory."""
    given = {name.replace("_", "-"): value for name, value in inputs.items()}
    done = workspace.run(command, given, environ={**ENVIRON, "GITHUB_RUN_ATTEMPT": str(attempt)})
    if artifact:
        (workspace.runner_temp / FOLDER).mkdir(exist_ok=True)
        (workspace.runner_temp / "notebook-ci").rename(workspace.runner_temp / FOLDER / f"{artifact}-attempt-{attempt}")
    return done


def test_failed_jobs_run_again_and_the_run_is_logged_once(
    workspace: Workspace, kernel: Path, server: MlflowServer
) -> None:
    workspace.write("a.ipynb", notebook(METRIC))
    workspace.write("b.ipynb", notebook("print(1)", FLAKY))
    workspace.write("notebook-ci.toml", f"[execute-notebook]\npython = {json.dumps(str(kernel))}\n")
    planned = job(workspace, "plan-notebooks", "plan", changed_only="false", shards="2")
    assert planned.code == 0, planned.log
    jobs = {each["shard"]: each["notebooks"] for each in json.loads(planned.outputs["matrix"])["include"]}
    assert jobs == {"1": "a.ipynb", "2": "b.ipynb"}
    ends = [
        job(workspace, "pipeline", f"shard-{shard}", stages="execute-notebook", notebooks=notebooks, slug=shard).code
        for shard, notebooks in jobs.items()
    ]
    assert ends == [0, 1]

    red = job(workspace, "collect-runs", shards_result="failure")
    assert (red.code, red.outputs["failed"], red.outputs["executed"]) == (1, "1", "2"), red.log
    assert [each.message.partition(".")[0] for each in red.annotations()] == ["1 of 2 notebooks failed: `b"]
    assert "cell 2: RuntimeError" in red.summary.splitlines()[0]
    logged = job(workspace, "log-run", tracking_uri=server.uri)
    assert server.run(logged.outputs["run-id"]).info["status"] == "FAILED"

    shutil.rmtree(workspace.runner_temp / "notebook-ci")  # a fresh runner
    job(workspace, "pipeline", "shard-2", 2, stages="execute-notebook", notebooks=jobs["2"], slug="2")
    green = job(workspace, "collect-runs", attempt=2, shards_result="success")
    assert (green.code, green.outputs["failed"]) == (0, "0"), green.log
    assert (Path(green.outputs["run-dir"]) / "execute-notebook-2" / "b.ipynb").is_file()
    again = job(workspace, "log-run", attempt=2, tracking_uri=server.uri)
    assert again.outputs["run-id"] == logged.outputs["run-id"]
    run = server.run(again.outputs["run-id"])
    assert run.metrics["accuracy"] == 0.5
