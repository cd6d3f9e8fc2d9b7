"""Each starter workflow as a team copies it, and the reusable workflows that they call: they pass, and they fail."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import Consumer, Machine, Result
from servers.docker import LOGIN, PASSWORD, Engine, Registry
from servers.mlflow import MlflowServer
from workflows import copy, notebook, prepend, track

# It makes byte-code of ipykernel and what it needs, which each job would otherwise compile.
pytestmark = pytest.mark.usefixtures("kernel")

SECONDS = 300
GOOD, BAD = notebook("print(1)"), notebook("raise ValueError('no such penguin')")


def results(result: Result, caller: str) -> dict[str, str]:
    """Return the results of the jobs of a called workflow, by their ids. The caller is known by the job's name."""
    return {name: job.result for name, legs in result.jobs.items() for job in legs if job.name.startswith(f"{caller}/")}


def per_shard_tests(result: Result) -> dict[str, str]:
    """Return how many tests each shard ran."""
    legs = result.legs("Notebooks/shards")
    return {job.matrix["shard"]: job.step("Run the notebooks").outputs.get("tests", "") for job in legs}


@pytest.fixture
def team(consumer: Consumer, kernel: Path) -> Consumer:
    """A repository whose notebooks run in an environment that exists."""
    consumer.write("notebook-ci.toml", f"[execute-notebook]\npython = {json.dumps(str(kernel))}\n")
    return consumer


def test_a_chain_of_notebooks(team: Consumer, server: MlflowServer) -> None:
    """One repository calls the chain twice: one call passes; the other one, in a folder, fails before it deploys."""
    steps = {
        "prepare": "folder.mkdir()\n(folder / 'data').write_text('2')",
        "train": "(folder / 'model').write_text((folder / 'data').read_text() * alpha)",
        "evaluate": "assert (folder / 'model').read_text() == '222'",
        "deploy": "assert sorted(path.name for path in folder.iterdir()) == ['data', 'model']",
        "bad": "raise ValueError('worse than chance')",
        "alone": "assert not folder.exists()",
    }
    for name, source in steps.items():
        parameters = "alpha = 1" if name == "train" else ""
        code = f"from pathlib import Path\nfolder = Path('../artifacts')\n{source}"
        folder = "study" if name in {"bad", "alone"} else "notebooks"
        team.write(f"{folder}/{name}.ipynb", notebook(code, parameters=parameters))
    team.write("study/notebook-ci.toml", (team.path / "notebook-ci.toml").read_text(encoding="utf-8"))
    commented = "# secrets:\n    #   AWS_ACCESS_KEY_ID: ${{ secrets.AWS_ACCESS_KEY_ID }}\n"
    commented += "    #   AWS_SECRET_ACCESS_KEY: ${{ secrets.AWS_SECRET_ACCESS_KEY }}\n    #   MLFLOW"
    uri = {commented: "secrets:\n      MLFLOW"}
    more = {"# environment: production": "parameters: 'alpha: 3'"}
    copy(team, "notebooks-pipeline", uri | more)
    bad = {
        "  chain:\n    name: Chain": "  bad:\n    name: Bad",
        "prepare: notebooks/prepare.ipynb": "artifact: bad",
        "train: notebooks/train.ipynb": "train: alone.ipynb\n      working-directory: study",
        "notebooks/evaluate.ipynb": "bad.ipynb",
    }
    copy(team, "notebooks-pipeline", uri | bad, "bad")
    result = team.run(timeout=SECONDS, secrets={"MLFLOW_TRACKING_URI": server.uri})
    passed = ("prepare", "train", "evaluate", "deploy", "log")
    assert results(result, "Chain") == dict.fromkeys(passed, "success"), result
    assert results(result, "Bad") == {
        "prepare": "skipped",
        "train": "success",
        "evaluate": "failure",
        "deploy": "skipped",
        "log": "success",
    }
    assert "worse than chance" in result.job("Bad/evaluate").summary
    assert sorted(path.name for path in result.artifact("notebook-ci-pipeline-files").iterdir()) == ["data", "model"]
    logged = [result.job(f"{caller}/log").step("Log the run").outputs["run-id"] for caller in ("Chain", "Bad")]
    assert [server.run(run_id).info["status"] for run_id in logged] == ["FINISHED", "FAILED"]


