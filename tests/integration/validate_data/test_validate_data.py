"""validate-data with real Great Expectations: what passes, what fails and how it is told."""

import csv
import gzip
import io
import json
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from integration.suite import Workspace, line_of, wait_until
from integration.validate_data.projects import (
    PENGUINS,
    STAGE,
    exists,
    lines_violated,
    results,
    stated,
    suite,
    validate,
    violations,
    with_tools,
)
from notebook_ci.base.records import sha256

SUITE = PENGUINS / "suites" / "penguins_raw.json"
RAW = PENGUINS / "dvc-storage" / "files" / "md5" / "04" / "9da101568e078f9845c8b366481810"
Row = dict[str, str]

SMALL = (
    "name,mass,length,day\nAda,3.5,10,2024-01-01\nBob,4.5,20,2024-01-02\nCyd,,30,2024-01-03\nDon,99.0,5,2024-01-04\n"
)


# --- The example


def test_the_example_passes(workspace: Workspace) -> None:
    workspace.write("data/penguins_raw.csv", RAW.read_bytes())
    workspace.write("suites/penguins_raw.json", SUITE.read_bytes())
    before = {path: path.stat().st_mtime_ns for path in workspace.folder.rglob("*")}
    done = workspace.run(STAGE, {"data": "data/penguins_raw.csv", "suite": "suites/penguins_raw.json"})
    assert done.code == 0, done.log
    assert (done.outputs["status"], done.outputs["success"]) == ("passed", "true")
    assert (done.outputs["evaluated"], done.outputs["failed"]) == ("15", "0")
    (result,) = done.record["results"]
    assert (result["rows"], result["columns"], result["violations"]) == (344, 17, [])
    assert result["sha256"] == sha256(RAW)
    assert done.record["read"] == {
        "data/penguins_raw.csv": sha256(RAW),
        "suites/penguins_raw.json": sha256(SUITE),
    }
    artifact = Path(done.outputs["record"]).parent / result["result"]
    assert done.record["made"] == {result["result"]: sha256(artifact)}
    assert json.loads(artifact.read_text())["statistics"]["successful_expectations"] == 15
    assert not done.annotations("error") + done.annotations("warning") + done.annotations("notice")
    assert {path: path.stat().st_mtime_ns for path in workspace.folder.rglob("*")} == before
    assert not workspace.leftovers()
    assert not [path for path in workspace.home.rglob("*") if "great_expectations" in str(path)]


def in_row(number: int, column: str, value: str) -> Callable[[list[Row]], object]:
    return lambda rows: rows[number - 1].update({column: value})


def in_rows(first: int, last: int, column: str, value: str) -> Callable[[list[Row]], object]:
    return lambda rows: [row.update({column: value}) for row in rows[first - 1 : last]]


# What each expectation of the example is there for: one plausible corruption that violates it, and no other.
CORRUPTIONS: list[tuple[str, Callable[[list[Row]], object]]] = [
    ("the last row was lost", lambda rows: rows.pop()),
    ("a species is abbreviated", in_row(1, "Species", "Adelie Penguin")),
    ("an island has a blank behind it", in_row(21, "Island", "Biscoe ")),
    ("a penguin is counted twice", in_row(2, "Individual ID", "N1A1")),
    ("a sample number is given twice", in_row(2, "Sample Number", "1")),
    ("a nest has a third adult", in_row(1, "Individual ID", "N1A3")),
    ("a date is written the American way", in_row(1, "Date Egg", "11/11/2007")),
    ("a boolean is written otherwise", in_row(1, "Clutch Completion", "TRUE")),
    ("a decimal point is missing", in_row(1, "Culmen Length (mm)", "391")),
    ("the length was typed for the depth, too", in_row(1, "Culmen Depth (mm)", "39.1")),
    ("a length is in centimetres", in_row(1, "Flipper Length (mm)", "18.1")),
    ("a mass is in kilograms", in_row(1, "Body Mass (g)", "3.75")),
    ("the scales were broken", in_rows(1, 10, "Body Mass (g)", "NA")),
    ("an unknown sex is a dot", in_row(4, "Sex", ".")),
    ("a laboratory sent nothing", in_rows(50, 100, "Delta 15 N (o/oo)", "NA")),
]


