"""test-notebook does not pass if pytest cannot run, ends early, or runs nothing."""

import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from integration.suite import Workspace, code, copied_environment, line_of, notebook, wait_until
from integration.test_notebook.runs import run

TEST = "def test_a(): pass\n"
HOSTILE_END = """\
def pytest_sessionfinish(session):
    session.exitstatus = 0

def pytest_collection_modifyitems(config):
    config.option.continue_on_collection_errors = True
"""


@pytest.mark.parametrize(
    ("files", "inputs", "code", "place", "said"),
    [
        (
            {"tests/test_a.py": "import os\n\ndef test_a(): os._exit(0)\n"},
            {},
            1,
            ("tests/test_a.py", 3),
            "pytest ended with exit code 0 while this test ran.",
        ),
        (
            {"tests/test_a.py": TEST, "conftest.py": "import os\n\nraise ValueError('no')\n"},
            {},
            1,
            ("conftest.py", 3),
            "pytest cannot run: ValueError: no",
        ),
        (
            {"tests/test_a.py": TEST, "conftest.py": "import sys\nsys.exit(0)\n"},
            {},
            1,
            ("conftest.py", 2),
            "pytest cannot run: SystemExit: 0",
        ),
        (
            {"tests/test_a.py": TEST + "def test_b(): assert False\n", "conftest.py": HOSTILE_END},
            {},
            1,
            ("tests/test_a.py", 2),
            "assert False",
        ),
        (
            {"tests/test_a.py": "import pytest\ndef test_a(): pass\ndef test_b(): pytest.exit('x', 0)\n"},
            {},
            1,
            ("", 0),
            "pytest collected 1 tests that did not run: `tests/test_a.py::test_b`.",
        ),
        (
            {"tests/test_a.py": TEST, "conftest.py": "def pytest_runtest_setup(): 1 / 0\n\nimport sys\n"},
            {"pytest_args": "--foo"},
            2,
            ("", 0),
            "pytest refuses to run: unrecognized arguments: --foo.",
        ),
        (
            {"tests/test_a.py": TEST},
            {"pytest_args": "--collect-only"},
            2,
            ("", 0),
            "pytest collected 1 tests, and ran none: `tests/test_a.py::test_a`. Remove `--collect-only`",
        ),
        ({"tests/test_a.py": TEST}, {"pytest_args": "-k nothing"}, 2, ("", 0), "pytest found no tests in `tests`."),
        (
            {"tests/a.py": TEST},
            {"tests": "tests"},
            2,
            ("", 0),
            "pytest found no tests in `tests`. Names of files begin",
        ),
        ({"tests/a.py": TEST}, {}, 0, None, "skipped"),
        (
            {"tests/test_a.py": TEST},
            {"tests": "tests/test_a.py::test_z"},
            2,
            ("", 0),
            "pytest found no tests in `tests/test_a.py::test_z`.",
        ),
        (
            {"tests/test_a.py": TEST, "pytest.ini": "[pytest]\naddopts = --junitxml\n"},
            {},
            2,
            ("", 0),
            "pytest refuses to run: ",
        ),
    ],
)
def test_what_does_not_pass(
    workspace: Workspace,
    complete: Path,
    *,
    files: Mapping[str, str],
    inputs: Mapping[str, str],
    code: int,
    place: tuple[str, int] | None,
    said: str,
) -> None:
    for name, text in files.items():
        workspace.write(name, text)
    done = run(workspace, complete, None, **inputs)
    assert done.code == code, done.log
    assert done.outputs["status"] == {0: "skipped", 1: "failed", 2: "error"}[code]
    if place is None:
        assert not done.annotations()
        assert f"test-notebook {said}" in done.summary
        return
    [error] = done.annotations()
    assert error.message.startswith(said)
    assert error.place == place


HANGS = """\
import ctypes, signal

def test_passes(): pass

def test_hangs():
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    while True:
        ctypes.PyDLL(None).usleep(900_000)
"""


def test_a_test_that_ignores_signals_is_killed(workspace: Workspace, complete: Path) -> None:
    workspace.write("tests/test_a.py", HANGS)
    done = run(workspace, complete, test_timeout="1")
    assert done.code == 1, done.log
    [error] = done.annotations()
    assert error.message == "It ran too long (see `test-timeout`) and could not be interrupted, so pytest was killed."
    assert error.place == ("tests/test_a.py", 5)
    assert {case["test"][-6:]: case["status"] for case in done.record["cases"]} == {
        "passes": "passed",
        "_hangs": "failed",
    }


