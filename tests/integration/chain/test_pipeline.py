"""The chain of stages: real stages, real kernels, on a runner and on a laptop."""

import json
import os
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from integration.hostile import FIND, KILL, STOP
from integration.suite import (
    DRIVER,
    READ_ONLY,
    ROOT,
    Done,
    Workspace,
    in_the_tool_environment,
    notebook,
    parameters,
    parent,
    private_mount,
    wait_until,
)
from notebook_ci.base.typed_json import to_json
from notebook_ci.records.build_image import BuildImageRecord
from servers.mlflow import MlflowServer

REQUIREMENTS = "ipykernel\n"
SECONDS = 300
PWNED = "pwned"
MIDDLE = ("dvc-pull", "validate-data", "execute-notebook", "test-notebook", "build-image")
ALL = ("setup-env", *MIDDLE, "log-run", "report-run")


@pytest.fixture
def study(workspace: Workspace, kernel: Path) -> Workspace:
    """A repository with a notebook, whose environment is there."""
    workspace.write("notebooks/a.ipynb", notebook(parameters("alpha = 1"), "print(1 + alpha)"))
    workspace.write("notebook-ci.toml", f"[execute-notebook]\npython = {json.dumps(str(kernel))}\n")
    return workspace


@pytest.fixture
def logs_to_server(study: Workspace, server: MlflowServer) -> None:
    """Its runs go to an MLflow server, which costs half as much as a new database."""
    path = study.folder / "notebook-ci.toml"
    log_run = f'[log-run]\ntracking-uri = "{server.uri}"\n'  # first: tests add to the last table
    study.write(path.name, log_run + path.read_text(encoding="utf-8"))


def run(workspace: Workspace, **inputs: str) -> Done:
    return workspace.end(workspace.start("pipeline", inputs), SECONDS)


def without_python(study: Workspace) -> None:
    """Name no Python: the chain has to find or make one."""
    path = study.folder / "notebook-ci.toml"
    study.write(path.name, path.read_text(encoding="utf-8").partition("[execute-notebook]")[0])


def records(done: Done) -> dict[str, dict[str, Any]]:
    folder = Path(done.outputs["run-dir"])
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def statuses(done: Done) -> dict[str, str]:
    return {name: record["status"] for name, record in records(done).items()}


@pytest.mark.usefixtures("logs_to_server")
def test_what_nobody_named_and_has_nothing_to_do_is_skipped_with_its_reason(study: Workspace) -> None:
    done = run(study, parameters="alpha: 41")
    assert done.code == 0, done.log
    assert statuses(done) == {
        "setup-env": "skipped",
        "dvc-pull": "skipped",
        "validate-data": "skipped",
        "execute-notebook": "passed",
        "test-notebook": "skipped",
        "build-image": "skipped",
        "log-run": "passed",
        "report-run": "passed",
    }
    for name, said in {
        "setup-env": "No file says what to install",
        "dvc-pull": ".dvc",
        "validate-data": "suite",
        "test-notebook": "no folder `tests`",
        "build-image": "image",
    }.items():
        (problem,) = records(done)[name]["problems"]
        assert problem["severity"] == "notice"
        assert said in problem["message"]
        assert problem["message"] in done.log
    assert done.summary.startswith("### ✅ 3 stages passed, 5 skipped in ")
    assert all(f"| {name}" in done.summary for name in ALL)
    assert done.outputs["status"] == "passed"
    assert (done.outputs["executed"], done.outputs["failed"]) == ("1", "0")
    assert len(done.outputs["run-id"]) == 32
    executed = Path(done.outputs["run-dir"]) / "execute-notebook" / "notebooks" / "a.ipynb"
    assert json.loads(executed.read_text(encoding="utf-8"))["cells"][-1]["outputs"][0]["text"] == ["42\n"]


@pytest.mark.usefixtures("logs_to_server")
def test_without_a_lock_the_notebooks_run_with_the_python_on_path(study: Workspace, kernel: Path) -> None:
    without_python(study)
    folder = kernel.parent
    process = study.start("pipeline", {}, environ={"PATH": f"{folder}:{study.environ['PATH']}"})
    done = study.end(process, SECONDS)
    assert done.code == 0, done.log
    assert (statuses(done)["setup-env"], statuses(done)["execute-notebook"]) == ("skipped", "passed")
    assert records(done)["execute-notebook"]["python"] == f"{folder}/python"


