"""The two actions as a workflow uses them: the real YAML, real installations, real kernels."""

import json
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from ruamel.yaml import YAML

from harness import Consumer, Job, Machine, Result, Suite, uses
from workflows import HOSTILE, line_of, notebook, reuse, step, upload, workflow, workflow_of

# It makes byte-code of ipykernel and what it needs, which each job would otherwise compile.
pytestmark = pytest.mark.usefixtures("kernel")

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = "ipykernel\n"
RUN_DIR = "${{ runner.temp }}/notebook-ci"
ENV = step("setup-env", requirements="requirements.txt")
SECONDS = 300


@pytest.fixture
def penguins(consumer: Consumer, kernel: Path) -> Consumer:
    """A repository with one good notebook, and an environment that exists."""
    with_a_notebook(consumer)
    reuse(consumer, kernel)
    return consumer


def with_a_notebook(consumer: Consumer) -> Consumer:
    consumer.write("requirements.txt", REQUIREMENTS)
    consumer.write("a.ipynb", notebook("print(1 + alpha)", parameters="alpha = 1"))
    return consumer


def run(consumer: Consumer, *steps: dict[str, Any], **job: object) -> Job:
    consumer.workflow(workflow(*steps, **job))
    return consumer.run(timeout=SECONDS).job("test")


