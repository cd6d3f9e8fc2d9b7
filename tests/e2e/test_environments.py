"""setup-env in a workflow: conda, Poetry, PEP 723, inferred packages. A second run restores them without a network."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness import Consumer, Machine, Result, Suite
from notebook_ci.base.conda import this_platform
from servers.conda import Channel
from servers.files import serve_files
from workflows import notebook, step, upload, workflow

# The packages of this environment are then in uv's cache.
pytestmark = pytest.mark.usefixtures("kernel")

LOCKS = Path(__file__).resolve().parents[1] / "locks"
SECONDS = 300
NOWHERE = "http://127.0.0.1:9/simple"
EXPLICIT = f"examples/geo/conda-{this_platform()}.lock"
# The notebook of conda imports nothing that is not in the standard library: the packages of all notebooks are inferred.
GEO = "import json, os, sys\nprint(json.dumps([sys.prefix, os.environ['GEO_DATA'], os.environ['CONDA_PREFIX']]))"
NOTEBOOKS = {
    "examples/geo/geo.ipynb": notebook(GEO, "!greet"),
    "a.ipynb": notebook('# /// script\n# dependencies = ["six==1.17.0"]\n# ///', "import six\nprint(six.__version__)"),
    "b.ipynb": notebook("import yaml\nprint(yaml.safe_load('x: 1'))"),
}


@dataclass(frozen=True)
class Runs:
    consumer: Consumer
    created: Result
    restored: Result  # with other folders, and without a network
    downloaded: list[str]  # packages of conda, in the first run
    asked: list[str]  # all that the second run asked the channel for


def setup(consumer: Consumer, slug: str, **inputs: str) -> dict[str, Any]:
    """Return a step; on GitHub a job finds the path of an environment again, but act makes a new one."""
    return step("setup-env", slug, slug=slug, venv=str(consumer.folder / "venvs" / slug), **inputs)


def execute(slug: str, notebooks: str) -> dict[str, Any]:
    python = f"${{{{ steps.{slug}.outputs.python }}}}"
    return step("execute-notebook", f"{slug}-notebooks", slug=slug, notebooks=notebooks, python=python)


def write(consumer: Consumer, channel: Channel) -> None:
    """Write a repository with notebooks, a list of conda, a lock of Poetry, and one that is stale."""
    for name, text in NOTEBOOKS.items():
        consumer.write(name, text)
    consumer.write(EXPLICIT, channel.explicit("python", "geo", "greet-1.0"))
    for path in (LOCKS / "poetry").iterdir():
        text = path.read_text(encoding="utf-8")
        consumer.write(f"examples/poetry/{path.name}", text)
        consumer.write(f"examples/stale/{path.name}", text.replace('sortedcontainers = "*"', 'six = "*"'))


@pytest.fixture(scope="module")
def runs(
    tmp_path_factory: pytest.TempPathFactory, suite: Suite, machine: Machine, channel_folder: Path
) -> Iterator[Runs]:
    study = Consumer(tmp_path_factory.mktemp("environments") / "consumer", suite, machine)
    cached = (
        setup(study, "conda", requirements=EXPLICIT),
        execute("conda", "examples/geo/*.ipynb"),
        setup(study, "poetry", requirements="examples/poetry/poetry.lock"),
        upload("run", "${{ runner.temp }}/notebook-ci"),
    )
    others = (
        setup(study, "pep723"),
        setup(study, "inferred", infer="true"),
        execute("inferred", "*.ipynb"),
        setup(study, "stale", requirements="examples/stale/poetry.lock") | {"continue-on-error": True},
    )
    with serve_files(channel_folder) as server:
        write(study, Channel(server))
        study.workflow(workflow(*others, *cached))
        created = study.run(timeout=SECONDS)
        downloaded = [path for path in server.asked if path.endswith(".conda")]
        (study.folder / "venvs").rename(study.folder / "gone")
        server.asked.clear()
        server.illness = "500"
        study.workflow(workflow(*cached))
        restored = study.run(env={"UV_DEFAULT_INDEX": NOWHERE}, timeout=SECONDS)
        yield Runs(study, created, restored, downloaded, server.asked)


def record(result: Result, name: str) -> dict[str, Any]:
    return dict(json.loads((result.artifact("run") / f"{name}.json").read_text(encoding="utf-8")))


def packages(result: Result, slug: str) -> dict[str, str]:
    made = record(result, f"setup-env-{slug}")
    assert (made["status"], made["reused"]) == ("passed", False)
    return dict(made["packages"])


def printed(result: Result, slug: str, name: str) -> list[str]:
    """Return what the cells of an executed notebook printed, one text per output."""
    path = result.artifact("run") / f"execute-notebook-{slug}" / name
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(output["text"]).strip() for cell in cells for output in cell["outputs"]]


def test_each_kind_of_environment_is_created(runs: Runs) -> None:
    result = runs.created
    assert result.job("test").result == "success", result.log
    assert len(runs.downloaded) == 3
    assert packages(result, "poetry")["sortedcontainers"] == "2.4.0"
    stated = packages(result, "pep723")
    assert (stated["six"], "pyyaml" in stated) == ("1.17.0", False)
    inferred = packages(result, "inferred")
    assert inferred.keys() >= {"six", "pyyaml", "ipykernel"}
    assert "sortedcontainers" not in inferred
    assert printed(result, "inferred", "a.ipynb") == ["1.17.0"]
    assert printed(result, "inferred", "b.ipynb") == ["{'x': 1}"]


def test_environments_are_restored_without_a_network(runs: Runs) -> None:
    job = runs.restored.job("test")
    assert job.result == "success", job.log
    assert not runs.asked
    assert not job.annotations
    # Those of notebooks too, whose list the first step has locked; nothing for a failure.
    saved = {entry.key for entry in runs.created.cache}
    assert (len(saved), {entry.key for entry in runs.restored.cache}) == (4, saved)
    for slug in ("conda", "poetry"):
        assert job.step(slug, "cache").outputs["cache-hit"] == "true"
        before, now = (record(result, f"setup-env-{slug}") for result in (runs.created, runs.restored))
        assert (before["reused"], now["reused"]) == (False, True)
        assert now["env_digest"] == before["env_digest"]


def test_kernels_run_in_the_activated_environment_of_conda(runs: Runs) -> None:
    prefix = str(runs.consumer.folder / "venvs" / "conda")
    for result in (runs.created, runs.restored):
        assert record(result, "setup-env-conda")["conda_packages"].keys() == {"python", "geo", "greet"}
        shown, greeting = printed(result, "conda", "examples/geo/geo.ipynb")
        assert (json.loads(shown), greeting) == ([prefix, f"{prefix}/share/geo", prefix], "hello 1.0")


def test_a_stale_lock_of_poetry_is_an_error_at_the_lock(runs: Runs) -> None:
    job = runs.created.job("test")
    stale = job.step("stale")
    assert (stale.outcome, stale.outputs["status"], stale.outputs["python"]) == ("failure", "error", "")
    [error] = [each for each in job.annotations if each.level == "error"]
    assert (error.file, error.line) == ("examples/stale/poetry.lock", None)
    assert error.message == (
        "`examples/stale/poetry.lock` no longer matches its `pyproject.toml`. "
        "Run `poetry lock`, and commit the new `poetry.lock`."
    )
