"""Each action.yml against the model of its stage, and all generated files against their sources."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import execute_notebook
import setup_env
from notebook_ci.inputs import declared
from notebook_ci.stage import COMMON_OUTPUTS, Stage

ROOT = Path(__file__).resolve().parents[2]
STAGES: list[Stage[Any, Any]] = [setup_env.STAGE, execute_notebook.STAGE]


def load(path: Path) -> dict[str, Any]:
    return dict(YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")))


def action(stage: Stage[Any, Any]) -> dict[str, Any]:
    return load(ROOT / "actions" / stage.name / "action.yml")


def test_every_action_has_a_stage() -> None:
    folders = {path.parent.name for path in ROOT.glob("actions/*/action.yml")}
    assert folders == {stage.name for stage in STAGES}


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_an_action_declares_the_inputs_of_its_model_and_no_defaults(stage: Stage[Any, Any]) -> None:
    inputs = action(stage)["inputs"]
    assert list(inputs) == list(declared(stage.inputs))
    for name, item in inputs.items():
        assert set(item) == {"description"}, name
        assert item["description"].endswith("."), name


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_an_action_maps_each_output_explicitly(stage: Stage[Any, Any]) -> None:
    outputs = action(stage)["outputs"]
    assert set(outputs) == {*stage.outputs, *COMMON_OUTPUTS}
    for name, item in outputs.items():
        assert f"steps.run.outputs.{name}" in item["value"]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_a_script_sets_just_the_outputs_that_are_declared(stage: Stage[Any, Any]) -> None:
    assert set(stage.headline(stage.record(stage=stage.name))) == set(stage.outputs)


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_steps_run_the_launcher_by_exec_with_inputs_in_the_environment(stage: Stage[Any, Any]) -> None:
    steps = [step for step in action(stage)["runs"]["steps"] if "run" in step]
    assert steps
    for step in steps:
        assert step["env"] == {"INPUTS": "${{ toJSON(inputs) }}"}
        assert re.fullmatch(r'exec bash "\$GITHUB_ACTION_PATH/\.\./\.\./scripts/launch\.sh" [a-z -]+', step["run"])


def test_no_expression_stands_in_a_script() -> None:
    for path in [*ROOT.glob("actions/*/action.yml"), *ROOT.glob(".github/workflows/*.yml")]:
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
    for name in ("actions", "docs", "scripts"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "README.md", tmp_path)
    model = tmp_path / "scripts" / "notebook_ci" / "execution" / "model.py"
    model.write_text(
        model.read_text(encoding="utf-8").replace("Seconds a cell may run.", "Most seconds of a cell."),
        encoding="utf-8",
    )
    done = generate(tmp_path, "--check")
    assert done.returncode == 1
    assert "actions/execute-notebook/action.yml is stale: run `make docs`." in done.stderr
    assert "actions/execute-notebook/README.md" in done.stderr
    assert generate(tmp_path).returncode == 0
    assert generate(tmp_path, "--check").returncode == 0
