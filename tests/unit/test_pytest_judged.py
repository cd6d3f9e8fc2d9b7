"""The verdict of test-notebook, from what pytest reported and from how it ended."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from notebook_ci.base.errors import CheckFailed, InputError, NotebookCiError, SurroundingsError
from notebook_ci.base.process import Completed
from notebook_ci.records.test_notebook import CaseResult
from notebook_ci.test_notebook.judging import Judgement, NothingTestedError, problems
from notebook_ci.test_notebook.plan import PytestPlan
from notebook_ci.test_notebook.session import DeadlineOfTests, Session
from unit.planned import notebook, write

Said = dict[str, Any]
TEST = "tests/test_a.py::test_b"
BEGAN: Said = {"event": "began", "version": "9.0.0"}
FINISHED: Said = {"event": "finished"}
TRACEBACK = """\
tests/test_a.py:1: in <module>
    import analysis
E     File "/work/analysis.py", line 7
E       def f(:
E             ^
E   SyntaxError: invalid syntax
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write(
        tmp_path,
        {
            "tests/test_a.py": "",
            "analysis.py": "",
            "tests/conftest.py": "",
            "a.ipynb": json.dumps(json.loads(notebook("1", "2")), indent=1),
        },
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def collected(*tests: str) -> Said:
    return {"event": "collected", "tests": list(tests)}


def ran(test: str = TEST, **more: Any) -> list[Said]:
    begun = {"event": "test", "test": test, "path": test.partition("::")[0], "line": 5}
    phase = {**begun, "event": "report", "duration": 0.5, "outcome": "passed"}
    return [begun, {**phase, "when": "setup"}, {**phase, "when": "call", **more}, {"event": "end", "test": test}]


PASSED = [collected(TEST), *ran(), FINISHED]


def session(said: Sequence[Mapping[str, Any]], folder: Path) -> Session:
    text = "".join(f"{json.dumps(each)}\n" for each in [{**BEGAN, "root": str(folder)}, *said])
    found = Session(io.BytesIO(text.encode()))
    found.read()
    return found


def judgement(folder: Path, said: Sequence[Said], code: int = 0, output: str = "", **more: bool) -> Judgement:
    is_named, timed_out = more.pop("is_named", True), more.pop("timed_out", False)
    plan = PytestPlan(tests=("tests",), is_named=is_named, notebooks=())
    ended = Completed(code, output, timed_out)
    return Judgement(session(said, folder), ended, plan, more.pop("measures", False), folder)


def judged(found: Judgement) -> tuple[list[CaseResult], list[str], NotebookCiError | None]:
    cases = found.cases()
    said = [f"{each.file}:{each.line}: {each.title}: {each.message}" for each in problems(cases)]
    return cases, said, found.error(cases, has_failures=bool(said))


def test_tests_that_pass(folder: Path) -> None:
    (case,), shown, error = judged(judgement(folder, PASSED))
    assert (case.test, case.status, case.duration) == (TEST, "passed", 1.0)
    assert not shown
    assert error is None


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"outcome": "skipped"}, "skipped"),
        ({"outcome": "skipped", "is_expected": True}, "expected-failure"),
        ({"outcome": "failed"}, "failed"),
        ({"outcome": "rerun"}, "not-run"),
        ({"outcome": "passed", "is_expected": True}, "passed"),
    ],
)
def test_the_status_of_a_test(folder: Path, more: Said, status: str) -> None:
    (case,), shown, _ = judged(judgement(folder, [collected(TEST), *ran(**more), FINISHED]))
    assert case.status == status
    assert bool(shown) == (status == "failed")


def test_a_failing_teardown_fails_a_test_that_passed(folder: Path) -> None:
    late = {**ran()[1], "when": "teardown", "outcome": "failed", "text": "E   OSError: gone"}
    _, shown, _ = judged(judgement(folder, [*PASSED, late]))
    assert shown == ["tests/test_a.py:5: Test failed: test_b: OSError: gone"]


CRASH = "pytest ended with exit code 0 while this test ran. Look for `os._exit`, or a crash of a library."
KILLED = "It ran too long (see `test-timeout`) and could not be interrupted, so pytest was killed."


