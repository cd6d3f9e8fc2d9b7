"""What is a text notebook, its code without jupytext, and where its lines are. With jupytext: integration tests."""

import itertools
import os
from functools import partial
from pathlib import Path

import pytest

from notebook_ci.base.errors import CheckFailed
from notebook_ci.base.workspace import Workspace
from notebook_ci.execute_notebook import plan
from notebook_ci.execute_notebook.model import ExecuteInputs
from notebook_ci.execute_notebook.plan import ExecutionPlan
from notebook_ci.notebooks import document, imports, selection, stated, text_notebooks
from notebook_ci.notebooks.positions import CellPosition
from notebook_ci.notebooks.text_notebooks import code_only, is_one, is_other, source_parts

HEADER = "# ---\n# title: x\n# jupyter:\n#   kernelspec: {name: python3}\n# ---\n"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.py", HEADER, True),
        ("a.py", f"\ufeff{HEADER}", True),
        ("a.py", f"#!/usr/bin/python3\n# -*- coding: utf-8 -*-\n{HEADER}".replace("\n", "\r\n"), True),
        ("a.py", "x = 1\n# %%\ny = 2\n", True),
        ("a.py", "# %% [markdown]\n", True),
        ("a.py", "#%%", True),
        ("a.py", "# +\nx = 1", True),
        ("a.py", '# + tags=["a"]\nx = 1', True),
        ("a.py", "# In[3]:\nx = 1", True),
        ("a.py", "x = 1\n", False),
        ("a.py", "# %%time\nx = 1\n", False),
        ("a.py", "# + 1 is added\n", True),
        ("a.py", "  # %%\n", False),
        ("a.py", "# ---\n# title: x\n# ---\n# jupyter:\n", False),
        ("a.py", "# jupyter: no\nx = 1\n", False),
        ("a.md", "---\njupytext:\n  x: 1\n---\n", True),
        ("a.md", "---\nkernelspec: {name: python3}\n---\n", True),
        ("a.md", "<!--\n\n---\njupyter:\n  a: 1\n---\n\n-->\n", True),
        ("a.md", "# T\n\n```{code-cell} python\n1\n```\n", True),
        ("a.md", "---\ntitle: x\n---\n\n```python\n1\n```\n", False),
        ("a.md", "# T\n\n---\n\njupyter:\n", False),
        ("a.md", "---\njupyter: python3\n---\n\n```{python}\n1\n```\n", False),  # of Quarto
        ("a.Rmd", "# T\n\n```{r}\n1\n```\n", True),
        ("a.Rmd", "# T\n\n```\n1\n```\n", False),
    ],
)
def test_what_is_a_notebook(name: str, text: str, *, expected: bool, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(text.encode())
    assert is_one(text, path.suffix) is expected
    assert is_other(path) is not expected


def test_a_file_that_cannot_be_opened_is_not_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.py").symlink_to("nowhere.py")
    assert not is_other(tmp_path / "a.py")
    assert not is_other(tmp_path / "a.ipynb")
    (tmp_path / "b.py").write_bytes(b"\xff\xfe\x00")
    assert is_other(tmp_path / "b.py")


def test_notebooks_are_selected_by_the_suffix_of_the_pattern(tmp_path: Path) -> None:
    for name, text in {"a.ipynb": "", "a.py": "# %%", "b/c.py": "x", "b/d.md": HEADER.replace("# ", "")}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    for pattern in ("**", ".", "*", "**/*.ipynb"):
        assert selection.select([pattern], [], tmp_path) == ["a.ipynb"]
    assert selection.select(["**/*.py"], [], tmp_path) == ["a.py", "b/c.py"]
    assert selection.select(["b/*.md", "b/c.py"], ["b/*.py"], tmp_path) == ["b/d.md"]
    for exclude in ("b", "b/", "b/*", "b/**"):
        assert selection.select(["**/*.py", "**/*.md"], [exclude], tmp_path) == ["a.py"]
    assert sorted(selection.everything(tmp_path, [])) == ["a.ipynb", "a.py", "b/d.md"]


def test_the_code_of_a_script_without_jupytext(tmp_path: Path) -> None:
    text = "\ufeff# %%\nimport a\x0c\n# %pip install one\n# !conda install two\n# %%time\n# see %pip\n\nimport b, c\n"
    (tmp_path / "a.py").write_bytes(text.replace("\n", "\r\n").encode())
    found = document.read(tmp_path / "a.py", code_only)
    assert [(each.module, found.line(cell.index, each.line)) for cell, each in imports.of_document(found)] == [
        ("a", 2),
        ("b", 8),
        ("c", 8),
    ]
    assert [each.name for each in stated.of(found)] == ["one", "two"]


def test_the_code_of_markdown_without_jupytext(tmp_path: Path) -> None:
    fences = [
        "```python",
        "```{python}",
        "``` python",
        "```{code-cell} ipython3",
        "```{code-cell}",
        "````python x=1",
        "```python3",
    ]
    others = ["```", "```bash", "```r", "```pythonic"]
    blocks = [f"text\n\n{fence}\nimport m{number}\n```\n" for number, fence in enumerate(fences + others)]
    path = tmp_path / "a.md"
    path.write_text("---\njupyter:\n---\n" + "".join(blocks))
    found = document.read(path, code_only)
    assert [(each.module, found.line(cell.index, each.line)) for cell, each in imports.of_document(found)] == [
        (f"m{number}", 7 + 5 * number) for number in range(len(fences))
    ]


def test_without_jupytext_a_notebook_is_unread(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("# %%\n1\n")

    def convert(text: str, suffix: str) -> text_notebooks.Converted:
        raise ImportError(text + suffix)

    with pytest.raises(document.UnreadError, match="cannot be read without jupytext"):
        document.read(tmp_path / "a.py", convert)


def test_whatever_jupytext_raises_is_a_sentence_with_a_limit(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("# %%\n1\n")

    def convert(text: str, _suffix: str) -> text_notebooks.Converted:
        raise KeyError(f"{text}\n" * 500)

    with pytest.raises(CheckFailed, match="cannot be read by jupytext: KeyError: ") as caught:
        document.read(tmp_path / "a.py", convert)
    assert len(caught.value.message) < 500 + len(os.fspath(tmp_path))


def test_tags_that_jupytext_cannot_read_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("# %%\n1\n# %% tags=[parameters]\na = 1\n")

    def convert(_text: str, _suffix: str) -> text_notebooks.Converted:
        lost = {"incorrectly_encoded_metadata": "tags=[parameters]"}  # as jupytext 1.19 does
        title = {"incorrectly_encoded_metadata": "(n=5)", "title": "tags"}
        cells = [{"cell_type": "code", "source": "1", "metadata": each} for each in (title, lost)]
        return {"nbformat": 4, "cells": cells}, (CellPosition(1, ((2, "1"),)), CellPosition(3, ((4, "a = 1"),)))

    with pytest.raises(CheckFailed, match=r"Cell 2 of `.*a\.py` has tags that jupytext cannot read") as caught:
        document.read(tmp_path / "a.py", convert)
    assert (caught.value.line, caught.value.hint) == (3, 'Write names in quotes: `tags=["parameters"]`.')


def planned(folder: Path, monkeypatch: pytest.MonkeyPatch, *notebooks: str) -> ExecutionPlan:
    """Plan with the code that is found without jupytext."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(document, "read", partial(document.read, convert=code_only))
    return plan.make(ExecuteInputs(notebooks=notebooks), Workspace(folder, {}))


def test_a_named_file_is_not_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.py").write_text("# %%\n1\n")
    (tmp_path / "b.py").write_text("1\n")
    for name in ("b.py", "./b.py", f"{tmp_path}/b.py", ".//b.py"):
        found = planned(tmp_path, monkeypatch, "*.py", name)
        assert [(each.path, bool(each.document)) for each in found.executions] == [("a.py", True), ("b.py", False)]
    assert [each.path for each in planned(tmp_path, monkeypatch, "*.py").executions] == ["a.py"]


@pytest.mark.parametrize(("name", "begin"), [("a.py", "# %%"), ("a.md", "```{code-cell}"), ("a.Rmd", "```{python}")])
def test_how_to_mark_cells_of_a_file_that_is_not_a_notebook(tmp_path: Path, name: str, begin: str) -> None:
    (tmp_path / name).write_text("1\n")
    with pytest.raises(CheckFailed, match="is not a notebook: it has no header") as caught:
        document.read(tmp_path / name, code_only)
    assert begin in caught.value.hint
    (tmp_path / name).write_text(f"{begin}\n1\n")
    assert document.read(tmp_path / name, code_only)


def test_text_without_code_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    header = "---\nkernelspec: {name: python3}\n---\n"
    (tmp_path / "a.md").write_text(f"{header}~~~python\n1 / 0\n~~~\n")
    (tmp_path / "b.md").write_text(f"{header}```{{code-cell}}\n1 / 0\n```\n")
    [problem] = planned(tmp_path, monkeypatch, "*.md").problems
    assert (problem.severity, problem.file) == ("warning", "a.md")
    assert problem.message == "`a.md` has no code cells: nothing in it is executed."


@pytest.mark.parametrize(
    ("lines", "source", "expected"),
    [
        ("# %%|x|y||", "x|y", [2, 3]),
        ("# %%|# %time 1|  # !ls|#%who|y|", "%time 1|  !ls|%who|y", [2, 3, 4, 5]),
        ("# +|# # text|# y|# -|", "# text|y", [2, 3]),
        ("# %% [bash]|# true|# false", "%%bash|true|false", [1, 2, 3]),
        ("```bash|true|```", "%%bash|true", [1, 2]),
        ("# %%|%%time|y|", "%%time|y", [2, 3]),
        ("```{code-cell}|:tags: [a]||x||x|```", "x||x", [4, 5, 6]),
        ('"""|x|"""', "x", [2]),
        # Not found, or not only once: nothing is better than a wrong line.
        ("x|```|x|", "x", []),
        ("# %%|# # # x|", "x", []),
        ("# %%|X|", "x", []),
        ("x", "x|y", []),
        ("", "%matplotlib inline", []),
    ],
)
def test_where_the_lines_of_a_source_are(lines: str, source: str, expected: list[int]) -> None:
    parts = source_parts(source.replace("|", "\n"), list(enumerate(lines.split("|"), 1)))
    assert [number for number, _ in parts] == expected
    position = CellPosition(77, parts)
    for number, line in itertools.zip_longest(range(1, len(expected) + 1), expected):
        assert position.source_line(number) == line
    assert expected or position.source_line(1) == 77