def test_a_laptop_sees_one_summary_on_standard_output(study: Workspace) -> None:
    process = study.start("pipeline", None, flags=["--stages=execute-notebook", "--stages", "log-run"])
    done = study.end(process, SECONDS)
    assert done.code == 0, done.log
    assert re.findall(r"^✓ (\S+) +\d", done.log, re.MULTILINE) == ["execute-notebook", "log-run"]
    assert "###" not in done.log
    assert "[1/2] execute-notebook" in done.log
    assert "::" not in done.log.replace("sqlite:///", "")
    (folder,) = (study.folder / ".notebook-ci" / "runs").iterdir()
    assert sorted(path.name for path in folder.glob("*.json")) == ["execute-notebook.json", "log-run.json"]


def test_a_read_only_checkout_is_enough_where_all_that_is_written_goes_elsewhere(workspace: Workspace) -> None:
    workspace.write("requirements.txt", REQUIREMENTS)
    workspace.write("lib.py", "X = 42")
    workspace.write("a.ipynb", notebook("import lib\nprint(lib.X)"))
    before = sorted(workspace.folder.rglob("*"))
    other = workspace.base / "other place"
    (workspace.base / "ci.toml").write_text(
        f"[setup-env]\nvenv = '{other / 'venv'}'\n[log-run]\ntracking-uri = 'sqlite:///{other / 'mlflow.db'}'\n"
    )
    (workspace.base / "half.toml").write_text(f"[setup-env]\nvenv = '{other / 'venv'}'\n")

    def run_elsewhere(*flags: str) -> Done:
        environ = {"D": str(workspace.folder)}
        process = workspace.start("pipeline", None, flags=flags, environ=environ, prefix=private_mount(*READ_ONLY))
        return workspace.end(process, SECONDS)

    runs = [f"--run-dir={other / 'runs'}{number}" for number in range(3)]
    for flags, code, what in (
        ([], 2, "The run directory"),
        (runs[:1], 3, "The environment"),
        ([runs[1], "--config=../half.toml"], 3, "The folder"),
    ):
        done = run_elsewhere(*flags)
        assert done.code == code, done.log
        assert "Read-only file system" in done.log
        assert what in done.log
        assert all(name in done.log for name in ("`run-dir`", "`venv` of setup-env", "`tracking-uri` of log-run"))
        assert "Traceback" not in done.log
    assert f"log-run --run-dir '{other / 'runs1'}' --tracking-uri sqlite:////FOLDER/mlflow.db`" in done.log
    done = run_elsewhere(runs[2], "--config=../ci.toml")
    assert done.code == 0, done.log
    found = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (other / "runs2").glob("*.json")}
    passed = {name for name, record in found.items() if record["status"] == "passed"}
    assert passed == {"setup-env", "execute-notebook", "log-run", "report-run"}
    assert found["execute-notebook"]["python"] == str(other / "venv" / "bin" / "python")
    assert found["execute-notebook"]["notebooks"][0]["kernel_start"] == "fork"
    assert (other / "mlflow.db").is_file()
    assert sorted(workspace.folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("inputs", "toml", "said"),
    [
        ({"stages": "setup-evn"}, "", "`setup-evn` is not a stage."),
        ({"stages": "build-image\nlog-run"}, "", "`stages` contains `build-image`, which has nothing to do: "),
        ({"stages": "dvc-pull"}, "", "`stages` contains `dvc-pull`, which has nothing to do: "),
        ({}, '[log-run]\non-error = "perhaps"\n', "`on-error` in `[log-run]` does not accept `perhaps`. Use "),
        ({}, "[validate-data]\nsuit = 1\n", "`[validate-data]` has an unknown key `suit`."),
        ({}, "[dvc-pull]\njobs = 0\n", "`jobs` in `[dvc-pull]` does not accept `0`. Use a whole number"),
        ({}, '[pipeline]\nstages = ["all"]\n', "`all` is not a stage."),
        ({"parameters": "a: 1", "paramters": "x"}, "", "The action has no input `paramters`."),
        ({"config": "ci.toml"}, "", "`ci.toml` does not exist."),
        ({"slug": "../x"}, "", "`slug` does not accept `../x`."),
        ({"run-dir": "."}, "", "`run-dir` is "),
    ],
)
def test_wrong_inputs_of_any_stage_cost_no_work(study: Workspace, inputs: dict[str, str], toml: str, said: str) -> None:
    study.write("notebook-ci.toml", toml)
    done = run(study, **inputs)
    assert done.code == 2, done.log
    (error,) = done.annotations()
    assert said in error.message
    assert done.outputs["status"] == "error"
    assert not list(study.runner_temp.rglob("*.json"))
    assert "Traceback" not in done.log


