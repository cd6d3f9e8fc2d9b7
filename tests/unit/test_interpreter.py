import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from notebook_ci.base.errors import InputError, SurroundingsError
from notebook_ci.base.files import sha256
from notebook_ci.base.locks import Lock
from notebook_ci.base.workspace import Workspace
from notebook_ci.environments import interpreter
from notebook_ci.records.record import timestamp
from notebook_ci.records.run_directory import RunDirectory
from notebook_ci.records.setup_env import SetupEnvRecord
from notebook_ci.setup_env import venv

# A program that answers the probe as a Python of some version would.
ANSWER = """#!/bin/sh
echo 'a notice of sitecustomize'
echo '{{"version": "{version}", "ipykernel": "{ipykernel}", "prefix": "/p", "missing": {{}}}}'
"""


class Machine:
    """A folder with programs named python, and a run directory."""

    def __init__(self, folder: Path) -> None:
        self.cwd = folder
        self.run_directory = RunDirectory.open("run", Workspace(folder, {}))
        self.environ = {"PATH": os.defpath + os.pathsep + str(folder / "path")}

    def python(self, name: str, *, version: str = "3.12.4", ipykernel: str = "7.4.0", text: str = "") -> Path:
        path = self.cwd / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text or ANSWER.format(version=version, ipykernel=ipykernel))
        path.chmod(0o755)
        return path

    def made(self, name: str, folder: str = "", *, slug: str = "", version: str = "3.12.4") -> None:
        """Record that setup-env made an environment for a folder."""
        self.record(folder, slug=slug, python=str(self.python(name, version=version)))

    def record(self, folder: str = "", slug: str = "", **fields: Any) -> None:
        source = {"workspace": str(self.cwd / folder)}
        record = SetupEnvRecord(stage="setup-env", slug=slug, source=source, started=timestamp(), **fields)
        self.run_directory.take("setup-env", slug).write(record)

    def find(self, given: str = "", slug: str = "") -> interpreter.Interpreter:
        return interpreter.tried(interpreter.find(given, slug, self.run_directory, Workspace(self.cwd, self.environ)))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_they_are_taken_in_the_order_that_is_documented(machine: Machine) -> None:
    machine.environ["PATH"] = str(machine.cwd / "path")
    found = []
    machine.python("path/python3", version="3.8.1")
    found.append(machine.find())
    machine.python("path/python", version="3.8.2")
    found.append(machine.find())
    machine.python("location/bin/python", version="3.8.3")
    machine.environ["pythonLocation"] = str(machine.cwd / "location")
    found.append(machine.find())
    machine.python("venv/bin/python", version="3.8.4")
    machine.environ["VIRTUAL_ENV"] = str(machine.cwd / "venv")
    found.append(machine.find())
    machine.python(".notebook-ci/venv/bin/python", version="3.8.7")
    found.append(machine.find())
    machine.made("made", version="3.8.5")
    found.append(machine.find())
    machine.python("given", version="3.8.6")
    found.append(machine.find("./given"))
    assert [(each.origin, each.version) for each in found] == [
        ("PATH", "3.8.1"),
        ("PATH", "3.8.2"),
        ("pythonLocation", "3.8.3"),
        ("VIRTUAL_ENV", "3.8.4"),
        ("an earlier setup-env", "3.8.7"),
        ("setup-env", "3.8.5"),
        ("`python`", "3.8.6"),
    ]
    assert found[0] == interpreter.Interpreter(machine.cwd / "path" / "python3", "PATH", "3.8.1", "7.4.0", Path("/p"))


def test_the_environment_of_a_setup_that_failed_is_not_replaced_by_another(machine: Machine) -> None:
    machine.python("path/python")
    machine.record(status="error")
    with pytest.raises(InputError, match="setup-env did not pass in this run"):
        machine.find()
    assert machine.find("python", slug="").origin == "`python`"


# --- Several projects in one run


