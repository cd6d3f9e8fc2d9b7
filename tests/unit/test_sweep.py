from typing import Any

import pytest

from notebook_ci.base.errors import InputError
from notebook_ci.base.yaml12 import Values
from notebook_ci.execute_notebook.sweep import HINT, MOST_SETS, SETS


def sets(value: object) -> dict[str, Values]:
    return dict(SETS.read(value, "`sweep`"))


@pytest.mark.parametrize("value", ["# nothing\n", "null", [], {}, "[]", "{}"])
def test_nothing_is_no_sweep(value: Any) -> None:
    assert sets(value) == {}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("- {alpha: 0.1, seed: 1}\n- {alpha: 0.2, seed: 1}", ["alpha=0.1,seed=1", "alpha=0.2,seed=1"]),
        ([{"alpha": 0.1}, {"alpha": 0.1}], ["alpha=0.1", "set-2"]),
        ([{"file": "a/b.csv"}, {"file": "c.csv"}], ["set-1", "file=c.csv"]),
        ([{"text": "x" * 80}], ["set-1"]),
        ([{"text": "x" * 75}], ["text=" + "x" * 75]),
        ([{"a": [1, 2]}, {"a": {"b": 1}}], ["set-1", "set-2"]),
        ([{"a": None}, {"a": True}, {"a": "é"}], ["a=None", "a=True", "set-3"]),
        ([{"a": "1"}, {"a": 1}], ["a=1", "set-2"]),
        ("- {day: 2024-02-29}", ["day=2024-02-29"]),
    ],
)
def test_sets_of_a_list_are_named_after_what_is_in_them(value: Any, expected: list[str]) -> None:
    found = sets(value)
    assert list(found) == expected
    if isinstance(value, list):
        assert list(found.values()) == value


def test_a_map_gives_the_names() -> None:
    text = "small: {alpha: 0.1}\nbig_2: {alpha: 10, items: [1, {a: b}]}\n'1.5': {alpha: 1}"
    assert sets(text) == {
        "small": {"alpha": 0.1},
        "big_2": {"alpha": 10, "items": [1, {"a": "b"}]},
        "1.5": {"alpha": 1},
    }
    assert list(sets(text)) == ["small", "big_2", "1.5"]
    assert sets({"small": {"alpha": 0.1}}) == {"small": {"alpha": 0.1}}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("5", "is `5`, which is neither a list nor a map"),
        ("text", "is `text`, which is neither a list nor a map"),
        ("- 5", "has `5`, which is not a set of parameters"),
        ("- {}", "has `{}`, which is not a set of parameters"),
        ("- [a]", "which is not a set of parameters"),
        ("- alpha: 1\n-", "has `null`, which is not a set of parameters"),
        ("alpha: [0.1, 0.2]", "has `[0.1, 0.2]`, which is not a set of parameters"),
        ("{small: {}}", "has `{}`, which is not a set of parameters"),
        ("a/b: {x: 1}", "has the name `a/b`, which cannot be part of a file name"),
        ("'': {x: 1}", "has the name ``, which cannot be part of a file name"),
        ({"x" * 81: {"x": 1}}, "which cannot be part of a file name"),
        ("a\0b: {x: 1}", "is not valid YAML"),
        ("a b: {x: 1}", "has the name `a b`"),
        ("- {alpha: 1", "is not valid YAML"),
        ("- {1: 2}", "has the name `1`, which is not text"),
        ("a: &a\n  b: *a", "contains itself"),
        ([{"a": object()}], "a object"),
        ([{"a": n} for n in range(MOST_SETS + 1)], f"has {MOST_SETS + 1} sets, more than {MOST_SETS}"),
    ],
)
def test_what_is_no_sweep_is_refused(value: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        sets(value)
    assert "`sweep`" in caught.value.message
    assert said in caught.value.message


@pytest.mark.parametrize("value", ["5", "- 5", [{"a": n} for n in range(MOST_SETS + 1)]], ids=["text", "set", "many"])
def test_a_refusal_shows_how_a_sweep_is_written(value: Any) -> None:
    with pytest.raises(InputError) as caught:
        sets(value)
    assert caught.value.hint == HINT


def test_a_refused_name_is_told_what_may_be_in_it() -> None:
    with pytest.raises(InputError) as caught:
        sets("a/b: {x: 1}")
    assert caught.value.hint == "Use up to 80 letters, digits and `_=,.+-`."


def test_as_many_sets_as_there_may_be() -> None:
    assert len(sets([{"a": n} for n in range(MOST_SETS)])) == MOST_SETS


@pytest.mark.parametrize("name", ["..", ".", "-rf", "CON"])
def test_names_cannot_lead_elsewhere(name: str) -> None:
    """They stand behind the notebook's own name, and an `@`."""
    assert "/" not in next(iter(sets({name: {"a": 1}})))