@pytest.mark.usefixtures("logs_to_server")
def test_a_stage_that_fails_stops_the_chain_but_not_its_log(study: Workspace) -> None:
    study.write("notebooks/b.ipynb", notebook("x = 1", "raise ValueError('no such penguin')"))
    study.write("notebooks/c.ipynb", notebook("1 / 0"))
    toml = (study.folder / "notebook-ci.toml").read_text(encoding="utf-8")
    study.write("notebook-ci.toml", f'{toml}[build-image]\nimage = "study"\n')
    done = run(study)
    assert done.code == 1, done.log
    found = records(done)
    assert statuses(done)["execute-notebook"] == "failed"
    assert statuses(done)["build-image"] == "skipped"
    assert found["build-image"]["problems"][0]["message"] == "Not run, because execute-notebook failed."
    assert statuses(done)["log-run"] == "passed"
    headline = done.summary.splitlines()[0]
    assert headline.startswith("### ❌ failed: `notebooks/b.ipynb`, cell 2: ValueError: no such penguin (and 1 more ")
    assert "ValueError: no such penguin" in done.summary
    assert "ZeroDivisionError: division by zero" in done.summary
    assert [each.place[0] for each in done.annotations()] == ["notebooks/b.ipynb", "notebooks/c.ipynb"]
    assert (done.outputs["status"], done.outputs["executed"], done.outputs["failed"]) == ("failed", "3", "2")


def test_of_several_failures_the_surroundings_count_more_than_the_notebooks(study: Workspace) -> None:
    study.write("notebooks/b.ipynb", notebook("1 / 0"))
    toml = (study.folder / "notebook-ci.toml").read_text(encoding="utf-8")
    study.write("notebook-ci.toml", f'{toml}[log-run]\ntracking-uri = "http://127.0.0.1:9"\n')
    done = run(study)
    assert done.code == 3, done.log
    assert (statuses(done)["execute-notebook"], statuses(done)["log-run"]) == ("failed", "error")
    assert done.summary.splitlines()[0].startswith("### 🛑 log-run failed: ")
    assert "(and 1 more failure)" in done.summary.splitlines()[0]
    assert "ZeroDivisionError" in done.summary


def test_another_file_of_inputs_reaches_every_stage(study: Workspace) -> None:
    content = (study.folder / "notebook-ci.toml").read_text(encoding="utf-8")
    (study.folder / "notebook-ci.toml").unlink()
    study.write("ci/nightly.toml", f"{content}html = true\n[pipeline]\nstages = ['execute-notebook']\n")
    done = run(study, config="ci/nightly.toml")
    assert done.code == 0, done.log
    assert statuses(done) == {"execute-notebook": "passed"}
    assert list(Path(done.outputs["run-dir"]).rglob("a.html"))


def test_parameters_of_the_file_of_inputs_may_be_for_another_notebook(study: Workspace) -> None:
    study.write("notebooks/b.ipynb", notebook(parameters("beta = 1"), "print(beta)"))
    toml = (study.folder / "notebook-ci.toml").read_text(encoding="utf-8")
    study.write("notebook-ci.toml", f"{toml}[execute-notebook.parameters]\nalpha = 41\nbeta = 5\n")
    assert run(study, stages="execute-notebook", notebooks="notebooks/b.ipynb").code == 0
    study.write("notebook-ci.toml", f"{toml}[execute-notebook.parameters]\nalhpa = 41\n")
    wrong = run(study, stages="execute-notebook", notebooks="notebooks/b.ipynb")
    assert wrong.code == 2
    assert wrong.annotations()[0].message.startswith("No notebook declares the parameter `alhpa`.")


