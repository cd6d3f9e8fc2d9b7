"""What is said of a violation: the expectation, the values, the lines."""

from pathlib import Path
from typing import Any

from integration.suite import Workspace, line_of
from integration.validate_data.projects import SMALL, STAGE, stated, suite, validate, violations

KINDS: dict[str, tuple[dict[str, Any], str]] = {
    "values of a column": (
        stated("expect_column_values_to_be_between", column="mass", max_value=4, notes="In kg."),
        (
            "2 of 3 values of `mass` (66.7 %) fail expect_column_values_to_be_between (`max_value: 4`): row 2 has "
            "`4.5`, row 4 has `99.0`. In kg."
        ),
    ),
    "a share of values": (
        stated("expect_column_values_to_not_be_null", column="mass", mostly=0.9),
        "1 of 4 values of `mass` (25 %) fail expect_column_values_to_not_be_null (`mostly: 0.9`): row 3 has `null`.",
    ),
    "a set": (
        stated("expect_column_values_to_be_in_set", column="name", value_set=["Ada"]),
        '3 of 4 values of `name` (75 %) fail expect_column_values_to_be_in_set (`value_set: ["Ada"]`): row 2 has',
    ),
    "an aggregate": (
        stated("expect_column_mean_to_be_between", column="length", min_value=20, max_value=25.5),
        "`length`: observed `16.25`; this fails expect_column_mean_to_be_between (`min_value: 20, max_value: 25.5`).",
    ),
    "quantiles": (
        stated(
            "expect_column_quantile_values_to_be_between",
            column="length",
            quantile_ranges={"quantiles": [0.5], "value_ranges": [[1, 2]]},
        ),
        '`length`: observed `{"quantiles": [0.5], "values": [',
    ),
    "distinct values": (
        stated("expect_column_distinct_values_to_equal_set", column="name", value_set=["Ada", "Bob", "Cyd", "Eve"]),
        '`name`: observed unexpected `["Don"]`, missing `["Eve"]`; this fails expect_column_distinct_values_to_equal',
    ),
    "rows": (
        stated("expect_table_row_count_to_equal", value=5),
        "observed `4`; this fails expect_table_row_count_to_equal (`value: 5`).",
    ),
    "columns": (
        stated("expect_table_columns_to_match_set", column_set=["name", "mass", "length", "sex"]),
        'observed unexpected `["day"]`, missing `["sex"]`; this fails expect_table_columns_to_match_set',
    ),
    "the order of columns": (
        stated("expect_table_columns_to_match_ordered_list", column_list=["name", "length", "mass", "day"]),
        'observed column 2 is `"mass"`, not `"length"`, column 3 is `"length"`, not `"mass"`; this fails',
    ),
    "a pair": (
        stated("expect_column_pair_values_a_to_be_greater_than_b", column_A="length", column_B="mass"),
        (
            "2 of 4 rows of `length`, `mass` (50 %) fail expect_column_pair_values_a_to_be_greater_than_b: "
            "row 3 has `[30, null]`, row 4 has `[5, 99.0]`."
        ),
    ),
    "several columns": (
        stated("expect_multicolumn_sum_to_equal", column_list=["length", "mass"], sum_total=13.5),
        (
            "3 of 4 rows of `length`, `mass` (75 %) fail expect_multicolumn_sum_to_equal (`sum_total: 13.5`): "
            'row 2 has `{"length": 20, "mass": 4.5}`'
        ),
    ),
    "a condition": (
        stated(
            "expect_column_values_to_be_in_set",
            column="name",
            value_set=["Ada"],
            row_condition="length > 15",
            condition_parser="pandas",
        ),
        "2 of 2 values of `name` (100 %) fail expect_column_values_to_be_in_set (",
    ),
    "rows that SQL finds": (
        stated("unexpected_rows_expectation", unexpected_rows_query="FROM {batch} WHERE mass IS NULL"),
        (
            "1 of 4 rows of the table (25 %) fail unexpected_rows_expectation (`unexpected_rows_query: "
            '"FROM {batch} WHERE mass IS NULL"`): `{"name": "Cyd", "mass": null, "length": 30, "day": "2024-01-03"}`.'
        ),
    ),
    "a type": (
        stated("expect_column_values_to_be_of_type", column="mass", type_="int64"),
        '`mass`: observed `"float64"`; this fails expect_column_values_to_be_of_type (`type_: "int64"`).',
    ),
    "the type that text had in pandas 2": (
        stated("expect_column_values_to_be_of_type", column="name", type_="object"),
        (
            '`name`: observed `"str"`; this fails expect_column_values_to_be_of_type (`type_: "object"`). Text is '
            "`str` in pandas 3, which is used here, and was `object` in pandas 2: use "
            '`expect_column_values_to_be_of_type` with `"type_": "str"`, which works with pandas 2 and 3.'
        ),
    ),
    "a number where what is advised for text": (
        stated("expect_column_values_to_be_of_type", column="mass", type_="str"),
        '`mass`: observed `"float64"`; this fails expect_column_values_to_be_of_type (`type_: "str"`).',
    ),
    "a column there must be": (
        stated("expect_column_to_exist", column="sex"),
        "The data has no column `sex`. Its columns: `name`, `mass`, `length`, `day`.",
    ),
}
FAULTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "a missing column": (
        stated("expect_column_values_to_not_be_null", column="Mass", severity="info"),
        "missing-column",
        (
            "The data has no column `Mass`, which expect_column_values_to_not_be_null checks. Did you mean `mass`? "
            "Its columns: `name`, `mass`, `length`, `day`."
        ),
    ),
    "a missing column of an aggregate": (
        stated("expect_column_mean_to_be_between", column="xyz", max_value=3),
        "missing-column",
        "The data has no column `xyz`, which expect_column_mean_to_be_between checks. Its columns: `name`",
    ),
    "one of several": (
        stated("expect_compound_columns_to_be_unique", column_list=["name", "xyz"]),
        "missing-column",
        "The data has no column `xyz`, which expect_compound_columns_to_be_unique checks.",
    ),
    "both of a pair": (
        stated("expect_column_pair_values_to_be_equal", column_A="p", column_B="q"),
        "missing-column",
        "The data has none of the columns `p`, `q`, which expect_column_pair_values_to_be_equal checks.",
    ),
    "a number for text": (
        stated("expect_column_values_to_be_between", column="name", max_value=3),
        "not-evaluated",
        (
            "expect_column_values_to_be_between (`max_value: 3`) cannot be evaluated on this data (`name` was read "
            "as str): `Column values, min_value, and max_value must either be None or of the same type`. Dates in CSV "
            "and JSON are text: name the column in `dates` of `read`, or check it with a pattern."
        ),
    ),
    "the mean of text": (
        stated("expect_column_mean_to_be_between", column="name", max_value=3),
        "not-evaluated",
        "expect_column_mean_to_be_between (`max_value: 3`) cannot be evaluated on this data (`name` was read as str)",
    ),
    "a date for other text": (
        stated("expect_column_values_to_be_between", column="name", min_value="2024-01-01", severity="warning"),
        "not-evaluated",
        (
            'expect_column_values_to_be_between (`min_value: "2024-01-01"`) cannot be evaluated on this data (`name` '
            "was read as str)"
        ),
    ),
    "a broken regular expression": (
        stated("expect_column_values_to_match_regex", column="name", regex="["),
        "not-evaluated",
        'expect_column_values_to_match_regex (`regex: "["`) cannot be evaluated on this data',
    ),
    "a condition on a missing column": (
        stated("expect_column_values_to_be_unique", column="name", row_condition="x > 1", condition_parser="pandas"),
        "not-evaluated",
        "expect_column_values_to_be_unique (`row_condition:",
    ),
    "wrong SQL": (
        stated("unexpected_rows_expectation", unexpected_rows_query="SELEC * FROM {batch}"),
        "not-evaluated",
        'unexpected_rows_expectation (`unexpected_rows_query: "SELEC * FROM {batch}"`) cannot be evaluated',
    ),
}