def test_each_expectation_of_the_example_catches_a_corruption(workspace: Workspace) -> None:
    workspace.write("suite.json", SUITE.read_bytes())
    header, *_ = list(csv.reader(io.StringIO(RAW.read_text(encoding="utf-8"))))
    for number, (_, corrupt) in enumerate(CORRUPTIONS):
        rows = list(csv.DictReader(io.StringIO(RAW.read_text(encoding="utf-8"))))
        corrupt(rows)
        text = io.StringIO()
        writer = csv.DictWriter(text, header)
        writer.writeheader()
        writer.writerows(rows)
        workspace.write(f"data/{number:02}.csv", text.getvalue())
    done = validate(workspace, {"data/*.csv": "suite.json"})
    assert done.code == 1, done.log
    lines = [number for number, line in enumerate(SUITE.read_text().splitlines(), 1) if '"type":' in line]
    assert len(lines) == len(CORRUPTIONS)
    for line, result, (what, _) in zip(lines, done.record["results"], CORRUPTIONS, strict=True):
        assert lines_violated(result) == [line], what
        assert result["violations"][0]["note"], what
    # The last one is a warning: it is told, and fails nothing.
    assert [result["success"] for result in done.record["results"]] == [False] * 14 + [True]
    assert (done.outputs["evaluated"], done.outputs["failed"]) == (str(15 * 15), "14")
    assert done.log.count("Loading Great Expectations") == 1


