"""Each kind of value by itself; test_input_kinds.py has them in the inputs of a stage."""

from typing import Any

import pytest

from notebook_ci.base.errors import InputError
from notebook_ci.base.texts import quote
from notebook_ci.base.values import (
    ATOL,
    BOOLEAN,
    COUNT,
    DETERMINISM,
    LINES,
    PRELOAD,
    PYTHON_VERSION,
    RTOL,
    SECONDS,
    SIZE,
    SLUG,
    TEXT,
    WORKERS,
    YAML_MAP,
    Kind,
    choice,
)

KINDS = {
    "text": TEXT,
    "boolean": BOOLEAN,
    "count": COUNT,
    "seconds": SECONDS,
    "lines": LINES,
    "slug": SLUG,
    "python": PYTHON_VERSION,
    "workers": WORKERS,
    "determinism": DETERMINISM,
    "preload": PRELOAD,
    "size": SIZE,
    "rtol": RTOL,
    "atol": ATOL,
}
ACCEPTED: dict[str, list[tuple[Any, Any]]] = {
    "text": [(" a b ", "a b"), (3, "3"), (0.5, "0.5"), ("", "")],
    "boolean": [(True, True), (False, False), ("true", True), ("false", False)],
    "count": [("1", 1), (1, 1), (10_000, 10_000), (" 7 ", 7)],
    "seconds": [("0.001", 0.001), (1, 1.0), ("864000", 864_000.0), (864_000.0, 864_000.0)],
    "lines": [("", ()), (" a \n\n b", ("a", "b")), ([" a\n", ""], ("a",))],
    "determinism": [("off", 0), (2, 2), ("10", 10)],
    "slug": [("a", "a"), ("_", "_"), ("Az09._-", "Az09._-"), (7, "7"), ("x" * 64, "x" * 64)],
    "python": [("3.6", "3.6"), ("3.10", "3.10"), ("3.12.4", "3.12.4"), ("3.99.99", "3.99.99"), (3.12, "3.12")],
    "workers": [("auto", None), ("1", 1), (10_000, 10_000)],
    "preload": [
        ("auto", None),
        (["auto"], None),
        ("off", ()),
        ("a\nb_1.c\n", ("a", "b_1.c")),
        ("größe._x", ("größe._x",)),
    ],
    "rtol": [("1e-6", 1e-6), (0, 0.0), (0.99, 0.99)],
    "atol": [("0", 0.0), (5, 5.0), ("1e-12", 1e-12)],
    "size": [("1", 1), (5, 5), ("999999999", 999_999_999), ("2kB", 2_000), ("3  MB", 3_000_000), (" 1 GB ", 10**9)],
}
REFUSED: dict[str, list[Any]] = {
    "text": [True, None, ["a"]],
    "boolean": ["True", "yes", 1, None],
    "count": [0, "0", -1, 10_001, "1.0", 1.0, True, None, "x"],
    "seconds": [0, "0", "-1", "864000.1", "inf", "nan", "1e999", "1 s", True, None],
    "rtol": ["-1e-9", 1, "1.0", "nan", "5%", True, None],
    "atol": ["-1e-9", "inf", "nan", "1e-6 m", True, None],
    "lines": [5, None, ["a", 5], ("a",)],
    "slug": ["", ".a", "-a", "a/b", "a b", "ä", "x" * 65, True],
    "python": ["3", "3.1", "3.5", "2.7", "4.0", "3.100", "3.12.", "3.12.100", "3.12rc1", "x3.12", ">=3.12", True],
    "determinism": ["1", 0, 11, "on", "Off", True, None],
    "workers": ["0", "Auto", "", True, None],
    "preload": ["a\noff!", "auto\nnumpy", "numpy\noff", "1a", "a.1b", "a..b", ".a", "a-b", 5],
    "size": ["0", "0 MB", "-1", "1.5", "1 PB", "1 mb", "MB", "1000000000", "", True],
}


def cases(table: dict[str, list[Any]]) -> list[Any]:
    assert table.keys() == KINDS.keys()
    return [pytest.param(KINDS[name], case, id=f"{name} {case!r}"[:60]) for name in table for case in table[name]]


@pytest.mark.parametrize(("kind", "case"), cases(ACCEPTED))
def test_a_value_that_is_accepted(kind: Kind, case: tuple[Any, Any]) -> None:
    raw, value = case
    found = kind.read(raw, "`x`")
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(("kind", "raw"), cases(REFUSED))
def test_a_value_that_is_refused(kind: Kind, raw: Any) -> None:
    with pytest.raises(InputError) as caught:
        kind.read(raw, "`x` in `[a]`")
    assert caught.value.message == f"`x` in `[a]` does not accept {quote(raw)}."
    assert caught.value.hint == f"Use {kind.accepts}."


def test_a_choice_is_one_of_its_words_and_says_so() -> None:
    kind = choice("warn", "fail")
    assert [kind.read(word, "`x`") for word in ("warn", "fail")] == ["warn", "fail"]
    assert (kind.accepts, kind.metavar, kind.many) == ("`warn` or `fail`", "warn|fail", False)
    for wrong in ("Warn", "warn|fail", "", None, True):
        with pytest.raises(InputError, match=r"^`x` does not accept .*\.$"):
            kind.read(wrong, "`x`")


@pytest.mark.parametrize(
    ("raw", "value"), [("a: 1\nb: [no, 0o10]", {"a": 1, "b": ["no", 8]}), ("", {}), ({"a": None}, {"a": None})]
)
def test_a_map_is_yaml_or_a_table(raw: Any, value: Any) -> None:
    assert YAML_MAP.read(raw, "`x`") == value


@pytest.mark.parametrize(
    ("raw", "said"),
    [("a: [", "is not valid YAML (line 1)"), ("- a", "is a list, not a map."), ({"a": b""}, "contains")],
)
def test_what_is_not_a_map_is_refused_with_how_to_write_one(raw: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        YAML_MAP.read(raw, "`x`")
    assert caught.value.message.startswith(f"`x` {said}")
    assert caught.value.hint == (
        "Use numbers, text, booleans, null, lists and maps." if said == "contains" else YAML_MAP.hint
    )
