"""Comparing with the executed notebooks of an earlier run: which are found, and which cells belong together."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from notebook_ci.base.errors import InputError
from notebook_ci.base.load_inputs import load
from notebook_ci.base.workspace import Workspace
from notebook_ci.compare.cells import counterparts
from notebook_ci.compare.notebooks import Differences, compare
from notebook_ci.compare.texts import Tolerance
from notebook_ci.execute_notebook import plan
from notebook_ci.execute_notebook.model import ExecuteInputs
from notebook_ci.execute_notebook.plan import ExecutionPlan
from notebook_ci.notebooks import document
from notebook_ci.notebooks.document import Document
from notebook_ci.records.execute_notebook import ExecuteRecord, NotebookResult
from notebook_ci.records.run_directory import StageFiles

Cell = dict[str, Any]


def cell(source: str, printed: str = "", name: str = "", *tags: str) -> Cell:
    outputs = [{"output_type": "stream", "name": "stdout", "text": printed}] if printed else []
    found = {"cell_type": "code", "source": source, "metadata": {"tags": list(tags)}, "outputs": outputs}
    return found | {"execution_count": 1} | ({"id": name} if name else {})


def notebook(*cells: Cell, **metadata: Any) -> str:
    return json.dumps({"nbformat": 4, "metadata": metadata, "cells": cells})


@dataclass
class Study:
    folder: Path

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def plan(self, *flags: str) -> ExecutionPlan:
        given = ("--baseline", "old", "--compare", "numbers", *flags)
        return plan.make(*load(ExecuteInputs, "execute-notebook", given, io.StringIO(), Workspace(self.folder, {})))

    def baselines(self, *flags: str) -> dict[str, str]:
        """Return, by execution, the path of its baseline."""
        found = {each.name: each.baseline for each in self.plan(*flags).executions}
        return {name: each.path.relative_to(self.folder).as_posix() for name, each in found.items() if each}

    def refused(self, *flags: str) -> InputError:
        with pytest.raises(InputError) as caught:
            self.plan(*flags)
        return caught.value

    def record(self, name: str, slug: str, started: str, outputs: Mapping[str, str], **source: str) -> None:
        results = [NotebookResult(path=path, name=path, output=output) for path, output in outputs.items()]
        record = ExecuteRecord(stage="execute-notebook", slug=slug, started=started, notebooks=results, source=source)
        StageFiles(name, self.folder / "old").write(record)


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.chdir(tmp_path)
    study = Study(tmp_path)
    study.write("a.ipynb", notebook(cell("a = 1", "", "", "parameters")))
    study.write("sub/b.ipynb", notebook(cell("1")))
    (tmp_path / "old").mkdir()
    return study


# --- Which executed notebooks


def test_a_folder_has_them_in_the_same_subfolders(study: Study) -> None:
    for name in ("a", "sub/b"):
        study.write(f"old/{name}.ipynb", notebook(cell("1", "1")))
    assert study.baselines() == {"a.ipynb": "old/a.ipynb", "sub/b.ipynb": "old/sub/b.ipynb"}
    assert "compare the outputs of 2 with those in the baseline" in study.plan().lines()
    assert study.baselines("--output-dir", "old"), "it is read before it is overwritten"


def test_notebooks_that_store_no_outputs_can_be_compared(study: Study) -> None:
    study.write("old/a@a=2.ipynb", notebook(cell("a = 1"), papermill={"parameters": {"a": 2}}))
    study.write("old/c.ipynb", notebook(cell("1", "1"), papermill={"parameters": {}}))
    study.write("c.py", "# %%\n1\n")
    [planned] = study.plan("--notebooks", "a.ipynb", "--sweep", "[{a: 2}]").executions
    assert planned.baseline
    assert study.baselines("--notebooks", "c.py").keys() <= {"c.py"}


def test_a_notebook_without_a_baseline_is_named_and_not_compared(study: Study) -> None:
    study.write("old/a.ipynb", notebook(cell("a = 1", "1"), papermill={"exception": True}))
    study.write("old/c.ipynb", notebook(cell("1", "1")))
    planned = study.plan()
    assert [(each.severity, each.message, each.file) for each in planned.problems] == [
        ("warning", "`a.ipynb` failed in the baseline. Its outputs are not compared.", "a.ipynb"),
        ("notice", "`sub/b.ipynb` is not in the baseline. Its outputs are not compared.", "sub/b.ipynb"),
    ]
    assert [each.settings.compare for each in planned.executions] == ["off", "off"]


def test_a_new_notebook_alone_is_not_compared_if_the_baseline_has_others(study: Study) -> None:
    study.write("old/a.ipynb", notebook(cell("a = 1", "1")))
    planned = study.plan("--notebooks", "sub/b.ipynb")
    assert [each.message for each in planned.problems] == [
        "`sub/b.ipynb` is not in the baseline. Its outputs are not compared."
    ]


def test_a_run_directory_has_them_in_its_records(study: Study) -> None:
    for name in ("one", "two"):
        study.write(f"old/{name}/a.ipynb", notebook(cell("a = 1", name)))
    study.record("execute-notebook-new", "", "2026-01-02", {"a.ipynb": "two/a.ipynb", "sub/b.ipynb": ""})
    study.record("execute-notebook", "py311", "2026-01-01", {"a.ipynb": "one/a.ipynb"})
    assert study.baselines() == {"a.ipynb": "old/two/a.ipynb"}
    assert study.baselines("--slug", "py311") == {"a.ipynb": "old/one/a.ipynb"}
    assert study.baselines("--slug", "other") == {"a.ipynb": "old/two/a.ipynb"}, "the last one"


def test_the_notebooks_of_another_project_in_the_run_directory_are_not_compared(study: Study) -> None:
    study.write("old/one/a.ipynb", notebook(cell("a = 1", "1")))
    study.record("execute-notebook", "", "2026-01-01", {"a.ipynb": "one/a.ipynb"})
    study.record("execute-notebook-2", "", "2026-01-02", {"a.ipynb": "two/a.ipynb"}, directory="other")
    assert study.baselines() == {"a.ipynb": "old/one/a.ipynb"}
    (study.folder / "old" / "execute-notebook.json").unlink()
    assert study.refused().message.startswith("`baseline` is `old`, which has none of the notebooks: `a.ipynb`")


@pytest.mark.parametrize("is_here", [True, False])
def test_an_earlier_run_with_its_own_output_dir_is_named(study: Study, is_here: bool) -> None:  # noqa: FBT001 - a parameter of the test
    elsewhere = study.write("elsewhere/a.ipynb", notebook(cell("a = 1", "1")))
    study.record("execute-notebook", "", "2026", {"a.ipynb": str(elsewhere)})
    if not is_here:
        elsewhere.unlink()
    error = study.refused("--notebooks", "a.ipynb")
    hint = "The earlier run wrote its notebooks to its own `output-dir`: set `baseline` to that folder."
    assert (error.message.endswith("is outside `baseline`."), error.hint) == (is_here, hint)


@pytest.mark.parametrize(
    ("name", "content", "flags", "said"),
    [
        ("old/x.txt", "", (), "`baseline` is `old`, which has none of the notebooks: `a.ipynb`, `sub/b.ipynb`."),
        ("old/c.ipynb", "{}", (), "`baseline` is `old`, which has none of the notebooks: `a.ipynb`, `sub/b.ipynb`."),
        ("old/b.ipynb", "{}", (), "`baseline` is `old`, which has none of the notebooks: `a.ipynb`, `sub/b.ipynb`."),
        ("old/a.ipynb", "{", (), "`baseline` cannot be used: `old/a.ipynb` is not valid JSON: Expecting property name"),
        ("x", "", ("--baseline", "new"), "`baseline` is `new`, which is not a folder."),
        ("x", "", ("--baseline", "a.ipynb"), "`baseline` is `a.ipynb`, which is not a folder."),
        ("x", "", ("--baseline", "."), "`baseline` is `.`, which contains the notebooks."),
        ("x", "", ("--compare", "off"), "`baseline` is set, but `compare` is `off` for all notebooks."),
        (
            "old/a.ipynb",
            notebook(cell("a = 1")),
            ("--parameters", "a: 2"),
            "`a.ipynb` was executed with other parameters in the baseline.",
        ),
        (
            "old/a.ipynb",
            notebook(cell("a = 1"), papermill={"parameters": {"a": 2}}),
            (),
            "`a.ipynb` was executed with other parameters in the baseline.",
        ),
        ("old/execute-notebook.json", "{}", (), "old/execute-notebook.json is not a notebook-ci record"),
    ],
)
def test_what_is_no_baseline_is_refused(study: Study, name: str, content: str, flags: Sequence[str], said: str) -> None:
    study.write(name, content)
    error = study.refused(*flags)
    assert error.message.replace(f"{study.folder}/", "").startswith(said)
    assert error.hint


@pytest.mark.parametrize("by_record", [False, True])
def test_a_baseline_does_not_lead_out_of_its_folder(study: Study, by_record: bool) -> None:  # noqa: FBT001 - a parameter of the test
    study.write("c.ipynb", notebook(cell("a = 1", "1")))
    if by_record:
        study.record("execute-notebook", "", "2026", {"a.ipynb": "../c.ipynb"})
    else:
        (study.folder / "old" / "a.ipynb").symlink_to("../c.ipynb")
    error = study.refused("--notebooks", "a.ipynb")
    assert error.message.endswith("is outside `baseline`.")


# --- Which cells


def read(study: Study, name: str, *cells: Cell, **metadata: Any) -> Document:
    return document.read(study.write(name, notebook(*cells, **metadata)))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("a b c", "a b c", [0, 1, 2]),
        ("a b c", "a x c", [0, 1, 2]),
        ("a b c", "a n b c", [0, None, 1, 2]),
        ("a b c", "b c", [1, 2]),
        ("a a a", "a a", [0, 1]),
        ("a", "x", [0]),
        ("", "x", [None]),
        ("a#1 b#2", "b#2 a#1", [1, 0]),
        ("a#1 b#2", "x#2 b#1", [1, 0]),
        ("a#1 b#2 c#3", "a#1 n#9 c#3", [0, 1, 2]),
        ("a#1 b#1", "a#1 b#8", [0, 1]),
    ],
)
def test_cells_belong_together_by_id_then_by_source_then_by_place(
    study: Study, old: str, new: str, expected: list[int | None]
) -> None:
    first, second = (
        read(
            study, name, *(cell(source, "", mark) for source, _, mark in (each.partition("#") for each in text.split()))
        )
        for name, text in (("o.ipynb", old), ("n.ipynb", new))
    )
    assert counterparts(first, second) == expected


def test_the_cell_that_papermill_adds_belongs_to_no_cell(study: Study) -> None:
    old = read(study, "o.ipynb", cell("a = 1", "", "1"), cell("a = 2", "", "2", "injected-parameters"), cell("b"))
    markdown = {"cell_type": "markdown", "source": "b", "metadata": {}}
    new = read(study, "n.ipynb", cell("a = 1", "", "1"), markdown, cell("c"))
    assert counterparts(old, new) == [0, None, 2]


# --- What comes of it


def compared(study: Study, old: Sequence[Cell], new: Sequence[Cell], language: str | None = None) -> Differences:
    """Compare the outputs of `new` with those of `old`, as if an execution had printed them."""
    baseline = read(study, "old/a.ipynb", *old, language_info={"name": "python"})
    now = read(study, "a.ipynb", *[each | {"outputs": [], "execution_count": None} for each in new])
    outputs = [each["outputs"] for each in new]
    return compare(now, outputs, "numbers", Tolerance(1e-6), baseline=baseline, language=language)


def test_outputs_are_compared_with_those_of_the_baseline(study: Study) -> None:
    old = [cell("a", "1"), cell("b", "2"), cell("c", "3")]
    found = compared(study, old, [cell("a", "1"), cell("b + 0", "2"), cell("n", "9"), cell("c", "4")])
    assert found.comparison.cells == {"same": 2, "changed": 1}
    assert found.comparison.not_in_baseline == [3]
    [failure] = found.failures
    assert (failure.title, failure.message) == ("Output changed in cell 4", "`stdout`: `3` became `4`")
    assert failure.hint.startswith("If the new outputs are right, use this run as the next `baseline`. Tag a cell")
    assert failure.line == document.read(study.folder / "a.ipynb").line(3)


def test_a_cell_whose_source_changed_is_compared_and_named(study: Study) -> None:
    [failure] = compared(study, [cell("a", "1"), cell("b", "2")], [cell("a + 1", "2"), cell("b", "2")]).failures
    assert failure.message == "`stdout`: `1` became `2`\nThe source of the cell has changed, too."


def test_a_baseline_that_is_another_notebook_is_not_the_same(study: Study) -> None:
    found = compared(study, [cell("x", "9"), cell("y")], [cell("a", "1"), cell("b", "2"), cell("c", "3")])
    assert found.comparison.cells == {"changed": 1, "new": 1}
    assert found.comparison.not_in_baseline == [3]
    assert all(each.message.endswith("The source of the cell has changed, too.") for each in found.failures)


def test_a_baseline_without_any_outputs_of_the_notebook_compares_nothing(study: Study) -> None:
    for old in (
        [cell("b") | {"execution_count": None}],
        [],
        [{"cell_type": "markdown", "source": "a", "metadata": {}}],
    ):
        [failure] = compared(study, old, [cell("a", "1")]).failures
        assert (failure.kind, failure.message) == ("not-compared", "The baseline has no outputs of the notebook.")


def test_outputs_of_another_kernel_are_not_compared(study: Study) -> None:
    old, new = [cell("a", "1")], [cell("a", "1")]
    assert not compared(study, old, new, "python").failures
    [failure] = compared(study, old, new, "r").failures
    assert failure.kind == "not-compared"
    assert failure.message == ("The baseline's outputs came from a kernel for `python`, the new ones from one for `r`.")
    stored = read(study, "s.ipynb", *old, language_info={"name": "R"}, kernelspec={"language": "python"})
    [failure] = compare(stored, [[]], "numbers", Tolerance(), language="python").failures
    assert failure.message == "The stored outputs came from a kernel for `r`, the new ones from one for `python`."
