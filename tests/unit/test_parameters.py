import json
from pathlib import Path
from typing import Any

import pytest

from notebook_ci.base.errors import CheckFailed
from notebook_ci.notebooks.document import Document, read
from notebook_ci.notebooks.parameters import cannot_be_set, declared, plain_values


def document(folder: Path, *cells: tuple[str, list[str]], kind: str = "code", metadata: Any = None) -> Document:
    content = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": metadata or {},
        "cells": [
            {"cell_type": kind, "metadata": {"tags": tags}, "source": source.splitlines(keepends=True)}
            for source, tags in cells
        ],
    }
    path = folder / "n.ipynb"
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
    return read(path)


def names(folder: Path, source: str) -> tuple[str, ...]:
    return declared(document(folder, (source, ["parameters"])))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("", ()),
        ("# nothing", ()),
        ("alpha = 1\nbeta = 'x'", ("alpha", "beta")),
        ("alpha = 1\nbeta = 2\nalpha = 3", ("alpha", "beta")),
        ("a = b = 1", ("a", "b")),
        ("a, (b, *c) = 1, (2, 3)", ("a", "b", "c")),
        ("[a, b] = 1, 2", ("a", "b")),
        ("a: int = 1", ("a",)),
        ("a: int", ()),
        ("a += 1", ()),
        ("a.b = 1\nc[0] = 2\nd.e: int = 3", ()),
        ("a.b, c = 1, 2", ("c",)),
        ("a[[b for b in c]] = 0\nd[(e := 3)] = 1", ()),
        ("if True:\n    a = 1", ()),
        ("def f():\n    a = 1\nclass C: b = 1\nimport os", ()),
        ("print(a := 1)", ()),
        ("straße = 1", ("straße",)),
        ("path = '\\d'", ("path",)),
        ("    a = 1\n    b = 2", ("a", "b")),
        ("a = 1\r\nb = 2", ("a", "b")),
        ("x = await f()", ("x",)),
    ],
)
def test_names_assigned_at_the_top_level(tmp_path: Path, source: str, expected: tuple[str, ...]) -> None:
    assert names(tmp_path, source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("%matplotlib inline\na = 1", ("a",)),
        ("a = 1\n!ls 'it\nb = 2", ("a", "b")),
        ("!echo (\na = 1", ("a",)),
        ("!pip install \\\n  --quiet \\\n  pandas\na = 1", ("a",)),
        ("?print\nprint?\nos.path??\na = 1", ("a",)),
        ("a = !ls\nb = %time 5\nc = 1", ("a", "b", "c")),
        ("if x:\n    %time y\na = 1", ("a",)),
        ("%%time\na = 1", ("a",)),
        ("\n%%capture out\na = 1", ("a",)),
        ("%%bash\na=1\nfor x in *; do echo; done", ()),
        ("%cd ..\na = (7\n  % 3)\nb = '''\n%x\n'''", ("a", "b")),
        ("!ls\n" * 150 + "a = 1", ("a",)),
    ],
)
def test_lines_of_ipython_do_not_hinder(tmp_path: Path, source: str, expected: tuple[str, ...]) -> None:
    assert names(tmp_path, source) == expected


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("a = 1\nb = = 2", 2),
        ("%matplotlib inline\n\na = (1\n", 3),
        ("a = 1\n% 3 +\nb = = 2", 3),
        ("!a \\\n b\na = = 1", 3),
    ],
)
def test_a_cell_that_is_not_python_is_told_by_its_line_in_the_file(tmp_path: Path, source: str, line: int) -> None:
    broken = document(tmp_path, ("x = 1", []), (source, ["parameters"]))
    with pytest.raises(CheckFailed, match="not valid Python") as caught:
        declared(broken)
    assert caught.value.line is not None
    assert caught.value.file == broken.path.as_posix()
    written = json.dumps(source.splitlines(keepends=True)[line - 1])
    assert broken.text.split("\n")[caught.value.line - 1].strip().rstrip(",") == written


@pytest.mark.parametrize("source", ["a = " + "(" * 5000 + ")" * 5000, "a = " + "-" * 100_000 + "1", "a = '\0'"])
def test_what_the_parser_cannot_take_is_a_fault_too(tmp_path: Path, source: str) -> None:
    with pytest.raises(CheckFailed):
        names(tmp_path, source)


