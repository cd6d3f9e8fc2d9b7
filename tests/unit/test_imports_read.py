"""The imports in notebooks and modules: what is imported, where, and whether it certainly happens."""

import ast
from pathlib import Path
from typing import Any

import pytest

from notebook_ci.notebooks import commands, imports
from notebook_ci.notebooks.document import Cell, Document


def made(*cells: str | Cell, path: str = "n.ipynb", metadata: Any = None) -> Document:
    each = [cell if isinstance(cell, Cell) else Cell(0, "code", cell, frozenset()) for cell in cells]
    numbered = tuple(Cell(at, cell.kind, cell.source, cell.tags) for at, cell in enumerate(each))
    return Document(Path(path), "", numbered, metadata or {})


def found(source: str) -> dict[str, str]:
    """Return the guards of all paths in a source."""
    return {path: each.guard for each in imports.of(ast.parse(source).body) for path in each.paths()}


GUARDED = [
    ("import a.b, c as d", {"a.b": "", "c": ""}),
    ("from a.b import c, d as e", {"a.b.c": "", "a.b.d": ""}),
    ("from a import *", {"a": ""}),
    ("from . import a\nfrom ..b import c\nfrom .d import *", {".a": "", "..b.c": "", ".d": ""}),
    ("for a in b:\n    import a", {"a": ""}),
    ("class A:\n    import a", {"a": ""}),
    ("with open('a'):\n    import a", {"a": ""}),
    ("def f():\n    import a\n    if x:\n        import b", {"a": "function", "b": "function"}),
    ("async def f():\n    import a", {"a": "function"}),
    ("if x:\n    import a\nelif y:\n    import b\nelse:\n    import c", dict.fromkeys("abc", "condition")),
    ("match x:\n    case 1:\n        import a", {"a": "condition"}),
    ("try:\n    import a\nexcept ImportError:\n    import b", {"a": "try", "b": "never"}),
    ("try:\n    import a\nexcept:\n    pass\nelse:\n    import b", {"a": "try", "b": "try"}),
    ("try:\n    import a\nexcept (KeyError, ModuleNotFoundError) as e:\n    pass\nfinally:\n    import b",
     {"a": "try", "b": ""}),
    ("try:\n    import a\nexcept ValueError:\n    import b", {"a": "", "b": "condition"}),
    ("try:\n    import a\nexcept ImportError:\n    print('install a')\n    raise", {"a": ""}),
    ("try:\n    import a\nfinally:\n    pass", {"a": ""}),
    ("try:\n    import a\nexcept* ImportError:\n    pass", {"a": "try"}),
    ("with contextlib.suppress(ImportError):\n    import a", {"a": "try"}),
    ("if TYPE_CHECKING:\n    import a\nelse:\n    import b", {"a": "never", "b": ""}),
    ("if typing.TYPE_CHECKING:\n    def f():\n        import a", {"a": "never"}),
]  # fmt: skip


@pytest.mark.parametrize(("source", "expected"), GUARDED)
def test_what_decides_whether_an_import_happens(source: str, expected: dict[str, str]) -> None:
    assert found(source) == expected


def test_a_notebook_is_read_with_its_magics() -> None:
    document = made(
        "%matplotlib inline\n!pip install x\nimport a",
        "%%time\nimport b",
        "%%bash\nimport c",
        "import d?\nimport (",
        Cell(0, "code", "import e", frozenset({"skip-execution"})),
        Cell(0, "code", "import f", frozenset({"raises-exception"})),
        Cell(0, "markdown", "import g", frozenset()),
        "  import h",
        "%load_ext autoreload\n%load_ext lab_black\nx = 1",
    )
    read = [(cell.index, each.module, each.line, each.guard) for cell, each in imports.of_document(document)]
    assert read == [(0, "a", 3, ""), (1, "b", 2, ""), (5, "f", 1, "try"), (7, "h", 1, ""), (8, "lab_black", 2, "")]


def test_many_branches_are_read() -> None:
    source = "if x:\n    import a\n" + "elif x:\n    import a\n" * 90
    assert len(list(imports.of(ast.parse(source).body))) == 91


CELL = Cell(0, "code", "", frozenset())
INSTALLING = [
    ("!pip install -q foo-bar==1", ["foo_bar"]),
    ("%pip install git+https://host/x/foo_bar.git", ["foo-bar"]),
    ("import sys\n!{sys.executable} -m pip install scikit-learn", ["sklearn", "scikit-learn"]),
    ("subprocess.run([sys.executable, '-m', 'pip', 'install', 'foo'])", ["foo"]),
    ("%%writefile helpers.py\nx = 1", ["helpers"]),
    ("%%bash\nconda install foo", ["foo"]),
    ("!git clone https://host/x/foo", ["foo"]),
    ("x = !pip install foo", ["foo"]),
]


@pytest.mark.parametrize(("source", "names"), INSTALLING)
def test_a_command_may_install_a_module(source: str, names: list[str]) -> None:
    assert commands.create(made(source), CELL, *names, has_pip=True)


@pytest.mark.parametrize(
    "source", ["# !pip install foo", "!pip install foo-bar foobar", "import foo\nfoo.run()", "%foo", "!foo x"]
)
def test_no_command_installs_a_module(source: str) -> None:
    assert not commands.create(made(source), CELL, "foo", has_pip=True)


@pytest.mark.parametrize(("source", "expected"), [("!pip install foo", False), ("!git clone https://host/foo", True)])
def test_without_pip_nothing_is_installed(source: str, *, expected: bool) -> None:
    assert commands.create(made(source), CELL, "foo", has_pip=False) is expected