# --- What is told of a violation

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
        "`length`: observed `16.25`; wanted is expect_column_mean_to_be_between (`min_value: 20, max_value: 25.5`).",
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
        '`name`: observed unexpected `["Don"]`, missing `["Eve"]`; wanted is expect_column_distinct_values_to_equal',
    ),
    "rows": (
        stated("expect_table_row_count_to_equal", value=5),
        "observed `4`; wanted is expect_table_row_count_to_equal (`value: 5`).",
    ),
    "columns": (
        stated("expect_table_columns_to_match_set", column_set=["name", "mass", "length", "sex"]),
        'observed unexpected `["day"]`, missing `["sex"]`; wanted is expect_table_columns_to_match_set',
    ),
    "the order of columns": (
        stated("expect_table_columns_to_match_ordered_list", column_list=["name", "length", "mass", "day"]),
        'observed column 2 is `"mass"`, not `"length"`, column 3 is `"length"`, not `"mass"`; wanted is',
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
    "a type": (
        stated("expect_column_values_to_be_of_type", column="mass", type_="int64"),
        '`mass`: observed `"float64"`; wanted is expect_column_values_to_be_of_type (`type_: "int64"`).',
    ),
    "the type that text had in pandas 2": (
        stated("expect_column_values_to_be_of_type", column="name", type_="object"),
        (
            '`name`: observed `"str"`; wanted is expect_column_values_to_be_of_type (`type_: "object"`). Text is `str` '
            "in pandas 3, which reads the data here, and was `object` in pandas 2: write "
            'expect_column_values_to_be_of_type with `"type_": "str"`.'
        ),
    ),
    "a number where what is advised for text": (
        stated("expect_column_values_to_be_of_type", column="mass", type_="str"),
        '`mass`: observed `"float64"`; wanted is expect_column_values_to_be_of_type (`type_: "str"`).',
    ),
    "a column there must be": (
        stated("expect_column_to_exist", column="sex"),
        "The data have no column `sex`. There are `name`, `mass`, `length`, `day`.",
    ),
}
FAULTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "a missing column": (
        stated("expect_column_values_to_not_be_null", column="Mass", severity="info"),
        "missing-column",
        (
            "The data have no column `Mass`, which expect_column_values_to_not_be_null is about. Did you mean `mass`? "
            "There are `name`, `mass`, `length`, `day`."
        ),
    ),
    "a missing column of an aggregate": (
        stated("expect_column_mean_to_be_between", column="xyz", max_value=3),
        "missing-column",
        "The data have no column `xyz`, which expect_column_mean_to_be_between is about. There are `name`",
    ),
    "one of several": (
        stated("expect_compound_columns_to_be_unique", column_list=["name", "xyz"]),
        "missing-column",
        "The data have no column `xyz`, which expect_compound_columns_to_be_unique is about.",
    ),
    "both of a pair": (
        stated("expect_column_pair_values_to_be_equal", column_A="p", column_B="q"),
        "missing-column",
        "The data have none of the columns `p`, `q`, which expect_column_pair_values_to_be_equal is about.",
    ),
    "a number for text": (
        stated("expect_column_values_to_be_between", column="name", max_value=3),
        "not-evaluated",
        (
            "expect_column_values_to_be_between (`max_value: 3`) cannot be evaluated on these data (`name` was read "
            "as str): `Column values, min_value, and max_value must either be None or of the same type`. Dates in CSV "
            "and JSON are text: hold them to a pattern, or keep them in Parquet."
        ),
    ),
    "the mean of text": (
        stated("expect_column_mean_to_be_between", column="name", max_value=3),
        "not-evaluated",
        "expect_column_mean_to_be_between (`max_value: 3`) cannot be evaluated on these data (`name` was read as str)",
    ),
    "a date for the text of a CSV file": (
        stated("expect_column_values_to_be_between", column="day", min_value="2024-01-01", severity="warning"),
        "not-evaluated",
        (
            'expect_column_values_to_be_between (`min_value: "2024-01-01"`) cannot be evaluated on these data (`day` '
            "was read as str)"
        ),
    ),
    "a broken regular expression": (
        stated("expect_column_values_to_match_regex", column="name", regex="["),
        "not-evaluated",
        'expect_column_values_to_match_regex (`regex: "["`) cannot be evaluated on these data',
    ),
    "a condition on a missing column": (
        stated("expect_column_values_to_be_unique", column="name", row_condition="x > 1", condition_parser="pandas"),
        "not-evaluated",
        "expect_column_values_to_be_unique (`row_condition:",
    ),
    "SQL": (
        stated("unexpected_rows_expectation", unexpected_rows_query="SELECT * FROM {batch}"),
        "not-evaluated",
        "unexpected_rows_expectation (`unexpected_rows_query:",
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
    assert (done.outputs["evaluated"], done.outputs["failed"]) == ("27", "26")
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
    assert parameter["message"].endswith("`No value found for $PARAMETER heaviest`.")
    assert divergence["message"].endswith("`Invalid partition_object provided`.")
    assert (parameter["kind"], divergence["kind"], place["kind"]) == ("not-evaluated", "not-evaluated", "violation")
    assert place["message"].startswith("observed the columns `name`, `mass`, `length`, `day`; wanted is")
    assert place["line"] == line_of(path, '"type": "expect_column_to_exist"', 2)
    assert "it/s" not in done.log, "no progress bars"


def test_a_suite_of_0_18_migrated_as_told_passes(workspace: Workspace) -> None:
    workspace.write("a.csv", SMALL)
    kwargs = {"column": "name", "value_set": ["Ada", "Bob", "Cyd", "Don"], "result_format": "BOOLEAN_ONLY"}
    old = {"expectation_type": "expect_column_values_to_be_in_set", "kwargs": kwargs, "meta": {}}
    old_suite = {
        "data_asset_type": None,
        "expectation_suite_name": "people",
        "expectations": [old],
        "ge_cloud_id": None,
        "meta": {"great_expectations_version": "0.18.21"},
    }
    assert workspace.run(STAGE, {"data": "a.csv", "suite": str(workspace.write("s.json", old_suite))}).code == 2
    text = json.dumps(old_suite).replace("expectation_suite_name", "name").replace("expectation_type", "type")
    migrated = json.loads(text)
    del migrated["data_asset_type"], migrated["ge_cloud_id"]
    workspace.write("s.json", migrated)
    done = workspace.run(STAGE, {"data": "a.csv", "suite": "s.json"})
    assert done.code == 0, done.log
    assert done.record["results"][0]["suite_name"] == "people"


def test_types_of_parquet(workspace: Workspace) -> None:
    with_tools(
        "import pandas\n"
        "days = pandas.to_datetime(['2024-01-01', '2024-01-02', None])\n"
        "pandas.DataFrame({'day': days, 'count': pandas.array([1, 2, None], dtype='Int64')}).to_parquet('a.parquet')\n",
        workspace.folder,
    )
    expectations = [
        stated("expect_column_values_to_be_between", column="day", min_value="2024-01-02T00:00:00"),
        stated("expect_column_values_to_be_between", column="day", min_value="2024-01-02"),
        stated("expect_column_values_to_be_between", column="count", max_value=1),
    ]
    workspace.write("s.json", suite(*expectations))
    done = workspace.run(STAGE, {"data": "a.parquet", "suite": "s.json"})
    assert done.code == 1, done.log
    day, date, count = violations(done)
    assert day["examples"] == [{"row": 1, "value": '"2024-01-01T00:00:00"'}]
    assert date["kind"] == "not-evaluated"
    assert "(`day` was read as datetime64[us])" in date["message"]
    assert "Bounds of timestamps have a time, and a zone where the column has one" in date["message"]
    assert count["examples"] == [{"row": 2, "value": "2"}]


def test_severity_decides_what_fails(workspace: Workspace) -> None:
    workspace.write("a.csv", SMALL)
    expectations = [
        stated("expect_column_values_to_be_between", column="mass", max_value=limit, severity=severity)
        for limit, severity in ((4, "warning"), (5, "info"))
    ]
    path = workspace.write("s.json", suite(*expectations, expectations[0]))
    done = workspace.run(STAGE, {"data": "a.csv", "suite": "s.json"})
    assert done.code == 0, done.log
    assert (done.outputs["success"], done.outputs["failed"], done.outputs["evaluated"]) == ("true", "0", "3")
    (result,) = done.record["results"]
    assert (result["success"], result["failed"], result["warned"]) == (True, 0, 3)
    lines = [line_of(path, '"type"', nth) for nth in (1, 2, 3)]
    assert [each.place[1] for each in done.annotations("notice")] == [lines[1]]
    twice, *warnings = done.annotations("warning")
    assert [each.place[1] for each in warnings] == [lines[0], lines[2]]
    assert (twice.message, twice.place[1]) == (
        f"expect_column_values_to_be_between states the same as line {lines[0]}. Take one out.",
        lines[2],
    )


# --- Data


def test_formats(workspace: Workspace) -> None:
    rows = [{"name": "Ada", "mass": 3.5}, {"name": "Bob", "mass": 99.0}]
    as_csv = "name,mass\nAda,3.5\nBob,99.0\n"
    as_lines = "".join(json.dumps(row) + "\n" for row in rows)
    texts = {
        "a.csv": as_csv,
        "a.tsv": as_csv.replace(",", "\t"),
        "a.json": json.dumps(rows),
        "a.jsonl": as_lines,
        "a.ndjson": as_lines,
    }
    for name, text in texts.items():
        workspace.write(f"data/{name}", text)
        workspace.write(f"data/{name}.gz", gzip.compress(text.encode()))
    workspace.write("data/BOM.CSV", b"\xef\xbb\xbf" + as_csv.encode())
    with_tools(
        "import pandas\n"
        f"frame = pandas.DataFrame({rows!r})\n"
        "frame.to_parquet('a.parquet')\n"
        "frame.set_axis(['x', 'y']).to_parquet('labels.parquet')\n",
        workspace.folder / "data",
    )
    expectation = stated("expect_column_values_to_be_between", column="mass", max_value=4)
    workspace.write("s.json", suite(expectation))
    done = workspace.run(STAGE, {"data": "data/*\n", "suite": "s.json"})
    assert done.code == 1, done.log
    assert len(done.record["results"]) == 13
    for data, result in results(done).items():
        assert (result["error"], result["rows"], result["columns"]) == ("", 2, 2), data
        row = None if data == "data/labels.parquet" else 2
        assert result["violations"][0]["examples"] == [{"row": row, "value": "99.0"}], data


BROKEN: dict[str, tuple[bytes, str]] = {
    "empty.csv": (b"", "is empty."),
    "blank.csv": (b" \n\n", "is empty."),
    "header.csv": (b"name\n", "has no rows: there is nothing to validate."),
    "norows.json": (b"[]", "has no rows: there is nothing to validate."),
    "ragged.csv": (b"name,b\n1,2\n1,2,3\n", "cannot be read as csv: `Expected 2 fields in line 3, saw 3`."),
    "shifted.csv": (b"name,b\n1,2,3\n4,5,6\n", "cannot be read as csv: its rows have more fields than its header."),
    "quote.csv": (b'name\n"a\n', "cannot be read as csv: `EOF inside string starting at row 1`."),
    "latin.csv": ("name\nü\n".encode("latin-1"), "is not UTF-8 text"),
    "utf16.csv": ("name\na\n".encode("utf-16"), "is not csv, as its suffix says: it is text in UTF-16."),
    "semicolons.csv": (b"name;b\n1;2\n", "has semicolons between its columns, where its suffix stands for commas."),
    "commas.tsv": (b"name,b\n1,2\n", "has commas between its columns, where its suffix stands for tabs."),
    "parquet.csv": (b"PAR1\x15\x04\x15\x10PAR1", "is not csv, as its suffix says: it is a Parquet file."),
    "image.csv": (b"\x89PNG\r\n\x1a\n\0\0", "is not csv, as its suffix says: it is a PNG image."),
    "excel.csv": (b"PK\x03\x04\x14\0", "is not csv, as its suffix says: it is a ZIP archive (an Excel workbook is one"),
    "zeros.csv": (b"name\n\0\0\n", "is not csv, as its suffix says: it is no text."),
    "login.csv": (b"<!DOCTYPE html><html></html>", "is not csv, as its suffix says: it is a page of HTML"),
    "object.csv": (b'{"name": [1]}', "is not csv, as its suffix says: it is JSON."),
    "packed.csv": (gzip.compress(b"name\n1\n"), "is not csv, as its suffix says: it is compressed with gzip."),
    "lfs.csv": (b"version https://git-lfs.github.com/spec/v1\noid", "is a pointer of Git LFS, not the data."),
    "plain.csv.gz": (b"name\n1\n", "is not a whole gzip file"),
    "cut.csv.gz": (gzip.compress(b"name\n" + bytes(range(32, 127)) * 99)[:-9], "is not a whole gzip file"),
    "csv.parquet": (b"name\n1\n", "is not parquet, as its suffix says: it is text."),
    "cut.parquet": (
        b"PAR1\x15\x04" + b"\0" * 90,
        "cannot be read as parquet: `Parquet magic bytes not found in footer",
    ),
    "csv.json": (b"name,b\n1,2\n", "is not json, as its suffix says: it is no JSON of rows or columns."),
    "cut.json": (b'[{"name": 1}, {"na', "cannot be read as json: "),
    "uneven.json": (b'{"name": [1, 2], "b": [1]}', "cannot be read as json: `All arrays must be of the same length`."),
    "csv.jsonl": (b"name,b\n1,2\n", "is not jsonl, as its suffix says: it is no JSON of rows or columns."),
    "cut.jsonl": (b'{"name": 1}\n{"na', "cannot be read as jsonl: "),
}


def test_broken_data_are_told_and_the_others_validated(workspace: Workspace) -> None:
    for name, (content, _) in BROKEN.items():
        workspace.write(f"data/{name}", content)
    workspace.write("data/good.csv", "name\n1\n")
    workspace.write("few.csv", "name\n")
    workspace.write("s.json", exists("name"))
    workspace.write("count.json", suite(stated("expect_table_row_count_to_be_between", max_value=3)))
    done = validate(workspace, {"data/*": "s.json", "few.csv": "count.json"})
    assert done.code == 1, done.log
    assert done.outputs["status"] == "failed"
    found = results(done)
    for name, (_, message) in BROKEN.items():
        assert found[f"data/{name}"]["error"].startswith(f"data/{name} {message}")
        assert not found[f"data/{name}"]["success"]
    assert found["data/good.csv"]["success"]
    assert found["few.csv"]["success"], "the suite says that there can be no rows"
    told = [problem for problem in done.record["problems"] if problem["severity"] == "error"]
    assert sorted(problem["file"] for problem in told) == sorted(f"data/{name}" for name in BROKEN)
    assert (done.outputs["evaluated"], done.outputs["failed"]) == ("2", "0")
    assert "Traceback" not in done.log
    assert str(workspace.folder) not in "".join(problem["message"] for problem in told)


def test_hostile_text_shows_and_does_nothing(workspace: Workspace) -> None:
    hostile = [
        "::error::owned",
        "x\n::error::owned",
        "x\r::set-output name=success::true",
        "##[error]owned",
        "\x1b[31mred",
        "</details><img src=x>|`a` [l](http://x) @team",
        "A" * 100_000,
        "%0A::error::owned",
        "\u202egnp.exe",
    ]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["id", *hostile[:6]])
    writer.writerows([value, *"123456"] for value in hostile)
    workspace.write("::error::a.csv", text.getvalue())
    expectations = [
        stated(
            "expect_column_values_to_be_in_set", column="id", value_set=["::error::b"], notes="::error::c\n::error::d"
        ),
        stated("expect_column_values_to_be_between", column=hostile[1], min_value=10),
        stated("expect_column_values_to_be_between", column=hostile[5], min_value=10),
        stated("expect_column_values_to_be_between", column="\n::error::nix", min_value=10),
        stated("expect_column_to_exist", column="<b>nix</b>"),
        stated("expect_column_values_to_match_regex", column="id", regex="[\n::error::e"),
    ]
    workspace.write("s.json", suite(*expectations))
    done = workspace.run(STAGE, {"data": "::error::a.csv", "suite": "s.json"})
    assert done.code == 1, done.log
    assert {command.name for command in done.commands} == {"error"}
    assert len(done.annotations()) == len(expectations)
    assert all(command.properties["file"] == "s.json" for command in done.annotations())
    assert not [line for line in done.log.splitlines() if "\x1b" in line or "\u202e" in line]
    assert max(map(len, done.log.splitlines())) < 3000
    assert "`<b>nix</b>`" in done.summary, "as code"
    prose = re.sub("`[^`]*`", "", done.summary)
    for forbidden in ("<img", "<b>", "@team", "\x1b", "AAAA" * 100):
        assert forbidden not in prose
    assert len(done.outputs["record"]) < 500
    assert len(Path(done.outputs["record"]).read_text()) < 50_000