def test_notebooks_on_several_runners(team: Consumer, kernel: Path, server: MlflowServer) -> None:
    """A push runs all notebooks of two projects; a pull request runs those that it affects, and one shard fails.

    Both projects are called by one workflow. The pull request affects nothing of the second one, which is green.
    """
    for name in "abc":
        team.write(f"notebooks/{name}.ipynb", notebook(f"print({name})", parameters=f"{name} = 1"))
    team.write("tests/test_a.py", "def test_one():\n    assert True\n")
    settings = f"[execute-notebook]\npython = {json.dumps(str(kernel))}\n"
    team.write("other/notebook-ci.toml", f"{settings}[execute-notebook.parameters]\nwhere = 'other'\n")
    in_its_folder = "import pathlib\nassert pathlib.Path.cwd().name == where"
    team.write("other/d.ipynb", notebook(in_its_folder, parameters="where = ''"))
    uri = "    secrets:\n      MLFLOW_TRACKING_URI: ${{ secrets.URI }}"
    called = "    uses: notebook-ci/notebook-ci/.github/workflows/notebook-ci.yml@v1\n    with:\n"
    other = f"  other:\n    name: Other\n{called}      working-directory: other\n      artifact: notebook-ci-other\n"
    given = f"shards: 2\n      parameters: 'a: 5'\n{uri}\n{other}{uri}"
    copy(team, "notebooks-sharded", {"shards: 4 # EDIT: on how many runners at most": given})
    result = team.run(timeout=SECONDS, secrets={"URI": server.uri})
    for project, number in {"Notebooks": 3, "Other": 1}.items():
        assert set(results(result, project).values()) == {"success"}, result
        collect = result.job(f"{project}/collect")
        assert [collect.step("collect").outputs[name] for name in ("executed", "failed")] == [str(number), "0"]
        assert server.run(collect.step("log").outputs["run-id"]).info["status"] == "FINISHED"
        artifact = result.artifact("notebook-ci" if project == "Notebooks" else "notebook-ci-other")
        assert len(list(artifact.rglob("*.ipynb"))) == number
        assert (result.artifact(f"{artifact.name}-records") / "collect-runs.json").exists()
    assert per_shard_tests(result) == {"1": "1", "2": ""}
    page = (result.artifact("report-notebook-ci.html") / "report-notebook-ci.html").read_text(encoding="utf-8")
    shown = re.findall(r'class="name">✓ notebooks/(\w)\.ipynb<', page)
    assert sorted(shown) == ["a", "b", "c"], "of both shards"

    team.git("checkout", "--quiet", "-b", "change")
    team.write("notebooks/b.ipynb", notebook("print(2)"))
    team.write("notebooks/c.ipynb", BAD)
    base = {"ref": "main", "repo": {"default_branch": "main"}}
    payload = {"number": 1, "pull_request": {"number": 1, "base": base, "head": {"ref": "change"}}}
    result = team.run("pull_request", payload=payload, timeout=SECONDS, secrets={"URI": server.uri})
    plan = result.job("Notebooks/plan").step("plan")
    assert [each["notebooks"] for each in json.loads(plan.outputs["matrix"])["include"]] == [
        "notebooks/b.ipynb",
        "notebooks/c.ipynb",
    ], result
    shards = {job.matrix["shard"]: job.result for job in result.legs("Notebooks/shards")}
    assert shards == {"1": "success", "2": "failure"}, result
    assert per_shard_tests(result) == {"1": "1", "2": ""}
    collect = result.job("Notebooks/collect")
    assert collect.result == "failure"
    assert [collect.step("collect").outputs[name] for name in ("executed", "failed")] == ["2", "1"]
    assert server.run(collect.step("log").outputs["run-id"]).info["status"] == "FAILED"
    assert results(result, "Other") == {"plan": "success", "shards": "skipped", "collect": "skipped"}, result
    assert result.job("Other/plan").step("plan").outputs["count"] == "0"
    records = result.artifact("notebook-ci-other-records")
    assert [path.name for path in records.iterdir()] == ["plan-notebooks.json"], "for a comment that nothing ran"


def test_a_night_with_a_canary(consumer: Consumer) -> None:
    """The lock passes; the newest version of a package, which requirements allow, breaks one of two projects."""
    for project in ("study", "calm"):
        consumer.write(f"{project}/requirements.txt", "ipykernel\nsix==1.16.0\n")
        consumer.write(f"{project}/requirements.in", "ipykernel\nsix\n")
        consumer.write(f"{project}/notebooks/any.ipynb", notebook("assert a == 5", parameters="a = 1"))
    consumer.write("study/notebooks/old.ipynb", notebook("import six\nassert six.__version__ == '1.16.0'"))
    consumer.write("study/tests/test_six.py", "import six\n\ndef test_six():\n    assert six.__version__ == '1.16.0'\n")
    given = "parameters: 'a: 5'\n      working-directory: study"
    copy(consumer, "notebooks-nightly", {"# notebooks: notebooks/*.ipynb": given})
    calm = given.replace("study", "calm\n      artifact: calm")
    edits = {"# notebooks: notebooks/*.ipynb": calm, "  nightly:\n    name: Nightly": "  calm:\n    name: Calm"}
    copy(consumer, "notebooks-nightly", edits, "calm")
    quiet = consumer.run("schedule", workflow="calm.yml", timeout=SECONDS)  # one after the other: see images
    result = consumer.run("schedule", workflow="notebooks-nightly.yml", timeout=SECONDS)
    assert results(result, "Nightly") == {"locked": "success", "canary": "failure"}, result.log
    assert results(quiet, "Calm") == {"locked": "success", "canary": "success"}, quiet.log
    assert list(quiet.artifact("report-calm-calm-locked.html").iterdir())
    broken, test = (each for each in result.job("Nightly/canary").annotations if each.level == "error")
    assert (broken.file, test.file) == ("study/notebooks/old.ipynb", "study/tests/test_six.py")
    assert re.fullmatch(r"Broken by six 1\.16\.0 -> 1\.\d+\.\d+", broken.title)


