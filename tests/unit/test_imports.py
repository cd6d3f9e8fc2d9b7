import random
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


HARMLESS = [
    "'''A docstring.'''",
    "1",
    "...",
    "b'x'",
    "pass",
    "# a comment",
    "from __future__ import annotations",
    "a = 1",
    "a = b = 'x'",
    "a, b = 1, 2",
    "a = -1",
    "a = +1.5",
    "a = -1j",
    "a = [1, (2, {3}), {'x': [None, True, b'y', ...]}]",
    "a = {}",
    "a: int = 1",
    "a: 'int' = 1",
    "a: Optional[int] = None",
    "a: dict[str, list[int]] = {}",
    "_a = __a = a__ = 1",
    "path = '\\d'",
    "def f():\n    run()\n    import inner",
    "async def f(): pass",
    "def f(a, /, b: int = 1, *c: Any, d: list[int] = [], e=-1, **g: 'x') -> dict[str, int]: ...",
]

STOPPING = [
    "run()",
    "a",
    "a.b",
    "-1",
    "f'{a}'",
    "a += 1",
    "a = b",
    "a = run()",
    "a = set()",
    "a = 1 + 2j",
    "a = 1 + 1",
    "a = not True",
    "a = - - 1",
    "a = ~1",
    "a = -True",
    "a = f'{b}'",
    "a = [b]",
    "a = [*[1]]",
    "a = {**{}}",
    "a = {1: run()}",
    "a = [x for x in (1,)]",
    "a = lambda: 1",
    "a = (b := 1)",
    "a.b = 1",
    "a[0] = 1",
    "os.environ['X'] = '1'",
    "[a, b] = 1, 2",
    "a, (b, c) = 1, (2, 3)",
    "a, *b = 1, 2",
    "a, b.c = 1, 2",
    "a = b.c = 1",
    "__path__ = []",
    "a = __builtins__ = {}",
    "a, __builtins__ = 1, {}",
    "__a__: int = 1",
    "a: int",
    "a: int = run()",
    "a: run() = 1",
    "a: x | y = 1",
    "a: sklearn.linear_model.Ridge = None",
    "a: x[run()] = 1",
    "a.b: int = 1",
    "a[0]: int = 1",
    "import x as __y__",
    "import __main__",
    "import __x__.y",
    "from x import y as __z__",
    "from x import __version__",
    "from __future__ import annotations as __a__",
    "from . import x",
    "from .x import y",
    "from .. import x",
    "from . import *",
    "from .numpy import *",
    "del a",
    "assert True",
    "global a",
    "raise a",
    "if True: pass",
    "for a in b: pass",
    "while False: pass",
    "try: import x\nexcept ImportError: pass",
    "with a: pass",
    "match a:\n    case _: pass",
    "class A: pass",
    "await a",
    "@d\ndef f(): pass",
    "def f(a=b): pass",
    "def f(*, a=run()): pass",
    "def f(a: run()): pass",
    "def f(a: matplotlib.axes.Axes): pass",
    "def f(*a: run()): pass",
    "def f(**a: run()): pass",
    "def f() -> run(): pass",
    "def f(a: x | y): pass",
    "def __getattr__(name): pass",
    "async def __f__(): pass",
]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import a", ("a",)),
        ("import a.b.c", ("a.b.c",)),
        ("import a, b.c as d", ("a", "b.c")),
        ("import a as b", ("a",)),
        ("from a.b import c, d as e", ("a.b", "a.b:c", "a.b:d")),
        ("from a import (\n    b,\n    c,\n)", ("a", "a:b", "a:c")),
        ("import b; import a; import b", ("b", "a")),
        ("from __future__ import annotations\nimport a", ("a",)),
        ("import a\r\nimport b\r\n", ("a", "b")),
        ("import a  # why?\nimport b", ("a", "b")),
        ("import straße", ("straße",)),
        ("def f():\n    import a", ()),
        ("", ()),
    ],
)
def test_what_is_imported(source: str, expected: tuple[str, ...]) -> None:
    assert of(source) == imports.Imports(expected, {})


def test_names_that_are_not_listed_end_the_walk() -> None:
    """They are those of the submodules that are loaded already."""
    found = of("import a\nfrom b import *\nimport c")
    assert (found.first, dict(found.later)) == (("a", "b"), {"c": "comes after `from b import *` in cell 1"})


@pytest.mark.parametrize("source", HARMLESS)
def test_harmless_statements_do_not_end_the_walk(source: str) -> None:
    assert of(f"import a\n{source}\nimport b", "import c") == imports.Imports(("a", "b", "c"), {})


@pytest.mark.parametrize("source", STOPPING)
def test_other_statements_end_the_walk(source: str) -> None:
    found = of(f"import a\n{source}\nimport b", "import c")
    assert found.first == ("a",)
    behind = source.splitlines()[source.startswith("@")]
    assert found.later["b"] == found.later["c"] == f"comes after `{behind}` in cell 1"


