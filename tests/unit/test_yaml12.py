import math
from datetime import date, time
from typing import Any

import pytest

from notebook_ci.base import yaml12
from notebook_ci.base.errors import InputError

ORIGIN = "The input parameters"


def read(text: str) -> dict[str, Any]:
    return yaml12.mapping(text, origin=ORIGIN)


def refused(text: str, **place: Any) -> InputError:
    with pytest.raises(InputError) as caught:
        yaml12.mapping(text, origin=ORIGIN, **place)
    return caught.value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("1e-3", 0.001),
        ("1_000", 1000),
        ("01234", 1234),
        ("0o17", 15),
        ("0x1f", 31),
        ("3.10", 3.1),
        ("'3.10'", "3.10"),
        (".inf", math.inf),
        ("12:30:00", "12:30:00"),
        ("1.2.3", "1.2.3"),
        ("2026-01-02", "2026-01-02"),
        ("2026-01-02T03:04:05Z", "2026-01-02T03:04:05+00:00"),
        ("2026-01-02 03:04:05", "2026-01-02T03:04:05"),
        ("[1, [a, {b: null}]]", [1, ["a", {"b": None}]]),
        ("|\n  one\n  two\n", "one\ntwo\n"),
        ("naïve 🐼", "naïve 🐼"),
        ('"$(x) `y` \\" %"', '$(x) `y` " %'),
    ],
)
def test_values_are_those_of_yaml_1_2(text: str, value: object) -> None:
    found = read(f"a: {text}")["a"]
    assert (found, type(found)) == (value, type(value))


def test_not_a_number_is_a_number() -> None:
    assert math.isnan(read("a: .nan")["a"])


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n", "~", "---\n", "{}"])
def test_nothing_is_an_empty_map(text: str) -> None:
    assert read(text) == {}


def test_anchors_aliases_and_merges_are_read() -> None:
    assert read("a: &x {n: 1}\nb: *x\nc: {<<: *x, m: 2}") == {"a": {"n": 1}, "b": {"n": 1}, "c": {"n": 1, "m": 2}}


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: 1\nb: [1\n", 3, "while parsing a flow sequence expected ',' or ']'"),
        ("a: 1\nb:\n\t- c\n", 3, "\\t"),
        ("a: 1\nb: 2\na: 3\n", 3, "found duplicate key"),
        ("x:\n  a: 1\n  a: 3\n", 3, "found duplicate key"),
        ("a: *none\n", 1, "undefined alias"),
        ("a: 1\n---\nb: 2\n", 2, "expected a single document"),
        ("a: 1\nb: !!python/object/apply:os.system [touch owned]\n", 2, "could not determine a constructor"),
        ("a: !!python/name:os.system\n", 1, "could not determine a constructor"),
        ("a: !mine x\n", 1, "could not determine a constructor"),
        ("a: b: c\n", 1, "mapping values are not allowed"),
        ("? {a: 1}\n: b\n", 1, "unhashable"),
    ],
)
def test_broken_yaml_is_named_with_its_line(text: str, line: int, said: str) -> None:
    error = refused(text)
    assert error.message.startswith(f"The input parameters is not valid YAML (line {line}): ")
    assert said in error.message
    assert (error.file, error.line) == (None, None)
    assert error.hint == "Write `name: value`, one per line."
    in_file = refused(text, file="params.yaml")
    assert (in_file.file, in_file.line) == ("params.yaml", line)
    assert in_file.message.startswith("The input parameters is not valid YAML: ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: \x01", "#x0001"),
        ("a: 2026-13-45", "month"),
        (f"a: {'1' * 5000}", "digits"),
    ],
    ids=["character", "date", "digits"],
)
def test_what_cannot_be_read_at_all_is_refused(text: str, said: str) -> None:
    error = refused(text, file="params.yaml")
    assert error.message.startswith("The input parameters is not valid YAML: ")
    assert said in error.message
    assert len(error.message) < 200
    assert error.file == "params.yaml"


