"""The lines of expectations in a suite's file, and inputs that do not go together."""

import json
from typing import Any

import pytest

from notebook_ci.base.errors import InputError
from notebook_ci.validate_data import rules
from notebook_ci.validate_data.model import ValidateInputs, idle
from notebook_ci.validate_data.suites import parsed, stated_lines

SUITE: dict[str, Any] = {
    "expectations": [
        {"type": "a", "kwargs": {"type": "no"}},
        {"kwargs": {"value_set": ["}", '"type": "x"', "\n"]}, "type": "b"},
        {"kwargs": {}},
        5,
    ],
    "name": "s",
}


@pytest.mark.parametrize("indent", [None, 1, 4])
def test_the_line_of_a_type(indent: int | None) -> None:
    text = json.dumps(SUITE, indent=indent)
    lines = text.splitlines()
    found = stated_lines(text)
    if indent is None:
        assert found == [1, 1, 1, 1]
        return
    assert ['"type": "a"' in lines[found[0] - 1], '"type": "b"' in lines[found[1] - 1]] == [True, True]
    assert lines[found[2] - 1].strip() == "{"
    assert lines[found[3] - 1].strip() == "5"


def test_the_last_of_two_lists_counts() -> None:
    assert stated_lines('{"expectations": [{"type": "a"}],\n"expectations": [{"type": "b"}]}') == [2]


@pytest.mark.parametrize("text", ["[]", "3", '{"expectations": 3}', '{"expectations": []}', "{}"])
def test_no_expectations_have_no_lines(text: str) -> None:
    assert stated_lines(text) == []


def test_no_json_is_told_with_its_line() -> None:
    with pytest.raises(InputError, match=r"s\.json is not JSON: Expecting value \(column 1\)\.") as caught:
        parsed("\n\n,", "s.json")
    assert (caught.value.file, caught.value.line) == ("s.json", 3)


def given(**inputs: Any) -> ValidateInputs:
    return ValidateInputs(**inputs)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (given(), "There is nothing to validate"),
        (given(data=("a.csv",)), "The input suite is missing"),
        (given(suite="s.json"), "The input data is missing"),
        (given(suite="s.json", rules="a: b"), "in 2 ways what is validated: data and suite; rules"),
        (given(checkpoint="c", rules="a: b"), "in 2 ways what is validated: rules; checkpoint"),
    ],
)
def test_nonsense(inputs: ValidateInputs, message: str) -> None:
    with pytest.raises(InputError, match=message):
        rules.refuse_nonsense(inputs)


@pytest.mark.parametrize(
    "inputs", [given(data=("a",), suite="s"), given(rules="a: b"), given(rules={"a": "b"}), given(checkpoint="c")]
)
def test_sense(inputs: ValidateInputs) -> None:
    rules.refuse_nonsense(inputs)


def test_pairs() -> None:
    assert rules.pairs(given(data=("a", "b*"), suite="s")) == {"a": ("s",), "b*": ("s",)}
    assert rules.pairs(given(rules="a: s\n'b*': [s, t, s]\n")) == {"a": ("s",), "b*": ("s", "t")}
    assert rules.pairs(given(rules={"a": ["s"]})) == {"a": ("s",)}


def test_idle(tmp_path: Any) -> None:
    assert idle(given(), {}, tmp_path).startswith("No suite, no rules and no checkpoint is given")
    for inputs in (given(suite="s"), given(data=("a",)), given(rules="x"), given(checkpoint="c")):
        assert not idle(inputs, {}, tmp_path)
