import json
from typing import Any

import pytest

from notebook_ci.notebooks.metrics import METRICS_TYPE, MOST_NAME_CHARS, MOST_SCRAP_BYTES, SCRAP_TYPES, collect

Json = Any


def display(mime: str, value: Json, output_type: str = "display_data") -> Json:
    return {"output_type": output_type, "data": {mime: value, "text/plain": "x"}, "metadata": {}}


def metrics(value: Json) -> Json:
    return display(METRICS_TYPE, value)


def scrap(name: Json, data: Json, kind: int = 0) -> Json:
    return display(SCRAP_TYPES[kind], {"name": name, "data": data, "encoder": "json", "version": 1})


def test_metrics_are_collected_from_all_cells() -> None:
    collected = collect([[], [metrics({"rows": 5, "auc": 0.5})], [metrics({"loss": -1e-3})]])
    assert collected.metrics == {"rows": 5, "auc": 0.5, "loss": -1e-3}
    assert isinstance(collected.metrics["rows"], int)
    assert (collected.scraps, collected.problems) == ({}, [])


def test_the_later_value_of_a_name_wins() -> None:
    first, second = metrics({"a": 1, "b": 1}), metrics({"a": 2})
    assert collect([[first, second]]).metrics == {"a": 2, "b": 1}
    assert collect([[second], [first]]).metrics == {"a": 1, "b": 1}


@pytest.mark.parametrize("value", [{"a": 1}, '{"a": 1}', ['{"a":\n', " 1}"]])
def test_a_bundle_holds_an_object_or_its_text(value: Json) -> None:
    assert collect([[metrics(value)]]).metrics == {"a": 1}


def test_results_count_and_other_outputs_do_not() -> None:
    outputs = [
        display(METRICS_TYPE, {"a": 1}, "execute_result"),
        display(METRICS_TYPE, {"b": 1}, "stream"),
        display("application/json", {"c": 1}),
        {"output_type": "display_data"},
        {"output_type": "error", "ename": "X", "evalue": "", "traceback": []},
    ]
    assert collect([outputs]).metrics == {"a": 1}
    assert collect([outputs]).problems == []


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (True, "is true or false"),
        ("0.5", "is text"),
        ("nano", "is text"),
        (None, "is null"),
        (float("nan"), "is not finite (infinite or not a number)"),
        (float("-inf"), "is not finite (infinite or not a number)"),
        ("nan", "is not finite (infinite or not a number)"),
        ("NaN", "is not finite (infinite or not a number)"),
        ("-inf", "is not finite (infinite or not a number)"),
        ("Infinity", "is not finite (infinite or not a number)"),
        ([1], "is a list"),
        ({"b": 1}, "is an object"),
        (10**400, "too large"),
    ],
)
def test_a_value_that_is_no_finite_number_is_a_problem_and_the_others_count(value: Json, said: str) -> None:
    collected = collect([[], [metrics({"before": 1, "bad": value, "after": 2})]])
    assert collected.metrics == {"before": 1, "after": 2}
    ((cell, message),) = collected.problems
    assert cell == 1
    assert "`bad`" in message
    assert said in message


@pytest.mark.parametrize("value", ["{", "", "NaN", "[1]", [1], 5, None, True, "[" * 100_000])
def test_what_is_no_object_is_a_problem(value: Json) -> None:
    collected = collect([[metrics(value), metrics({"a": 1})]])
    assert collected.metrics == {"a": 1}
    assert len(collected.problems) == 1


@pytest.mark.parametrize("name", ["", " ", "a\nb", "\x1b[31m", "a\x00", "\x7f", "\ud83d", "x" * (MOST_NAME_CHARS + 1)])
def test_impossible_names_are_problems_that_can_be_shown(name: str) -> None:
    for output in (metrics({name: 1}), scrap(name, 1), scrap(name, "x")):
        collected = collect([[output]])
        assert (collected.metrics, collected.scraps) == ({}, {})
        ((_, message),) = collected.problems
        assert message.isprintable()
        assert len(message) < 300
        message.encode()


@pytest.mark.parametrize("name", ["a", "val/auc 1", "Größe", "x" * MOST_NAME_CHARS, "😀"])
def test_possible_names(name: str) -> None:
    assert collect([[metrics({name: 1})]]).metrics == {name: 1}


def test_scraps_that_are_numbers_are_metrics_and_others_are_not() -> None:
    outputs = [scrap("n", 5), scrap("f", 0.5), scrap("t", "0.5", 1), scrap("b", [True]), scrap("o", {"x": None})]
    collected = collect([outputs, [scrap("yes", data=True)]])
    assert collected.metrics == {"n": 5, "f": 0.5}
    assert collected.scraps == {"t": "0.5", "b": [True], "o": {"x": None}, "yes": True}
    assert collected.problems == []


def test_of_metric_and_scrap_with_one_name_the_later_counts() -> None:
    assert collect([[metrics({"a": 1}), scrap("a", "x")]]).metrics == {}
    assert collect([[scrap("a", "x"), metrics({"a": 1})]]).scraps == {}


def test_a_scrap_as_text() -> None:
    text = json.dumps({"name": "a", "data": {"x": 1}, "encoder": "json"})
    assert collect([[display(SCRAP_TYPES[0], text)]]).scraps == {"a": {"x": 1}}


def test_the_size_of_a_scrap_is_bounded() -> None:
    fits = "é" * ((MOST_SCRAP_BYTES - 2) // 2)
    collected = collect([[scrap("fits", fits), scrap("big", fits + "é")]])
    assert list(collected.scraps) == ["fits"]
    ((_, message),) = collected.problems
    assert "`big`" in message
    assert str(MOST_SCRAP_BYTES) in message


@pytest.mark.parametrize("data", [float("nan"), [float("inf")], "\ud83d", {"x": float("nan")}])
def test_scraps_that_a_record_cannot_hold_are_problems(data: Json) -> None:
    collected = collect([[scrap("a", data)]])
    assert (collected.metrics, collected.scraps, len(collected.problems)) == ({}, {}, 1)


@pytest.mark.parametrize("value", [{}, {"name": "a"}, {"data": 1}, {"name": 5, "data": 1}, [], "x"])
def test_a_scrap_without_name_or_data_is_a_problem(value: Json) -> None:
    collected = collect([[display(SCRAP_TYPES[0], value)]])
    assert (collected.metrics, collected.scraps, len(collected.problems)) == ({}, {}, 1)


def test_a_notebook_reports_no_more_than_can_be_logged() -> None:
    collected = collect(
        [[metrics({f"m{number}": number for number in range(5000)}), metrics({"m0": 7})], [scrap("s", [1])]]
    )
    assert len(collected.metrics) == 1000
    assert collected.metrics["m0"] == 7
    assert collected.scraps == {}
    assert len(collected.problems) == 20
    assert collected.problems[0] == (0, "The metric `m1000` was left out: a notebook can report at most 1000.")
