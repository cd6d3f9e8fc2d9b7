"""Files that are not notebooks: each fails with its location, and the others are executed."""

import json
import time
from pathlib import Path

import pytest

from integration.refusals import Content
from integration.suite import Done, Workspace, notebook, parameters
from servers.shared import made_once

GOOD = json.dumps(notebook("print('good')"))
INVALID: dict[str, tuple[Content, int, str]] = {
    # name: content, line, message
    "bom": (
        b"\xef\xbb\xbf" + GOOD.encode(),
        1,
        "`bom.ipynb` starts with a byte order mark (BOM), which Jupyter rejects.",
    ),
    "conflict": (
        json.dumps(notebook("x = 1"), indent=1).replace('"source"', '\n<<<<<<< HEAD\n"source"'),
        10,
        "`conflict.ipynb` has unresolved merge conflict markers (line 10).",
    ),
    "cut": (GOOD[:-20], 1, "`cut.ipynb` is not valid JSON: "),
    "empty": (" \n", 0, "`empty.ipynb` is empty."),
    "html": ("<!DOCTYPE html>\n<html>", 1, "`html.ipynb` is a web page (HTML or XML), not a notebook."),
    "latin-1": (
        GOOD.replace("good", "\xfc").encode("latin-1").replace(b"\\u00fc", b"\xfc"),
        1,
        "`latin-1.ipynb` is not UTF-8 text",
    ),
    "lfs": (
        "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        1,
        "`lfs.ipynb` is a Git LFS pointer",
    ),
    "list": ("[]", 1, "`list.ipynb` is not a notebook: its JSON is a list, not an object."),
    "no-cells": ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}', 0, "`no-cells.ipynb` has no `cells`."),
    "no-format": ('{"cells": []}', 0, "`no-format.ipynb` is not a notebook: it has no `nbformat`."),
    "no-source": (
        '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [\n{"cell_type": "code"}]}',
        2,
        "Cell 1 of `no-source.ipynb` has no `source`.",
    ),
    "parameters": (
        notebook(parameters("a = 1\nb = = 2")),
        15,
        "The parameters cell of `parameters.ipynb` is not valid Python",
    ),
    "three": (
        '{"nbformat": 3, "worksheets": []}',
        0,
        "`three.ipynb` is in the old notebook format 3; format 4 is required.",
    ),
    "utf-16": (GOOD.encode("utf-16"), 0, "`utf-16.ipynb` is encoded in UTF-16."),
}


@pytest.fixture(scope="module")
def invalid(tmp_path_factory: pytest.TempPathFactory, kernel: Path) -> Done:
    return made_once(tmp_path_factory, "invalid", lambda folder: execute_invalid(Workspace(folder), kernel))


def execute_invalid(workspace: Workspace, kernel: Path) -> Done:
    for name, (content, _, _) in INVALID.items():
        workspace.write(f"{name}.ipynb", content)
    workspace.write("good.ipynb", notebook("print('good')"))
    return workspace.execute(kernel)


@pytest.mark.parametrize("name", INVALID)
def test_a_file_that_is_no_notebook(invalid: Done, name: str) -> None:
    _, line, message = INVALID[name]
    path = f"{name}.ipynb"
    [problem] = [problem for problem in invalid.record["problems"] if problem["file"] == path]
    assert problem["message"].startswith(message)
    assert (problem["severity"], problem["line"] or 0) == ("error", line)
    assert problem["hint"]
    result = invalid.notebooks[path]
    assert (result["status"], result["failure"]["kind"], result["output"]) == ("failed", "invalid-notebook", "")


def test_the_others_are_executed(invalid: Done) -> None:
    assert (invalid.code, invalid.outputs["failed"]) == (1, str(len(INVALID)))
    assert invalid.printed("good.ipynb") == "good\n"
    assert "Traceback" not in invalid.log
    assert invalid.annotations()[0].place == ("bom.ipynb", 1)


def bounded(gigabytes: int) -> list[str]:
    """Return a command that runs another one with so much address space."""
    return ["prlimit", f"--as={gigabytes << 30}"]


def test_huge_files(workspace: Workspace, kernel: Path) -> None:
    """200 MB: zeros, and a notebook whose old outputs weigh that much."""
    with workspace.write("a-zeros.ipynb", "").open("r+b") as file:
        file.truncate(200 << 20)
    huge = notebook("print('ran')")
    huge["cells"][0]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x" * (200 << 20)}]
    workspace.write("b-valid.ipynb", huge)
    began = time.monotonic()
    process = workspace.start("execute-notebook", {"python": str(kernel)}, prefix=bounded(6))
    done = workspace.end(process)
    assert time.monotonic() - began < 60
    zeros, valid = done.record["notebooks"]
    assert zeros["failure"]["message"].startswith("`a-zeros.ipynb` ")
    assert zeros["failure"]["kind"] == "invalid-notebook"
    assert valid["status"] == "passed"
    assert done.printed("b-valid.ipynb") == "ran\n"
    assert done.code == 1