# --- Checkpoints

PROJECT = """
import great_expectations as gx
import great_expectations.expectations as gxe
context = gx.get_context(mode="file", project_root_dir=".")
source = context.data_sources.add_pandas_filesystem("files", base_directory="data")
definition = source.add_csv_asset("small").add_batch_definition_path("whole", path="small.csv")
name = gxe.ExpectColumnToExist(column="name")
suites = [
    context.suites.add(gx.ExpectationSuite(name=suite, expectations=[name.copy(), expectation]))
    for suite, expectation in {
        "good": gxe.ExpectColumnValuesToNotBeNull(column="length"),
        "small.bad": gxe.ExpectColumnMaxToBeBetween(column="mass", max_value=50, severity="critical"),
    }.items()
]
validations = [gx.ValidationDefinition(name=f"validate {each.name}", data=definition, suite=each) for each in suites]
validations = [context.validation_definitions.add(validation) for validation in validations]
actions = [gx.checkpoint.UpdateDataDocsAction(name="docs")]
context.checkpoints.add(gx.Checkpoint(name="good", validation_definitions=validations[:1]))
context.checkpoints.add(gx.Checkpoint(name="all", validation_definitions=validations, actions=actions))
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that real Great Expectations made, as git keeps it: without `gx/uncommitted`."""
    folder = tmp_path_factory.mktemp("project") / "workspace"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "small.csv").write_text(SMALL)
    with_tools(PROJECT, folder)
    return folder