def test_any_order_of_statements_gives_the_imports_before_the_first_that_stops() -> None:
    chance = random.Random(7)  # noqa: S311 - not for secrets
    for _ in range(300):
        statements, expected, ended = [], [], False
        for number in range(chance.randrange(1, 12)):
            kind = chance.choices(["import", "harmless", "stopping"], [4, 4, 1])[0]
            if kind == "import":
                statements.append(f"import m{number}")
                expected += [] if ended else [f"m{number}"]
            else:
                statements.append(chance.choice(HARMLESS if kind == "harmless" else STOPPING))
                ended = ended or kind == "stopping"
        cells = [""]
        for statement in statements:
            cells[-1] += statement + "\n"
            cells += [""] * chance.randrange(2)
        assert of(*cells).first == tuple(expected), cells


@pytest.mark.parametrize(
    "ignored",
    [
        cell("run()", kind="markdown"),
        cell("run()", kind="raw"),
        cell(" \n\t\n"),
        cell("", "raises-exception"),
        cell("run()\nimport x", "skip-execution"),
        cell("run()\nimport x", "skip-execution", "raises-exception"),
        cell("%%bash\nls", "skip-execution"),
        cell("x = 1", "parameters", "injected-parameters"),
    ],
)
def test_cells_that_do_not_run_or_matter(ignored: Cell) -> None:
    assert of("import a", ignored, "import b") == imports.Imports(("a", "b"), {})


def test_a_cell_that_may_fail_ends_the_walk_before_it() -> None:
    found = of("import a", cell("import b", "raises-exception"), "import c")
    assert found.first == ("a",)
    reason = "comes in or after cell 2, which may fail (it is tagged `raises-exception`)"
    assert found.later == {"b": reason, "c": reason}


@pytest.mark.parametrize(
    ("source", "first", "later", "shown"),
    [
        ("import a\n%matplotlib notebook\nimport b", ("a",), {"b", "z"}, "%matplotlib notebook"),
        ("%pip install a\nimport b", (), {"b", "z"}, "%pip install a"),
        ("import a\n!pip install \\\n  b\nimport c", ("a",), {"c", "z"}, "!pip install \\"),
        ("import a\n?a\nimport b", ("a",), {"b", "z"}, "?a"),
        ("import a\na??", ("a",), {"z"}, "a??"),
        ("import a\nx = !ls\nimport b", ("a",), {"b", "z"}, "x = !ls"),
        ("import a\nx, y = %magic\nimport b", ("a",), {"b", "z"}, "x, y = %magic"),
        ("# what is it?\nimport a\n%cd x", ("a",), {"z"}, "%cd x"),
        ("import a\nrun()\n%cd x\nimport b", ("a",), {"b", "z"}, "run()"),
        ("import a\nif x:\n    %cd x\nimport b", (), {"a", "b", "z"}, None),
        ("import a\ndef f():\n    pass\n    %cd x\nimport b", ("a",), {"b", "z"}, "%cd x"),
        ("%%time\nimport a", (), {"a", "z"}, "%%time"),
        ("\n%%capture out\nimport a", (), {"a", "z"}, "%%capture out"),
        ("%%bash\nimport a", (), {"z"}, "%%bash"),
        ("%%writefile x.py\nimport a", (), {"z"}, "%%writefile x.py"),
    ],
)
def test_ipython_ends_the_walk(source: str, first: tuple[str, ...], later: set[str], shown: str | None) -> None:
    found = of(source, "import z")
    assert found.first == first
    assert set(found.later) == later
    unread = "comes in or after cell 1, which cannot be parsed as Python"
    assert set(found.later.values()) == {f"comes after `{shown}` in cell 1" if shown else unread}


@pytest.mark.parametrize(
    ("cells", "first", "inline"),
    [
        (["import a\n%matplotlib inline\nimport b"], ("a", "matplotlib.pyplot", "b"), True),
        (["import a", "%matplotlib  inline \n", "import b\nrun()"], ("a", "matplotlib.pyplot", "b"), True),
        (["import a\nrun()\n%matplotlib inline\nimport b"], ("a",), True),
        (["import a\nrun()", "%matplotlib inline\nimport b"], ("a",), False),
        (["import a\n%matplotlib inline  # plots\nimport b"], ("a",), False),
        (["import a\ndef get_ipython():\n    pass\n%matplotlib inline\nimport b"], ("a",), True),
        (["import a", "from a import b as get_ipython", "%matplotlib inline"], ("a",), False),
        (["import a\nif a:\n    %matplotlib inline\nimport b"], (), False),
        (["import a\nx = '''\n%matplotlib inline\n'''\nimport b"], ("a", "b"), True),
    ],
)
def test_a_command_that_changes_settings_of_matplotlib_alone(
    cells: list[str], first: tuple[str, ...], *, inline: bool
) -> None:
    found = of(*cells)
    assert (found.first, found.inline) == (first, inline)


