"""The starters for GitLab CI and Azure Pipelines: their scripts, with the variables that these systems set."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from ruamel.yaml import YAML

from integration.suite import PYTHON, ROOT, Workspace, line_of, notebook
from notebook_ci import VERSION

UV = Path(sys.executable).with_name("uv")
TEMPLATES = ROOT / "workflows-templates" / "other-ci"
FORGED = ("##vso[task.complete result=Succeeded;]", "\x1b[0Ksection_end:1:evil\r\x1b[0K")
# In the notebook's own output, in that of a program, in a message.
FAILS = f"""import os
for text in {FORGED!r}:
    print(text)
    os.write(1, text.encode() + b"\\n")
    os.system(f"echo '{{text}}'")
raise KeyError({FORGED[0]!r})"""
HASHED = "six==1.17.0 --hash=sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274\n"
OUTPUT = re.compile(r"^##vso\[task\.setvariable variable=([\w-]+);isOutput=true;\](.*)$", re.MULTILINE)


def load(name: str) -> dict[str, Any]:
    return dict(YAML(typ="safe", pure=True).load((TEMPLATES / name).read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of this checkout, which the starters install instead of the one at GitHub."""
    folder = tmp_path_factory.mktemp("built")
    subprocess.run([UV, "--quiet", "build", "--wheel", "--python", PYTHON, "--out-dir", folder, ROOT], check=True)
    return folder / f"notebook_ci-{VERSION}-py3-none-any.whl"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a machine that has Python, pip and git."""
    venv = tmp_path_factory.mktemp("machine") / "venv"
    subprocess.run([UV, "--quiet", "venv", "--seed", "--python", PYTHON, venv], check=True)
    return venv / "bin"


@pytest.fixture
def study(workspace: Workspace, kernel: Path) -> Workspace:
    """A repository with a notebook that passes. Only the notebooks are run: other stages have their own tests."""
    workspace.write("notebooks/good.ipynb", notebook("print(6 * 7)"))
    workspace.write("requirements.txt", HASHED)
    settings = f'[pipeline]\nstages = ["execute-notebook"]\n[execute-notebook]\npython = {json.dumps(str(kernel))}\n'
    workspace.write("notebook-ci.toml", settings)
    subprocess.run(["git", "init", "--quiet", workspace.folder], check=True)
    return workspace


class Job:
    """A job of one of the systems, up to the step that fails."""

    def __init__(self, study: Workspace, machine: Path, variables: Mapping[str, str]) -> None:
        self.study = study
        environ = study.environ
        own = {"PATH": f"{machine}:{environ['PATH']}", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        self.environ = {**environ, **own, **variables}
        self.log, self.code = "", 0

    def bash(self, script: str) -> str:
        """Run a script, if all before it have passed."""
        if self.code:
            return ""
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
        done = subprocess.run(
            command,
            cwd=self.study.folder,
            env=self.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        self.code = done.returncode
        self.log += done.stdout.decode()
        return done.stdout.decode()

    @property
    def cases(self) -> dict[tuple[str, str], list[str]]:
        """The tags in each test case, by its group and name."""
        [file] = (path for path in self.study.base.glob("**/junit.xml") if path.parent.name != "execute-notebook")
        root = ET.fromstring(file.read_text(encoding="utf-8"))  # noqa: S314 - our own text
        return {
            (case.get("classname", ""), case.get("name", "")): [each.tag for each in case]
            for case in root.iter("testcase")
        }


def gitlab(study: Workspace, machine: Path, wheel: Path) -> Job:
    template = load("gitlab-ci.yml")
    assert set(template["variables"]) == {"NOTEBOOK_CI"}
    job = Job(
        study,
        machine,
        {"GITLAB_CI": "true", "CI_PROJECT_DIR": str(study.folder), "CI_PIPELINE_ID": "7", "NOTEBOOK_CI": str(wheel)},
    )
    job.bash("\n".join(template["notebooks"]["script"]))
    return job


def azure(study: Workspace, machine: Path, wheel: Path) -> tuple[Job, dict[str, str]]:
    """Run the steps; return also the variables that they set."""
    template = load("azure-pipelines.yml")
    assert set(template["variables"]) == {"NOTEBOOK_CI"}
    temp = study.base / "agent"
    temp.mkdir(exist_ok=True)
    job = Job(
        study,
        machine,
        {"TF_BUILD": "True", "AGENT_TEMPDIRECTORY": str(temp), "BUILD_BUILDID": "7", "NOTEBOOK_CI": str(wheel)},
    )
    variables: dict[str, str] = {}
    for step in template["jobs"][0]["steps"]:
        if "bash" in step:
            printed = job.bash(step["bash"])
            variables |= {f"{step.get('name')}.{name}": value for name, value in OUTPUT.findall(printed)}
    return job, variables


def code_quality(study: Workspace) -> list[dict[str, Any]]:
    return list(json.loads((study.folder / ".notebook-ci/gl-code-quality-report.json").read_text(encoding="utf-8")))


def test_gitlab_passes(study: Workspace, machine: Path, wheel: Path) -> None:
    job = gitlab(study, machine, wheel)
    assert job.code == 0, job.log
    assert job.cases == {("notebooks/good.ipynb", "cell 1"): []}
    assert {entry["severity"] for entry in code_quality(study)} <= {"info"}
    [record] = study.folder.glob(".notebook-ci/runs/*/execute-notebook.json")
    assert '<testcase classname="notebooks/good.ipynb"' in (record.with_suffix("") / "junit.xml").read_text()
    assert json.loads(record.read_text(encoding="utf-8"))["source"] == {
        "system": "gitlab",
        "run": "7",
        "workspace": str(study.folder),
    }


def test_azure_passes(study: Workspace, machine: Path, wheel: Path) -> None:
    job, variables = azure(study, machine, wheel)
    assert job.code == 0, job.log
    temp = study.base / "agent"
    assert variables["env.key"].startswith("notebook-ci-env-")
    assert variables["env.path"] == str(temp / "notebook-ci-venv")
    assert "data.key" not in variables
    assert (variables["notebooks.status"], variables["notebooks.executed"]) == ("passed", "1")
    assert variables["notebooks.run-dir"] == str(temp / "notebook-ci")
    assert job.cases == {("notebooks/good.ipynb", "cell 1"): []}


def test_gitlab_shows_a_failing_notebook(study: Workspace, machine: Path, wheel: Path) -> None:
    path = study.write("notebooks/bad.ipynb", notebook(FAILS))
    job = gitlab(study, machine, wheel)
    assert job.code == 1, job.log
    line = line_of(path, "raise KeyError")
    assert f"error: notebooks/bad.ipynb:{line}: KeyError in cell 1: " in job.log
    [entry] = [entry for entry in code_quality(study) if entry["severity"] == "major"]
    assert entry["location"] == {"path": "notebooks/bad.ipynb", "lines": {"begin": line}}
    assert job.cases == {("notebooks/bad.ipynb", "cell 1"): ["failure"], ("notebooks/good.ipynb", "cell 1"): []}
    sections = re.findall(r"section_(start|end):\d+:(\S+?)\r\x1b\[0K", job.log)
    assert sections
    assert all(name.startswith("notebook_ci_") for _, name in sections)


def test_azure_shows_a_failing_notebook(study: Workspace, machine: Path, wheel: Path) -> None:
    path = study.write("notebooks/bad.ipynb", notebook(FAILS))
    job, variables = azure(study, machine, wheel)
    assert job.code == 1, job.log
    commands = [line for line in job.log.splitlines() if "##vso[" in line]
    [issue] = [command for command in commands if command.startswith("##vso[task.logissue type=error;")]
    place = f"sourcepath=notebooks/bad.ipynb;linenumber={line_of(path, 'raise KeyError')};"
    assert issue.startswith(f"##vso[task.logissue type=error;{place}]KeyError in cell 1: ")
    known = r"##vso\[task\.(logissue|setvariable|uploadsummary)[ \]]"
    assert all(re.match(known, command) and command.count("##vso[") == 1 for command in commands)
    [summary] = re.findall(r"^##vso\[task\.uploadsummary\](.*)$", job.log, re.MULTILINE)
    assert "notebooks/bad.ipynb" in Path(summary).read_text(encoding="utf-8")
    assert (variables["notebooks.status"], variables["notebooks.failed"]) == ("failed", "1")
    assert ["failure"] in job.cases.values()


def test_both_refuse_a_wrong_input(study: Workspace, machine: Path, wheel: Path) -> None:
    study.write("notebook-ci.toml", '[execute-notebook]\nworkers = "many"\n')
    job = gitlab(study, machine, wheel)
    assert job.code == 2, job.log
    [entry] = code_quality(study)
    assert entry["location"] == {"path": "notebook-ci.toml", "lines": {"begin": 2}}
    other, variables = azure(study, machine, wheel)
    assert other.code == 2, other.log
    assert "##vso[task.logissue type=error;sourcepath=notebook-ci.toml;linenumber=2;]" in other.log
    assert variables["notebooks.status"] == "error"
