"""What runs in the user's Python reads the same cells and lines as the suite itself."""

import ast
import json
import random
from pathlib import Path
from typing import Any

import pytest

from notebook_ci.notebooks import document
from notebook_testing import reading
from notebook_testing.reading import Notebook, NotebookError, parse, read

ROOT = Path(__file__).resolve().parents[2]
COMMITTED = sorted([*ROOT.glob("tests/corpus/**/*.ipynb"), *ROOT.glob("examples/**/*.ipynb")])


def written(path: Path, *sources: Any, indent: int | None = 1, **metadata: Any) -> str:
    cells = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": source} for source in sources]
    content = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    path.write_text(json.dumps(content, indent=indent))
    return str(path)


def of(tmp_path: Path, *sources: Any, indent: int | None = 1) -> Notebook:
    return read(written(tmp_path / "a.ipynb", *sources, indent=indent))


def same(path: Path) -> None:
    """Check that both readers find the same cells and lines."""
    expected = document.read(path)
    found = read(str(path))
    assert [(cell.index, cell.kind, cell.source, cell.tags) for cell in found.cells] == [
        (cell.index, cell.kind, cell.source, cell.tags) for cell in expected.cells
    ]
    for cell in found.cells:
        lines = range(1, len(reading.split_lines(cell.source)) + 1) if cell.source else ()
        assert list(cell.lines) == [expected.line(cell.index, line) for line in lines]


def test_notebooks_as_people_write_them() -> None:
    assert len(COMMITTED) > 100
    for path in COMMITTED:
        same(path)


@pytest.mark.parametrize("indent", [None, 0, 1, 4])
@pytest.mark.parametrize(
    "source",
    [
        "",
        [],
        [""],
        "a",
        "a\nb",
        ["a\n", "b"],
        ["a\n", "b\n"],
        ["a", "b\nc\n", "", "d", "\ne"],
        ["a\r\n", "b\rc"],
        ["", "a\n", ""],
    ],
)
def test_every_way_to_write_a_source(source: Any, indent: int | None, tmp_path: Path) -> None:
    same(Path(written(tmp_path / "a.ipynb", "before", source, ["after\n", "it"], indent=indent)))


def test_notebooks_at_random(tmp_path: Path) -> None:
    random_ = random.Random(7)  # noqa: S311 - no secret
    parts = ["x", "\n", "\\", '"', "\r\n", "\r", "é", "😀", "\x0c", "\u2028", '"source": [', ""]
    for _ in range(100):
        sources = [random_.choices(parts, k=random_.randrange(9)) for _ in range(4)]
        mixed = [random_.choice([source, "".join(source)]) for source in sources]
        same(Path(written(tmp_path / "a.ipynb", *mixed, indent=random_.choice([None, 1, 2]))))


def test_statements_have_the_lines_of_the_file(tmp_path: Path) -> None:
    notebook = of(tmp_path, ["a = [\n", "    1,\n", "]\n"], ["def f():\n", "    return a\n"])
    text = Path(notebook.path).read_text().splitlines()
    (first,), (second,) = (parse(notebook, cell) for cell in notebook.cells)
    assert isinstance(second, ast.FunctionDef)
    assert [text[node.lineno - 1].strip() for node in (first, second, second.body[0])] == [
        '"a = [\\n",',
        '"def f():\\n",',
        '"    return a\\n"',
    ]
    assert text[(first.end_lineno or 0) - 1].strip() == '"]\\n"'


