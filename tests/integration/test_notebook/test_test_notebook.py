"""The stage test-notebook with tests that pass and fail: what runs, where, and what is told of it."""

import contextlib
import re
import threading
import time
from pathlib import Path

from integration.suite import Done, Workspace, line_of, notebook
from integration.test_notebook.runs import run
from notebook_ci.tools import integrity

PASSING = """\
import os, sys
import pytest, rich
import analysis

def test_the_environment_is_that_of_the_notebooks():
    assert rich.__file__.startswith(sys.prefix)
    assert not {"INPUTS", "GITHUB_OUTPUT", "ACTIONS_RUNTIME_TOKEN"} & set(os.environ)
    assert (os.environ["MINE"], os.environ["MY_TOKEN"]) == ("1", "t0ken-of-tests")
    assert "THE_TOKEN" not in os.environ

def test_a_function_of_a_notebook():
    assert analysis.double(4) == 8

@pytest.mark.parametrize("x", [1, 2])
def test_parameters(x): pass

@pytest.mark.skip(reason="later")
def test_skipped(): pass

@pytest.mark.xfail
def test_expected(): assert False
"""
# Both processes import it.
LINKING = """\
for name, target in {{"link.folder": "", "link.txt": "/x.txt"}}.items():
    try:
        os.symlink({elsewhere!r} + target, os.path.join({coverage!r}, name))
    except FileExistsError:
        pass
"""


def statuses(done: Done) -> dict[str, str]:
    return {case["test"].rpartition("::")[2]: case["status"] for case in done.record["cases"]}


def errors(done: Done) -> dict[tuple[str, int], str]:
    return {each.place: f"{each.properties.get('title', '')}: {each.message}" for each in done.annotations()}


def test_what_an_environment_lacks_comes_from_beside_it(workspace: Workspace, kernel: Path) -> None:
    """With several processes and coverage, which need most packages; in them, both find what was added.

    An upload would follow the links that the tests put beside the results of coverage.
    """
    token = "ghp_" + "a1B2" * 9
    elsewhere = workspace.base / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "x.txt").write_text(token)
    coverage = workspace.runner_temp / "notebook-ci" / "test-notebook" / "coverage"
    to_link = LINKING.format(coverage=str(coverage), elsewhere=str(elsewhere))
    workspace.write("tests/test_a.py", f"{PASSING}\nTOKEN = '{token}'\n{to_link}")
    path = workspace.write("analysis.ipynb", notebook("def double(x):\n    return 2 * x", "def other():\n    return 1"))
    workspace.write("secret/test_b.py", "def test_b(): assert False")
    before = integrity.contents(str(kernel.parents[1]))
    more: dict[str, str | None] = {"MINE": "1", "ACTIONS_RUNTIME_TOKEN": "x" * 20}
    more |= {"MY_TOKEN": "t0ken-of-tests", "THE_TOKEN": "t0ken-of-the-job"}
    given = {"workers": "2", "test_timeout": "60", "coverage": "true", "pass_env": "MY_*"}
    done = run(workspace, kernel, more, **given)
    assert (done.code, done.outputs["status"]) == (0, "passed"), done.log
    assert (done.outputs["tests"], done.outputs["failed"]) == ("5", "0")
    found = dict.fromkeys(["test_a_function_of_a_notebook", "test_parameters[1]", "test_parameters[2]"], "passed")
    found |= {"test_the_environment_is_that_of_the_notebooks": "passed", "test_skipped": "skipped"}
    assert statuses(done) == found | {"test_expected": "expected-failure"}
    record = done.record
    assert record["added"].keys() >= {"pytest", "pytest-timeout", "pytest-xdist", "coverage", "pluggy", "execnet"}
    assert not record["added"].keys() & {"rich", "pygments", "packaging"}, "the environment has these"
    assert record["pytest"] == record["added"]["pytest"]
    assert integrity.contents(str(kernel.parents[1])) == before
    folder = Path(done.outputs["record"]).parent
    files = {f"test-notebook/coverage/{name}" for name in ("coverage.xml", "coverage.lcov", "html/index.html")}
    assert files <= set(record["created"])
    assert 'filename="analysis.ipynb"' in (folder / "test-notebook" / "coverage" / "coverage.xml").read_text()
    assert (folder / "test-notebook" / "junit.xml").read_text(encoding="utf-8").count("<testcase ") == 6
    covered = (folder / "test-notebook" / "coverage" / "coverage.lcov").read_text(encoding="utf-8")
    assert re.findall(r"^SF:(.*)", covered, re.MULTILINE) == ["analysis.ipynb", "tests/test_a.py"]
    assert re.findall(r"^DA:(\d+),0", covered.partition("end_of_record")[0], re.MULTILINE) == [
        str(line_of(path, "return 1"))
    ]
    assert 80 < record["coverage"] < 100
    assert done.outputs["coverage"] == f"{record['coverage']:.1f}"
    assert done.summary.startswith("### ✅ test-notebook: 5 tests passed, 1 skipped, ")
    assert not list(workspace.folder.rglob("*.pyc"))
    assert not [file for file in folder.rglob("*.*") if file.is_file() and token.encode() in file.read_bytes()]
    assert not [path for path in folder.rglob("*") if path.is_symlink()]
    assert not [name for name in record["created"] if "link" in name or "elsewhere" in name]
    assert (elsewhere / "x.txt").read_text() == token
    (warning,) = done.annotations("warning")
    assert warning.message == (
        "Links were removed from the run directory, because an upload would follow them: "
        "`test-notebook/coverage/link.folder`, `test-notebook/coverage/link.txt`."
    )


