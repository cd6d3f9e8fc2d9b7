"""Which modules a notebook certainly imports, and what leaves an import to the notebook."""

import time
from pathlib import Path
from typing import Any

import pytest

from kernel_server.client import imports
from notebook_ci.notebooks.document import Cell, Document


def cell(source: str, *tags: str, kind: str = "code") -> Cell:
    return Cell(0, kind, source, frozenset(tags))


def of(*cells: str | Cell, metadata: Any = None) -> imports.Imports:
    made = [cell(each) if isinstance(each, str) else each for each in cells]
    numbered = tuple(Cell(at, each.kind, each.source, each.tags) for at, each in enumerate(made))
    return imports.of(Document(Path("n.ipynb"), "", numbered, metadata or {}))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import a", ("a",)),
        ("import a.b.c", ("a.b.c",)),
        ("import a, b.c as d", ("a", "b.c")),
        ("from a.b import c, d as e", ("a.b", "a.b:c", "a.b:d")),
        ("from a import (\n    b,\n    c,\n)", ("a", "a:b", "a:c")),
        ("from a.b import *", ("a.b",)),
        ("import b; import a; import b", ("b", "a")),
        ("from __future__ import annotations\nimport a", ("a",)),
        ("import straße", ("straße",)),
        ("from . import x\nfrom ..y import z", ()),
        ("%%time\nimport a", ("a",)),
        ("%%bash\nimport a", ()),
        ("import b\na = = 1", ()),
        ("", ()),
    ],
)
def test_what_is_imported(source: str, expected: tuple[str, ...]) -> None:
    assert of(source) == imports.Imports(expected, {})


@pytest.mark.parametrize(
    "source",
    [
        "run()",
        "%matplotlib inline",
        "import b\n!ls\n%cd x",
        "warnings.filterwarnings('ignore')\nwarnings.simplefilter(\"ignore\")",
        "sys.path.append('..')",
        "plt.rcParams['x'] = 1",
        "raise ValueError",
        "# !pip install x",
        "import matplotlib.patches, multipledispatch",
        "home = os.environ['HOME'] or os.environ.get('TMP')",
    ],
)
def test_imports_after_other_code_count(source: str) -> None:
    assert of(source, "print(1)\nimport a").certain[-1] == "a"


@pytest.mark.parametrize(
    "source",
    [
        "if x:\n    import a",
        "for x in y:\n    import a",
        "try:\n    import a\nexcept ImportError:\n    import b",
        "with x:\n    import a",
        "def f():\n    import a",
        "class A:\n    import a",
    ],
)
def test_only_certain_imports_count(source: str) -> None:
    """What a notebook may not import must not be there for it."""
    assert of(source) == imports.Imports((), {})


@pytest.mark.parametrize(
    "source",
    [
        "os.environ['X'] = '1'",
        "os.putenv('X', '1')",
        "%env X=1",
        "%set_env X=1",
        "load_dotenv()",
        "!pip install x",
        "%pip install x",
        "%conda install x",
        "sys.modules['x'] = y",
        "sys.meta_path.insert(0, x)",
        "importlib.reload(x)",
        "patch_sklearn()",
        "use(patch)",
        "os.environ.update(x)",
        "change(os.environ)",
        "logging.basicConfig(level='DEBUG')",
        "log.setLevel(10)",
        "warnings.simplefilter('error')",
        'warnings.filterwarnings( "always")',
        "site.addsitedir('x')",
    ],
)
def test_what_may_change_an_import_leaves_it_to_the_notebook(source: str) -> None:
    found = of(f"import a\n{source}; import b\nimport c", "import d")
    assert found.certain == ("a",)
    reason = f"comes after `{source}; import b` in cell 1"
    others = {"c": reason, "d": reason}
    assert found.others == (others if source[0] in "!%" else {"b": reason, **others})


def test_the_line_is_cut_short() -> None:
    assert of("os.environ['" + "ü" * 100 + "'] = 1\nimport a").others["a"] == (
        "comes after `os.environ['" + "ü" * 47 + "…` in cell 1"
    )


def test_what_is_certain_is_not_told_of() -> None:
    found = of("import a\nfrom b.c import d", "os.environ\nimport a\nfrom b.c import e\nimport b")
    assert found == imports.Imports(("a", "b.c", "b.c:d"), {"b": "comes after `os.environ` in cell 2"})


def test_a_cell_that_may_fail_is_left_to_the_notebook() -> None:
    found = of("import a", cell("import b", "raises-exception"), "import c")
    reason = "is in cell 2, which may fail (it is tagged `raises-exception`)"
    assert found == imports.Imports(("a", "c"), {"b": reason})


@pytest.mark.parametrize(
    "ignored",
    [
        cell("os.environ", kind="markdown"),
        cell("os.environ", kind="raw"),
        cell("os.environ\nimport x", "skip-execution"),
    ],
)
def test_cells_that_do_not_run(ignored: Cell) -> None:
    assert of("import a", ignored, "import b") == imports.Imports(("a", "b"), {})


@pytest.mark.parametrize(
    "source",
    ["%x\n" + " " * 400_000 + "x", "%x\n" + "a," * 100_000 + "= x", "import a\n" * 20_000],
)
def test_long_sources_take_no_quadratic_time(source: str) -> None:
    began = time.process_time()
    of(source, "import z")
    assert time.process_time() - began < 20


@pytest.mark.parametrize("section", [{}, {"language": "Python"}, [], None, {"language": 3}])
def test_odd_metadata_is_no_hindrance(section: Any) -> None:
    assert of("import a", metadata={"kernelspec": section}).certain == ("a",)


def test_other_languages_are_not_read() -> None:
    assert of("import a", metadata={"kernelspec": {"language": "julia"}}) == imports.Imports((), {})