def test_the_first_tagged_cell_counts(tmp_path: Path) -> None:
    cells = [("x = 1", []), ("a = 1", ["other", "parameters"]), ("b = = 1", ["parameters"])]
    assert declared(document(tmp_path, *cells)) == ("a",)


def test_a_notebook_without_parameters_cell(tmp_path: Path) -> None:
    plain = document(tmp_path, ("a = 1", ["Parameters"]))
    assert declared(plain) == ()


def test_a_tagged_markdown_cell_is_no_parameters_cell(tmp_path: Path) -> None:
    assert declared(document(tmp_path, ("a = 1", ["parameters"]), kind="markdown")) == ()


@pytest.mark.parametrize(
    ("language", "source", "expected"),
    [
        (
            "R",
            "n <- 1 %>% f\nn.all = 2; k = 3\nm <<- 3\nf(x = 1)\n# k <- 1\n.n <- 1\nn <= 3",
            ("n", "n.all", "m", ".n"),
        ),
        ("julia", "const n = 1\nm::Vector{<:Real} = [2]\nn == 2\nf(x) = 1\nn >= 2\nplot(x; k = 1)", ("n", "m")),
        ("bash", "n=1\nexport m='a; k=1'\ndeclare -i o=1\n[ $n = 1 ]\n    k=1\necho l=1", ("n", "m", "o")),
        ("scala", "val n = 1\nvar m: Map[String, (Int, Int)] = x\nlazy val o: Int => Int = f\nn => 1", ("n", "m", "o")),
        ("matlab", "n = 5;\nm=[1 2];\n% k = 1\nn ~= 1\nn == 1", ("n", "m")),
        (
            "C#",
            'var n = 5;\nList<int> m = new();\nstring? k = "";\nDictionary<string, object> o = x;\nn == 2; f(p = 1)',
            ("n", "m", "k", "o"),
        ),
        ("F#", "let n = 5\nlet mutable m : Map<string,int> = x\nlet f x = x\nif n = 1 then", ("n", "m")),
        ("PowerShell", "$n = 5\n[int]$m = 3\n[string[]] $k = 3\n$script:o = 1\n$n -eq 5", ("n", "m", "k", "o")),
        ("bash", "%%time\nn=1", ("n",)),
        ("scheme", "n = 1", ()),
    ],
)
def test_other_languages(tmp_path: Path, language: str, source: str, expected: tuple[str, ...]) -> None:
    read_from = document(tmp_path, (source, ["parameters"]), metadata={"language_info": {"name": language}})
    assert declared(read_from) == expected
    assert cannot_be_set(read_from) == (not expected)


def test_only_parameters_are_foreign(tmp_path: Path) -> None:
    assert not cannot_be_set(document(tmp_path, ("n = 1", []), metadata={"language_info": {"name": "scheme"}}))
    assert not cannot_be_set(document(tmp_path, ("n = 1", ["parameters"])))


def test_the_values_of_a_cell_that_only_sets_names_to_constants(tmp_path: Path) -> None:
    def values(source: str, *more: tuple[str, list[str]], language: str = "python") -> dict[str, object]:
        metadata = {"language_info": {"name": language}}
        return plain_values(document(tmp_path, (source, ["parameters"]), *more, metadata=metadata))

    assert values("a = 1  # one\nb = ['x', -2.5]\na = 2") == {"a": 2, "b": ["x", -2.5]}
    assert values("a = 1", ("a = 2", ["parameters"])) == {"a": 1}
    for source in (
        "a = 1\nb = a",
        "a = [1]\na.append(2)",
        "a = b = 1",
        "a, b = 1, 2",
        "a = !ls",
        "%%time\na = 1",
        "a =",
    ):
        assert values(source) == {}, source
    assert values("a = 1", language="r") == {}
    assert plain_values(document(tmp_path, ("a = 1", []))) == {}


def test_a_hostile_line_takes_no_time(tmp_path: Path) -> None:
    lines = [
        "a " * 200_000,
        "[a]" * 200_000,
        "a:" + " " * 500_000 + "!",
        "a" + " " * 500_000,
        "val a:" + "=>" * 200_000,
    ]
    for language in ("R", "julia", "bash", "scala", "matlab", "c#", "f#", "powershell"):
        metadata = {"language_info": {"name": language}}
        assert declared(document(tmp_path, ("\n".join(lines), ["parameters"]), metadata=metadata)) == ()
