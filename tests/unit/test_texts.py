"""Texts for people."""

import os
import subprocess
from pathlib import Path

import pytest

from notebook_ci.base.markdown import inline
from notebook_ci.base.texts import LONGEST_QUOTE, command_line, did_you_mean, listed, quote, size, without_users


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain", "`plain`"),
        ("größe", "`größe`"),
        (True, "`true`"),
        (None, "`null`"),
        (Path("a"), '`"a"`'),
        (["a", 1], '`["a", 1]`'),
        (["größe", None, 1], '`["größe", null, 1]`'),
        ({"a": Path("x")}, '`{"a": "x"}`'),
        ("a\nb\x1b[0m", r"`a\nb\x1b[0m`"),
        ("two\nlines\x1b\u200b", r"`two\nlines\x1b\u200b`"),
        ("x" * LONGEST_QUOTE, f"`{'x' * LONGEST_QUOTE}`"),
        ("x" * LONGEST_QUOTE + "y", f"`{'x' * LONGEST_QUOTE}…`"),
        ("data/" + "x" * LONGEST_QUOTE, f"`data/{'x' * LONGEST_QUOTE}`"),
    ],
)
def test_a_value_is_quoted_on_one_line(value: object, shown: str) -> None:
    assert quote(value) == shown


@pytest.mark.parametrize(
    ("names", "question"),
    [
        (["notebook"], "Did you mean `notebooks`?"),
        (["suit", "dat"], "Did you mean `suite` and `data`?"),
        (["suit", "zzz"], "Did you mean `suite`?"),
        (["abcde"], "Did you mean `abcxy`?"),  # as far from it as one may be
        (["qqq"], ""),
        ([], ""),
    ],
)
def test_the_nearest_names_are_asked_for(names: list[str], question: str) -> None:
    known = ["data", "suite", "suites", "notebooks", "notebooks-dir", "abcxy"]
    assert did_you_mean(iter(known), *names) == question


def test_names_may_have_to_be_nearer() -> None:
    assert did_you_mean(["abcxy"], "abcde", cutoff=0.7) == ""


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (53_140, "53.1 kB"),
        (2e6, "2.0 MB"),
        (1.8e9, "1.8 GB"),
        (3e12, "3.0 TB"),
        (4e15, "4000.0 TB"),
    ],
)
def test_a_size_has_the_unit_that_fits(number: float, shown: str) -> None:
    assert size(number) == shown


def test_a_list_stays_short() -> None:
    assert listed([], 2) == ""
    assert listed(["a", "b"], 2) == "a, b"
    assert listed(["a", "b", "c", "d"], 2) == "a, b and 2 more"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://ann:pw@host:8080/x", "https://host:8080/x"),
        ("https://ann:p@w@host/x", "https://host/x"),
        ("from https://ann@host/x, or https://token@host", "from https://host/x, or https://host"),
        ("https://ann:p/w@host/x", "https://host/x"),
        ("'https://ann:p#w@host/x' and https://ann:p?w@host", "'https://host/x' and https://host"),
        ("https://host/x for a@b.org", "https://host/x for a@b.org"),
        ("git@host:team/x", "git@host:team/x"),
        ("x @ git+https://host/team/x@0a1b2c", "x @ git+https://host/team/x@0a1b2c"),
        ("git+https://host:8443/team/x@v1.0#egg=x", "git+https://host:8443/team/x@v1.0#egg=x"),
        ("git+https://ann:token@host.org/team/x@0a1b2c", "git+https://host.org/team/x@0a1b2c"),
        ("git+https://ann:t@ken@localhost/team/x@feature/y", "git+https://localhost/team/x@feature/y"),
        ("git+https://token@host/team/x@v1", "git+https://host/team/x@v1"),
        ("git+ssh://git@host/team/x.git@v1", "git+ssh://host/team/x.git@v1"),
        ("https://ann:pw@host.org/@scope/x?by=a@b.org#@", "https://host.org/@scope/x?by=a@b.org#@"),
        ("https://[::1]:8080/x@y or https://ann:pw@[::1]/x@y", "https://[::1]:8080/x@y or https://[::1]/x@y"),
        ("https://host/x,https://ann:pw@host.org/y@v1", "https://host/x,https://host.org/y@v1"),
        ("https://host/?next=https://ann:pw@host.org/", "https://host/?next=https://host.org/"),
        ("https://ann:p://w@host/x", "https://host/x"),
        ("https://me:hunter2@pw/x@host/simple", "https://host/simple"),
        ("https://ann:p/w@host/x@v1", "https://v1"),
    ],
)
def test_credentials_are_taken_out_of_a_text(text: str, shown: str) -> None:
    assert without_users(text) == shown


NAMES = [
    "plain.csv",
    "one file.csv",
    "two  spaces.csv",
    " edge ",
    "it's.csv",
    'say "hi".csv',
    "a;rm -rf b",
    "$(touch pwned)",
    "`touch pwned`",
    "a|b&c",
    "a\\nb",
    "two\nlines\t\x1b",
    "größe\u200b.csv",
    "{}{0}",
    "*?[a]~#!",
    "~",
    "",
]


def test_a_command_can_be_pasted_whatever_the_names_are(tmp_path: Path) -> None:
    template = "printf '%s\\0' start {} --flag {}"
    for name in NAMES:
        command = command_line(template, name, "end")
        assert command[0] == command[-1] == "`"
        text = command[1:-1]
        assert text.isprintable()
        assert "`" not in text
        # A page shows several spaces as one, and Markdown cuts a cell at `|`.
        assert " ".join(inline(command).split()) == command
        shown = subprocess.run(["bash", "-c", text], cwd=tmp_path, capture_output=True, check=True).stdout
        assert shown == f"start\0{name}\0--flag\0end\0".encode()
    assert not list(tmp_path.iterdir())


def test_a_name_is_no_option(tmp_path: Path) -> None:
    (tmp_path / "-rf").touch()
    (tmp_path / os.fsdecode(b"latin-\xfc")).touch()
    for path in sorted(tmp_path.iterdir()):
        subprocess.run(["bash", "-c", command_line("rm {}", path.name)[1:-1]], cwd=tmp_path, check=True)
    assert not list(tmp_path.iterdir())
