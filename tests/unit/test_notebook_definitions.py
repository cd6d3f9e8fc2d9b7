"""What runs when a notebook is imported."""

import json
from pathlib import Path

import pytest

from notebook_testing.definitions import OnImport, choose
from notebook_testing.reading import read


def chosen(tmp_path: Path, *cells: str | tuple[str, str]) -> OnImport:
    """Choose from cells: their sources, or a source and a tag."""
    pairs = [(cell, "") if isinstance(cell, str) else cell for cell in cells]
    content = [{"cell_type": "code", "source": source, "metadata": {"tags": [tag]}} for source, tag in pairs]
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps({"cells": content, "nbformat": 4}, indent=1))
    return choose(read(str(path)))


RUNS = [
    "import os, numpy as np",
    "from os import *",
    "from . import a",
    "def f(x=1): return g(y)",
    "async def f(): await g()",
    "class A:\n    x = 1\n    def f(self): return df",
    "import functools\n@functools.cache\ndef f(): ...",
    "f = lambda x: g(x)",
    "a = 1",
    "a = b = 'x'",
    "a, (b, *c) = 1, (2, 3)",
    "a: int = 1",
    "a = -1 + 2 * 3 if 4 > 5 else not 6",
    "a = 1\nb = f'{a:>{a}}'",
    "a = {'x': [1, {2}], **{}}\nb = a",
    "import numpy as np\na = 2 * np.pi",
    "a = (int, str)",
    "'''A docstring.'''",
    "pass",
    "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas",
    "import sys\nif sys.version_info >= (3, 11):\n    import tomllib\nelse:\n    tomllib = None",
    "try:\n    import a\nexcept ImportError:\n    a = None\nelse:\n    b = 1\nfinally:\n    c = 2",
]


@pytest.mark.parametrize("source", RUNS)
def test_imports_definitions_and_constants_run(source: str, tmp_path: Path) -> None:
    found = chosen(tmp_path, source)
    assert found.statements
    assert not found.left_out


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("f()", ""),
        ("a = f()", "a"),
        ("a = open", ""),  # a built-in has a value
        ("a = b", "a"),
        ("a = [x for x in (1, 2)]", "a"),
        ("a = 1\na = f()", "a"),
        ("a = 1\na += 1", "a"),
        ("a = 1\ndel a", "a"),
        ("a = []\na.append(1)", "a"),
        ("a = {}\nif f():\n    a['x'] = {}\n", "a"),
        ("a = {}\na['x'].y[0] = 1", "a"),
        ("a = 1\nb = a\nfor a in f(): pass", "a b"),
        ("a = f()\ndef g(x=a): ...", "a g"),
        ("a = f()\ndef g(x: a): ...", "a g"),
        ("app = f()\n@app.get('/')\ndef g(): ...", "app g"),
        ("a = f()\nclass B(a): ...", "a B"),
        ("a = f()\nclass B:\n    c = a", "a B"),
        ("a = f()\nb = lambda x=a: x", "a b"),
        ("a = f()\nb: a = 1", "a b"),
        ("a: int", "a"),
        ("def g(): ...\ng = f(g)", "g"),
        ("if __name__ == '__main__':\n    a = 1", "a"),
        ("if f():\n    a = 1\nelse:\n    import b", "a b"),
        ("try:\n    a = f()\nexcept OSError:\n    pass", "a"),
        ("with open('x') as a:\n    def b(): ...", "a b"),
        ("for a in f():\n    class B: ...", "a B"),
        ("while f():\n    (a := 1)", "a"),
        ("import a.b\na.b.c = 1", ""),
        ("a.b = 1", ""),
        ("a = await f()", "a"),
        ("files = !ls", "files"),
        ("%time a = f()", "a"),
        ("%%bash\na=1", ""),
        ("CONFIG = {'a': 1}\nprint(CONFIG.get('a'))", ""),
    ],
)
def test_other_code_does_not_run_and_its_names_are_left_out(source: str, names: str, tmp_path: Path) -> None:
    assert set(chosen(tmp_path, source).left_out) == set(names.split())


def test_what_is_left_out_in_a_later_cell_counts_for_earlier_ones(tmp_path: Path) -> None:
    found = chosen(tmp_path, "a = 1", "b = a", "a = f()", "c = 3")
    assert found.left_out.keys() == {"a", "b"}
    assert len(found.statements) == 1


def test_the_place_of_a_name(tmp_path: Path) -> None:
    (place,) = chosen(tmp_path, "b = 1", "\n\na = f()").left_out.values()
    lines = (tmp_path / "a.ipynb").read_text().splitlines()
    assert (place.cell, lines[place.line - 1].strip()) == (2, '"source": "\\n\\na = f()",')


def test_all_of_a_tagged_cell_runs(tmp_path: Path) -> None:
    found = chosen(tmp_path, ("a = f()\nprint(a)", "on-import"), "b = a", "c = g()")
    assert len(found.statements) == 3
    assert found.left_out.keys() == {"c"}


def test_imports_from_the_future_come_first(tmp_path: Path) -> None:
    found = chosen(tmp_path, "import a", "from __future__ import annotations")
    compile(__import__("ast").Module(found.statements, []), "a", "exec", dont_inherit=True)