@pytest.mark.parametrize(("timed_out", "message"), [(False, CRASH), (True, KILLED)])
@pytest.mark.parametrize("is_collected", [True, False])
def test_a_test_that_ran_when_pytest_ended_has_failed(
    folder: Path, message: str, *, timed_out: bool, is_collected: bool
) -> None:
    said = [*[collected(TEST, "x")][: int(is_collected)], ran()[0]]
    (case, *_), shown, error = judged(judgement(folder, said, timed_out=timed_out))
    assert (case.test, case.status) == (TEST, "failed")
    assert shown == [f"tests/test_a.py:5: Test failed: test_b: {message}"]
    assert error is None


FRAME = {"path": "/lib/python3/site-packages/broken/plugin.py", "line": 3}
LOW: Said = {"event": "coverage", "percent": 49.95, "is_enough": False}


@pytest.mark.parametrize(
    ("said", "code", "output", "kind", "message"),
    [
        ([collected(TEST)], 0, "", CheckFailed, "pytest ended with exit code 0 before the tests did."),
        ([*PASSED[:-1]], 1, "", CheckFailed, "pytest ended with exit code 1 before the tests did."),
        (
            [*PASSED[:-1]],
            -11,
            "",
            CheckFailed,
            "pytest crashed with SIGSEGV (Segmentation fault) before the tests did.",
        ),
        ([collected(TEST), FINISHED], 0, "", InputError, f"pytest collected 1 tests, and ran none: `{TEST}`."),
        ([collected(), FINISHED], 5, "", InputError, "pytest found no tests in `tests`."),
        ([FINISHED], 0, "", InputError, "pytest found no tests in `tests`."),
        (
            [collected(TEST, "x"), *ran(), FINISHED],
            0,
            "",
            CheckFailed,
            "pytest collected 1 tests that did not run: `x`.",
        ),
        (PASSED, 1, "", CheckFailed, "pytest ended with exit code 1, although no test failed."),
        (PASSED, 3, "", CheckFailed, "pytest ended with exit code 3, although no test failed."),
        (
            [],
            4,
            "ERROR: usage: -c\n-c: error: unrecognized arguments: --foo\n  rootdir: /x\n",
            InputError,
            "pytest refuses to run: unrecognized arguments: --foo.",
        ),
        ([], 4, "ERROR: not found: /x::y\n", InputError, "pytest refuses to run: not found: /x::y."),
        (
            [{"event": "broken", "what": "conftest", "message": "ValueError: x", "frames": [FRAME]}],
            4,
            "",
            CheckFailed,
            "pytest cannot run: ValueError: x",
        ),
        (
            [{"event": "broken", "what": "plugin", "message": "ImportError: x", "frames": [FRAME]}],
            1,
            "",
            SurroundingsError,
            f"pytest cannot run in this environment: ImportError: x in `{FRAME['path']}`, line 3.",
        ),
    ],
)
def test_a_run_that_is_not_complete(
    folder: Path, *, said: Sequence[Said], code: int, output: str, kind: type[NotebookCiError], message: str
) -> None:
    _, shown, error = judged(judgement(folder, said, code, output))
    assert not shown
    assert error
    assert (type(error), error.message) == (kind, message)


DUMP = """\
Thread 0x7f (most recent call first):
  File "/lib/python3/site-packages/broken/plugin.py", line 3 in wait
  File "{}/analysis.py", line 7 in <module>
  File "{}/tests/conftest.py", line 2 in <module>
"""
SILENT = "pytest was killed: it ran no test and imported no file for more than 10 times `test-timeout`."


@pytest.mark.parametrize(
    ("said", "output", "place"),
    [([], DUMP, ("analysis.py", 7)), (PASSED, "", (None, None)), (PASSED[:-1], "", (None, None))],
)
def test_pytest_that_hangs_without_a_test(
    folder: Path, said: Sequence[Said], output: str, place: tuple[str | None, int | None]
) -> None:
    """While it loads files, or because a thread does not end."""
    _, shown, error = judged(judgement(folder, said, -15, output.format(folder, folder), timed_out=True))
    assert not shown
    assert isinstance(error, CheckFailed)
    assert (error.message, error.file, error.line) == (SILENT, *place)


def test_pytest_that_did_not_begin(folder: Path) -> None:
    found = judgement(folder, [], 1, "Traceback\nModuleNotFoundError: No module named 'x'\n")
    found.session.events.clear()
    error = judged(found)[2]
    assert isinstance(error, SurroundingsError)
    assert error.message == "pytest ended with exit code 1 before it began: `ModuleNotFoundError: No module named 'x'`."


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ([LOW], "50.0% of the lines ran, which is less than `fail_under` of coverage.py."),
        ([{"event": "coverage", "message": "No data"}], "Coverage could not be measured: No data."),
        ([], "Coverage could not be measured: see the lines above."),
        ([{**LOW, "is_enough": True}], None),
    ],
)
def test_coverage(folder: Path, said: Sequence[Said], message: str | None) -> None:
    error = judged(judgement(folder, [*PASSED, *said], measures=True))[2]
    assert (error.message if error else None) == message


