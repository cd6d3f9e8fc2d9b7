"""nbval: the verdict of each cell is that of plain `pytest --nbval` and `pytest --nbval-lax`.

The cases are those that nbval (0.11) documents, and those that its own notebooks show. They are written anew, because
nothing public is copied into this repository.
"""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from integration.suite import Cell, Done, Workspace, base_environ, code, line_of, markdown, notebook
from integration.test_notebook.runs import run

PASSED, FAILED, SKIPPED, EXPECTED = "passed", "failed", "skipped", "expected-failure"
WORDS = {"PASSED": PASSED, "FAILED": FAILED, "SKIPPED": SKIPPED, "XFAIL": EXPECTED, "XPASS": PASSED}
# Verdicts of a cell: strict, lax.
BOTH, NEITHER, LAX, NEVER = (PASSED, PASSED), (FAILED, FAILED), (FAILED, PASSED), (SKIPPED, SKIPPED)


def stream(text: str, name: str = "stdout") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": [text]}


def error(kind: str, value: str) -> dict[str, Any]:
    return {"output_type": "error", "ename": kind, "evalue": value, "traceback": ["another one"]}


def display(**data: str) -> dict[str, Any]:
    return {"output_type": "display_data", "metadata": {"other": 1}, "data": data}


def result(text: str) -> dict[str, Any]:
    return {"output_type": "execute_result", "execution_count": 99, "metadata": {}, "data": {"text/plain": text}}


def cell(source: str, *outputs: dict[str, Any], tags: str = "", count: int | None = 1) -> Cell:
    return {**code(source, *tags.split()), "execution_count": count, "outputs": list(outputs)}