def test_each_project_gets_its_own_environment(machine: Machine) -> None:
    machine.made("own", version="3.8.1")
    machine.made("other", "projects/b", version="3.8.2")
    assert machine.find().version == machine.find(slug="b").version == "3.8.1"
    machine.cwd /= "projects/b"
    assert machine.find().version == "3.8.2"


def refused(machine: Machine) -> str:
    with pytest.raises(InputError) as caught:
        machine.find()
    assert caught.value.hint == "Run setup-env with the same `working-directory`, or set `python` to an interpreter."
    return caught.value.message


@pytest.mark.parametrize("status", ["passed", "error"])
def test_where_only_another_project_has_an_environment_none_is_guessed(machine: Machine, status: str) -> None:
    python = machine.python("path/python")
    machine.environ["PATH"] = str(python.parent)
    machine.record("projects/b", status=status, python=str(machine.python("other")) if status == "passed" else "")
    said = f"`{python}` is not the environment of `{machine.cwd}`: setup-env last ran in "
    assert refused(machine) == f"{said}`{machine.cwd / 'projects/b'}`."
    assert machine.find(str(python)).origin == "`python`"


def test_an_active_environment_of_another_project_is_refused(machine: Machine) -> None:
    """This project has no packages to install, and `activate` was set in the other."""
    machine.record(status="skipped")
    machine.made("other/bin/python", "projects/b")
    machine.python("path/python", version="3.8.1")
    machine.environ["PATH"] = str(machine.cwd / "path")
    assert machine.find().version == "3.8.1"
    machine.environ["VIRTUAL_ENV"] = str(machine.cwd / "other")
    assert refused(machine).startswith(f"`{machine.cwd / 'other/bin/python'}` is not the environment of ")
    del machine.environ["VIRTUAL_ENV"]
    machine.environ["PATH"] = str(machine.cwd / "other" / "bin")
    assert refused(machine).startswith(f"`{machine.cwd / 'other/bin/python'}` is not the environment of ")


def test_an_environment_that_another_project_replaced_is_refused(machine: Machine) -> None:
    machine.made("shared")
    machine.made("shared", "projects/b")
    assert "setup-env last ran in " in refused(machine)
    machine.made("shared")
    assert machine.find().origin == "setup-env"


def test_an_environment_of_an_earlier_run_is_that_of_the_folder(machine: Machine) -> None:
    machine.made("other", "projects/b")
    machine.python(".notebook-ci/venv/bin/python")
    assert machine.find().origin == "an earlier setup-env"


def test_the_folder_of_an_environment_stands_for_its_python(machine: Machine) -> None:
    assert machine.find(str(machine.python("my venv/bin/python").parents[1])).path.name == "python"


def test_a_runner_takes_no_environment_of_an_earlier_run(machine: Machine) -> None:
    machine.environ["RUNNER_TEMP"] = str(machine.cwd)
    machine.python("notebook-ci-venv/bin/python", version="3.8.7")
    machine.python("path/python", version="3.8.1")
    machine.environ["PATH"] = str(machine.cwd / "path")
    assert machine.find().origin == "PATH"


def test_a_lock_that_was_renamed_makes_the_environment_anew(tmp_path: Path) -> None:
    """Were it used again, its marker would tell of a file that is gone, whatever setup-env does."""
    keys = set()
    for name in ("requirements.txt", "requirements-ci.txt"):
        (tmp_path / name).write_text("six==1.16.0 --hash=sha256:0\n")
        keys.add(venv.key(Lock(tmp_path, tmp_path / name, "hashed"), Path(sys.executable), ""))
    assert len(keys) == 2


@pytest.mark.parametrize("marker", [None, "{}", '{"key": "k", "digest": "d", "added": {}}', "[]", '{"read": 5}', "{"])
def test_an_environment_that_does_not_say_what_it_was_made_from(tmp_path: Path, marker: str | None) -> None:
    if marker is not None:
        (tmp_path / "notebook-ci.json").write_text(marker)
    assert interpreter.changed_since(tmp_path, tmp_path) == []