@pytest.mark.parametrize(("code", "kind"), [(5, NothingTestedError), (1, InputError), (0, InputError)])
def test_without_named_tests_it_is_no_error_that_there_are_none(
    folder: Path, code: int, kind: type[NotebookCiError]
) -> None:
    assert type(judged(judgement(folder, [collected(), FINISHED], code, is_named=False))[2]) is kind


def test_a_conftest_that_fails_is_shown_at_its_line(folder: Path) -> None:
    frames = [FRAME, {"path": f"{folder}/tests/conftest.py", "line": 2}, FRAME]
    error = judged(judgement(folder, [{"event": "broken", "what": "plugin", "message": "x", "frames": frames}], 3))[2]
    assert isinstance(error, CheckFailed)
    assert (error.file, error.line) == ("tests/conftest.py", 2)


def test_a_file_that_cannot_be_imported_is_shown_at_the_line_of_the_error(folder: Path) -> None:
    text = TRACEBACK.replace("/work", str(folder))
    said = [{"event": "not-collected", "test": "tests/test_a.py", "text": text}, collected(), FINISHED]
    said.insert(0, said[0])
    assert judged(judgement(folder, said, 2))[1:] == (
        ["analysis.py:7: Tests not collected: tests/test_a.py: SyntaxError: invalid syntax"],
        None,
    )
    said[0]["text"] = "tests/test_a.py:3: in <module>\n    import nothing\nE   ModuleNotFoundError: No module"
    _, shown, _ = judged(judgement(folder, said, 2))
    assert shown == ["tests/test_a.py:3: Tests not collected: tests/test_a.py: ModuleNotFoundError: No module"]


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([("tests/test_a.py", 9), ("analysis.py", 3)], "tests/test_a.py:9"),
        ([("tests/test_a.py", 9), ("{}/a.ipynb", 10), ("a.ipynb", 12), ("analysis.py", 3)], "a.ipynb:12"),
        ([("analysis.py", 3)], "tests/test_a.py:5"),
        ([("/elsewhere/b.ipynb", 3)], "tests/test_a.py:5"),
        ([], "tests/test_a.py:5"),
    ],
)
def test_where_a_failing_test_is_shown(folder: Path, frames: Sequence[tuple[str, int]], expected: str) -> None:
    lines = [{"path": path.format(folder), "line": line} for path, line in frames]
    said = [collected(TEST), *ran(outcome="failed", message="assert 1 == 2", frames=lines), FINISHED]
    assert judged(judgement(folder, said, 1))[1] == [f"{expected}: Test failed: test_b: assert 1 == 2"]


def test_a_cell_that_nbval_fails_is_shown_at_its_line(folder: Path) -> None:
    text = "\x1b[91mNotebook cell execution failed\x1b[0m\n\x1b[94mCell 1: Cell outputs differ\n\nInput:\n\x1b[0m2\n"
    said = [*ran("a.ipynb::Cell 1", outcome="failed", text=text), FINISHED]
    line = (folder / "a.ipynb").read_text().splitlines().index('   "source": "2",') + 1
    assert judged(judgement(folder, said, 1))[1] == [
        f"a.ipynb:{line}: Test failed: Cell 1: Cell 1: Cell outputs differ"
    ]


def test_lines_that_are_no_events_are_ignored() -> None:
    found = Session(io.BytesIO(b'x\n{"event": 1}\n{"event": "finished"}\n\xff\n{"event": "coll'))
    found.read()
    assert [event.event for event in found.events] == ["finished"]


def test_the_time_of_a_test_ends_with_it_or_with_its_worker(folder: Path) -> None:
    begun, *_, ended = ran()
    crashed = {**ran()[1], "when": "???", "outcome": "failed"}
    assert DeadlineOfTests(session([begun], folder), -60).left < 0
    for last in (ended, crashed):
        assert 600 < DeadlineOfTests(session([begun, last], folder), 60).left < 606
    assert DeadlineOfTests(session([begun, ended], folder), -1).left < 0
