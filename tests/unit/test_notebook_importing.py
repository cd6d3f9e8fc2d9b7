"""Notebooks are imported as modules, and what fails points to their lines."""

import importlib
import json
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from notebook_testing import importing


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project in which notebooks can be imported. No module of it stays."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    known = set(sys.modules)
    importing.install(str(tmp_path))
    yield tmp_path
    for name in sys.modules.keys() - known:
        del sys.modules[name]


def write(path: Path, *cells: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = [{"cell_type": "code", "source": cell.splitlines(keepends=True), "metadata": {}} for cell in cells]
    path.write_text(json.dumps({"cells": content, "nbformat": 4}, indent=1))
    return path


def line_of(path: Path, text: str) -> int:
    return path.read_text().split(text)[0].count("\n") + 1


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("nb_a.ipynb", "nb_a"),
        ("notebooks/nb_a.ipynb", "nb_a"),
        ("notebooks/nb_a.ipynb", "notebooks.nb_a"),
        ("nb_package/sub/nb_a.ipynb", "nb_package.sub.nb_a"),
        ("01-a b.ipynb", "01-a b"),
    ],
)
def test_where_a_notebook_is_found(file: str, name: str, project: Path) -> None:
    path = write(project / file, "def f():\n    return 1")
    module = importlib.import_module(name)
    assert module.f() == 1
    assert module.__file__ == str(path)
    assert str(path.parent) in sys.path


def test_a_notebook_in_a_package_imports_its_neighbours(project: Path) -> None:
    (project / "nb_package").mkdir()
    (project / "nb_package" / "__init__.py").touch()
    (project / "nb_package" / "b.py").write_text("B = 2")
    write(project / "nb_package" / "a.ipynb", "from . import b\nfrom .c import C", "A = b.B + C")
    write(project / "nb_package" / "c.ipynb", "C = 3")
    assert importlib.import_module("nb_package.a").A == 5


def test_a_module_wins(project: Path) -> None:
    write(project / "nb_a.ipynb", "A = 'notebook'")
    (project / "nb_a.py").write_text("A = 'module'")
    assert importlib.import_module("nb_a").A == "module"


def test_two_notebooks_with_the_same_name(project: Path) -> None:
    first, second = (write(project / folder / "nb_a.ipynb", "A = 1") for folder in ("", "notebooks"))
    with pytest.raises(ImportError) as raised:
        importlib.import_module("nb_a")
    assert str(raised.value) == f"`nb_a` may be `{first}` and `{second}`. Rename one of them."


def test_what_is_nowhere_is_no_module(project: Path) -> None:
    assert project
    with pytest.raises(ModuleNotFoundError, match="No module named 'nb_nowhere'"):
        importlib.import_module("nb_nowhere")


def test_a_name_without_value_is_explained(project: Path) -> None:
    path = write(project / "nb_a.ipynb", "A = 1", "\nlater = print()\ndef f():\n    return later")
    reason = (
        f"`later` is assigned in cell 2 of `nb_a.ipynb` (line {line_of(path, 'later')}) by code that does not run on "
        "import. Run it with the fixture `notebook`, or tag the cell `on-import`."
    )
    module = importlib.import_module("nb_a")
    with pytest.raises(ImportError) as of_import:
        exec("from nb_a import later", {})  # noqa: S102
    with pytest.raises(AttributeError) as of_attribute:
        module.later  # noqa: B018 - it raises
    with pytest.raises(NameError) as of_call:
        module.f()
    importing.explain(of_call.value)
    importing.explain(of_call.value)  # once is enough
    assert str(of_import.value) == str(of_attribute.value) == reason
    assert str(of_call.value) == f"name 'later' is not defined. {reason}"


def test_a_name_that_the_notebook_does_not_have(project: Path) -> None:
    write(project / "nb_a.ipynb", "A = 1")
    module = importlib.import_module("nb_a")
    assert not hasattr(module, "B")
    with pytest.raises(ImportError, match="cannot import name 'B' from 'nb_a'"):
        exec("from nb_a import B", {})  # noqa: S102


def test_a_value_for_a_name_without_value(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project / "nb_a.ipynb", "later = print()\ndef f():\n    return later")
    module: Any = importlib.import_module("nb_a")
    monkeypatch.setattr(module, "later", 5, raising=False)
    assert module.f() == 5


def test_other_errors_are_left_as_they_are(project: Path) -> None:
    write(project / "nb_a.ipynb", "def f():\n    a += 1\ndef g():\n    return missing", "a = print()")
    module = importlib.import_module("nb_a")
    for function in (module.f, module.g):
        with pytest.raises(NameError) as raised:
            function()
        before = str(raised.value)
        importing.explain(raised.value)
        assert str(raised.value) == before
    importing.explain(ValueError("name 'a'"))


def test_a_traceback_shows_the_line_of_the_file(project: Path) -> None:
    path = write(project / "nb_a.ipynb", "import math", "def f(x):\n    y = x\n    return math.sqrt(y)")
    module = importlib.import_module("nb_a")
    with pytest.raises(ValueError, match=r"math domain error|nonnegative") as raised:
        module.f(-1)
    frame = traceback.extract_tb(raised.value.__traceback__)[-1]
    assert (frame.filename, frame.lineno) == (str(path), line_of(path, "math.sqrt"))
    assert frame.line == "return math.sqrt(y)"


def test_errors_of_an_import_are_at_their_line(project: Path) -> None:
    path = write(project / "nb_a.ipynb", "import os", "\nimport nb_nowhere")
    with pytest.raises(ModuleNotFoundError) as raised:
        importlib.import_module("nb_a")
    frames = traceback.extract_tb(raised.value.__traceback__)
    assert [frame.lineno for frame in frames if frame.filename == str(path)] == [line_of(path, "import nb_nowhere")]


def test_a_tagged_cell_that_needs_what_does_not_run(project: Path) -> None:
    path = write(project / "nb_a.ipynb", "a = print()", "b = a + 1")
    content = json.loads(path.read_text())
    content["cells"][1]["metadata"]["tags"] = ["on-import"]
    path.write_text(json.dumps(content))
    with pytest.raises(NameError, match=r"name 'a' is not defined\. `a` is assigned in cell 1"):
        importlib.import_module("nb_a")


def test_ipython_is_not_there(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(project / "nb_a.ipynb", "def f():\n    !ls\ndef g():\n    display(1, display_id=True)")
    module = importlib.import_module("nb_a")
    with pytest.raises(NameError, match=r"this code needs IPython, which an import does not have. Run it with"):
        module.f()
    module.g()
    assert capsys.readouterr().out == "1\n"


def test_nothing_of_the_importing_code_is_inherited(project: Path) -> None:
    write(project / "nb_a.ipynb", "def f(x: int) -> int:\n    return x")
    assert importlib.import_module("nb_a").f.__annotations__["x"] is int


@pytest.mark.parametrize(
    ("content", "error"),
    [("{", ImportError), ('{"cells": [{"cell_type": "code", "source": "a = = 1"}]}', SyntaxError)],
)
def test_a_notebook_that_cannot_be_imported(content: str, error: type[Exception], project: Path) -> None:
    (project / "nb_a.ipynb").write_text(content)
    with pytest.raises(error, match=r"nb_a\.ipynb"):
        importlib.import_module("nb_a")
    assert "nb_a" not in sys.modules