FAILING = """\
import os, sys, time
import pytest
import analysis

def test_compared():
    x = 1
    assert x == 2

def test_called():
    analysis.half("a")

def test_exits():
    sys.exit(0)

@pytest.fixture
def missing():
    raise OSError("no data")

def test_fixture(missing): pass

def test_hangs():
    while True:
        time.sleep(0.01)

def test_forks():
    if os.fork() == 0:
        os.setsid()
        time.sleep(600)

def test_forks_and_goes_on():
    os.fork()

@pytest.mark.timeout(0)
def test_prints():
    for _ in range(10):
        os.write(1, (b"x" * 99 + b"\\n") * 90_000 + b"y" * 1_000_000)
    assert False

def test_passes(): pass
"""
BROKEN = "def test_x(:\n    pass\n"
MISSING = "import nothing_of_that_name\n\ndef test_y(): pass\n"


def watch_memory(pid: int, peak: list[int]) -> None:
    """Add the most memory that a process has used so far, in kB, until it ends."""
    with contextlib.suppress(OSError):
        while found := re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text()):
            peak.append(int(found[1]))
            time.sleep(0.1)


def test_each_failing_test_is_shown_at_its_line(workspace: Workspace, complete: Path) -> None:
    path = workspace.write("tests/test_a.py", FAILING)
    workspace.write("tests/test_broken.py", BROKEN)
    workspace.write("tests/test_missing.py", MISSING)
    called = workspace.write("analysis.ipynb", notebook("1 / 0", "def half(x):\n    return x / 2"))
    peak: list[int] = []
    options = {"test-timeout": "2", "pytest-args": "--continue-on-collection-errors"}
    process = workspace.start("test-notebook", {"python": str(complete), **options})
    watcher = threading.Thread(target=watch_memory, args=(process.pid, peak))
    watcher.start()
    done = workspace.end(process)
    watcher.join()
    assert peak[-1] < 100_000  # while 100 MB are printed
    assert (done.code, done.outputs["status"]) == (1, "failed"), done.log
    passed = ("test_forks", "test_forks_and_goes_on", "test_passes")
    assert {name for name, status in statuses(done).items() if status == "passed"} == set(passed)
    assert (done.outputs["tests"], done.outputs["failed"]) == ("11", "8")
    found = errors(done)
    for text, said in {
        "assert x == 2": "Test failed: test_compared: assert 1 == 2",
        "sys.exit(0)": "Test failed: test_exits: SystemExit: 0",
        'raise OSError("no data")': "Test failed: test_fixture: OSError: no data",
        "time.sleep(0.01)": "Test failed: test_hangs: Failed: Timeout ",
        "    assert False": "Test failed: test_prints: assert False",
    }.items():
        assert found["tests/test_a.py", line_of(path, text)].startswith(said)
    assert found["analysis.ipynb", line_of(called, "return x / 2")].startswith("Test failed: test_called: TypeError: ")
    assert found["tests/test_broken.py", 1].startswith("Tests not collected: tests/test_broken.py: SyntaxError: ")
    assert "No module named 'nothing_of_that_name'" in found["tests/test_missing.py", 1]
    assert len(found) == 8
    assert "**❌ `tests/test_a.py::test_compared` (`tests/test_a.py`, line 7)**: " in done.summary
    assert len(done.log) < 6_000_000
    assert "characters are not shown, except the last 50 lines ...]" in done.log
    assert not done.record["added"]