def test_percent_signs_in_python_are_no_magic() -> None:
    assert of("x = '''\n%cd\n!ls\nwhat?\n'''\nimport a").first == ("a",)
    assert of("x = '''\n%s\n'''\nimport a\n%cd x").first == ()


@pytest.mark.parametrize(
    "source",
    [
        "import b\na = = 1",
        "import b\n  import c",
        "  import b",
        "import b\npip install c",
        "import b\n,f x",
        "import b\nx = '\0'",
        "import b\nx = " + "(" * 5000 + ")" * 5000,
        "import b\nx = " + "-" * 100_000 + "1",
        "import b\nx = " + "1 + " * 100_000 + "1",
        "import b\nx = " + "1" * 5000,
        "import b\nx = '\ud83d'",
        "import \\\n%cd x",
        "# b\f!ls \\\nimport b",
        "# b\u2028!ls \\\nimport b",
    ],
)
def test_a_cell_that_cannot_be_parsed_gives_nothing_and_ends_the_walk(source: str) -> None:
    found = of("import a", cell("", kind="markdown"), source, "import z")
    assert found.first == ("a",)
    assert found.later["z"] == "comes in or after cell 3, which cannot be parsed as Python"
    assert set(found.later) == {"z"}


@pytest.mark.parametrize("source", ["x: a" + "[b]" * 900 + " = 1", "x = " + "[" * 150 + "]" * 150])
def test_deep_nesting_that_the_parser_takes(source: str) -> None:
    assert of(f"{source}\nimport a").first == ("a",)


@pytest.mark.parametrize(
    "source",
    [
        "%x\n" + " " * 400_000 + "x",
        "%x\n" + "? " * 100_000 + "x",
        "%x\n" + "a," * 100_000 + "= x",
        "%x\n" * 50_000,
        "import a\n" * 20_000,
        "x = [" + "1, " * 50_000 + "]",
    ],
)
def test_long_sources_take_no_quadratic_time(source: str) -> None:
    began = time.process_time()
    of(source, "import z")
    assert time.process_time() - began < 20


@pytest.mark.parametrize(
    ("source", "later"),
    [
        ("import a, b.c, a\nfrom d.e import f, g", {"a", "b.c", "d.e"}),
        ("from __future__ import annotations", set()),
        ("from . import x\nfrom ..y import z", {".", "..y"}),
        ("if x:\n    import a\nelif y:\n    import b\nelse:\n    import c", {"a", "b", "c"}),
        ("try:\n    import a\nexcept X:\n    import b\nelse:\n    import c\nfinally:\n    import d", set("abcd")),
        ("with x:\n    for y in z:\n        import a", {"a"}),
        ("match x:\n    case 1:\n        import a", {"a"}),
        ("class A:\n    import a\n    def f(self):\n        import b", {"a"}),
        ("def f():\n    import a\n@d\nasync def g():\n    import b", set()),
        ("def f():\n    try:\n        import a\n    except ImportError:\n        import b", set()),
    ],
)
def test_what_is_imported_later(source: str, later: set[str]) -> None:
    found = of("run()", source)
    assert found == imports.Imports((), dict.fromkeys(later, "comes after `run()` in cell 1"))


def test_what_is_first_is_not_later() -> None:
    found = of("import a\nfrom b.c import d", "run()\nimport a\nfrom b.c import e\nimport b")
    assert found == imports.Imports(("a", "b.c", "b.c:d"), {"b": "comes after `run()` in cell 2"})


def test_only_the_statement_that_stopped_is_named_and_cut_short() -> None:
    assert of("x = 1; run(); import a").later == {"a": "comes after `run()` in cell 1"}
    assert of("'ü'; run(\n1)\nimport a").later == {"a": "comes after `run(` in cell 1"}
    long = of("run('" + "ü" * 100 + "')\nimport a").later["a"]
    assert long == "comes after `run('" + "ü" * 54 + "…` in cell 1"


def test_nothing_is_run_and_nothing_warns() -> None:
    assert of("path = '\\d'\nx = '' is 1\nimport no_such_module").first == ()
    assert of("raise SystemExit").first == ()


@pytest.mark.parametrize("section", [{}, {"language": "Python"}, [], None, {"language": 3}])
def test_odd_metadata_is_no_hindrance(section: Any) -> None:
    assert of("import a", metadata={"kernelspec": section}).first == ("a",)


def test_other_languages_are_not_read() -> None:
    assert of("import a", "run()", "import b", metadata={"kernelspec": {"language": "julia"}}) == imports.Imports(
        (), {}
    )


def test_a_notebook_without_cells() -> None:
    assert of() == imports.Imports((), {})