def test_modules_of_the_workspace_do_not_disturb_a_real_python(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json", "platform", "importlib"):
        (machine.cwd / f"{name}.py").write_text("raise SystemExit('mine was imported')")
    (machine.cwd / "site" / "ipykernel").mkdir(parents=True)
    (machine.cwd / "site" / "ipykernel" / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(machine.cwd / "site"))
    monkeypatch.chdir(machine.cwd)
    found = machine.find(sys.executable)
    assert found.ipykernel == "unknown"
    assert found.version == sys.version.split()[0]
    assert found.prefix == Path(sys.prefix)


def test_a_name_is_looked_for_on_path(machine: Machine) -> None:
    machine.python("path/python3.9-mine", version="3.9.0")
    assert machine.find("python3.9-mine").version == "3.9.0"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "cannot be run"),
        ("#!/bin/sh\necho no >&2\nexit 1\n", "is not a working Python interpreter: `no`"),
        ("#!/bin/sh\necho hello\n", "is not a working Python interpreter"),
    ],
)
def test_a_named_one_that_is_none_is_a_wrong_input(machine: Machine, text: str, said: str) -> None:
    if text:
        machine.python("mine", text=text)
    with pytest.raises(InputError, match=said) as caught:
        machine.find("./mine")
    assert "`python`" in caught.value.hint


def test_one_that_was_found_and_is_none_is_no_wrong_input(machine: Machine) -> None:
    machine.environ["VIRTUAL_ENV"] = str(machine.cwd / "gone")
    with pytest.raises(SurroundingsError, match=r"gone.*VIRTUAL_ENV.*cannot be run"):
        machine.find()


def test_one_without_ipykernel_is_refused(machine: Machine) -> None:
    machine.python("mine", ipykernel="")
    found = machine.find("./mine")
    with pytest.raises(SurroundingsError, match=r"mine` .*has no ipykernel"):
        interpreter.require_ipykernel(found)


def test_none_at_all_is_said(machine: Machine) -> None:
    machine.environ = {"PATH": str(machine.cwd)}
    with pytest.raises(SurroundingsError, match="No Python was found") as caught:
        machine.find()
    assert "setup-env" in caught.value.hint


def test_what_an_environment_was_made_from_is_compared(tmp_path: Path) -> None:
    lock, other, gone = (tmp_path / name for name in ("requirements.txt", "base.txt", "gone.txt"))
    for path in (lock, other, gone):
        path.write_text("six\n")
    read = {path.name: sha256(path) for path in (lock, other)} | {str(gone): sha256(gone)}
    (tmp_path / "notebook-ci.json").write_text(json.dumps({"read": read}))
    assert interpreter.changed_since(tmp_path, tmp_path) == []
    lock.write_text("six==1.16.0\n")
    gone.unlink()
    assert interpreter.changed_since(tmp_path, tmp_path) == ["requirements.txt", str(gone)]


@pytest.mark.parametrize("name", ["", "venv"])
def test_the_environment_is_not_made_behind_a_link(tmp_path: Path, name: str) -> None:
    link = tmp_path / ".notebook-ci" / name
    link.parent.mkdir(exist_ok=True)
    (tmp_path / "elsewhere").mkdir()
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="Nothing is written there"):
        venv.location("", "", Workspace(tmp_path, {}))
    assert not any((tmp_path / "elsewhere").iterdir())
    assert venv.location("env", "", Workspace(tmp_path, {})) == tmp_path / "env"
    assert venv.location("", "", Workspace(tmp_path, {"RUNNER_TEMP": str(tmp_path)})) == tmp_path / "notebook-ci-venv"


def test_an_empty_variable_of_a_kernel_counts_as_none(tmp_path: Path) -> None:
    python = interpreter.Candidate(tmp_path / "bin" / "python", "PATH")
    found = interpreter.environment({"PATH": "", "IPYTHONDIR": ""}, python, tmp_path)
    assert found["PATH"] == f"{python.path.parent}{os.pathsep}{os.defpath}"
    assert found["IPYTHONDIR"] == str(tmp_path / "ipython")
    assert interpreter.environment({"IPYTHONDIR": "/mine"}, python, tmp_path)["IPYTHONDIR"] == "/mine"