def test_violations_are_told_with_their_line(workspace: Workspace) -> None:
    workspace.write("a.csv", SMALL)
    kinds = workspace.write("kinds.json", suite(*(each for each, _ in KINDS.values())))
    faults = workspace.write("faults.json", suite(*(each for each, _, _ in FAULTS.values())))
    advised = stated("expect_column_values_to_be_of_type", column="name", type_="str")
    workspace.write("advised.json", suite(advised))
    done = validate(workspace, {"a.csv": ["kinds.json", "faults.json", "advised.json"]})
    assert done.code == 1, done.log
    assert (done.outputs["status"], done.outputs["success"]) == ("failed", "false")
    assert (done.outputs["evaluated"], done.outputs["failed"]) == ("28", "27")
    told = [problem for problem in done.record["problems"] if problem["severity"] == "error"]
    nth: dict[tuple[Path, str], int] = {}
    expected = [
        *((kinds, each, "violation", message) for each, message in KINDS.values()),
        *((faults, each, kind, message) for each, kind, message in FAULTS.values()),
    ]
    for (path, each, kind, message), problem, violation in zip(expected, told, violations(done), strict=True):
        assert f"{problem['message']} {problem['hint']}".startswith(message)
        nth[path, each["type"]] = nth.get((path, each["type"]), 0) + 1
        line = line_of(path, f'"type": "{each["type"]}"', nth[path, each["type"]])
        assert (problem["file"], problem["line"]) == (path.name, line)
        assert (violation["kind"], violation["file"], violation["line"]) == (kind, path.name, line)
        assert violation["expectation"] == each["type"]
        assert violation["severity"] == each["severity"]
    first = done.record["results"][0]["violations"][0]
    assert first["examples"] == [{"row": 2, "value": "4.5"}, {"row": 4, "value": "99.0"}]
    assert (first["unexpected"], first["total"], first["percent"]) == (2, 3, 66.6667)
    assert done.annotations()[0].place == ("kinds.json", line_of(kinds, '"type": "expect_column_values_to_be_between"'))
    assert done.annotations()[0].properties["title"] == "a.csv: mass"
    assert "Traceback" not in done.log
    assert "it/s" not in done.log, "no progress bars"


