"""The chain as a workflow uses it: the root action and the starter workflow, with real data and a Docker engine."""

import contextlib
import json
import os
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from harness import Consumer, Job, Machine, Result
from integration.build_image import images
from servers.docker import Engine, import_base
from servers.files import serve_files
from servers.mlflow import MlflowServer
from workflows import DATA_HASH, OBJECT, notebook, prepend, reuse, track, upload, workflow

# It makes byte-code of ipykernel and what it needs, which each job would otherwise compile.
pytestmark = pytest.mark.usefixtures("kernel")

ROOT = Path(__file__).resolve().parents[2]
CHAIN = {"id": "chain", "uses": "notebook-ci/notebook-ci@v1"}
RUN_DIR = "${{ runner.temp }}/notebook-ci"
SECONDS = 300
STAGES = (
    "setup-env",
    "dvc-pull",
    "validate-data",
    "execute-notebook",
    "test-notebook",
    "build-image",
    "log-run",
    "report-run",
)
SUITE = {
    "name": "points",
    "expectations": [
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "x", "min_value": 1, "max_value": 3}},
        {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "y"}},
    ],
}
SUM = "import csv\nwith open('../data/points.csv') as file:\n    rows = list(csv.DictReader(file))"
METRICS = (
    "display({'application/vnd.notebook-ci.metrics+json': {'total': sum(float(row['y']) for row in rows) * scale},"
    " 'text/plain': 'total'}, raw=True)"
)


@pytest.fixture
def docker(machine: Machine, engine: Engine) -> Iterator[Engine]:
    """An engine whose client is on the PATH of jobs."""
    with machine.program(Path(engine.client)):
        yield engine


@pytest.fixture
def study(consumer: Consumer, docker: Engine) -> Consumer:
    """A repository with a lock, data of DVC, a suite, a notebook and an image."""
    base = import_base(docker)
    track(consumer)
    files = {
        "requirements.txt": "ipykernel\n",
        "suites/points.json": json.dumps(SUITE, indent=1),
        "notebooks/a.ipynb": notebook(SUM, METRICS, parameters="scale = 1"),
        "notebook-ci.toml": (
            '[validate-data]\ndata = "data/points.csv"\nsuite = "suites/points.json"\n'
            f'[build-image]\nimage = "study"\nbase-image = "{base}"\n'
        ),
    }
    for name, content in files.items():
        consumer.write(name, content)
    return consumer


@pytest.fixture
def logs_to_server(study: Consumer, server: MlflowServer) -> None:
    """Its runs go to an MLflow server, which costs half as much as a new database."""
    prepend(study, f'[log-run]\ntracking-uri = "{server.uri}"\n')


@pytest.fixture
def reuses_environment(study: Consumer, kernel: Path) -> None:
    reuse(study, kernel)


def run(consumer: Consumer, engine: Engine, *steps: Mapping[str, Any], **more: Any) -> Result:
    if steps:
        consumer.workflow(workflow(*steps))
    return consumer.run(env={**engine.environ, **more.pop("env", {})}, timeout=SECONDS, **more)