def copy_project(project: Path, workspace: Workspace) -> None:
    for path in project.rglob("*"):
        if path.is_file() and "uncommitted" not in path.parts:
            workspace.write(path.relative_to(project).as_posix(), path.read_bytes())


def test_a_checkpoint(workspace: Workspace, project: Path) -> None:
    copy_project(project, workspace)
    before = {path: path.read_bytes() for path in workspace.folder.rglob("*") if path.is_file()}
    done = workspace.run(STAGE, {"checkpoint": "all"})
    assert done.code == 1, done.log
    good, bad = done.record["results"]
    suite_file = "gx/expectations/small/bad.json"
    assert [good["data"], good["suite"], good["success"]] == ["data/small.csv", "gx/expectations/good.json", True]
    assert [bad["data"], bad["suite"], bad["success"]] == ["data/small.csv", suite_file, False]
    assert good["sha256"] == bad["sha256"] == sha256(workspace.folder / "data" / "small.csv")
    (error,) = done.annotations()
    line = line_of(workspace.folder / suite_file, "expect_column_max_to_be_between")
    assert error.place == (suite_file, line)
    assert error.message.startswith(
        "`mass`: observed `99.0`; wanted is expect_column_max_to_be_between (`max_value: 50"
    )
    (notice,) = done.annotations("notice")
    assert notice.message == "The actions of the checkpoint all are not run here: docs."
    assert "gx/checkpoints/all.json" in done.record["read"]
    assert suite_file in done.record["read"]
    after = {path for path in workspace.folder.rglob("*") if path.is_file()}
    assert all(path.read_bytes() == content for path, content in before.items())
    assert not [path for path in after - set(before) if "uncommitted" not in path.parts]


