"""Locks as the tools themselves wrote them (`tests/locks`): what the plan says of them, and of broken ones.

Hosts of indexes are replaced. Other layouts are in `test_lock_search.py`; the tests of setup-env install from locks.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from notebook_ci.base.errors import InputError
from notebook_ci.base.workspace import Workspace
from notebook_ci.setup_env.model import SetupEnvInputs
from notebook_ci.setup_env.run import EnvironmentPlan, plan

LOCKS = Path(__file__).resolve().parents[1] / "locks"
REQUIRED = "Python >=3.11 (required by `pyproject.toml`)"
COMPILED = "Python 3.11 (`requirements.txt` was created with it)"


@dataclass(frozen=True)
class Written:
    chosen: str
    kind: str
    exporter: str = ""
    python: str = ""
    fixes_versions: bool = True
    beside: str = ""  # the other files that decide what is installed
    again: str = ""  # what to do about a broken one


def of_tool(name: str) -> Written:
    kind = name.lower()
    again = f"Run `{kind} lock`, and commit it."
    return Written(f"{kind}.lock", kind, name, REQUIRED, beside="pyproject.toml", again=again)


LIST = "requirements.txt"
UV = "Run `uv lock`, and commit it."
PYLOCK = "Create it again with the tool that wrote it, and commit it."
WRITTEN = {
    "uv": Written("uv.lock", "uv.lock", "", REQUIRED, beside="pyproject.toml", again=UV),
    "uv-workspace": Written("uv.lock", "uv.lock", "", REQUIRED, beside="pyproject.toml lib/pyproject.toml", again=UV),
    "uv-export": Written(LIST, "hashed"),
    "uv-compile": Written(LIST, "plain", fixes_versions=False),
    "pip-tools": Written(LIST, "plain", "", COMPILED, fixes_versions=False),
    "pip-tools-hashes": Written(LIST, "hashed", "", COMPILED),
    "pylock-uv": Written("pylock.toml", "pylock", again=PYLOCK),
    "pylock-pip": Written("pylock.toml", "pylock", again=PYLOCK),
    "poetry": of_tool("Poetry"),
    "pdm": of_tool("PDM"),
    "pdm-static-urls": of_tool("PDM"),
    "pipenv": Written(
        "Pipfile.lock",
        "pipenv",
        "Pipenv",
        "Python ==3.11.* (required by `Pipfile`)",
        beside="Pipfile",
        again="Run `pipenv lock`, and commit it.",
    ),
}
each_lock = pytest.mark.parametrize("name", WRITTEN)
LOCKED = [name for name, written in WRITTEN.items() if written.again]  # what nobody writes by hand


def lay(name: str, folder: Path, change: Callable[[str], str] = str) -> Path:
    """Copy the files of a lock, with a change of the lock; return the lock."""
    shutil.copytree(LOCKS / name, folder, dirs_exist_ok=True)
    path = folder / WRITTEN[name].chosen
    path.write_bytes(change(path.read_text(encoding="utf-8")).encode())
    return path


def planned(folder: Path) -> EnvironmentPlan:
    found = plan(SetupEnvInputs(), Workspace(folder, {}))
    assert isinstance(found, EnvironmentPlan)
    return found


def refused(folder: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        planned(folder)
    return caught.value


def windows(text: str) -> str:
    return f"\ufeff{text}".replace("\n", "\r\n")


@each_lock
@pytest.mark.parametrize("change", [str, windows], ids=["as written", "by an editor of Windows"])
def test_the_plan_of_a_lock(tmp_path: Path, name: str, change: Callable[[str], str]) -> None:
    written = WRITTEN[name]
    lay(name, tmp_path, change)
    found = planned(tmp_path)
    assert (found.lock.name, found.lock.kind) == (written.chosen, written.kind)
    assert found.lock.fixes_versions is written.fixes_versions
    assert [found.lock.shown(path) for path in found.lock.read()] == [written.chosen, *written.beside.split()]
    exported = f", exported by {written.exporter}," if written.exporter else ""
    lines = [f"install the packages of `{written.chosen}`{exported} into `{found.venv.path}`"]
    assert list(found.lines()) == [*lines, *([f"use {written.python}"] if written.python else [])]
    assert not found.problems


@each_lock
def test_a_merge_conflict_is_named(tmp_path: Path, name: str) -> None:
    def conflicting(text: str) -> str:
        lines = text.splitlines(keepends=True)
        return "".join([lines[0], "<<<<<<< HEAD\n", *lines[1:], "=======\n", ">>>>>>> other\n"])

    lay(name, tmp_path, conflicting)
    error = refused(tmp_path)
    chosen = WRITTEN[name].chosen
    assert (error.message, error.hint) == (
        f"`{chosen}` has an unresolved merge conflict.",
        "Resolve it, and commit the file.",
    )
    assert (error.file, error.line) == (chosen, 2)


@pytest.mark.parametrize("name", LOCKED)
@pytest.mark.parametrize("change", [lambda text: text[: len(text) // 2], lambda _: "404: Not Found\n"])
def test_half_a_lock_and_something_else_are_created_again(
    tmp_path: Path, name: str, change: Callable[[str], str]
) -> None:
    lay(name, tmp_path, change)
    error = refused(tmp_path)
    assert error.message.startswith(f"`{WRITTEN[name].chosen}` is not ")
    assert (error.hint, error.file) == (WRITTEN[name].again, WRITTEN[name].chosen)


@pytest.mark.parametrize("name", [name for name in LOCKED if WRITTEN[name].beside])
def test_a_lock_without_its_project_is_refused(tmp_path: Path, name: str) -> None:
    chosen, beside = WRITTEN[name].chosen, WRITTEN[name].beside.split()[0]
    lay(name, tmp_path)
    (tmp_path / beside).unlink()
    error = refused(tmp_path)
    assert error.message == f"`{chosen}` has no `{beside}` next to it."
    assert error.hint == f"Commit the `{beside}` that it was created from."


@each_lock
def test_a_list_of_another_kind_next_to_it_is_named(tmp_path: Path, name: str) -> None:
    lay(name, tmp_path)
    (tmp_path / "environment.yml").write_text("dependencies: [numpy]\n")
    [notice] = planned(tmp_path).problems
    assert notice.message.startswith(f"Packages come from `{WRITTEN[name].chosen}`, ")
    assert notice.message.endswith(" Not used: `environment.yml`.")