def test_two_chains_share_a_run_directory(study: Workspace) -> None:
    one = run(study, stages="execute-notebook", slug="one")
    two = run(study, stages="execute-notebook", slug="two", parameters="alpha: 2")
    assert (one.code, two.code) == (0, 0)
    assert list(records(two)) == ["execute-notebook-one", "execute-notebook-two"]
    assert "execute-notebook (two)" in two.summary
    assert "execute-notebook (one)" not in two.summary


def test_no_stage_finds_the_inputs_or_the_runners_files_in_its_environment(study: Workspace) -> None:
    look = (
        "import os, pathlib\n"
        "seen = set(os.environ)\n"
        "number = os.getppid()\n"
        "while number > 1:\n"
        "    folder = pathlib.Path(f'/proc/{number}')\n"
        "    seen |= {item.split('=', 1)[0] for item in (folder / 'environ').read_text().split(chr(0))}\n"
        "    number = int((folder / 'stat').read_text().rpartition(')')[2].split()[1])\n"
        "    if b'pytest' in (folder / 'cmdline').read_bytes():\n"
        "        break\n"
        "print('INPUTS' in seen)"
    )
    study.write("notebooks/a.ipynb", notebook(parameters("secret = 1"), look))
    done = run(study, stages="execute-notebook", parameters="secret: sesame")
    assert done.code == 0, done.log
    executed = Path(done.outputs["run-dir"]) / "execute-notebook" / "notebooks" / "a.ipynb"
    (output,) = json.loads(executed.read_text(encoding="utf-8"))["cells"][-1]["outputs"]
    assert output["text"] == ["False\n"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_cancelled_chain_keeps_what_was_done(study: Workspace, number: signal.Signals) -> None:
    mark = study.base / "begun"
    begun = f"open({str(mark)!r}, 'w').close()\nimport time; time.sleep(120)"
    study.write("notebooks/b.ipynb", notebook(STOP + begun))
    process = study.start("pipeline", {"stages": "execute-notebook\nlog-run"})
    assert wait_until(mark.exists, 60)
    process.send_signal(number)
    done = study.end(process, 30)
    assert done.code == 128 + number, done.log
    assert statuses(done) == {"execute-notebook": "error"}
    assert done.outputs["status"] == "error"
    assert done.summary.startswith("### 🛑 execute-notebook failed: Cancelled ")
    executed = Path(done.outputs["run-dir"]) / "execute-notebook" / "notebooks"
    assert {path.name for path in executed.iterdir()} == {"a.ipynb", "b.ipynb"}
    assert wait_until(lambda: not study.processes()), study.processes()


@pytest.mark.usefixtures("logs_to_server")
def test_a_stage_that_is_killed_has_a_record_all_the_same(study: Workspace) -> None:
    mark = study.base / "begun"
    begun = f"os.kill(stage, signal.SIGKILL)\nopen({str(mark)!r}, 'w').close()\nimport time; time.sleep(120)"
    study.write("notebooks/b.ipynb", notebook(FIND + begun))
    process = study.start("pipeline", {"stages": "execute-notebook\nlog-run"})
    assert wait_until(mark.exists, 60)
    running = study.processes()
    (driver,) = [pid for pid, command in running.items() if DRIVER in command and DRIVER not in running[parent(pid)]]
    os.kill(driver, signal.SIGKILL)
    done = study.end(process, 60)
    assert done.code == 3, done.log
    (killed,) = [record for record in records(done).values() if record["stage"] == "execute-notebook"]
    assert killed["status"] == "error"
    assert killed["problems"][0]["message"] == "execute-notebook was killed by SIGKILL and left no record."
    assert statuses(done)["log-run"] == "passed"
    assert wait_until(lambda: not study.processes()), study.processes()


def test_a_notebook_forges_neither_outputs_nor_summary_of_the_chain(study: Workspace) -> None:
    outputs = {"image": "evil:1", "digest": "sha256:evil"}
    forged = to_json(BuildImageRecord(stage="build-image", started="2099", outputs=outputs))
    folder = study.runner_temp / "notebook-ci"
    forge = (
        f"import os; open({str(folder / 'zzz.json')!r}, 'w').write({json.dumps(forged)!r})\n"
        f"os.mkfifo({str(folder / 'pipe.json')!r})"
    )
    study.write("notebooks/a.ipynb", notebook(forge))
    done = run(study, stages="execute-notebook")
    assert done.code == 0, done.log
    assert "image" not in done.outputs
    assert "evil" not in done.summary


# --- In two calls, as the root action does it: between them it saves its caches


def in_two_calls(study: Workspace, **inputs: str) -> tuple[Done, Done]:
    first = study.end(study.start("pipeline", inputs, flags=["--before-notebooks"]), SECONDS)
    done = first.outputs.get("done", "")
    return first, study.end(study.start("pipeline", inputs, flags=[f"--done={done}"]), SECONDS)


@pytest.mark.usefixtures("logs_to_server")
def test_a_chain_in_two_calls_is_one_chain(study: Workspace, kernel: Path) -> None:
    """setup-env finds an environment of the same packages, and checks it, which costs less than a new one."""
    study.write("requirements.txt", "ipykernel\nrich\n")
    without_python(study)
    path = study.folder / "notebook-ci.toml"
    study.write(
        path.name, f"{path.read_text(encoding='utf-8')}[setup-env]\nvenv = {json.dumps(str(kernel.parents[1]))}\n"
    )
    first, second = in_two_calls(study)
    assert (first.code, second.code) == (0, 0), first.log + second.log
    assert first.outputs.keys() == {"done", "env-digest", "data-digest"}
    assert (first.summary, "Executing" in first.log) == ("", False)
    assert ("::group::Plan" in first.log, "::group::Plan" in second.log) == (True, False)
    assert "[1/8] setup-env" in first.log
    assert "[4/8] execute-notebook" in second.log
    assert "6] setup-env" not in second.log
    assert list(records(second)) == sorted(ALL)
    assert second.summary.startswith("### ✅ 4 stages passed, 4 skipped in ")
    assert second.outputs["status"] == "passed"
    assert second.outputs["env-digest"] == first.outputs["env-digest"] != ""
    assert records(second)["execute-notebook"]["python"] == records(second)["setup-env"]["python"]
    assert records(second)["setup-env"]["reused"]


@pytest.mark.usefixtures("logs_to_server")
def test_a_failure_in_the_first_call_is_one_of_the_chain(study: Workspace) -> None:
    study.write("requirements.txt", "ipykernel\nno-such-package-of-nobody==1.0\n")
    first, second = in_two_calls(study)
    assert (first.code, second.code) == (3, 3)
    assert (first.outputs["env-digest"], second.outputs["status"]) == ("", "error")
    found = {name: status for name, status in statuses(second).items() if status != "skipped"}
    assert found == {"setup-env": "error", "log-run": "passed", "report-run": "passed"}
    assert records(second)["execute-notebook"]["problems"][0]["message"] == "Not run, because setup-env failed."
    assert second.summary.startswith("### 🛑 setup-env failed: ")


def test_wrong_inputs_are_told_by_the_second_call_alone(study: Workspace) -> None:
    first, second = in_two_calls(study, stages="setup-evn")
    assert (first.code, first.log, first.outputs) == (0, "", {})
    assert (second.code, second.outputs["status"]) == (2, "error")
    assert len(second.annotations()) == 1


# --- Notebooks that change what runs after them


@pytest.fixture
def attacked(study: Workspace) -> Workspace:
    """A study with notebook-ci and a folder of tool environments of its own, which notebooks may change.

    The environments themselves are linked: copying or making them takes seconds.
    """
    suite, kept = study.base / "suite", study.base / "cache"
    for name in ("scripts", "requirements"):
        shutil.copytree(ROOT / name, suite / name, ignore=shutil.ignore_patterns("__pycache__"))
    kept.mkdir()
    for name in ("pipeline", "execute-notebook", "mlflow-thin"):
        tool = Path(in_the_tool_environment(study, "print(sys.prefix)", name).stdout.strip())
        (kept / tool.name).symlink_to(tool)
    study.suite = suite
    return study


def attack(workspace: Workspace, source: str, stages: str = "execute-notebook") -> Done:
    """Run a notebook that knows where `SUITE` and `TOOLS` are, and what it is to have run: `EVIL`."""
    known = f"SUITE, TOOLS = {str(workspace.suite)!r}, {str(workspace.base / 'cache')!r}\n"
    evil = f"open({str(workspace.base / PWNED)!r}, 'a')\n"
    known += f"EVIL = {evil!r}\n"
    known += "import glob, os, py_compile, sys\nsys.path.insert(0, SUITE + '/scripts')\n"
    workspace.write("notebooks/a.ipynb", notebook(known + source))
    return chain(workspace, stages)


def chain(workspace: Workspace, stages: str = "execute-notebook") -> Done:
    environ = {"NOTEBOOK_CI_CACHE": str(workspace.base / "cache")}
    return workspace.end(workspace.start("pipeline", {"stages": stages}, environ=environ), SECONDS)


def test_a_tool_environment_that_a_notebook_changed_and_sealed_anew_is_made_again(attacked: Workspace) -> None:
    source = """
from notebook_ci.tools import integrity
[tool] = glob.glob(TOOLS + '/pipeline-*')
[module] = glob.glob(tool + '/lib/python*/site-packages/ruamel/yaml/__init__.py')
os.chmod(module, 0o644)
with open(module, 'a') as file:
    file.write(EVIL)
integrity.seal(tool, integrity.contents(tool))
assert integrity.is_unchanged(tool)
"""
    [tool] = (attacked.base / "cache").glob("pipeline-*")  # the smallest one
    original = tool.readlink()
    tool.unlink()
    shutil.copytree(original, tool, symlinks=True)
    done = attack(attacked, source)
    assert done.code == 0, done.log
    attacked.write("notebooks/a.ipynb", notebook("1"))
    again = chain(attacked)
    assert again.code == 0, again.log
    assert "Installing the tool environment pipeline" in again.log
    assert not (attacked.base / PWNED).exists()
    assert "Installing the tool environment" not in chain(attacked).log


def test_byte_code_of_notebook_ci_that_a_notebook_wrote_is_not_run(attacked: Workspace) -> None:
    """Python believes byte-code that has time and size of its source."""
    source = """
source = SUITE + '/scripts/notebook_ci/summary/of_run.py'
compiled = py_compile.compile(source)
head = open(compiled, 'rb').read()[:16]
open('evil.py', 'w').write(open(source).read() + EVIL)
evil = py_compile.compile('evil.py')
os.chmod(compiled, 0o644)
open(compiled, 'r+b').write(head + open(evil, 'rb').read()[16:])
"""
    done = attack(attacked, source)
    assert done.code == 0, done.log
    attacked.write("notebooks/a.ipynb", notebook("1"))
    assert chain(attacked).code == 0
    assert not (attacked.base / PWNED).exists()


@pytest.mark.usefixtures("logs_to_server")
def test_a_program_that_a_notebook_names_as_the_python_of_the_tools_is_not_run(attacked: Workspace) -> None:
    """launch.sh remembers which Python it found, in a file beside the tool environments."""
    source = """
with open('evil', 'w') as file:
    file.write(f'#!/bin/sh\\n{sys.executable} -c "{EVIL.strip()}"\\nexec {sys.executable} "$@"\\n')
os.chmod('evil', 0o755)
memo = TOOLS + '/pythons'
lines = open(memo).read().splitlines()
with open(memo, 'a') as file:
    file.writelines(os.path.abspath('evil') + line[line.index('|'):] + '\\n' for line in lines)
"""
    done = attack(attacked, source + KILL, stages="execute-notebook\nlog-run")
    assert statuses(done) == {"execute-notebook": "passed", "log-run": "passed"}, done.log
    assert not (attacked.base / PWNED).exists()


def test_nothing_runs_after_a_notebook_that_changed_notebook_ci(attacked: Workspace) -> None:
    source = "with open(SUITE + '/scripts/log_run.py', 'a') as file:\n    file.write(EVIL)"
    done = attack(attacked, source, stages="execute-notebook\nlog-run")
    assert (done.code, done.outputs["status"]) == (3, "error"), done.log
    script = attacked.suite / "scripts" / "log_run.py"
    [error] = done.annotations()
    assert error.message.startswith(f"Files of notebook-ci changed while execute-notebook ran: {script}. ")
    assert statuses(done)["log-run"] == "skipped"
    assert records(done)["log-run"]["problems"][0]["message"] == "Not run, because execute-notebook failed."
    assert done.summary.startswith(
        "### 🛑 execute-notebook failed: Files of notebook-ci changed while execute-notebook ran"
    )
    assert not (attacked.base / PWNED).exists()
