"""Hundreds of notebooks in one call: every verdict is right, and nothing is left, no open file either."""

import signal
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from integration.suite import Workspace, copied_environment, notebook, wait_until

SECONDS = 15  # in which a cancelled stage ends, with other tests beside it
WHOLE = 400
HALF = 300
# So few files a process may have open that one more per notebook would be too many.
FEW_FILES = ["prlimit", "--nofile=100"]
GOOD = "print({number})"
# By the last digits of a notebook's number: what its cell does, and the kind and name of its failure.
BAD = {
    3: ("1 / 0", "cell-error", "ZeroDivisionError"),
    17: ("import os; os.kill(os.getpid(), 9)", "kernel-died", ""),
    31: ("import sys; sys.exit(3)", "cell-error", "SystemExit"),
    45: ("", "invalid-notebook", ""),
}


def write(workspace: Workspace, count: int) -> dict[str, tuple[str, str]]:
    """Write notebooks. Returns the kind and name of the failure of each; empty: it passes."""
    expected = {}
    for number in range(count):
        source, kind, ename = BAD.get(number % 50, (GOOD.format(number=number), "", ""))
        name = f"folder-{number % 7}/n{number}.ipynb"
        workspace.write(name, notebook(source) if kind != "invalid-notebook" else '{"cells": [')
        expected[name] = (kind, ename)
    return expected


def verdict(found: Mapping[str, Any]) -> tuple[str, str]:
    failure = found["failure"] or {"kind": "", "ename": ""}
    return failure["kind"], failure["ename"]


def sockets(workspace: Workspace) -> list[Path]:
    paths = [*workspace.base.rglob("*"), *workspace.tmp.rglob("*")]
    return [path for path in paths if path.is_socket() or path.is_fifo()]


def assert_nothing_is_left(workspace: Workspace) -> None:
    assert not workspace.processes()
    assert not workspace.leftovers()
    assert not sockets(workspace)


def test_many_notebooks(workspace: Workspace, kernel: Path) -> None:
    kernel = copied_environment(kernel, workspace.base / "environment")  # others may touch the shared one meanwhile
    expected = write(workspace, WHOLE)
    process = workspace.start("execute-notebook", {"python": str(kernel), "kernel-start": "fork"}, prefix=FEW_FILES)
    done = workspace.end(process, 900)
    assert done.code == 1, done.log[-5000:]
    assert {name: verdict(found) for name, found in done.notebooks.items()} == expected
    failing = sum(bool(kind) for kind, _ in expected.values())
    assert failing == WHOLE * len(BAD) // 50
    assert (done.outputs["executed"], done.outputs["failed"]) == (str(WHOLE), str(failing))
    statuses = Counter(found["status"] for found in done.record["notebooks"])
    assert statuses == {"passed": WHOLE - failing, "failed": failing}
    starts = Counter(found["kernel_start"] for found in done.record["notebooks"])
    assert starts == {"fork": WHOLE - WHOLE // 50, "": WHOLE // 50}, done.annotations("notice")
    for number in (0, 199, 398):
        assert done.printed(f"folder-{number % 7}/n{number}.ipynb") == f"{number}\n"
    assert sum(line.startswith(("✓ ", "✗ ")) for line in done.log.splitlines()) == WHOLE
    assert_nothing_is_left(workspace)


def test_cancelled_half_way(workspace: Workspace, kernel: Path) -> None:
    expected = write(workspace, HALF)
    process = workspace.start("execute-notebook", {"python": str(kernel), "kernel-start": "fork"})
    outputs = workspace.runner_temp / "notebook-ci" / "execute-notebook"
    try:
        assert wait_until(lambda: len(list(outputs.glob("*/n*.ipynb"))) >= HALF // 3, 300)
    except BaseException:
        workspace.kill_all()
        raise
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    done = workspace.end(process, 60)
    assert time.monotonic() - began < SECONDS
    assert done.code == 128 + signal.SIGTERM, done.log[-5000:]
    of_status: dict[str, set[str]] = {"passed": set(), "failed": set(), "skipped": set()}
    for name, found in done.notebooks.items():
        of_status[found["status"]].add(name)
    cancelled = {name for name in of_status["failed"] if verdict(done.notebooks[name])[0] == "cancelled"}
    finished = of_status["passed"] | (of_status["failed"] - cancelled)
    assert len(finished) >= HALF // 4
    assert len(of_status["skipped"]) > HALF // 4
    assert len(cancelled) <= 2 * done.record["workers"]
    assert {name: verdict(done.notebooks[name]) for name in finished} == {name: expected[name] for name in finished}
    there = {path.relative_to(outputs).as_posix() for path in outputs.rglob("*.ipynb")}
    invalid = {name for name, (kind, _) in expected.items() if kind == "invalid-notebook"}
    assert finished - invalid <= there <= finished | cancelled
    assert not there & of_status["skipped"]
    assert set(done.record["created"]) == {f"execute-notebook/{name}" for name in there}
    assert_nothing_is_left(workspace)