ZERO = error("ZeroDivisionError", "division by zero")
SHOW = "display({{'text/plain': 'x', '{}': '{}'}}, raw=True)"
HALVES = "sys.stderr.flush(); sys.stdout.flush()\n"
CELLS: list[tuple[Cell, tuple[str, str]]] = [
    # Outputs
    (cell("import os, random, sys, time"), BOTH),
    (cell("print(3 * 4)", stream("12\n")), BOTH),
    (cell("print(3 * 4)", stream("13\n")), LAX),
    (cell("print(random.random())", stream("0.25\n")), LAX),
    (cell("print('a\\na')", stream("a\n")), LAX),
    (cell("3 * 4", result("12")), BOTH),
    (cell("3 * 4", result("13")), LAX),
    (cell("print(1)"), LAX),
    (cell("one = 1", stream("1\n")), LAX),
    (cell("!echo from a shell", stream("from a shell\r\n")), BOTH),
    (cell("print(os.path.basename(os.getcwd()))", stream("study\n")), BOTH),
    (cell("input()"), NEITHER),
    (cell("", count=None), BOTH),
    # Comments
    (cell("# NBVAL_IGNORE_OUTPUT\nprint(1)", stream("2\n")), BOTH),
    (cell("one = 1\n  \n#NBVAL_IGNORE_OUTPUT\nprint(1)", stream("2\n")), BOTH),
    (cell("# PYTEST_VALIDATE_IGNORE_OUTPUT\nprint(1)", stream("2\n")), BOTH),
    (cell("# NBVAL_IGNORE_OUTPUT, it is random\nprint(1)", stream("2\n")), LAX),
    (cell("print(1)  # NBVAL_IGNORE_OUTPUT", stream("2\n")), LAX),
    (cell("# NBVAL_CHECK_OUTPUT\nprint(1)", stream("1\n")), BOTH),
    (cell("# NBVAL_CHECK_OUTPUT\nprint(1)", stream("2\n")), NEITHER),
    (cell("# NBVAL_CHECK_OUTPUT\n# NBVAL_IGNORE_OUTPUT\nprint(1)", stream("2\n")), BOTH),
    (cell("# NBVAL_IGNORE_OUTPUT\n# NBVAL_CHECK_OUTPUT\nprint(1)", stream("2\n")), NEITHER),
    (cell("# NBVAL_SKIP\nwhile True:\n    pass", stream("1\n")), NEVER),
    # Tags, which comments override
    (cell("print(1)", stream("2\n"), tags="nbval-ignore-output"), BOTH),
    (cell("print(1)", stream("2\n"), tags="nbval-check-output other"), NEITHER),
    (cell("# NBVAL_CHECK_OUTPUT\nprint(1)", stream("2\n"), tags="nbval-ignore-output"), NEITHER),
    (cell("# NBVAL_IGNORE_OUTPUT\nprint(1)", stream("2\n"), tags="nbval-check-output"), BOTH),
    (cell("1 / 0", tags="nbval-skip"), NEVER),
    # Cells that have not run: one without outputs would pass, and is refused, unless nothing of it is compared
    (cell("print(1)", tags="nbval-ignore-output", count=None), BOTH),
    (cell("print(1)", tags="nbval-skip", count=None), NEVER),
    (cell("print(1)", stream("1\n"), count=None), NEITHER),
    # Exceptions
    (cell("1 / 0 # not expected", ZERO), NEITHER),
    (cell("# NBVAL_RAISES_EXCEPTION\n1 / 0", ZERO), BOTH),
    (cell("# NBVAL_RAISES_EXCEPTION\nprint(1)\n1 / 0", stream("1\n"), ZERO), BOTH),
    (cell("1 / 0", ZERO, tags="nbval-raises-exception"), BOTH),
    (cell("1 / 0", ZERO, tags="raises-exception"), BOTH),
    (cell("# NBVAL_RAISES_EXCEPTION\n1 / 0", error("NameError", "division by zero")), LAX),
    (cell("# NBVAL_RAISES_EXCEPTION\n1 / 0", error("ZeroDivisionError", "other")), LAX),
    (cell("# NBVAL_RAISES_EXCEPTION\none = 1", ZERO), LAX),
    (cell("# NBVAL_RAISES_EXCEPTION\n# NBVAL_CHECK_OUTPUT\none = 1", ZERO), NEITHER),
    (cell("# NBVAL_RAISES_EXCEPTION\none = 1"), BOTH),
    (cell("# NBVAL_RAISES_EXCEPTION\n# NBVAL_IGNORE_OUTPUT\nraise OSError('b')", error("OSError", "a")), BOTH),
    (cell("# NBVAL_IGNORE_OUTPUT\n1 / 0", ZERO), NEITHER),
    # Sanitizing
    (cell("print(time.strftime('on %d/%m/%y at %H:%M:%S'))", stream("on 1/2/21 at 03:04:05\n")), BOTH),
    (cell("object()", result("<object at 0x7f00>")), BOTH),
    (cell("print('on 1-2-2021')", stream("on 2-2-2021\n")), LAX),
    # Displays: images are not compared
    (cell(SHOW.format("image/png", "AAAA"), display(**{"text/plain": "x", "image/png": "BBBB"})), BOTH),
    (cell(SHOW.format("image/jpeg", "AAAA"), display(**{"text/plain": "y", "image/jpeg": "AAAA"})), LAX),
    (cell(SHOW.format("text/latex", "$x^2$"), display(**{"text/plain": "x", "text/latex": "$x^2$"})), BOTH),
    (cell(SHOW.format("text/latex", "$x^2$"), display(**{"text/plain": "x", "text/latex": "$x^3$"})), LAX),
    (cell(SHOW.format("text/html", "<b>1</b>"), display(**{"text/plain": "x", "text/html": "<b>2</b>"})), LAX),
    (cell(SHOW.format("text/html", "<b>1</b>"), display(**{"text/plain": "x"})), LAX),
    (cell("display(1, 2)", display(**{"text/plain": "1"}), display(**{"text/plain": "2"})), BOTH),
    (cell("display(1, 2)", display(**{"text/plain": "2"}), display(**{"text/plain": "1"})), LAX),
    (cell("print(1)\ndisplay(2)", display(**{"text/plain": "2"}), stream("1\n")), BOTH),
    # Streams: those with the same name are joined
    (cell("print('a')\nprint('b')", stream("a\n"), stream("b\n")), BOTH),
    (cell("print('a', file=sys.stderr)", stream("a\n", "stderr")), BOTH),
    (cell("print('a', file=sys.stderr)", stream("a\n")), LAX),
    (
        cell(
            f"print('a', file=sys.stderr)\n{HALVES}print('b')\n{HALVES}print('c', file=sys.stderr)",
            stream("b\n"),
            stream("a\nc\n", "stderr"),
        ),
        BOTH,
    ),
    (cell("print('10 %\\r100 %')", stream("100 %\n")), BOTH),
    (cell("from IPython.display import clear_output\nprint(1)\nclear_output()\nprint(2)", stream("2\n")), LAX),
]
# After a cell that took too long, all others are expected to fail.
TIMES: list[tuple[Cell, str]] = [
    (cell("import signal, time"), PASSED),
    (cell("while True:\n    time.sleep(0.1)\ndone = 1"), FAILED),
    (cell("other = 1"), PASSED),
    (cell("print(done)"), EXPECTED),
    (cell("signal.signal(signal.SIGINT, signal.SIG_IGN)\ntime.sleep(600)"), EXPECTED),
    (cell("other = 1"), EXPECTED),
]
# `skip_compare` in a `conftest.py`
SKIPS: list[tuple[Cell, tuple[str, str]]] = [
    (cell("import sys"), BOTH),
    (cell("# NBVAL_CHECK_OUTPUT\nprint(1, file=sys.stderr)", stream("2\n", "stderr")), BOTH),
    (cell("# NBVAL_CHECK_OUTPUT\nprint(1)", stream("2\n")), NEITHER),
]
SANITIZE = """\
[dates and times]
regex: \\d{1,2}/\\d{1,2}/\\d{2,4}
replace: DATE
regex: \\d{2}:\\d{2}:\\d{2}
replace: TIME

[addresses]
regex: (<\\w+ at )0x\\w+>
replace: \\1ADDRESS>
"""
CONFTEST = """\
def pytest_collectstart(collector):
    if collector.name.endswith("skips.ipynb"):
        collector.skip_compare += ("stderr",)
"""
CELL_TIMEOUT = "1"


