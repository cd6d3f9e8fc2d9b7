"""Each action.yml against the model of its stage, and all generated files against their sources."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from notebook_ci.base.inputs import declared
from notebook_ci.base.stage import Command, Stage
from notebook_ci.stages import ALL_STAGES as NAMES
from notebook_ci.stages import STAGES as CHAIN
from notebook_ci.stages import load_stage
from pipeline import PIPELINE

ROOT = Path(__file__).resolve().parents[2]
STAGES: list[Stage[Any, Any, Any]] = [load_stage(name) for name in NAMES]
COMMANDS: list[Command[Any]] = [PIPELINE, *STAGES]


def load(path: Path) -> dict[str, Any]:
    return dict(YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")))


def action(command: Command[Any]) -> dict[str, Any]:
    folder = ROOT if command is PIPELINE else ROOT / "actions" / command.name
    return load(folder / "action.yml")


def test_every_action_has_a_stage() -> None:
    folders = {path.parent.name for path in ROOT.glob("actions/*/action.yml")}
    assert folders == {stage.name for stage in STAGES}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_an_action_declares_the_inputs_of_its_model_and_no_defaults(command: Command[Any]) -> None:
    inputs = action(command)["inputs"]
    assert list(inputs) == list(declared(command.inputs))
    for name, item in inputs.items():
        assert set(item) == {"description"}, name
        assert item["description"].endswith("."), name


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_an_action_maps_each_output_explicitly(command: Command[Any]) -> None:
    outputs = action(command)["outputs"]
    assert outputs.keys() == command.all_outputs.keys()
    for name, item in outputs.items():
        assert f"steps.run.outputs.{name}" in item["value"]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_a_script_sets_just_the_outputs_that_are_declared(stage: Stage[Any, Any, Any]) -> None:
    assert set(stage.record(stage=stage.name).headline) == set(stage.outputs)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_steps_run_the_launcher_by_exec_with_inputs_in_the_environment(command: Command[Any]) -> None:
    steps = {step["id"]: step for step in action(command)["runs"]["steps"] if "run" in step}
    up = "" if command is PIPELINE else "/../.."
    for step in steps.values():
        assert step["run"].startswith(f'exec bash "$GITHUB_ACTION_PATH{up}/scripts/launch.sh" ')
    first = "before" if command is PIPELINE else "run"
    assert f" {command.name}" in steps[first]["run"]
    status = {"NOTEBOOK_CI_JOB_STATUS": "${{ job.status }}"}
    token = {"GITHUB_TOKEN": "${{ env.GITHUB_TOKEN || github.token }}"}
    more = {"log-run": status, "report-run": status, "comment-run": token}.get(command.name, {})
    assert steps[first]["env"] == {"INPUTS": "${{ toJSON(inputs) }}"} | more


def test_the_root_action_saves_its_caches_before_the_notebooks() -> None:
    steps = action(PIPELINE)["runs"]["steps"]
    names = [step.get("id") or step["uses"].partition("@")[0] for step in steps]
    assert names[-4:] == ["before", "actions/cache/save", "actions/cache/save", "run"]
    assert steps[-1]["env"]["DONE"] == "${{ steps.before.outputs.done }}"


def test_the_root_action_has_its_branding() -> None:
    assert action(PIPELINE)["branding"].keys() == {"icon", "color"}


def test_outputs_of_the_chain_are_those_of_its_stages() -> None:
    of_stages = {name for stage in STAGES if stage.name in CHAIN for name in stage.outputs}
    assert PIPELINE.outputs.keys() - of_stages == {"status", "run-dir"}


def test_no_expression_stands_in_a_script() -> None:
    for path in [*ROOT.rglob("action.yml"), *ROOT.rglob("workflow*/*.yml")]:
        assert not expressions_in_scripts(load(path)), path


def test_an_expression_in_a_script_is_found() -> None:
    workflow = {"jobs": {"x": {"steps": [{"run": "echo ${{ github.head_ref }}"}]}}}
    assert expressions_in_scripts(workflow) == ["echo ${{ github.head_ref }}"]


def expressions_in_scripts(node: object) -> list[str]:
    """Return the `run:` texts below a node that hold an expression."""
    if isinstance(node, dict):
        own = [node["run"]] if isinstance(node.get("run"), str) and "${{" in node["run"] else []
        return own + [found for value in node.values() for found in expressions_in_scripts(value)]
    if isinstance(node, list):
        return [found for value in node for found in expressions_in_scripts(value)]
    return []


def generate(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(root / "scripts" / "dev" / "docs.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_generated_files_are_fresh() -> None:
    done = generate(ROOT, "--check")
    assert done.returncode == 0, done.stderr


def test_a_stale_file_is_named(tmp_path: Path) -> None:
    for name in (".github", "actions", "docs", "scripts"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "action.yml"):
        shutil.copy(ROOT / name, tmp_path)
    model = tmp_path / "scripts" / "notebook_ci" / "execute_notebook" / "model.py"
    model.write_text(
        model.read_text(encoding="utf-8").replace("Seconds a cell may run.", "Most seconds of a cell."),
        encoding="utf-8",
    )
    workflow = tmp_path / ".github" / "workflows" / "notebook-image.yml"
    workflow.write_text(workflow.read_text(encoding="utf-8").replace("Tags of the image", "Its tags"), encoding="utf-8")
    done = generate(tmp_path, "--check")
    assert done.returncode == 1
    assert "docs/workflows.md is stale: run `make docs`." in done.stderr
    assert "actions/execute-notebook/action.yml is stale: run `make docs`." in done.stderr
    assert "actions/execute-notebook/README.md" in done.stderr
    assert generate(tmp_path).returncode == 0
    assert generate(tmp_path, "--check").returncode == 0
