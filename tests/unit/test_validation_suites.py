"""The lines of expectations in a suite's file, and inputs that do not go together."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from notebook_ci.base.errors import InputError
from notebook_ci.base.load_inputs import load
from notebook_ci.base.plan import Nothing
from notebook_ci.base.workspace import Workspace
from notebook_ci.validate_data import plan
from notebook_ci.validate_data.model import Checks, ValidateInputs
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
    with pytest.raises(InputError, match=r"s\.json` is not valid JSON: Expecting value \(column 1\)\.") as caught:
        parsed("\n\n,", "s.json")
    assert (caught.value.file, caught.value.line) == ("s.json", 3)


def loaded(tmp_path: Path, **inputs: object) -> ValidateInputs:
    text = io.StringIO(json.dumps(inputs))
    return load(ValidateInputs, "validate-data", ["--inputs-from-stdin"], text, Workspace(tmp_path, {}))[0]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"data": "a.csv"}, "`data` is set but `suite` is not."),
        ({"suite": "s.json"}, "`suite` is set but `data` is not."),
        ({"suite": "s.json", "rules": "a: b"}, "`suite` and `rules` cannot be combined."),
        ({"data": "a.csv", "rules": "a: b"}, "`data` and `rules` cannot be combined."),
        ({"suite": "s.json", "checkpoint": "c"}, "`suite` and `checkpoint` cannot be combined."),
        ({"checkpoint": "c", "read": "sep: ;"}, "`read` is set but `data` is not."),
        ({"checkpoint": "c", "rules": "a: b"}, "`rules` and `checkpoint` cannot be combined."),
    ],
)
def test_inputs_that_contradict_each_other(tmp_path: Path, inputs: dict[str, str], message: str) -> None:
    with pytest.raises(InputError) as caught:
        loaded(tmp_path, **inputs)
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("inputs", "pairs"),
    [
        ({}, {}),
        ({"checkpoint": "c"}, {}),
        ({"checkpoint": "c", "data": "a"}, {}),
        ({"data": "a\nb*", "suite": "s"}, {"a": Checks(("s",)), "b*": Checks(("s",))}),
        ({"rules": "a: s\n'b*': [s, t, s]\n"}, {"a": Checks(("s",)), "b*": Checks(("s", "t"))}),
        ({"rules": {"a": ["s"]}}, {"a": Checks(("s",))}),
        ({"rules": "a: {suite: [s, t], read: {sep: ;}}"}, {"a": Checks(("s", "t"), {"sep": ";"})}),
    ],
)
def test_pairs_of_data_and_suites(tmp_path: Path, inputs: dict[str, object], pairs: dict[str, object]) -> None:
    assert loaded(tmp_path, **inputs).pairs == pairs


def test_nothing_is_planned_where_nothing_is_given(tmp_path: Path) -> None:
    nothing = plan.create(loaded(tmp_path), Workspace(tmp_path, {}))
    assert isinstance(nothing, Nothing)
    assert nothing.reason.startswith("No `suite`, `rules` or `checkpoint` is set")


def test_missing_data_is_an_error_unless_dvc_pull_runs_first(tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(json.dumps({"name": "s", "expectations": [{"type": "a", "kwargs": {}}]}))
    inputs = loaded(tmp_path, rules={"a.csv": "s.json", "b.csv": "s.json"})
    with pytest.raises(InputError, match=r"b\.csv") as caught:
        plan.create(inputs, Workspace(tmp_path, {}))
    assert ["a.csv" in each.message for each in caught.value.others] == [True]
    planned = plan.create(inputs, Workspace(tmp_path, {}, awaits_data=True))
    assert not isinstance(planned, Nothing)
    assert [line.startswith("not known before dvc-pull: ") for line in planned.lines()] == [True, True]
