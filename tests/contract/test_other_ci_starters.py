"""The starters for GitLab CI and Azure Pipelines: their schemas, and what they share with the code."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from notebook_ci.base import azure, gitlab
from notebook_ci.base.workspace import PRIVATE_FOLDER

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "workflows-templates" / "other-ci"
SECONDS = 60


def load(name: str) -> dict[str, Any]:
    return dict(YAML(typ="safe", pure=True).load((FOLDER / name).read_text(encoding="utf-8")))


def follows_schema(path: Path) -> bool:
    program = Path(sys.executable).with_name("check-jsonschema")
    name = path.stem
    flags = ["--builtin-schema", f"vendor.{name}", "--data-transform", name, "--regex-variant", "nonunicode"]
    done = subprocess.run([program, *flags, path], capture_output=True, text=True, check=False, timeout=SECONDS)
    return done.returncode == 0


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("gitlab-ci.yml", "interruptible: true", "interruptible: often"),
        ("azure-pipelines.yml", "timeoutInMinutes:", "timeoutInHours:"),
    ],
)
def test_each_follows_its_schema_and_a_wrong_one_does_not(name: str, right: str, wrong: str, tmp_path: Path) -> None:
    assert follows_schema(FOLDER / name)
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert right in text
    (tmp_path / name).write_text(text.replace(right, wrong), encoding="utf-8")
    assert not follows_schema(tmp_path / name)


def test_gitlab_collects_what_is_written() -> None:
    artifacts = load("gitlab-ci.yml")["notebooks"]["artifacts"]
    assert artifacts["reports"] == {
        "junit": f"{PRIVATE_FOLDER}/{gitlab.JUNIT}",
        "codequality": f"{PRIVATE_FOLDER}/{gitlab.CODE_QUALITY}",
    }
    assert artifacts["paths"] == [f"{PRIVATE_FOLDER}/runs", f"{PRIVATE_FOLDER}/mlflow"]
    assert artifacts["when"] == "always"


def test_azure_collects_what_is_written() -> None:
    [job] = load("azure-pipelines.yml")["jobs"]
    [tests] = [step for step in job["steps"] if step.get("task") == "PublishTestResults@2"]
    assert tests["inputs"]["testResultsFiles"] == f"{azure.REPORTS}*/junit.xml"
    after = job["steps"][job["steps"].index(tests) :]
    assert {step["condition"] for step in after} == {"succeededOrFailed()"}


def test_every_variable_of_a_step_is_set_by_a_step_before() -> None:
    [job] = load("azure-pipelines.yml")["jobs"]
    named: set[str] = set()
    for step in job["steps"]:
        used = re.findall(r"\$\((\w+)\.(?:key|path)\)", str(step.get("inputs")))
        assert set(used) <= named, step
        named |= {step["name"]} if "--name-cache" in step.get("bash", "") else set()
    assert named == {"env", "data"}


@pytest.mark.parametrize("name", ["gitlab-ci.yml", "azure-pipelines.yml"])
def test_both_install_what_the_readme_names(name: str) -> None:
    address = load(name)["variables"]["NOTEBOOK_CI"].partition("@v")[0]
    assert f"pip install {address}\n" in (ROOT / "README.md").read_text(encoding="utf-8")
