"""What reusable and starter workflows may do, what they take, and when their runs are cancelled."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from notebook_ci.records.plan_notebooks import PlanNotebooksRecord, Shard

ROOT = Path(__file__).resolve().parents[2]
REUSABLE = sorted(ROOT.glob(".github/workflows/notebook-*.yml"))
TO_COPY = sorted([*ROOT.glob("workflows-templates/*.yml"), *ROOT.glob("examples/*/.github/workflows/*.yml")])
READ = {"contents": "read"}
# The jobs that may do something else than read the repository.
OTHERS = {
    "notebook-image.yml/image": READ | {"packages": "write"},
    "notebooks-image.yml/image": READ | {"packages": "write"},
    "notebooks-comment.yml/comment": {"actions": "read", "pull-requests": "write"},  # it gets no code
}


def load(path: Path) -> dict[str, Any]:
    return dict(YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")))


def permissions(workflow: Mapping[str, Any], name: str) -> dict[str, dict[str, str]]:
    """Return what the token of each job may do, by the name of the file and the job."""
    jobs = workflow["jobs"].items()
    return {f"{name}/{job}": content.get("permissions", workflow.get("permissions")) for job, content in jobs}


@pytest.mark.parametrize("path", [*REUSABLE, *TO_COPY], ids=lambda path: path.stem)
def test_a_job_reads_the_repository_and_no_more(path: Path) -> None:
    for job, found in permissions(load(path), path.name).items():
        assert found == OTHERS.get(job, READ), job


def test_jobs_with_other_permissions_exist() -> None:
    found = {job for path in [*REUSABLE, *TO_COPY] for job in permissions(load(path), path.name)}
    assert OTHERS.keys() <= found


@pytest.mark.parametrize("path", REUSABLE, ids=lambda path: path.stem)
def test_each_job_states_its_permissions_and_ends_in_time(path: Path) -> None:
    workflow = load(path)
    assert workflow["permissions"] == {}
    for name, job in workflow["jobs"].items():
        assert {"permissions", "timeout-minutes", "name"} <= job.keys(), name


def wrong(workflow: Mapping[str, Any], text: str) -> Iterator[str]:
    """Yield what is wrong with the inputs, secrets and outputs of a reusable workflow.

    `secrets: inherit` is not asked for here: it would be a secret that is used and not declared.
    """
    call = workflow["on"]["workflow_call"]
    body = text.partition("\njobs:\n")[2]
    for noun in ("inputs", "secrets", "outputs"):
        for name, each in call.get(noun, {}).items():
            if not each.get("description", "").endswith("."):
                yield f"{name} is not described"
    for name, each in call["inputs"].items():
        if each.get("type") not in {"string", "boolean", "number"} or ("default" in each) == each.get(
            "required", False
        ):
            yield f"{name} has no type, or no default"
    for noun in ("inputs", "secrets"):
        used = set(re.findall(rf"\b{noun}\.([\w-]+)", body))
        if used != call.get(noun, {}).keys():
            yield f"{noun}: {sorted(used ^ call.get(noun, {}).keys())}"
    if "inherit" in body:
        yield "inherit"


@pytest.mark.parametrize("path", REUSABLE, ids=lambda path: path.stem)
def test_inputs_and_secrets_are_typed_described_and_used(path: Path) -> None:
    assert list(wrong(load(path), path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("right", "changed", "said"),
    [
        ("inputs.tags", "inputs.tag", "inputs: ['tag', 'tags']"),
        ("${{ secrets.AWS_ACCESS_KEY_ID }}", "x", "secrets: ['AWS_ACCESS_KEY_ID']"),
        ("secrets.AWS_ACCESS_KEY_ID }}", "secrets.AWS_KEY }}", "secrets: ['AWS_ACCESS_KEY_ID', 'AWS_KEY']"),
        ("        type: boolean\n", "", "push has no type, or no default"),
        ("        default: ghcr.io\n", "", "registry has no type, or no default"),
        ("Push the image to its registry.", "Push", "push is not described"),
        ("name: Image\n", "secrets: inherit\n", "inherit"),
    ],
)
def test_a_wrong_input_or_secret_is_found(tmp_path: Path, right: str, changed: str, said: str) -> None:
    text = (ROOT / ".github" / "workflows" / "notebook-image.yml").read_text(encoding="utf-8")
    assert right in text
    path = tmp_path / "x.yml"
    path.write_text(text.replace(right, changed), encoding="utf-8")
    assert said in list(wrong(load(path), path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", REUSABLE, ids=lambda path: path.stem)
def test_the_caller_decides_what_runs_at_the_same_time(path: Path) -> None:
    """A called workflow shares `github.workflow` with its caller: two groups of one name would block each other."""
    assert "concurrency" not in path.read_text(encoding="utf-8")


def own_steps(workflow: Mapping[str, Any], action: str = "") -> list[dict[str, Any]]:
    """Return the inputs of each step that uses one of our actions, or the one that the rest of its name says."""
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    return [step["with"] for step in steps if step.get("uses", "").startswith(f"notebook-ci/notebook-ci{action}")]


def not_replaced(text: str) -> list[str]:
    """Return the paths of artifacts that stay beside those of a second attempt, which have the same name."""
    jobs = YAML(typ="safe").load(text)["jobs"].values()
    steps = [step for job in jobs for step in job.get("steps", ()) if "upload-artifact@" in step.get("uses", "")]
    given = [step["with"] for step in steps]
    return [each["path"] for each in given if "attempt" not in each.get("name", "") and not each.get("overwrite")]


@pytest.mark.parametrize("path", [*REUSABLE, *TO_COPY], ids=lambda path: path.stem)
def test_a_second_attempt_replaces_the_artifacts_of_the_first(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not not_replaced(text)
    assert bool(not_replaced(text.replace("overwrite: true", ""))) == ("overwrite: true" in text)


@pytest.mark.parametrize("path", REUSABLE, ids=lambda path: path.stem)
def test_each_stage_runs_in_the_folder_of_the_project(path: Path) -> None:
    found = own_steps(load(path))
    assert found
    assert all(given["working-directory"] == "${{ inputs.working-directory }}" for given in found)


@pytest.mark.parametrize("path", REUSABLE, ids=lambda path: path.stem)
def test_settings_for_pull_requests_skip_no_notebook_of_a_job(path: Path) -> None:
    """`changed-only` of notebook-ci.toml would skip the evaluation of a model that is deployed."""
    found = own_steps(load(path), "@")
    assert found
    assert all(given.get("changed-only") is False for given in found)


def test_settings_of_the_plan_count_without_an_input() -> None:
    """The defaults of the workflow must not override notebook-ci.toml: more notebooks run, never less."""
    (plan,) = (step for step in load(REUSABLE[0])["jobs"]["plan"]["steps"] if step.get("id") == "plan")
    assert plan["with"]["changed-only"] == "${{ !inputs.changed-only && 'false' || '' }}"
    assert plan["with"]["shards"] == "${{ inputs.shards || '' }}"


def test_a_shard_runs_what_and_where_the_plan_says() -> None:
    """act starts such a container, but the stand-ins need programs of this machine: no end-to-end test runs one."""
    job = load(REUSABLE[0])["jobs"]["shards"]
    assert (job["runs-on"], job["container"]) == ("${{ matrix.runner }}", "${{ matrix.container }}")
    [given] = [step["with"] for step in job["steps"] if "slug" in step.get("with", {})]
    assert (given["notebooks"], given["slug"]) == ("${{ matrix.notebooks }}", "${{ matrix.shard }}")
    shard = Shard(name="1", notebooks=["a.ipynb"], seconds=1.0, runner=["gpu"], container="cuda:12")
    [planned] = json.loads(PlanNotebooksRecord(stage="plan-notebooks", shards=[shard]).headline["matrix"])["include"]
    assert planned == {"shard": "1", "notebooks": "a.ipynb", "runner": ["gpu"], "container": "cuda:12"}


def cancels(workflow: Mapping[str, Any]) -> bool:
    """Whether a run can cancel a running or waiting one of another commit that is not of the same pull request."""
    group, cancel = workflow["concurrency"]["group"], workflow["concurrency"]["cancel-in-progress"]
    return bool(cancel) and not group.endswith("${{ github.event.pull_request.number || github.run_id }}")


@pytest.mark.parametrize("path", TO_COPY, ids=lambda path: path.stem)
def test_a_push_cancels_earlier_runs_of_its_pull_request_only(path: Path) -> None:
    workflow = load(path)
    assert not cancels(workflow)
    assert workflow["concurrency"]["cancel-in-progress"] == ("pull_request" in workflow["on"])


@pytest.mark.parametrize("group", ["${{ github.workflow }}", "${{ github.workflow }}-${{ github.ref }}"])
def test_a_group_that_cancels_runs_of_main_is_found(group: str) -> None:
    assert cancels({"concurrency": {"group": group, "cancel-in-progress": True}})