def test_projects_of_a_monorepo(consumer: Consumer, kernel: Path, server: MlflowServer) -> None:
    for project, content in {"churn": GOOD, "pricing": BAD}.items():
        consumer.write(f"projects/{project}/notebooks/a.ipynb", content)
        python = f"[execute-notebook]\npython = {json.dumps(str(kernel))}\n"
        consumer.write(f"projects/{project}/notebook-ci.toml", f'[log-run]\ntracking-uri = "{server.uri}"\n{python}')
    copy(consumer, "notebooks-monorepo", {})
    result = consumer.run(timeout=SECONDS)
    found = {job.matrix["project"]: job.result for job in result.legs("notebooks")}
    assert found == {"churn": "success", "pricing": "failure"}, result
    (error,) = [each for each in result.annotations if each.level == "error"]
    assert error.file == "projects/pricing/notebooks/a.ipynb"
    for project in found:
        assert list(result.artifact(f"notebook-ci-{project}").rglob("a.ipynb"))
        assert list(result.artifact(f"report-projects-{project}.html").iterdir())


def test_data_alone(consumer: Consumer) -> None:
    """Two suites, one of which the data do not meet."""
    track(consumer)
    edits = {"data/input.csv": "data/points.csv"}
    for name, most in {"good": 3, "bad": 2}.items():
        between = {"column": "x", "min_value": 1, "max_value": most}
        expectation = {"type": "expect_column_values_to_be_between", "kwargs": between}
        consumer.write(f"suites/{name}.json", json.dumps({"name": name, "expectations": [expectation]}, indent=1))
        own = {"suites/input.json": f"suites/{name}.json", "  data:\n    name: Data": f"  {name}:\n    name: {name}"}
        copy(consumer, "data-validation", edits | own | {"name: data-validation": f"name: {name}"}, name)
    result = consumer.run(timeout=SECONDS)
    assert (result.job("good").result, result.job("bad").result) == ("success", "failure"), result
    (error,) = result.job("bad").annotations
    assert error.file == "suites/bad.json"
    assert (result.artifact("bad") / "validate-data.json").exists()


@pytest.fixture
def docker(machine: Machine, engine: Engine) -> Iterator[Engine]:
    """An engine whose client is on the PATH of jobs."""
    with machine.program(Path(engine.client)):
        yield engine


def test_an_image_of_a_release(consumer: Consumer, docker: Engine, login_registry: Registry, base_image: str) -> None:
    """One call pushes an image; the other one is stopped by a notebook, and neither logs in nor builds."""
    consumer.write("requirements.txt", "ipykernel\n")
    consumer.write("Dockerfile", f"FROM {base_image}\nCOPY notebooks /notebooks\n")
    prepend(consumer, '[build-image]\ndockerfile = "Dockerfile"\n')
    consumer.write("notebooks/good.ipynb", GOOD)
    consumer.write("notebooks/bad.ipynb", BAD)
    edits = {
        "ghcr.io/${{ github.repository }}/notebooks": f"{login_registry.host}/acme/study",
        "# registry: docker.io": f"registry: {login_registry.host}",
        "# username: acme": f"username: {LOGIN}",
        "# secrets:\n    # ": "secrets:\n    ",
    }
    for name in ("good", "bad"):
        own = {"notebooks/*.ipynb": f"notebooks/{name}.ipynb", "name: Image\n": f"name: {name}\n"}
        copy(consumer, "notebooks-image", edits | own | {"with:": f"with:\n      artifact: {name}"}, name)
    consumer.commit()
    consumer.git("tag", "v1.2")
    payload = {"action": "published", "release": {"tag_name": "v1.2"}}
    secrets = {"REGISTRY_PASSWORD": PASSWORD}
    given: dict[str, Any] = {"payload": payload, "timeout": SECONDS, "env": docker.environ, "secrets": secrets}
    # One after the other: the second finds the environment in the cache.
    results = [consumer.run("release", workflow=f"{name}.yml", **given) for name in ("good", "bad")]
    good, bad = results[0].job("good/image"), results[1].job("bad/image")
    assert good.result == "success", good.log
    assert bad.result == "failure"
    pushed = good.step("image").outputs
    assert pushed["image"] == f"{login_registry.host}/acme/study:v1.2"
    assert pushed["digest"].startswith("sha256:")
    assert [bad.step(name).outcome for name in ("Log in to the registry", "image")] == ["skipped", "skipped"]
    assert "no such penguin" in bad.summary
    assert not [result for result in results if PASSWORD in result.log]