def test_what_hangs_while_files_are_imported_is_killed(workspace: Workspace, complete: Path) -> None:
    """A notebook that `conftest.py` imports: before pytest has begun."""
    workspace.write("tests/test_a.py", TEST)
    workspace.write("conftest.py", "import model\n")
    path = workspace.write("model.ipynb", notebook(code("import time\nwhile True:\n    time.sleep(1)", "on-import")))
    done = run(workspace, complete, test_timeout="0.1")
    assert done.code == 1, done.log
    [error] = done.annotations()
    assert error.message.startswith("pytest was killed: it ran no test and imported no file for more than 10 times ")
    assert error.place == ("model.ipynb", line_of(path, "time.sleep"))


WAITS = """\
import pathlib, subprocess, time

def test_passes(): pass

def test_waits():
    subprocess.Popen(["sleep", "600"], start_new_session=True)
    pathlib.Path("waits").touch()
    time.sleep(600)
"""


def test_a_cancelled_run_keeps_its_results(workspace: Workspace, complete: Path) -> None:
    workspace.write("tests/test_a.py", WAITS)
    process = workspace.start("test-notebook", {"python": str(complete)})
    assert wait_until((workspace.folder / "waits").exists)
    process.send_signal(signal.SIGTERM)
    done = workspace.end(process)
    assert done.code == 128 + signal.SIGTERM, done.log
    assert [case["status"] for case in done.record["cases"]] == ["passed", "failed"]
    assert done.record["problems"][-1]["message"] == "Cancelled (SIGTERM)."
    assert not workspace.processes()
    assert workspace.leftovers() == []


def distribution(python: Path, name: str, version: str, **files: str) -> None:
    """Add a distribution to an environment, as far as others see it."""
    [packages] = python.parents[1].glob("lib/python*/site-packages")
    folder = packages / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir()
    files["METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files["RECORD"] = ""
    for file, text in files.items():
        (folder / file.replace("__", ".")).write_text(text)


def test_environments_that_cannot_run_pytest(
    workspace: Workspace, complete: Path, kernel: Path, tmp_path: Path
) -> None:
    workspace.write("tests/test_a.py", TEST)
    broken = copied_environment(complete, tmp_path / "broken")
    distribution(broken, "pytest-broken", "1.0", entry_points__txt="[pytest11]\nbroken = broken_plugin_of_mine\n")
    [packages] = broken.parents[1].glob("lib/python*/site-packages")
    (packages / "broken_plugin_of_mine.py").write_text("import nothing_of_that_name\n")
    done = run(workspace, broken)
    assert done.code == 3, done.log
    [error] = done.annotations()
    assert "No module named 'nothing_of_that_name'" in error.message
    off = run(workspace, broken, pytest_args="-p no:broken")
    assert off.code == 0, off.log

    old = copied_environment(kernel, tmp_path / "old")
    distribution(old, "pytest", "4.0.2")
    done = run(workspace, old)
    assert done.code == 3, done.log
    assert done.annotations()[0].message == (
        "The environment has pytest 4.0.2, which is too old: 6.2 or newer is needed. Change its version in your list "
        "of packages, or remove it there: then a newer one is used."
    )

    conflicting = copied_environment(kernel, tmp_path / "conflicting")
    distribution(conflicting, "pluggy", "0.6.0")
    done = run(workspace, conflicting)
    assert done.code == 3, done.log
    [error] = done.annotations()
    assert error.message.startswith(
        "`pytest` could not be added to the packages of the environment without changing them. Because "
    )
    assert " depends on pluggy>=" in error.message
    nowhere = dict.fromkeys(("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"), "http://127.0.0.1:9/simple")
    done = run(workspace, kernel, {**nowhere, "UV_CACHE_DIR": str(workspace.base / "uv"), "UV_HTTP_RETRIES": "0"})
    assert done.code == 3, done.log
    assert done.annotations()[0].message.startswith(
        "`pytest` could not be added to the packages of the environment: the package index cannot be reached."
    )
    assert workspace.leftovers() == []
