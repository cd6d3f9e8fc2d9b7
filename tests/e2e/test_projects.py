"""Several projects in one repository: in one job, and as a matrix."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from harness import Consumer, Job, Machine, Result, Suite
from workflows import line_of, notebook, step, upload, workflow_of

ROOT = Path(__file__).resolve().parents[2]
RUN_DIR = "${{ runner.temp }}/notebook-ci"
CONFIG = '[pipeline]\nstages = ["setup-env", "execute-notebook"]\n[execute-notebook.parameters]\nproject = "{}"\n'
LAUNCH, OUTSIDE = f"bash '{ROOT}/scripts/launch.sh'", "--working-directory=projects/../.."
# An environment that exists costs less than a new one.
LEGS = '[execute-notebook]\nparameters = {{project = "{}"}}\npython = "{}"\n'
WHERE = "import sys\nprint(project, open('data.txt').read(), sys.prefix)"
FAILING = notebook("x = 0", "1 / x", parameters="project = ''")


def chain(project: str, name: str = "chain", **more: object) -> dict[str, Any]:
    given = {"working-directory": f"projects/{project}", "slug": project}
    return {"id": name, "uses": "notebook-ci/notebook-ci@v1", "with": given, **more}


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory, suite: Suite, machine: Machine, kernel: Path) -> Result:
    """The result of one job with both projects, and of a matrix with one project per job."""
    consumer = Consumer(tmp_path_factory.mktemp("projects") / "consumer", suite, machine)
    for project, text in (("a", notebook(WHERE, parameters="project = ''")), ("b", FAILING)):
        consumer.write(f"projects/{project}/{project}.ipynb", text)
        consumer.write(f"projects/{project}/requirements.txt", "ipykernel\n")
        consumer.write(f"projects/{project}/notebook-ci.toml", CONFIG.format(project))
        consumer.write(f"projects/{project}/data.txt", f"data of {project}")
        consumer.write(f"projects/{project}/legs.toml", LEGS.format(project, kernel))
    consumer.write("projects/c/c.ipynb", notebook("print('never')"))
    on = {"continue-on-error": True}
    together = [
        chain("a", "a"),
        chain("b", "b", **on),
        step("execute-notebook", "without", working_directory="projects/c") | on,
        step("setup-env", "outside", working_directory="projects/../..") | on,
        {"id": "code", "shell": "bash", "run": f'{LAUNCH} setup-env {OUTSIDE} || echo "code=$?" >>"$GITHUB_OUTPUT"'},
        upload("together", RUN_DIR),
    ]
    leg = chain("${{ matrix.project }}")
    leg["with"] |= {"config": "legs.toml", "stages": "execute-notebook"}
    content = json.loads(workflow_of({"together": together, "matrix": [leg]}))
    content["jobs"]["matrix"]["strategy"] = {"fail-fast": False, "matrix": {"project": ["a", "b"]}}
    consumer.workflow(json.dumps(content))
    return consumer.run(timeout=300)


def record(result: Result, name: str) -> dict[str, Any]:
    """Return a record, which its published schema accepts."""
    found = json.loads((result.artifact("together") / f"{name}.json").read_text(encoding="utf-8"))
    schema = json.loads((ROOT / "docs" / "schemas" / f"{found['stage']}.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(found, schema)
    return dict(found)


def places(job: Job, level: str) -> set[tuple[str, int | None]]:
    return {(each.file, each.line) for each in job.annotations if each.level == level and each.file}


def test_two_projects_in_one_job_have_their_own_outputs(result: Result) -> None:
    job = result.job("together")
    shown = {
        project: [job.step(project).outputs[name] for name in ("status", "executed", "failed")] for project in "ab"
    }
    assert shown == {"a": ["passed", "1", "0"], "b": ["failed", "1", "1"]}, job.log
    for project in "ab":
        assert job.step(project).outputs["env-digest"] == record(result, f"setup-env-{project}")["env_digest"]
        for stage in ("setup-env", "execute-notebook"):
            assert record(result, f"{stage}-{project}")["source"]["directory"] == f"projects/{project}"


def test_each_project_runs_in_its_own_folder_and_environment(result: Result) -> None:
    environments = [record(result, f"setup-env-{project}")["python"] for project in "ab"]
    assert environments == [record(result, f"execute-notebook-{project}")["python"] for project in "ab"]
    assert len(set(environments)) == 2
    executed = json.loads((result.artifact("together") / "execute-notebook-a" / "a.ipynb").read_text(encoding="utf-8"))
    prefix = Path(environments[0]).parents[1]
    assert executed["cells"][-1]["outputs"][0]["text"] == [f"a data of a {prefix}\n"]


def test_annotations_start_from_the_root_of_the_repository(result: Result) -> None:
    job = result.job("together")
    assert places(job, "error") == {("projects/b/b.ipynb", line_of(FAILING, "1 / x"))}
    assert places(job, "notice") == {(f"projects/{each}/requirements.txt", None) for each in "ab"}


def test_the_environment_of_another_project_is_not_used(result: Result) -> None:
    refused = result.job("together").step("without")
    assert (refused.outcome, refused.outputs["status"], refused.outputs["executed"]) == ("failure", "error", "0")
    assert "setup-env last ran in " in refused.annotations[0].message
    assert refused.annotations[0].message.endswith("or set `python` to an interpreter.")


def test_a_folder_outside_the_checkout_is_a_wrong_input(result: Result) -> None:
    refused = result.job("together").step("outside")
    assert (refused.outcome, refused.outputs["status"]) == ("failure", "error")
    assert refused.annotations[0].message.startswith("`working-directory` is `projects/../..`, which leads out of the ")
    assert result.job("together").step("code").outputs["code"] == "2"


def test_a_matrix_has_one_project_per_job(result: Result) -> None:
    assert [result.job("matrix", project=project).result for project in "ab"] == ["success", "failure"]
    assert places(result.job("matrix", project="b"), "error") == {("projects/b/b.ipynb", line_of(FAILING, "1 / x"))}
    assert [result.job("matrix", project=project).step("chain").outputs["status"] for project in "ab"] == [
        "passed",
        "failed",
    ]


def test_environments_are_cached_per_project(result: Result) -> None:
    saved = [entry.paths for entry in result.cache]
    assert len(saved) == len(set(saved)) == 2