def test_an_expectation_that_raises_leaves_the_others_judged(workspace: Workspace) -> None:
    """Some raise where Great Expectations does not catch it; no result of the suite comes back then."""
    workspace.write("a.csv", SMALL)
    partition = {"values": ["Ada"], "weights": [2]}
    expectations = [
        stated("expect_column_max_to_be_between", column="mass", max_value={"$PARAMETER": "heaviest"}),
        stated("expect_column_to_exist", column="mass"),
        stated("expect_column_kl_divergence_to_be_less_than", column="mass", partition_object=partition, threshold=0.1),
        stated("expect_column_to_exist", column="mass", column_index=3),
        stated("expect_column_values_to_not_be_outliers", column="length"),
    ]
    path = workspace.write("s.json", suite(*expectations))
    done = workspace.run(STAGE, {"data": "a.csv", "suite": "s.json"})
    assert done.code == 1, done.log
    parameter, divergence, place = violations(done)
    assert "`No value found for $PARAMETER heaviest`. Add its value to the suite: " in parameter["message"]
    assert divergence["message"].endswith("`Invalid partition_object provided`.")
    assert (parameter["kind"], divergence["kind"], place["kind"]) == ("not-evaluated", "not-evaluated", "violation")
    assert place["message"].startswith("observed the columns `name`, `mass`, `length`, `day`; this fails")
    assert place["line"] == line_of(path, '"type": "expect_column_to_exist"', 2)
    assert "it/s" not in done.log, "no progress bars"
