"""The launcher with an environment that is there: what the stage gets, and how it is called."""

import re
import subprocess
from pathlib import Path

import pytest

from integration.launch.checkouts import PATH, ROOT, STAGE, Checkout
from notebook_ci import VERSION as VERSION_OF_SUITE
from notebook_ci.stages import ALL_STAGES


def test_a_warm_start_hands_over_at_once_as_the_same_process(first: Checkout) -> None:
    done = first.launch("demo", "--x", "a b", environ={"INPUTS": '{"notebooks": "ä.ipynb"}', "PYTHONPATH": "/user"})
    told = done.told
    assert (done.code, done.err) == (0, "")
    assert told["pid"] == done.pid
    assert told["arguments"] == ["--inputs-from-stdin", "--x", "a b"]
    assert told["stdin"] == '{"notebooks": "ä.ipynb"}\n'
    assert told["isolated"] == [1, 1]
    assert "PYTHONPATH" in told["child"], "kernels are the user's: they get what the user has set"


def test_inputs_stand_in_no_environment(first: Checkout) -> None:
    told = first.launch("demo", environ={"INPUTS": '{"token": "hidden-value"}', "SEEN": "1"}).told
    assert "SEEN=1" in told["environ"]
    assert "INPUTS=" not in told["environ"]
    assert "hidden-value" not in told["environ"]
    assert "'SEEN'" in told["child"]
    assert "'INPUTS'" not in told["child"]


def test_without_inputs_standard_input_is_left_alone(first: Checkout) -> None:
    done = first.launch("--env", "demo", "--exec", "python", "-c", "print(input())", stdin="typed\n")
    assert (done.code, done.out) == (0, "typed\n")


def test_a_stage_without_a_lock_runs_with_the_python_that_was_found(bare: Checkout) -> None:
    plain = STAGE.replace("import nbdemo\n", "").replace("nbdemo.VERSION", "''").replace("nbdemo.__file__", "''")
    (bare.script.parent / "plain.py").write_text(plain)
    told = bare.launch("plain", "--x", environ={"INPUTS": "{}"}).told
    assert (told["arguments"], told["stdin"]) == (["--inputs-from-stdin", "--x"], "{}\n")
    assert told["isolated"] == [1, 1]
    assert bare.environments == []


def test_a_stage_without_a_lock_can_be_run_in_an_environment(first: Checkout) -> None:
    plain = first.script.with_name("plain.py")
    plain.write_text(STAGE)
    assert first.launch("--env", "demo", "plain").told["version"] == "1.0"
    plain.unlink()


def test_a_program_of_an_environment_is_free_of_the_users_python(first: Checkout, tmp_path: Path) -> None:
    (tmp_path / "nbdemo.py").write_text("VERSION = 'of the user'\ndef main(): print(VERSION)\n")
    hostile = {"PYTHONPATH": str(tmp_path), "PYTHONSAFEPATH": "1", "PYTHONHOME": "/nowhere"}
    assert first.launch("--env", "demo", "--exec", "nbdemo", environ=hostile).out == "1.0\n"
    # Without the launcher it would not be: the check above can fail.
    program = next(first.cache.glob("demo-*")) / "bin" / "nbdemo"
    plain = subprocess.run(
        [program], env={"PATH": PATH, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert plain.stdout == "of the user\n"


@pytest.mark.parametrize("way", ["absolute", "relative", "in its folder", "through .."])
def test_it_works_however_it_is_called(first: Checkout, way: str) -> None:
    scripts = first.script.parent
    script, cwd = {
        "absolute": (str(first.script), first.home),
        "relative": ("scripts/launch.sh", first.folder),
        "in its folder": ("launch.sh", scripts),
        "through ..": (f"{scripts}/notebook_ci/../../scripts/launch.sh", first.home),
    }[way]
    done = first.launch("demo", script=script, cwd=cwd)
    assert done.told["version"] == "1.0"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "`nothing` is not a stage. Known: `demo`."),
        (["../scripts/demo"], "`../scripts/demo` is not a stage."),
        (["--env", "demo"], "No stage was given. Known: `demo`."),
        (["--env", "nothing", "demo"], "`nothing` is not a tool environment. Known: `demo`, `pipeline`."),
        (["--env", "", "demo"], "No tool environment was given. Known: `demo`, `pipeline`."),
        (["--env", "uv", "--exec", "uv"], "`uv` is not a tool environment."),
        (["--exec", "python"], "`--exec` needs an environment and a program"),
        (["--env", "demo", "--exec", "nothing"], "The tool environment demo has no program `nothing`."),
    ],
)
def test_what_is_not_there_is_refused(first: Checkout, arguments: list[str], message: str) -> None:
    done = first.launch(*arguments)
    assert done.code == 2
    assert message in done.err


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["-h"], 0), (["--help"], 0)])
def test_it_tells_how_it_is_called(first: Checkout, arguments: list[str], code: int) -> None:
    done = first.launch(*arguments, script=str(ROOT / "scripts" / "launch.sh"))
    told, other = (done.err, done.out) if code else (done.out, done.err)
    assert (done.code, other) == (code, "")
    lines = told.splitlines()
    assert lines[0] == "usage: launch.sh STAGE [--help] [--plan | --json] [inputs]"
    named = [line.split()[0] for line in lines[lines.index("Stages:") + 1 :] if line.startswith("  ")]
    assert named == ["pipeline", *ALL_STAGES]
    assert re.search(r"^  execute-notebook +Execute Jupyter notebooks with parameters", told, re.MULTILINE)
    assert "--exec " not in told


def test_it_prints_its_version(first: Checkout) -> None:
    done = first.launch("--version")
    assert (done.code, done.out, done.err) == (0, f"notebook-ci {VERSION_OF_SUITE}\n", "")


def test_another_shell_is_refused_politely() -> None:
    script = str(ROOT / "scripts" / "launch.sh")
    done = subprocess.run(["dash", script, "setup-env"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {script} needs bash. Run: bash {script}\n"