def records(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the records of an uploaded run directory, which their published schemas accept."""
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}
    for record in found.values():
        schema = ROOT / "docs" / "schemas" / f"{record['stage']}.schema.json"
        jsonschema.validate(record, json.loads(schema.read_text(encoding="utf-8")))
    return found


def statuses(result: Result) -> dict[str, str]:
    found = records(result.artifact("run"))
    return {name: found[name]["status"] for name in STAGES}


def headline(job: Job) -> str:
    return job.headlines[0]


# The root action


Break = Callable[[Consumer], object]


def toml(consumer: Consumer, more: str) -> None:
    path = consumer.path / "notebook-ci.toml"
    path.write_text(path.read_text(encoding="utf-8") + more, encoding="utf-8")


def no_such_package(consumer: Consumer) -> None:
    consumer.write("requirements.txt", "ipykernel\nno-such-package-of-nobody==1.0\n")


def missing_object(consumer: Consumer) -> None:
    (consumer.path / OBJECT).unlink()


def violated_expectation(consumer: Consumer) -> None:
    consumer.write("suites/points.json", json.dumps(SUITE, indent=1).replace('"max_value": 3', '"max_value": 2'))


def raising_notebooks(consumer: Consumer) -> None:
    consumer.write("notebooks/b.ipynb", notebook("raise ValueError('no such penguin')"))
    consumer.write("notebooks/c.ipynb", notebook("x = 0", "1 / x"))


@pytest.mark.usefixtures("logs_to_server", "reuses_environment")
@pytest.mark.parametrize(
    ("stage", "broken", "ends"),
    [
        ("setup-env", no_such_package, ("error", "no-such-package-of-nobody")),
        ("validate-data", violated_expectation, ("failed", "column `")),
        (
            "execute-notebook",
            raising_notebooks,
            ("failed", "`notebooks/b.ipynb`, cell 1: ValueError: no such penguin (and 1 more failure)"),
        ),
    ],
    ids=["setup-env", "validate-data", "execute-notebook"],
)
def test_a_stage_that_fails(study: Consumer, engine: Engine, stage: str, broken: Break, ends: tuple[str, str]) -> None:
    """The pull request of a fork, below, fails in dvc-pull; without an engine, build-image and log-run do."""
    status, said = ends
    broken(study)
    result = run(study, engine, CHAIN | {"with": {"parameters": "scale: 10"}}, upload("run", RUN_DIR))
    job = result.job("test")
    assert job.result == "failure"
    place = STAGES.index(stage)
    found = statuses(result)
    assert {name: found[name] for name in STAGES[:place]} == dict.fromkeys(STAGES[:place], "passed"), job.log
    assert found[stage] == status
    beside = ("dvc-pull", "validate-data") if stage == "setup-env" else ()  # may have begun when it fails
    later = {name: found[name] for name in STAGES[place + 1 : -2] if name not in beside}
    assert later == dict.fromkeys(later, "skipped")
    assert all(found[name] in {"passed", "skipped"} for name in beside)
    assert found["log-run"] == found["report-run"] == "passed"
    assert " failed: " in headline(job)
    assert said in headline(job)
    assert job.step("chain").outputs["status"] == status
    assert [each for each in job.annotations if each.level == "error"]
    assert "Traceback" not in job.log.replace("Traceback (most recent call last)\n", "") or stage == "execute-notebook"
    if stage == "execute-notebook":
        assert "ValueError: no such penguin" in job.summary
        assert "ZeroDivisionError: division by zero" in job.summary
        assert re.search(r"\| `total` +\| 120 +\|", job.summary), "what is given reaches the notebook that passes"


@pytest.mark.usefixtures("reuses_environment")
def test_a_pull_request_from_a_fork_has_no_credentials(study: Consumer, engine: Engine) -> None:
    study.write(".dvc/config", "[core]\n    remote = bucket\n['remote \"bucket\"']\n    url = s3://acme-data/store\n")
    content = json.loads(workflow(CHAIN, upload("run", RUN_DIR)))
    content["on"] = "pull_request"
    content["jobs"]["test"]["env"] = {
        "AWS_ACCESS_KEY_ID": "${{ secrets.AWS_ACCESS_KEY_ID }}",
        "AWS_SECRET_ACCESS_KEY": "${{ secrets.AWS_SECRET_ACCESS_KEY }}",
        "MLFLOW_TRACKING_URI": "${{ secrets.MLFLOW_TRACKING_URI }}",
    }
    study.workflow(json.dumps(content))
    fork = {"number": 1, "pull_request": {"number": 1, "head": {"repo": {"fork": True, "full_name": "stranger/x"}}}}
    result = run(study, engine, event="pull_request", payload=fork)
    job = result.job("test")
    assert job.result == "failure"
    found = statuses(result)
    assert (found["dvc-pull"], found["execute-notebook"], found["log-run"]) == ("error", "skipped", "passed")
    assert "credentials" in headline(job)
    assert "forks" in job.summary
    assert job.step("chain").outputs["status"] == "error"


def test_without_a_docker_engine_the_image_is_not_built(study: Consumer, engine: Engine) -> None:
    nowhere = {"DOCKER_HOST": f"unix://{study.folder / 'no.sock'}"}
    prepend(study, '[log-run]\ntracking-uri = "http://127.0.0.1:9"\n')
    stages = {"with": {"stages": "build-image\nlog-run"}}
    result = run(study, engine, CHAIN | stages, upload("run", RUN_DIR), env=nowhere)
    job = result.job("test")
    assert job.result == "failure"
    assert headline(job).startswith("### 🛑 build-image failed: ")
    found = records(result.artifact("run"))
    assert {name: record["status"] for name, record in found.items()} == {"build-image": "error", "log-run": "error"}
    assert any("127.0.0.1:9" in each.message for each in job.annotations)
    assert job.step("chain").outputs["status"] == "error"
    text = (study.path / "notebook-ci.toml").read_text(encoding="utf-8")
    study.write("notebook-ci.toml", text.replace("[build-image]\n", '[build-image]\nif-no-engine = "skip"\n'))
    job = run(study, engine, CHAIN | {"with": {"stages": "build-image"}}, env=nowhere).job("test")
    assert job.result == "success", job.log
    assert headline(job).startswith("### ⏭️ build-image skipped: ")
    assert job.step("chain").outputs["status"] == "skipped"
    assert "engine" in job.summary


# The starter workflow


def edited(consumer: Consumer, *, without: str = "") -> None:
    """Copy the starter workflow, and do at the lines marked EDIT what a team has to do.

    Args:
        consumer: The repository.
        without: A step that is taken out, and all after it.
    """
    text = (ROOT / "workflows-templates" / "notebook-ci.yml").read_text(encoding="utf-8")
    for name, value in {
        "data/input.csv": "data/points.csv",
        "suites/input.json": "suites/points.json",
        "image: notebooks #": "image: study #",
    }.items():
        assert text.count(name) == 1
        text = text.replace(name, value)
    if without:
        text, step, _ = text.partition(f"      - name: {without}\n")
        assert step
    consumer.workflow(text)


def test_the_starter_workflow_runs_the_whole_chain(study: Consumer, engine: Engine) -> None:
    edited(study)
    result = run(study, engine)
    job = result.job("notebooks")
    assert job.result == "success", job.log
    found = records(result.artifact("notebook-ci") / "notebook-ci")
    expected = dict.fromkeys(STAGES, "passed")
    del expected["test-notebook"]  # it has no tests
    assert {name: record["status"] for name, record in found.items()} == expected
    assert found["execute-notebook"]["python"] == found["setup-env"]["python"]
    assert list(result.artifact("notebook-ci").rglob("a.ipynb"))
    assert (result.artifact("notebook-ci") / "notebook-ci-mlflow" / "mlflow.db").exists()
    assert "<!DOCTYPE html>" in (result.artifact("report.html") / "report.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("reuses_environment")
@pytest.mark.parametrize(
    ("broken", "said", "executed"),
    [
        (missing_object, "dvc-pull failed: `data/points.csv` is missing", []),
        (raising_notebooks, "execute-notebook failed: `notebooks/b.ipynb`", ["a.ipynb", "b.ipynb", "c.ipynb"]),
    ],
    ids=["dvc-pull", "execute-notebook"],
)
def test_the_starter_workflow_keeps_and_logs_a_run_that_failed(
    study: Consumer, engine: Engine, broken: Break, said: str, executed: list[str]
) -> None:
    edited(study)
    broken(study)
    result = run(study, engine)
    job = result.job("notebooks")
    assert job.result == "failure"
    assert [line for line in job.headlines if said in line]
    assert job.headlines[-1].startswith(f"### ❌ {said.removeprefix('execute-notebook ')}"), "log-run sums up all steps"
    assert job.step("Execute the notebooks").outcome == ("failure" if executed else "skipped")
    kept = result.artifact("notebook-ci")
    found = records(kept / "notebook-ci")
    failed, _, _ = said.partition(" ")
    ends = dict.fromkeys((*STAGES[: STAGES.index(failed)], *STAGES[-2:]), "passed") | {failed: "failed"}
    assert {name: record["status"] for name, record in found.items()} == ends
    assert found["setup-env"]["reused"]
    assert sorted(path.name for path in kept.glob("notebook-ci/execute-notebook/notebooks/*.ipynb")) == executed
    with contextlib.closing(sqlite3.connect(kept / "notebook-ci-mlflow" / "mlflow.db")) as database:
        logged = database.execute("SELECT run_uuid, status FROM runs").fetchall()
    assert logged == [(found["log-run"]["run_id"], "FAILED")]


# Both


def the_root_action(consumer: Consumer) -> None:
    """Its notebook changes the environment, and finds that no run before it did. Its lock has hashes, and no kernel."""
    consumer.write("requirements.txt", (ROOT / "requirements" / "pipeline.txt").read_bytes())
    consumer.workflow(workflow(CHAIN | {"with": {"stages": "setup-env\ndvc-pull\nexecute-notebook"}}))
    # A new file: the installed one is also in uv's cache, from which other tests install.
    evil = "from pathlib import Path\nimport ipykernel\nfile = Path(ipykernel.__file__)\ntext = file.read_text()\n"
    changes = f"{evil}file.unlink()\nfile.write_text(text + 'EVIL = 1')"
    consumer.write("notebooks/a.ipynb", notebook("import ipykernel\nassert not hasattr(ipykernel, 'EVIL')", changes))


def the_starter_workflow(consumer: Consumer) -> None:
    edited(consumer, without="Validate the data")


@pytest.mark.parametrize(
    ("uses", "name", "caches"),
    [
        (the_root_action, "test", {"env-digest": ("chain", "env-cache"), "data-digest": ("chain", "data-cache")}),
        (
            the_starter_workflow,
            "notebooks",
            {"env-digest": ("Create the environment", "cache"), "data-digest": ("Pull the data", "cache")},
        ),
    ],
    ids=["root action", "starter workflow"],
)
def test_a_second_run_takes_environment_and_data_from_the_cache(
    study: Consumer, engine: Engine, uses: Callable[[Consumer], None], name: str, caches: dict[str, tuple[str, str]]
) -> None:
    """The data are served: a remote that is a folder is as near as a cache."""
    uses(study)
    # On GitHub a job finds the same path again; act makes new ones.
    toml(study, f"[setup-env]\nvenv = {json.dumps(str(study.folder / 'venv'))}\n")
    with serve_files(study.folder / "store") as store:
        (study.path / "dvc-storage").rename(store.folder)
        config = study.path / ".dvc" / "config"
        config.write_text(config.read_text(encoding="utf-8").replace("../dvc-storage", store.url), encoding="utf-8")
        first = run(study, engine).job(name)
        assert first.result == "success", first.log
        assert "Installed" in first.log
        assert any(path.endswith(DATA_HASH[2:]) for path in store.asked)
        store.asked.clear()
        (study.folder / "venv").rename(study.folder / "gone")
        second = run(study, engine).job(name)
        assert second.result == "success", second.log
        assert not any(path.endswith(DATA_HASH[2:]) for path in store.asked)
    for output, (step, cache) in caches.items():
        assert first.step(step, cache).outputs.get("cache-hit", "") != "true"
        assert second.step(step, cache).outputs["cache-hit"] == "true"
        assert second.step(step).outputs[output] == first.step(step).outputs[output]
    assert [job.log.count("Cache saved with key: ") for job in (first, second)] == [2, 0]
    assert "neither it nor `requirements.txt` has changed" in second.log
    if uses is the_root_action:
        assert first.log.rindex("Cache saved with key: ") < first.log.index("Executing 1 notebook")
        return
    (study.folder / "venv").rename(study.folder / "gone too")
    study.write("requirements.txt", "ipykernel\nrich\n")
    third = run(study, engine).job(name)
    assert third.step("Create the environment", "cache").outputs.get("cache-hit", "") != "true"
    assert "Installed" in third.log


# The example


def test_the_penguins_example_with_its_own_workflow(consumer: Consumer, docker: Engine) -> None:
    example = ROOT / "examples" / "penguins"
    for folder, _, names in os.walk(example):
        for name in names:
            path = Path(folder, name)
            consumer.write(path.relative_to(example).as_posix(), path.read_bytes())
    # The engine of the tests has no Python image of a registry.
    text = (consumer.path / "notebook-ci.toml").read_text(encoding="utf-8")
    assert text.count("[build-image]\n") == 1
    base = f'[build-image]\nbase-image = "{import_base(docker)}"\n'
    consumer.write("notebook-ci.toml", text.replace("[build-image]\n", base))
    result = run(consumer, docker)
    job = result.job("notebooks")
    assert job.result == "success", job.log
    outputs = job.step("chain").outputs
    image = outputs["image"]
    docker.made.add(image)
    found = records(result.artifact("notebook-ci") / "notebook-ci")
    assert {name: found[name]["status"] for name in STAGES} == dict.fromkeys(STAGES, "passed")
    assert headline(job).startswith("### ✅ 8 stages passed in ")
    assert outputs["status"] == "passed"
    assert (outputs["executed"], outputs["failed"], outputs["tests"]) == ("2", "0", "4")
    compared = [each["comparison"]["cells"] for each in found["execute-notebook"]["notebooks"]]
    assert compared == [{"same": 10}, {"same": 8}]
    assert found["test-notebook"]["added"].keys() >= {"pytest"}
    assert outputs["env-digest"] == found["setup-env"]["env_digest"]
    assert outputs["data-digest"] == found["dvc-pull"]["data_digest"]
    assert image == f"penguins:{consumer.git('rev-parse', 'HEAD').strip()}"
    assert outputs["digest"] == ""
    assert outputs["run-id"] == found["log-run"]["run_id"]
    assert "accuracy" in job.summary
    executed = sorted(
        path.name for path in result.artifact("notebook-ci").glob("notebook-ci/execute-notebook/notebooks/*.ipynb")
    )
    assert executed == ["01-clean.ipynb", "02-train.ipynb"]
    # The folders of a run are gone with it, and so are the data.
    (stored,) = (path for path in (example / "dvc-storage").rglob("*") if path.is_file())
    data = consumer.folder / "data"
    data.mkdir()
    shutil.copy(stored, data / "penguins_raw.csv")
    mounted = ("-v", f"{data}:/home/notebook/work/data", "--user", str(os.getuid()), "-e", "HOME=/tmp")
    arguments = ("--cwd", "notebooks", "notebooks/01-clean.ipynb", "-", "-p", "min_body_mass_g", "3000")
    cells = json.loads(images.run(docker, image, *arguments, flags=mounted))["cells"]
    (injected,) = (cell for cell in cells if "injected-parameters" in cell["metadata"]["tags"])
    assert "min_body_mass_g = 3000" in "".join(injected["source"])
    shown = [output for cell in cells for output in cell.get("outputs", [])]
    assert "dropped: lighter than 3000 g" in json.dumps(shown)
    assert "error" not in {output["output_type"] for output in shown}
    assert (data / "clean.csv").exists()
