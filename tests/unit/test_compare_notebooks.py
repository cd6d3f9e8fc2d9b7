"""Comparing a notebook: which cells are compared, what comes of it, and on which line."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from notebook_ci.compare.notebooks import compare
from notebook_ci.compare.texts import Tolerance
from notebook_ci.execute_notebook.summary import note, section
from notebook_ci.notebooks import document
from notebook_ci.records.execute_notebook import Comparison, ExecuteRecord, Failure, NotebookResult

Cell = dict[str, Any]
NUMBERS = Tolerance(1e-6)


def printed(text: str) -> list[dict[str, Any]]:
    return [{"output_type": "stream", "name": "stdout", "text": text}] if text else []


def cell(stored: str, *tags: str, source: str = "f()", count: int | None = 1, **more: Any) -> Cell:
    outputs = printed(stored)
    return {
        "cell_type": "code",
        "source": source,
        "metadata": {"tags": list(tags)},
        "outputs": outputs,
        "execution_count": count,
    } | more


class Study:
    def __init__(self, path: Path) -> None:
        self.path = path

    def compare(
        self, cells: Sequence[Cell], new: Sequence[str], policy: str = "numbers"
    ) -> tuple[Comparison, list[Failure]]:
        """Compare notebook cells with one printed text each, which is new."""
        self.path.write_text(json.dumps({"nbformat": 4, "metadata": {}, "cells": cells}, indent=1))
        found = compare(document.read(self.path), [printed(text) for text in new], policy, NUMBERS)
        return found.comparison, found.failures

    def verdicts(self, cells: Sequence[Cell], new: Sequence[str], policy: str = "numbers") -> dict[str, int]:
        comparison, failures = self.compare(cells, new, policy)
        bad = sum(comparison.cells.get(name, 0) for name in ("changed", "new", "gone", "error"))
        assert bad == len(failures)
        return comparison.cells


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path / "a.ipynb")


def test_each_cell_has_a_verdict(study: Study) -> None:
    stored = ["a", "1.0", "1.0", "", "b", "<A at 0x7f0000>"]
    new = ["a", "1.00000001", "2.0", "c", "", "<A at 0x7fffff>"]
    cells = [cell(text) for text in stored]
    assert study.verdicts(cells, new) == {"same": 2, "within-tolerance": 1, "changed": 1, "new": 1, "gone": 1}
    assert study.verdicts(cells, new, "strict") == {"same": 2, "changed": 2, "new": 1, "gone": 1}
    assert study.verdicts(cells, new, "lax") == {"ignored": 6}


def test_an_output_that_moves_to_another_cell_is_gone_and_new(study: Study) -> None:
    assert study.verdicts([cell("a"), cell("")], ["", "a"]) == {"gone": 1, "new": 1}
    assert study.verdicts([cell("a"), cell("b")], ["b", "a"]) == {"changed": 2}


def test_a_failure_has_the_line_of_the_stored_output(study: Study) -> None:
    cells = [cell("a\n1.5\n"), {"cell_type": "markdown", "source": "# b", "metadata": {}}, cell(""), cell("c")]
    first, second, third = study.compare(cells, ["a\n2.5\n", "", "new", ""])[1]
    lines = study.path.read_text().splitlines()
    assert (first.kind, first.title, first.message, first.cell) == (
        "changed-output",
        "Output changed in cell 1",
        "`stdout`: line 2: `1.5` became `2.5`",
        1,
    )
    assert [first.line, third.line] == [number for number, line in enumerate(lines, 1) if line == "    {"]
    assert second.line
    assert lines[second.line - 1] == '   "source": "f()",'
    assert (second.title, third.title) == ("New output in cell 3", "Output is gone in cell 4")
    assert "save it with its outputs" in first.hint
    assert not second.hint


@pytest.mark.parametrize(
    "mark", ["compare-ignore", "nbval-ignore-output", "# NBVAL_IGNORE_OUTPUT", "  #NBVAL_IGNORE_OUTPUT"]
)
def test_a_cell_can_ask_to_be_ignored(study: Study, mark: str) -> None:
    marked = cell("a", source=f"x = 1\n{mark}\nf()") if "#" in mark else cell("a", mark)
    assert study.verdicts([marked, cell("a")], ["b", "a"]) == {"ignored": 1, "same": 1}
    assert study.verdicts([marked, cell("a")], ["b", "b"]) == {"ignored": 1, "changed": 1}


@pytest.mark.parametrize("mark", ["compare-output", "nbval-check-output", "# NBVAL_CHECK_OUTPUT"])
def test_only_cells_that_ask_are_compared_if_lax(study: Study, mark: str) -> None:
    marked = cell("1.0", source=f"{mark}\nf()") if "#" in mark else cell("1.0", mark, "compare-ignore")
    assert study.verdicts([marked, cell("a")], ["1.00000001", "b"], "lax") == {"within-tolerance": 1, "ignored": 1}
    assert study.verdicts([marked, cell("a")], ["2.0", "b"], "lax") == {"changed": 1, "ignored": 1}
    assert study.verdicts([marked], ["2.0"], "strict") == {"changed": 1}


@pytest.mark.parametrize(
    "source", ["x = 'NBVAL_IGNORE_OUTPUT'", "f() # NBVAL_IGNORE_OUTPUT", "# NBVAL_IGNORE_OUTPUT here"]
)
def test_other_texts_and_tags_ignore_nothing(study: Study, source: str) -> None:
    marked = cell("a", "Compare-Ignore", "ignore", source=source)
    assert study.verdicts([marked], ["b"]) == {"changed": 1}


def test_the_tags_of_a_cell_set_its_tolerance(study: Study) -> None:
    wide, narrow = cell("1.0", "compare-rtol=0.1"), cell("1.0", "compare-atol=1e-9", "compare-rtol=0")
    assert study.verdicts([wide, narrow], ["1.05", "1.000000002"]) == {"within-tolerance": 1, "changed": 1}
    assert study.verdicts([wide, cell("1.0")], ["1.2", "1.05"]) == {"changed": 2}
    assert study.verdicts([wide, cell("1.0")], ["1.05", "1.0000000001"], "strict") == {
        "within-tolerance": 1,
        "changed": 1,
    }
    assert study.verdicts([cell("1.0", "compare-atol=0.5")], ["1.4"]) == {"within-tolerance": 1}


@pytest.mark.parametrize("tag", ["compare-rtol=", "compare-rtol=1", "compare-atol=x", "compare-atol=nan"])
def test_a_wrong_tolerance_in_a_tag_compares_nothing(study: Study, tag: str) -> None:
    _, [failure] = study.compare([cell("a"), cell("1.0", tag)], ["a", "1.0"])
    name = tag.partition("=")[0]
    assert (failure.kind, failure.title) == ("not-compared", "Outputs cannot be compared")
    assert failure.message.startswith(f"The tag `{name}` of cell 2 does not accept")
    assert failure.hint.startswith("Use a number")


@pytest.mark.parametrize("tag", ["compare-ouput", "compare-ignored", "compare-rtol:1e-3", "compare-", "compare-\n"])
def test_a_misspelt_tag_compares_nothing(study: Study, tag: str) -> None:
    """With `lax`, a cell whose tag is misspelt would pass whatever it shows."""
    for policy in ("lax", "numbers"):
        _, [failure] = study.compare([cell("a", "comparison", "compare_x"), cell("1.0", tag)], ["a", "1.0"], policy)
        assert (failure.kind, failure.message[:31]) == ("not-compared", "Cell 2 has an unknown tag: `com")


def test_cells_that_do_not_run_are_not_compared_unless_the_notebook_ended_early(study: Study) -> None:
    assert study.verdicts([cell("a", "skip-execution"), cell("b")], ["", "b"]) == {"ignored": 1, "same": 1}
    assert study.verdicts([cell("a"), cell("b")], ["a", ""]) == {"same": 1, "gone": 1}
    assert study.verdicts([cell("a", source=" "), cell("b")], ["", "b"]) == {"same": 1}


@pytest.mark.parametrize("new", ["", "a"])
@pytest.mark.parametrize("outputs", [[], None, {}, ["text"]])
def test_a_stripped_notebook_cannot_be_compared(study: Study, outputs: Any, new: str) -> None:
    cells = [cell("", count=None, outputs=outputs), cell("", count=None)]
    comparison, [failure] = study.compare(cells, [new, ""])
    assert comparison == Comparison()
    assert (failure.kind, failure.message) == (
        "not-compared",
        "The notebook has no stored outputs to compare with.",
    )
    assert failure.hint.startswith("To store them, run the notebook in Jupyter")
    cells[0]["metadata"]["tags"] = ["compare-output"]
    assert study.compare(cells, [new, ""], "lax")[1], "also if only some cells ask"


def test_a_notebook_without_outputs_that_was_saved_after_a_run_is_compared(study: Study) -> None:
    assert study.verdicts([cell(""), cell("", count=None)], ["", ""]) == {"same": 2}
    assert study.verdicts([cell(""), cell("", count=None)], ["", "a"]) == {"same": 1, "new": 1}
    assert study.verdicts([cell("a", count=None)], ["a"]) == {"same": 1}
    assert study.verdicts([], []) == {}


def test_broken_outputs_are_passed_over(study: Study) -> None:
    broken = [7, {"output_type": "display_data", "data": None}]
    assert study.verdicts([cell("", outputs=broken)], ["a"]) == {"new": 1}


def test_a_cell_with_many_outputs_has_a_short_message(study: Study) -> None:
    study.path.write_text(json.dumps({"nbformat": 4, "metadata": {}, "cells": [cell("")]}))
    shown = [{"output_type": "display_data", "data": {"text/plain": "a"}}] * 5000
    [failure] = compare(document.read(study.path), [shown], "numbers", NUMBERS).failures
    assert failure.message.endswith("\nand 4990 more outputs")
    assert len(failure.message) < 1000


def test_an_output_that_is_nested_too_deeply_is_refused(study: Study) -> None:
    value: Any = "a"
    for _ in range(100_000):
        value = [value]
    study.path.write_text(json.dumps({"nbformat": 4, "metadata": {}, "cells": [cell("a")]}))
    shown = [{"output_type": "display_data", "data": {"application/json": value}}]
    [failure] = compare(document.read(study.path), [shown], "numbers", NUMBERS).failures
    assert (failure.kind, failure.message) == ("not-compared", "An output is nested too deeply.")


def test_a_cell_of_empty_lines_takes_no_time(study: Study) -> None:
    assert study.verdicts([cell("a", source="1" + "\n" * 300_000 + "1")], ["a"]) == {"same": 1}


def test_the_summary_says_how_much_was_compared() -> None:
    def result(**fields: Any) -> NotebookResult:
        return NotebookResult(path="a.ipynb", name="a.ipynb", status="passed", **fields)

    record = ExecuteRecord(stage="execute-notebook", notebooks=[result()])
    assert note(record) == "1 notebook passed"
    record.notebooks.append(result(comparison=Comparison(cells={"same": 3, "ignored": 2})))
    assert note(record) == "2 notebooks passed, outputs of 3 cells compared: same"
    record.notebooks.append(result(comparison=Comparison(cells={"within-tolerance": 1}, not_compared=2)))
    assert note(record).endswith(
        ", outputs of 4 cells compared: 3 same, 1 within tolerance"
        " (without 2 changed videos, widgets or similar contents)"
    )


def test_the_summary_names_the_files_that_show_what_changed() -> None:
    results = [
        NotebookResult(path="a.ipynb", name="a.ipynb", status="failed", comparison=Comparison()),
        NotebookResult(
            path="a.ipynb",
            name="a.ipynb",
            status="failed",
            comparison=Comparison(page="execute-notebook/a.changes.html"),
            updated="execute-notebook/updated/a.ipynb",
        ),
    ]
    assert section(ExecuteRecord(stage="execute-notebook", notebooks=results))[-2:] == [
        "Old and new outputs side by side: `execute-notebook/a.changes.html` (run directory)",
        "Copies to commit, if what they have is right: `execute-notebook/updated/a.ipynb` (run directory)",
    ]