def test_lists_that_are_nested_too_deeply_are_refused() -> None:
    assert refused("a: " + "[" * 1000).message == "The input parameters is nested too deeply."


@pytest.mark.parametrize(
    ("text", "shown"),
    [("- a\n- b", "a list"), ("just text", "`just text`"), ("3", "`3`"), ("a:1", "`a:1`")],
)
def test_what_is_no_map_is_refused(text: str, shown: str) -> None:
    assert refused(text).message == f"The input parameters is {shown}, not a map."


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("- a", yaml12.MAP_HINT),
        ("1: a", "Put it in quotes."),
        ("a: !!set {x}", "Use numbers, text, booleans, null, lists and maps."),
        ("a: &a [*a]", ""),
        (f"a: 0x{'f' * 4000}", ""),
    ],
    ids=["no map", "name", "kind", "itself", "digits"],
)
def test_a_refusal_names_the_file_and_what_to_do(text: str, hint: str) -> None:
    error = refused(text, file="params.yaml")
    assert (error.file, error.hint) == ("params.yaml", hint)


@pytest.mark.parametrize("text", ["1: a", "true: a", "~: a", "[1, 2]: a", "a: {1: b}", "a: [{2026-01-01: b}]"])
def test_a_name_that_is_no_text_is_refused(text: str) -> None:
    error = refused(text)
    assert "which is not text" in error.message
    assert error.hint == "Put it in quotes."


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a: !!set {x}", "`{'x'}`, a set"),
        ("a: !!binary aGk=", "`b'hi'`, a bytes"),
        ("a: [!!binary aGk=]", "`b'hi'`, a bytes"),
    ],
)
def test_a_value_that_is_not_plain_is_refused(text: str, shown: str) -> None:
    assert refused(text).message == f"The input parameters contains {shown}."


def test_a_number_that_could_not_be_written_down_is_refused() -> None:
    assert "digits" in refused(f"a: 0x{'f' * 4000}").message
    largest = 2**yaml12.MOST_INTEGER_BITS - 1
    assert read(f"a: {largest:#x}") == {"a": largest}
    assert "digits" in refused(f"a: {largest + 1:#x}").message


def laughs(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines)


def test_as_many_values_as_there_may_be() -> None:
    values = [0] * (yaml12.MOST_NODES - 1)  # and the list itself
    assert yaml12.read(values, origin=ORIGIN, hint="") == values
    with pytest.raises(InputError, match="contains more than") as caught:
        yaml12.read([*values, 0], origin=ORIGIN, hint="", file="params.yaml")
    assert (caught.value.file, caught.value.hint) == (
        "params.yaml",
        "Put the data in a file, and read that in the notebook.",
    )


def test_a_few_lines_cannot_stand_for_billions_of_values() -> None:
    assert "contains more than 100000 values" in refused(laughs(20)).message
    assert len(read(laughs(4))) == 4


def test_a_billion_values_in_a_list_are_not_shown() -> None:
    text = "\n".join(f"- &a{n} [{', '.join([f'*a{n - 1}'] * 9 if n else ['x'])}]" for n in range(20))
    assert "contains more than 100000 values" in refused(text).message


@pytest.mark.parametrize("text", ["a: &a [*a]", "&a [*a]", "a: &a {b: *a}", "&a {b: *a}"])
def test_a_value_that_holds_itself_is_refused(text: str) -> None:
    assert refused(text).message == "The input parameters is nested too deeply, or contains itself."


def test_a_map_of_the_config_gets_the_same_values() -> None:
    given = {"a": date(2026, 1, 2), "b": time(3, 4), "c": [1, {"d": True}]}
    assert yaml12.read(given, origin=ORIGIN, hint="") == {"a": "2026-01-02", "b": "03:04:00", "c": [1, {"d": True}]}


def test_a_copy_is_returned() -> None:
    given = [1]
    copied = yaml12.read(given, origin=ORIGIN, hint="")
    assert copied == given
    assert copied is not given