def record(folder: Path, name: str) -> dict[str, Any]:
    """Return a record of an uploaded run directory, which its published schema accepts."""
    found = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    schema = json.loads((ROOT / "docs" / "schemas" / f"{found['stage']}.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(found, schema)
    return dict(found)


@pytest.fixture(scope="module")
def happy(tmp_path_factory: pytest.TempPathFactory, suite: Suite, machine: Machine) -> Result:
    """The result of a workflow with both actions, and a step between them that uses the environment."""
    penguins = with_a_notebook(Consumer(tmp_path_factory.mktemp("happy") / "consumer", suite, machine))
    env = step("setup-env", requirements="requirements.txt", activate="true")
    own = {"id": "own", "shell": "bash", "run": 'echo "found=$(command -v python) $VIRTUAL_ENV" >>"$GITHUB_OUTPUT"'}
    penguins.workflow(workflow(env, own, step("execute-notebook", parameters="alpha: 41"), upload("run", RUN_DIR)))
    return penguins.run(timeout=SECONDS)


def test_the_happy_way(happy: Result) -> None:
    result, job = happy, happy.job("test")
    assert job.result == "success"

    outputs = job.step("setup-env").outputs
    made = record(result.artifact("run"), "setup-env")
    assert outputs.keys() == {"status", "record", "python", "env-digest", "lock-file"}
    assert outputs["status"] == "passed"
    assert outputs["lock-file"] == "requirements.txt"
    assert outputs["record"].endswith("/notebook-ci/setup-env.json")
    assert outputs["python"] == made["python"]
    assert outputs["python"].endswith("/notebook-ci-venv/bin/python")
    assert outputs["env-digest"] == made["env_digest"]
    assert len(outputs["env-digest"]) == 64

    found = job.step("own").outputs["found"]
    assert found == f"{made['python']} {Path(made['python']).parents[1]}"

    outputs = job.step("execute-notebook").outputs
    assert outputs["record"].endswith("/notebook-ci/execute-notebook.json")
    assert outputs["output-dir"].endswith("/notebook-ci/execute-notebook")
    assert {name: value for name, value in outputs.items() if name not in {"record", "output-dir"}} == {
        "status": "passed",
        "executed": "1",
        "failed": "0",
        "allowed-failures": "0",
        "flaky": "0",
    }
    executed = json.loads((result.artifact("run") / "execute-notebook" / "a.ipynb").read_text(encoding="utf-8"))
    assert executed["cells"][-1]["outputs"][0]["text"] == ["42\n"]
    ran = record(result.artifact("run"), "execute-notebook")
    assert ran["python"] == made["python"]
    assert "✅ execute-notebook" in job.summary
    [notice] = job.annotations
    assert (notice.level, notice.file) == ("notice", "requirements.txt"), "it fixes no versions"


def test_a_plain_requirements_file_is_cached_as_it_was_resolved(happy: Result) -> None:
    assert happy.job("test").result == "success"
    [entry] = happy.cache
    assert entry.key.startswith("notebook-ci-env-")


def test_a_notebook_that_raises(penguins: Consumer) -> None:
    text = notebook("x = 0", "def ratio():\n    return 1 / x", "ratio()", "print('never')")
    penguins.write("notebooks/b.ipynb", text)
    steps = (ENV, step("execute-notebook"), upload("run", RUN_DIR))
    penguins.workflow(workflow(*steps))
    result = penguins.run(timeout=SECONDS)
    job = result.job("test")
    assert job.result == "failure"
    assert job.step("execute-notebook").outcome == "failure"
    assert job.step("execute-notebook").outputs["failed"] == "1"
    assert job.step("execute-notebook").outputs["executed"] == "2"
    (annotation,) = [each for each in job.annotations if each.level != "notice"]
    assert annotation.level == "error"
    assert (annotation.file, annotation.line) == ("notebooks/b.ipynb", line_of(text, "return 1 / x"))
    assert annotation.title == "ZeroDivisionError in cell 3, raised in cell 2"
    assert "division by zero" in annotation.message
    expected = "### ❌ execute-notebook failed: `notebooks/b.ipynb`, cell 3, raised in cell 2: ZeroDivisionError"
    assert job.headlines[-1].startswith(expected)
    assert "return 1 / x" in job.summary
    partial = json.loads(
        (result.artifact("run") / "execute-notebook" / "notebooks" / "b.ipynb").read_text(encoding="utf-8")
    )
    assert any("def ratio" in "".join(cell["source"]) for cell in partial["cells"])
    assert (result.artifact("run") / "execute-notebook" / "a.ipynb").exists()


WRONG = {
    "requirements": (
        step("setup-env", requirements="none.txt"),
        "`requirements` is `none.txt`, which does not exist. Correct it.",
    ),
    "python-version": (step("setup-env", python_version="three"), "`python-version` does not accept `three`."),
    "html": (step("execute-notebook", html="yes"), "`html` does not accept `yes`. Use `true` or `false`."),
    "parameters": (step("execute-notebook", parameters="beta: 1"), "No notebook declares the parameter `beta`."),
    "notebooks": (step("execute-notebook", notebooks="none/*.ipynb"), "matches `none/*.ipynb`"),
}
NO_TEXT = {
    f"{stage}-{name}": step(stage, **{name: f"{HOSTILE}\n::error::x"})
    for stage, own in (("setup-env", "python_version"), ("execute-notebook", "cell_timeout"))
    for name in ("slug", own)
}


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory, suite: Suite, machine: Machine) -> tuple[Consumer, Result]:
    """A repository, and the result of a workflow with one job per wrong input."""
    penguins = with_a_notebook(Consumer(tmp_path_factory.mktemp("refused") / "consumer", suite, machine))
    steps = {name: wrong for name, (wrong, _) in WRONG.items()} | NO_TEXT
    penguins.workflow(workflow_of({name: [wrong] for name, wrong in steps.items()}))
    return penguins, penguins.run(timeout=SECONDS)


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_input(refused: tuple[Consumer, Result], name: str) -> None:
    wrong, message = WRONG[name]
    job = refused[1].job(name)
    assert job.result == "failure"
    assert job.step(wrong["id"]).outcome == "failure"
    assert job.step(wrong["id"]).outputs["status"] == "error"
    (annotation,) = [each for each in job.annotations if each.level == "error"]
    assert message in annotation.message
    assert "Traceback" not in job.log


@pytest.mark.parametrize("name", NO_TEXT)
def test_hostile_text_in_an_input_that_is_no_text_is_refused(refused: tuple[Consumer, Result], name: str) -> None:
    penguins, result = refused
    job = result.job(name)
    assert job.result == "failure"
    (annotation,) = job.annotations
    assert " does not accept " in annotation.message
    assert not list(penguins.path.rglob("pwned"))


def test_a_wrong_repository_is_said_in_the_summary_and_the_record(consumer: Consumer) -> None:
    consumer.write("pixi.toml", "[dependencies]\n")
    consumer.workflow(workflow(step("setup-env"), upload("run", RUN_DIR)))
    result = consumer.run(timeout=SECONDS)
    job = result.job("test")
    assert job.result == "failure"
    assert job.step("setup-env", "key").outcome == "success"
    assert "### 🛑 setup-env failed: `pixi.toml` needs its lock" in job.summary
    assert record(result.artifact("run"), "setup-env")["status"] == "error"


@pytest.mark.parametrize("stage", ["setup-env", "execute-notebook"])
def test_an_unknown_input(stage: str, tmp_path: Path, machine: Machine) -> None:
    """As GitHub's runner does it: it keeps what it does not know. act drops it, so the step's text is run here."""
    folder = ROOT / "actions" / stage
    action = YAML(typ="safe", pure=True).load((folder / "action.yml").read_text(encoding="utf-8"))
    text = next(each["run"] for each in action["runs"]["steps"] if each.get("id") == "run")
    output = tmp_path / "output"
    environ = {
        **machine.environment,
        "GITHUB_ACTIONS": "true",
        "GITHUB_ACTION_PATH": str(folder),
        "GITHUB_OUTPUT": str(output),
        "RUNNER_TEMP": str(tmp_path),
        "INPUTS": json.dumps({"Slug": "", "notebok": "a.ipynb"}),
    }
    done = subprocess.run(
        ["bash", "-e", "-c", text], env=environ, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stdout.startswith("::error::The action has no input `notebok`. ")
    assert "\nerror\n" in output.read_text(encoding="utf-8")


def test_hostile_text_in_every_text_input(consumer: Consumer) -> None:
    """Only lists cannot hold a line feed within an entry: it separates them."""
    folder, lines = HOSTILE, f"{HOSTILE}\n::error::second line"
    consumer.write(f"{lines}/requirements.txt", REQUIREMENTS)
    consumer.write(f"{lines}/p.yml", "text: from the file\n")
    consumer.write(f"{folder}/a\nb.ipynb", notebook("print(text)", parameters='text = ""'))
    consumer.write(f"{folder}/skip.ipynb", notebook("1 / 0"))
    here = "${{ runner.temp }}/up/" + lines
    job_steps = (
        step("setup-env", requirements=f"{lines}/requirements.txt", venv=f"{here}/venv", run_dir=f"{here}/run"),
        step(
            "execute-notebook",
            notebooks=f"{folder}\n",
            exclude=f"{folder}/skip.ipynb",
            parameters=f"text: |-\n  {HOSTILE}\n  second ' line\n",
            parameters_file=f"{lines}/p.yml",
            python="${{ steps.setup-env.outputs.python }}",
            output_dir=f"{here}/out",
            run_dir=f"{here}/run",
        ),
        {"run": "test ! -e pwned"},
        {"run": 'cp -r "$RUNNER_TEMP"/up/*/out out'},
        upload("out", "out"),
    )
    consumer.workflow(workflow(*job_steps))
    result = consumer.run(timeout=SECONDS)
    job = result.job("test")
    assert job.result == "success", job.log
    assert not [each for each in job.annotations if each.level == "error"]
    assert not list(consumer.path.rglob("pwned"))
    assert job.step("setup-env").outputs["lock-file"] == f"{lines}/requirements.txt"
    assert job.step("execute-notebook").outputs["output-dir"].endswith(f"{lines}/out")
    (executed,) = result.artifact("out").rglob("*.ipynb")
    outputs = json.loads(executed.read_text(encoding="utf-8"))["cells"][-1]["outputs"]
    assert "".join(outputs[0]["text"]) == f"{HOSTILE}\nsecond ' line\n"


def test_a_notebook_that_prints_workflow_commands(penguins: Consumer) -> None:
    commands = [
        "::error file=x.py,line=1::printed",
        "::add-mask::passed",
        "::set-output name=status::printed",
        "::stop-commands::printed",
        "##[error]printed",
        "  ::warning::printed",
    ]
    printing = "\n".join(f"print({command!r})" for command in commands)
    penguins.write(
        "a.ipynb",
        notebook(
            f"import os, subprocess, sys\n{printing}",
            f"print({commands[0]!r}, file=sys.stderr); os.write(1, b'\\n::error::raw\\n')",
            "subprocess.run(['sh', '-c', 'echo; echo ::error::child; echo ::error::child >&2'])",
            "names = ('GITHUB_OUTPUT', 'GITHUB_ENV', 'GITHUB_STEP_SUMMARY', 'INPUTS')\n"
            "assert not [name for name in names if name in os.environ]",
            "raise ValueError('\\n::error::raised\\n##[error]raised\\n::stop-commands::raised')",
        ),
    )
    job = run(penguins, ENV, step("execute-notebook"))
    assert job.result == "failure"
    found = [(each.level, each.file, each.title) for each in job.annotations]
    assert found == [("notice", "requirements.txt", ""), ("error", "a.ipynb", "ValueError in cell 5")]
    assert job.step("execute-notebook").outputs["status"] == "failed"


def test_legs_of_a_matrix_have_records_that_merge(penguins: Consumer) -> None:
    matrix = {"strategy": {"matrix": {"alpha": [1, 2]}}}
    legs = (
        step("setup-env", slug="leg-${{ matrix.alpha }}"),
        step("execute-notebook", slug="leg-${{ matrix.alpha }}", parameters="alpha: ${{ matrix.alpha }}"),
        upload("run-${{ matrix.alpha }}", RUN_DIR),
    )
    content = json.loads(workflow(*legs, **matrix))
    content["jobs"]["merge"] = {
        "runs-on": "ubuntu-latest",
        "needs": "test",
        "steps": [
            {
                "uses": uses("actions/download-artifact"),
                "with": {"path": "merged", "pattern": "run-*", "merge-multiple": True},
            },
            upload("merged", "merged"),
        ],
    }
    penguins.workflow(json.dumps(content))
    result = penguins.run(timeout=SECONDS)
    for alpha in (1, 2):
        assert result.job("test", alpha=alpha).result == "success"
    merged = result.artifact("merged")
    assert sorted(path.name for path in merged.glob("*.json")) == [
        "execute-notebook-leg-1.json",
        "execute-notebook-leg-2.json",
        "setup-env-leg-1.json",
        "setup-env-leg-2.json",
    ]
    for alpha in (1, 2):
        assert record(merged, f"setup-env-leg-{alpha}")["reused"]
        found = record(merged, f"execute-notebook-leg-{alpha}")
        assert found["slug"] == f"leg-{alpha}"
        assert found["notebooks"][0]["parameters"] == {"alpha": alpha}
        output = merged / found["notebooks"][0]["output"]
        assert json.loads(output.read_text(encoding="utf-8"))["cells"][-1]["outputs"][0]["text"] == [f"{alpha + 1}\n"]


def test_the_workflow_of_the_readme(consumer: Consumer) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    consumer.workflow(readme.split("```yaml\n", 1)[1].split("```", 1)[0])
    consumer.write("requirements.txt", REQUIREMENTS)
    consumer.write("notebooks/a.ipynb", notebook("print(1)"))
    result = consumer.run(timeout=SECONDS)
    assert result.job("notebooks").result == "success"
    assert (result.artifact("notebook-ci") / "notebook-ci" / "execute-notebook" / "notebooks" / "a.ipynb").exists()