def test_a_checkpoint_whose_data_cannot_be_read(workspace: Workspace, project: Path) -> None:
    copy_project(project, workspace)
    workspace.write("data/small.csv", "a,b\n1,2\n1,2,3\n")
    done = workspace.run(STAGE, {"checkpoint": "good"})
    assert done.code == 1, done.log
    (error,) = done.annotations()
    assert error.message == (
        "The data `files/small/whole` of the project gx cannot be read: "
        "`Error tokenizing data. C error: Expected 2 fields in line 3, saw 3`."
    )


ANY_SOURCE = """config_version: 4.0
stores: {}
plugins_directory: plugins/
fluent_datasources:
  files:
    type: pandas
    assets:
      a:
        type: csv
        filepath_or_buffer: data/small.csv
        sep: ","
        batch_definitions:
          b: {id: 262d76df-016b-40d8-bde2-398cea68aefe}
"""


def test_a_checkpoint_runs_no_code_and_stores_nothing(workspace: Workspace) -> None:
    """The project is not opened: a plugin that has not the suffix that is refused has no effect either."""
    workspace.write("gx/great_expectations.yml", ANY_SOURCE)
    workspace.write("gx/plugins/sqlalchemy/__init__.pyc", "open('ran', 'w')")
    workspace.write("gx/plugins/custom_data_docs/styles/style.css", "")
    workspace.write("gx/checkpoints/c.json", {"name": "c", "validation_definitions": [{"name": "v"}]})
    names = {"datasource": {"name": "files"}, "asset": {"name": "a"}, "batch_definition": {"name": "b"}}
    workspace.write("gx/validation_definitions/v.json", {"name": "v", "data": names, "suite": {"name": "s"}})
    workspace.write("gx/expectations/s.json", exists("mass"))
    workspace.write("data/small.csv", SMALL)
    before = {path for path in workspace.folder.rglob("*") if path.is_file()}
    done = workspace.run(STAGE, {"checkpoint": "c"})
    assert done.code == 0, done.log
    assert results(done)["data/small.csv"]["success"]
    assert {path for path in workspace.folder.rglob("*") if path.is_file()} == before


