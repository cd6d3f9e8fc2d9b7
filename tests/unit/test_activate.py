"""What later steps of a job get of an environment, in the files of a runner."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from notebook_ci.base import masking
from notebook_ci.base.console import console
from notebook_ci.base.context import Context
from notebook_ci.base.errors import SurroundingsError
from notebook_ci.base.spellings import Known
from notebook_ci.records.run_directory import RunDirectory, StageFiles
from notebook_ci.setup_env.activate import activate
from notebook_ci.setup_env.venv import Venv
from unit.consoles import outputs_in

BEFORE = "/usr/bin"


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    (tmp_path / "the environment" / "bin").mkdir(parents=True)
    return tmp_path / "the environment"


def context(tmp_path: Path, *, on_runner: bool = True, environ: Mapping[str, str] | None = None) -> Context:
    files = {"GITHUB_ENV": str(tmp_path / "env"), "GITHUB_PATH": str(tmp_path / "path")}
    variables = {"GITHUB_ACTIONS": "true", **files} if on_runner else {}
    variables |= {"PATH": BEFORE, "KEPT": "as it was", **(environ or {})}
    root = RunDirectory(tmp_path)
    shown = console(variables)
    return Context(tmp_path, variables, run_directory=root, files=StageFiles("x", tmp_path), console=shown)


def later(tmp_path: Path) -> tuple[dict[str, str], str]:
    """Return what the runner makes of its files: the new variables, and PATH."""
    path = BEFORE
    for line in (tmp_path / "path").read_text().splitlines():
        path = f"{line}{os.pathsep}{path}"
    variables = outputs_in(tmp_path / "env")
    assert Path(variables.pop("NOTEBOOK_CI_PYTHON")).samefile(sys.executable), "the tools keep their Python"
    return variables, path


def conda(prefix: Path, variables: str = "{}", script: str = "") -> Venv:
    for name, text in (("conda-meta/state", variables), ("etc/conda/activate.d/x.sh", script)):
        path = prefix / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Venv(prefix)


def test_a_virtual_environment(tmp_path: Path, prefix: Path) -> None:
    (prefix / "pyvenv.cfg").touch()
    given = context(tmp_path)
    activate(Venv(prefix), given)
    assert later(tmp_path) == ({"VIRTUAL_ENV": str(prefix)}, f"{prefix}/bin:{BEFORE}")
    assert not given.problems


def test_an_environment_of_conda(tmp_path: Path, prefix: Path) -> None:
    script = 'export DATA="$CONDA_PREFIX/data"$\'\\n\'second PATH="$CONDA_PREFIX/more::$PATH"\nunset KEPT\n'
    environment = conda(prefix, '{"env_vars": {"OWN": "x"}}', script)
    activate(environment, context(tmp_path))
    variables, path = later(tmp_path)
    assert path == f"{prefix}/more:{prefix}/bin:{BEFORE}"
    own = {"CONDA_PREFIX": str(prefix), "CONDA_DEFAULT_ENV": str(prefix), "CONDA_SHLVL": "1"}
    assert variables == {**own, "OWN": "x", "DATA": f"{prefix}/data\nsecond"}


@pytest.mark.parametrize(
    "name", ["LD_PRELOAD", "NODE_OPTIONS", "BASH_ENV", "GITHUB_TOKEN", "RUNNER_TEMP", "NOTEBOOK_CI_CACHE"]
)
def test_a_variable_with_power_over_later_steps_is_left_out(tmp_path: Path, prefix: Path, name: str) -> None:
    given = context(tmp_path)
    activate(conda(prefix, script=f"export {name}=/evil FINE=1\n"), given)
    variables, _ = later(tmp_path)
    assert (variables.get(name), variables["FINE"]) == (None, "1")
    [warning] = given.problems
    assert warning.severity == "warning"
    assert warning.message.startswith(f"Later steps do not get these variables of the environment: `{name}`. They ")


def test_a_name_cannot_add_another_variable(tmp_path: Path, prefix: Path) -> None:
    given = context(tmp_path)
    activate(conda(prefix, '{"env_vars": {"A<<B\\nNODE_OPTIONS": "x", "C": "1\\nBASH_ENV=y\\nend"}}'), given)
    variables, _ = later(tmp_path)
    assert (variables["C"], variables.keys() & {"A", "NODE_OPTIONS", "BASH_ENV"}) == ("1\nBASH_ENV=y\nend", set())
    assert "`A<<B\\nNODE_OPTIONS`" in given.problems[0].message


def test_a_credential_of_this_step_is_not_given_to_later_ones(
    tmp_path: Path, prefix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(masking, "_known", Known())
    secret = {"MY_TOKEN": "s3cret-of-this-step"}
    masking.learn(secret)
    given = context(tmp_path, environ=secret)
    activate(conda(prefix, script='export URL="https://$MY_TOKEN@host"\n'), given)
    assert "s3cret" not in (tmp_path / "env").read_text()
    assert "`URL`" in given.problems[0].message


def test_a_failing_script_activates_nothing(tmp_path: Path, prefix: Path) -> None:
    with pytest.raises(SurroundingsError, match="could not be activated"):
        activate(conda(prefix, script="exit 1\n"), context(tmp_path))
    assert not (tmp_path / "env").exists()
    assert not (tmp_path / "path").exists()


def test_a_file_of_the_runner_that_cannot_be_written(tmp_path: Path, prefix: Path) -> None:
    (tmp_path / "env").mkdir()
    with pytest.raises(SurroundingsError, match="cannot be activated: Is a directory"):
        activate(conda(prefix), context(tmp_path))


@pytest.mark.parametrize(
    ("is_conda", "command"), [(True, "`conda activate '{}'`"), (False, "`source '{}/bin/activate'`")]
)
def test_a_laptop_has_no_later_steps(tmp_path: Path, prefix: Path, command: str, *, is_conda: bool) -> None:
    (prefix / ("conda-meta" if is_conda else "pyvenv.cfg")).mkdir()
    given = context(tmp_path, on_runner=False)
    activate(Venv(prefix), given)
    [notice] = given.problems
    assert notice.severity == "notice"
    assert notice.message.endswith(f"To activate the environment, type {command.format(prefix)}.")