@pytest.fixture
def study(workspace: Workspace) -> Workspace:
    workspace.write("study/cells.ipynb", notebook(markdown("# Title"), *(each for each, _ in CELLS)))
    workspace.write("times.ipynb", notebook(*(each for each, _ in TIMES)))
    workspace.write("skips.ipynb", notebook(*(each for each, _ in SKIPS)))
    workspace.write("sanitize.cfg", SANITIZE)
    workspace.write("conftest.py", CONFTEST)
    return workspace


def plain(study: Workspace, python: Path, mode: str, *files: str) -> "subprocess.Popen[str]":
    flags = [f"--nbval-cell-timeout={CELL_TIMEOUT}", "--nbval-sanitize-with=sanitize.cfg", "-v", "--color=no"]
    return subprocess.Popen(
        [python, "-B", "-m", "pytest", "-p", "no:cacheprovider", mode, "--nbval-current-env", *flags, *files],
        cwd=study.folder,
        env={**base_environ(), "HOME": str(study.home)},
        stdout=subprocess.PIPE,
        text=True,
    )


def verdicts(mode: int) -> dict[str, str]:
    """Return those that nbval documents: 0 for strict, 1 for lax."""
    found = {f"study/cells.ipynb::Cell {number}": each[mode] for number, (_, each) in enumerate(CELLS)}
    found |= {f"skips.ipynb::Cell {number}": each[mode] for number, (_, each) in enumerate(SKIPS)}
    return found


def check(study: Workspace, process: "subprocess.Popen[str]", done: Done, expected: Mapping[str, str]) -> None:
    shown, _ = process.communicate(timeout=60)
    lines = re.findall(r"^(\S+)::ipynb(::Cell \d+) (\w+)", shown, re.MULTILINE)  # pytest shows `.` as `::` here
    assert {f"{name}.ipynb{cell}": WORDS[word] for name, cell, word in lines} == expected, shown
    assert {each["test"]: each["status"] for each in done.record["cases"]} == expected, done.log
    failed = [name for name, status in expected.items() if status == FAILED]
    assert (done.code, done.outputs["failed"]) == (1, str(len(failed)))
    sources = {name: Path(study.folder, name) for name in (name.partition("::")[0] for name in failed)}
    for problem in done.record["problems"]:
        file, number = problem["file"], int(problem["title"].removeprefix("Test failed: Cell "))
        titles = int(file == "study/cells.ipynb")
        assert problem["line"] == line_of(sources[file], '"source": [', number + 1 + titles) + 1
        assert problem["message"].startswith(f"Cell {number}: ")


def test_the_verdicts_are_those_of_nbval(study: Workspace, complete: Path) -> None:
    """Both at the same time: they wait while cells run too long."""
    process = plain(study, complete, "--nbval", "study/cells.ipynb", "skips.ipynb", "times.ipynb")
    given = {"nbval_sanitize": "sanitize.cfg", "test_timeout": CELL_TIMEOUT}
    strict = run(study, complete, None, nbval="strict", workers="2", **given)
    of_times = {f"times.ipynb::Cell {number}": status for number, (_, status) in enumerate(TIMES)}
    check(study, process, strict, verdicts(0) | of_times)
    process = plain(study, complete, "--nbval-lax", "study/cells.ipynb", "skips.ipynb")
    lax = run(study, complete, None, nbval="lax", exclude="times.ipynb", **given)
    check(study, process, lax, verdicts(1))