CONDITIONS: list[str | dict[str, Any]] = [
    "`the name`.notnull() and mass > 1.5",
    "`the name` == 'b@c.de' or mass in [1, 2]",
    {"type": "comparison", "column": {"name": "the name"}, "operator": "==", "parameter": "it's @b.to_csv()"},
    {"type": "pass_through", "pass_through_filter": '`the name`.str.startswith("b")'},
]


def test_conditions_that_compare_are_accepted(workspace: Workspace) -> None:
    workspace.write("a.csv", "the name,mass\na,1\nb@c.de,2\n,3\nit's @b.to_csv(),4\n")
    kwargs: dict[str, Any] = {"column": "mass", "max_value": 0, "condition_parser": "pandas"}
    expectations = [stated("expect_column_values_to_be_between", row_condition=each, **kwargs) for each in CONDITIONS]
    workspace.write("s.json", suite(*expectations))
    done = workspace.run(STAGE, {"data": "a.csv", "suite": "s.json"})
    assert done.code == 1, done.log
    assert [violation["total"] for violation in violations(done)] == [2, 2, 1, 1]


# --- Parameters of a suite, notebook-ci.toml, the laptop, signals


def test_a_laptop_with_a_configuration_and_parameters(workspace: Workspace) -> None:
    workspace.write("a.csv", SMALL)
    between = stated("expect_column_values_to_be_between", column="mass", max_value={"$PARAMETER": "heaviest"})
    workspace.write("s.json", suite(between, suite_parameters={"heaviest": 50}))
    workspace.write("notebook-ci.toml", '[validate-data.rules]\n"a.csv" = ["s.json"]\n')
    done = workspace.run(STAGE)
    assert done.code == 1, done.log
    assert "error: s.json:5: a.csv: mass: 1 of 3 values of `mass` (33.3 %) fail" in done.log
    assert "row 4 has `99.0`" in done.log
    assert "evaluated  1\nfailed     1\n" in done.log


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_a_cancelled_job(workspace: Workspace, number: signal.Signals) -> None:
    workspace.write("a.csv", SMALL)
    for count in range(200):
        workspace.write(f"s/{count}.json", exists("name"))
    rules = json.dumps({"a.csv": [f"s/{count}.json" for count in range(200)]})
    process = workspace.start(STAGE, {"rules": rules})
    artifacts = workspace.runner_temp / "notebook-ci" / STAGE
    assert wait_until(lambda: artifacts.exists() and any(artifacts.glob("*.json")), 60)
    process.send_signal(number)
    began = time.monotonic()
    done = workspace.end(process)
    assert time.monotonic() - began < 6
    assert done.code == 128 + number, done.log
    assert [error.message for error in done.annotations()] == [
        f"Cancelled ({number.name}). What was done until then is kept."
    ]
    assert done.outputs["success"] == "false"
    assert 0 < len(done.record["results"]) < 200
    assert "Traceback" not in done.log


def test_data_beyond_memory(workspace: Workspace) -> None:
    workspace.write("a.csv", "name,b\n" + "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa,1\n" * 6_000_000)
    workspace.write("s.json", exists("name"))
    limit = ["/bin/bash", "-c", 'ulimit -v 900000; exec "$@"', "limited"]
    environ = {"OPENBLAS_NUM_THREADS": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
    done = workspace.run(STAGE, {"data": "a.csv", "suite": "s.json"}, prefix=limit, environ=environ)
    assert done.code == 3, done.log
    assert [error.message for error in done.annotations()] == [
        "a.csv does not fit into the memory of this machine. Validate it in parts."
    ]
