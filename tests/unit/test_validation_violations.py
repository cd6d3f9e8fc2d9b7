"""What is said of results of Great Expectations: their shapes are those that 1.24 gives."""

from typing import Any

import pytest

from notebook_ci.validate_data import violations
from notebook_ci.validate_data.suites import Stated, Suite

COLUMNS = {"mass": "float64", "name": "str"}
RAISED = {"raised_exception": True, "exception_message": "Cannot do\nthat.", "exception_traceback": "..."}
QUIET = {"raised_exception": False, "exception_message": None, "exception_traceback": None}


def stated(expectation: str, /, line: int = 7, **kwargs: Any) -> Stated:
    return Stated(expectation, kwargs, "critical", {"type": expectation, "kwargs": kwargs}, line)


def result(number: int = 0, *, success: bool = False, raised: Any = QUIET, **found: Any) -> dict[str, Any]:
    return {"success": success, "result": found, "exception_info": raised, "expectation_config": {"id": str(number)}}


def suite(*expectations: Stated) -> Suite:
    return Suite("s.json", "s", expectations, {})


def messages(results: list[dict[str, Any]], *expectations: Stated) -> list[tuple[str, str]]:
    found = violations.find(results, suite(*expectations), COLUMNS, numbered=True)
    return [(violation.kind, violation.message) for violation in found]


NOT_NULL = stated("expect_column_values_to_not_be_null", column="mass")


def test_results_are_matched_by_their_number() -> None:
    other = stated("expect_table_row_count_to_equal", value=3)
    found = messages([result(1, observed_value=4), result(0, success=True)], NOT_NULL, other)
    assert found == [("violation", "observed `4`; this fails expect_table_row_count_to_equal (`value: 3`).")]


@pytest.mark.parametrize("raised", [RAISED, {"MetricConfigurationID(...)": RAISED}], ids=["plain", "by metric"])
def test_an_exception_is_no_violation_in_either_shape(raised: dict[str, Any]) -> None:
    expected = "expect_column_values_to_not_be_null cannot be evaluated on this data (`mass` was read as float64): "
    assert messages([result(raised=raised)], NOT_NULL) == [("not-evaluated", expected + "`Cannot do that`.")]


def test_no_result_is_no_success() -> None:
    ((kind, message),) = messages([], NOT_NULL)
    assert kind == "not-evaluated"
    assert message.endswith("`Great Expectations gave no result`.")


def test_a_missing_column_is_missing_whatever_the_result_says() -> None:
    missing = stated("expect_column_values_to_not_be_null", column="nmae")
    for each in (result(success=True), result(raised=RAISED), result()):
        ((kind, message),) = messages([each], missing)
        assert kind == "missing-column"
        assert "Did you mean `name`? Its columns: `mass`, `name`." in message


def test_counts_are_of_the_values_that_are_there() -> None:
    found: dict[str, Any] = {"element_count": 100_000, "missing_count": 10_000, "unexpected_count": 1}
    ((_, message),) = messages([result(**found, partial_unexpected_list=[5])], NOT_NULL)
    assert message.startswith("1 of 90,000 values of `mass` (0.00111 %) fail expect_column_values_to_not_be_null: `5`")


def test_nothing_counted_divides_by_nothing() -> None:
    ((_, message),) = messages([result(element_count=0, unexpected_count=0)], NOT_NULL)
    assert message.startswith("0 of 0 values of `mass` (0 %) fail")


def test_values_are_short_and_on_one_line() -> None:
    value = "::error::x\n\x1b[31m" + "y" * 1000
    found: dict[str, Any] = {"element_count": 1, "unexpected_count": 1, "partial_unexpected_list": [value]}
    results = [result(**found, partial_unexpected_index_list=[0])]
    (violation,) = violations.find(results, suite(NOT_NULL), COLUMNS, numbered=True)
    assert violation.examples[0].row == 1
    assert violation.examples[0].value.startswith('"::error::x\\n\\u001b[31myyy')
    assert len(violation.examples[0].value) < 100
    assert violation.message.isprintable()


@pytest.mark.parametrize(
    ("content", "note"),
    [
        ({"notes": "a\n b"}, "a b"),
        ({"notes": ["a", "b"]}, "a b"),
        ({"meta": {"notes": "a"}}, "a"),
        ({"meta": {"notes": {"format": "markdown", "content": ["a", "b"]}}}, "a b"),
        ({"meta": None}, ""),
        ({}, ""),
    ],
)
def test_notes(content: dict[str, Any], note: str) -> None:
    each = Stated("expect_table_row_count_to_equal", {"value": 1}, "critical", content, 1)
    (violation,) = violations.find([result(observed_value=2)], suite(each), COLUMNS, numbered=True)
    assert violation.note == note


@pytest.mark.parametrize(
    ("column", "wanted", "advised"),
    [
        ("name", {"type_": "object"}, True),
        ("name", {"type_list": ["object"]}, True),
        ("name", {"type_list": ["int64", "str"]}, True),
        ("name", {"type_": "int64"}, False),
        ("mass", {"type_": "object"}, False),
    ],
)
def test_the_type_of_text_in_pandas_2(column: str, wanted: dict[str, Any], *, advised: bool) -> None:
    expectation = stated("expect_column_values_to_be_of_type", column=column, **wanted)
    ((_, message),) = messages([result(observed_value=COLUMNS[column])], expectation)
    assert message.endswith(violations.TEXT_AS_STR) == advised


def test_a_doubt_outweighs_a_success() -> None:
    met = [result(success=True)]
    assert not violations.find(met, suite(NOT_NULL), COLUMNS, numbered=True)
    (found,) = violations.find(met, suite(NOT_NULL), COLUMNS, numbered=True, doubts={0: ("it is text", "Do this.")})
    assert found.kind == "not-evaluated"
    assert found.message.endswith(": it is text. Do this.")