def test_in_one_line_all_statements_are_in_line_one(tmp_path: Path) -> None:
    notebook = of(tmp_path, ["def f(x):\n", "    return [\n", "        x\n", "]\n"], indent=None)
    (function,) = parse(notebook, notebook.cells[0])
    compile(ast.Module([function], []), "a", "exec")
    assert {getattr(node, "lineno", 1) for node in ast.walk(function)} == {1}


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("%matplotlib inline\na = 1", "get_ipython()\na = 1"),
        ("a = 1\n!ls -l", "a = 1\nget_ipython()"),
        ("files = !ls\na", "files = get_ipython()\na"),
        ("a.b?", "get_ipython()"),
        ("?a", "get_ipython()"),
        ("if a:\n    !ls\nb", "if a:\n    get_ipython()\nb"),
        ("!ls \\\n  -l\na", "\nget_ipython()\na".strip()),
        ("%time a = f()\nb", "a = f()\nb"),
        ("%%time\na = 1", "a = 1"),
        ("\n%%capture out\na = 1", "a = 1"),
        ("%%bash\nls", ""),
        ("%%writefile a.py\na = 1", ""),
        ("a = b \\\n  % c", "a = b % c"),
        ('a = """\n%b\n!c"""', "a = '\\n%b\\n!c'"),
        ("await f()", "await f()"),
    ],
)
def test_lines_of_ipython(source: str, expected: str, tmp_path: Path) -> None:
    notebook = of(tmp_path, source.splitlines(keepends=True))
    found = parse(notebook, notebook.cells[0])
    assert ast.unparse(ast.Module(found, [])).strip() == ast.unparse(ast.parse(expected)).strip()
    lines = source.split("\n")
    physical = Path(notebook.path).read_text().splitlines()
    for statement in found:
        if isinstance(statement, ast.Assign) and ast.unparse(statement) == "a = 1":
            at = lines.index("a = 1")
            assert physical[statement.lineno - 1].strip().strip(",") == json.dumps(source.splitlines(keepends=True)[at])


def test_a_syntax_error_is_in_the_line_of_the_file(tmp_path: Path) -> None:
    notebook = of(tmp_path, "a = 1", ["b = 2\n", "c = = 3\n"])
    with pytest.raises(SyntaxError) as raised:
        parse(notebook, notebook.cells[1])
    assert raised.value.filename == notebook.path
    assert raised.value.text == "c = = 3"
    assert '"c = = 3\\n"' in Path(notebook.path).read_text().splitlines()[(raised.value.lineno or 0) - 1]


def test_the_text_shows_each_source_line_where_it_is(tmp_path: Path) -> None:
    notebook = of(tmp_path, ["a = 1\n", "\n", "b = 2"], "c = 3", "d = 4\ne = 5")
    physical = Path(notebook.path).read_text().splitlines()
    shown = {at: line for at, line in enumerate(notebook.text().splitlines()) if line}
    assert list(shown.values()) == ["a = 1", "b = 2", "c = 3"]  # two lines on one physical line are not shown
    assert all(json.dumps(line)[:-1] in physical[at] for at, line in shown.items())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("not JSON", "`a.ipynb` is not valid JSON: Expecting value: line 1 column 1 (char 0). Restore it from git."),
        ("", "`a.ipynb` is not valid JSON: Expecting value: line 1 column 1 (char 0). Restore it from git."),
        (b"\xff{}", "`a.ipynb` is not valid JSON: 'utf-8' codec can't decode"),
        ("[" * 100_000, "`a.ipynb` is not valid JSON: "),
        ("[]", "`a.ipynb` is not a notebook of format 4. Open and save it in Jupyter."),
        ("{}", "`a.ipynb` is not a notebook of format 4."),
        ('{"worksheets": []}', "`a.ipynb` is not a notebook of format 4."),
        ('{"cells": [{"cell_type": "code"}]}', "`a.ipynb` is not a notebook of format 4."),
        ('{"cells": [{"cell_type": "code", "source": [1]}]}', "`a.ipynb` is not a notebook of format 4."),
        (
            '{"cells": [], "metadata": {"kernelspec": {"language": "R"}}}',
            "`a.ipynb` is a notebook of the language `r`: only those of Python can be tested like this.",
        ),
        (
            '{"cells": [], "metadata": {"kernelspec": null, "language_info": {"name": "julia"}}}',
            "`a.ipynb` is a notebook of the language `julia`",
        ),
    ],
)
def test_what_is_not_a_notebook_of_python(content: str | bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(NotebookError) as raised:
        read(str(path))
    assert str(raised.value).startswith(message)
