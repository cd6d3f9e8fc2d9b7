"""Other code uses the kernel server only through its interface, and the kernel server uses little of other code."""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
SCRIPTS = TESTS.parent / "scripts"
PACKAGE = SCRIPTS / "kernel_server"


def imported(source: str) -> set[str]:
    """Return what a source imports from this repository, as full names: `kernel_server.interface.Servers`."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):  # a relative import has no name of its own
            module = f"{'kernel_server.' * bool(node.level)}{node.module or ''}"
            found |= {f"{module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.partition(".")[0] in {"kernel_server", "notebook_ci"}}


def past(source: str, *allowed: str) -> set[str]:
    """Return what a source imports from this repository, except modules and packages that are allowed."""
    return {name for name in imported(source) if not f"{name}.".startswith(tuple(f"{each}." for each in allowed))}


def files(folder: Path) -> list[Path]:
    found = sorted(folder.glob("*.py"))
    assert found
    return found


def test_other_code_imports_only_the_interface() -> None:
    others = [path for path in SCRIPTS.rglob("*.py") if not path.is_relative_to(PACKAGE)]
    users = [path for path in others if "kernel_server" in path.read_text(encoding="utf-8")]
    assert SCRIPTS / "notebook_ci" / "execute_notebook" / "kernels.py" in users
    for path in users:
        assert not past(path.read_text(encoding="utf-8"), "kernel_server.interface", "notebook_ci"), path


@pytest.mark.parametrize(
    "path", [*files(PACKAGE / "inside"), *files(SCRIPTS / "notebook_testing")], ids=lambda path: path.name
)
def test_what_the_users_python_runs_imports_nothing_of_ours(path: Path) -> None:
    assert not imported(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", files(PACKAGE / "client"), ids=lambda path: path.name)
def test_the_client_side_knows_how_to_read_notebooks_and_no_more(path: Path) -> None:
    assert not past(path.read_text(encoding="utf-8"), "kernel_server.client", "notebook_ci.notebooks")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import kernel_server.client.forking", {"kernel_server.client.forking"}),
        ("from kernel_server import client, interface", {"kernel_server.client"}),
        ("def f():\n    from kernel_server.inside import processes", {"kernel_server.inside.processes"}),
        ("from kernel_server.interfaces import Servers", {"kernel_server.interfaces.Servers"}),
        ("from ..client.servers import Servers", {"kernel_server.client.servers.Servers"}),
        ("from kernel_server.interface import Servers, processes", set()),
        ("import os, json", set()),
    ],
)
def test_an_import_past_the_interface_is_found(source: str, expected: set[str]) -> None:
    assert past(source, "kernel_server.interface", "notebook_ci") == expected


def test_an_import_of_a_stage_is_found() -> None:
    source = "from notebook_ci.execute_notebook.plan import Execution\nfrom notebook_ci.notebooks import document"
    assert past(source, "notebook_ci.notebooks") == {"notebook_ci.execute_notebook.plan.Execution"}


def missing_tests(text: str) -> set[str]:
    """Return the tests that a text names and that do not exist."""
    existing = {
        name
        for path in TESTS.rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    return set(re.findall(r"`(test_\w+)`", text)) - existing


def test_the_readme_names_tests_that_exist() -> None:
    assert not missing_tests((PACKAGE / "README.md").read_text(encoding="utf-8"))


def test_a_test_that_does_not_exist_is_found() -> None:
    assert missing_tests("see `test_that_is_nowhere`") == {"test_that_is_nowhere"}
