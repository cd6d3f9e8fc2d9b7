"""How data is found and read: options, separators, first bytes, and which columns an expectation depends on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from notebook_ci.base.errors import CheckFailed, InputError
from notebook_ci.validate_data.data import check_file
from notebook_ci.validate_data.delimited import SAMPLE, not_utf_8, refuse_names, refuse_wrong_encoding, separator
from notebook_ci.validate_data.doubts import sorts_by_time
from notebook_ci.validate_data.formats import File, matches
from notebook_ci.validate_data.options import OPTIONS, Options, parse
from notebook_ci.validate_data.suites import Stated


def stated(expectation: str, /, **kwargs: Any) -> Stated:
    return Stated(expectation, kwargs, "critical", {}, 7)


CSV = File(Path("a.csv"), "a.csv", Options(), "csv", "")

# --- Patterns


def test_what_dvc_tracks_matches_before_it_is_pulled(tmp_path: Path) -> None:
    for name in ("data/a.csv", "data/a.csv.dvc", "data/b.csv.dvc", "data/deep/c.csv.dvc", "data/.gitignore", "d.dvc"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    for pattern in ("data/*.csv", "data/?.csv", "data/*"):
        assert matches(pattern, tmp_path) == ["data/a.csv", "data/b.csv"]
    for pattern in ("data", "data/", "data/**", "**/*.csv"):
        assert matches(pattern, tmp_path) == ["data/a.csv", "data/b.csv", "data/deep/c.csv"]
    assert matches("d", tmp_path) == ["d"]
    with pytest.raises(InputError) as caught:
        check_file(tmp_path / "data/b.csv", "data/b.csv", Options())
    assert caught.value.hint == "DVC tracks it: run dvc-pull first."


# --- Options


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"separator": ";"}, "`read` has an unknown option `separator`."),
        ({"sep": ";;"}, "`sep` in `read` does not accept `;;`."),
        ({"sep": "a"}, "`sep` in `read` does not accept `a`."),
        ({"sep": "."}, "`sep` in `read` does not accept `.`."),
        ({"sep": 5}, "`sep` in `read` does not accept `5`."),
        ({"decimal": ";"}, "`decimal` in `read` does not accept `;`."),
        ({"thousands": "x"}, "`thousands` in `read` does not accept `x`."),
        ({"thousands": "."}, "`thousands` and `decimal` in `read` are the same."),
        ({"thousands": ",", "decimal": ","}, "`thousands` and `decimal` in `read` are the same."),
        ({"encoding": "latin1x"}, "`encoding` in `read` does not accept `latin1x`."),
        ({"encoding": "hex"}, "`encoding` in `read` does not accept `hex`."),
        ({"header": -1}, "`header` in `read` does not accept `-1`."),
        ({"header": True}, "`header` in `read` does not accept `true`."),
        ({"names": ["a", "a"]}, '`names` in `read` does not accept `["a", "a"]`.'),
        ({"names": []}, "`names` in `read` does not accept `[]`."),
        ({"text": [5]}, "`text` in `read` does not accept `[5]`."),
        ({"dates": {"day": "dd.mm.yyyy"}}, '`dates` in `read` does not accept `{"day": "dd.mm.yyyy"}`.'),
        ({"dates": True}, "`dates` in `read` does not accept `true`."),
        ({"format": "pickle"}, "`format` in `read` does not accept `pickle`."),
        (["sep"], "`read` is a list, not a map."),
    ],
)
def test_options_that_are_wrong(value: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        parse(value, "`read`")
    assert caught.value.message == message
    assert caught.value.hint


def test_options_that_are_right() -> None:
    given: dict[str, Any] = {"sep": "\\s+", "decimal": ",", "thousands": ".", "text": "a", "dates": ["b"], "header": 0}
    assert parse(given, "`read`") == {**given, "text": ("a",), "dates": {"b": ""}}
    assert parse(None, "`read`") == {}
    assert [len(OPTIONS[name]["formats"]) for name in ("decimal", "thousands", "text", "dates")] == [8] * 4


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("a.parquet", {"sep": ";"}, "`read` has `sep`, which parquet (`a.parquet`) does not have."),
        ("a.xlsx", {"encoding": "cp1252"}, "`read` has `encoding`, which excel (`a.xlsx`) does not have."),
        ("a.csv", {"sheet": "x"}, "`read` has `sheet`, which csv (`a.csv`) does not have."),
        ("a.csv", {"header": 0, "table": "x"}, "`read` has `table`, which csv (`a.csv`) does not have."),
        ("a.parquet", {"header": 0}, "`read` has `header`, which parquet (`a.parquet`) does not have."),
        ("a.txt", {}, "Unknown file type: `a.txt`."),
        ("a.zip", {}, "Unknown file type: `a.zip`."),
        ("a.csv.7z", {}, "Unknown file type: `a.csv.7z`."),
        ("a.xlsx.gz", {}, "Unknown file type: `a.xlsx.gz`."),
        ("a.db.zip", {"format": "parquet"}, "Unknown file type: `a.db.zip`."),
    ],
)
def test_options_and_formats_that_do_not_fit(name: str, options: dict[str, Any], message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("a\n1\n")
    with pytest.raises(InputError) as caught:
        check_file(tmp_path / name, name, Options(**options))
    assert caught.value.message == message


# --- Text


@pytest.mark.parametrize(
    ("text", "usual", "found"),
    [
        ("a,b\n1,2\n", ",", ","),
        ("a,b\n1,2,3\n", ",", ","),
        ("a\n1;2\n", ",", ","),
        ("a,b\n1,x;y\n2,z\n", ",", ","),
        ("id,a|b\n1,x\n", ",", ","),
        ("a;b\n1,5;2,5\n", ",", ";"),
        ('a;"b;c"\n1;2\n', ",", ";"),
        ("a;b|c\n1;2\n", ",", ";"),
        ("a\tb\n1\t2\n", ",", "\t"),
        ("a,b\n1,2\n", "\t", ","),
        ("a;b\n" + "1,5;2\n" * SAMPLE, ",", ";"),
    ],
)
def test_separators_that_are_certain(text: str, usual: str, found: str) -> None:
    kind = "tsv" if usual == "\t" else "csv"
    sep, notes = separator(text[:SAMPLE], File(Path("a.csv"), "a.csv", Options(), kind, ""))
    assert (sep, bool(notes)) == (found, found != usual)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a;b\n1;2\n1;2;3\n", "`a.csv` seems to be separated by semicolons, not commas."),
        ("note; free\nhello\n", "`a.csv` seems to be separated by semicolons, not commas."),
        ("a, m;b, m\n1,5;2,5\n", "`a.csv` seems to be separated by semicolons, not commas."),
        ("a, m;b\n1,5;2,5\n", "`a.csv` seems to be separated by semicolons, not commas."),
        ("a;b|c\n1;2|3\n", "`a.csv` seems to be separated by semicolons, not commas."),
        ("sep=;\na;b\n1;2\n", "The first line of `a.csv` is `sep=;`, for Excel."),
    ],
)
def test_separators_that_are_not_certain(text: str, message: str) -> None:
    with pytest.raises(CheckFailed) as caught:
        separator(text, CSV)
    assert caught.value.message == message
    assert "`read: {sep: " in caught.value.hint


def test_the_separator_is_that_of_the_header_and_the_rows_below() -> None:
    text = "Report, 2024\nName;Mass\nAda;3,5\n"
    assert separator(text, replace(CSV, options=Options(header=1)))[0] == ";"
    with pytest.raises(CheckFailed):
        separator("Report; 2024\nName,Mass\n", CSV)


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([["a", "b", "a"]], {}, "`a.csv` has several columns with the name `a`."),
        ([["1", "2"]], {"names": ("a",)}, "`names` in `read` has 1 names, but `a.csv` has 2 columns."),
        ([["1", "2"]], {"names": ("a", "b", "c")}, "`names` in `read` has 3 names, but `a.csv` has 2 columns."),
        ([], {"header": 2}, "`a.csv` has no line 2, counted from 0, for its names."),
    ],
)
def test_names_that_do_not_fit(rows: list[list[str]], options: dict[str, Any], message: str) -> None:
    with pytest.raises(CheckFailed) as caught:
        refuse_names(rows, replace(CSV, options=Options(**options)))
    assert caught.value.message == message


def file(tmp_path: Path, content: bytes) -> File:
    (tmp_path / "a.csv").write_bytes(content)
    return File.of(tmp_path / "a.csv", "a.csv", Options())


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-16-le"])
def test_text_in_utf_8_is_not_read_in_another_encoding(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(CheckFailed, match="`é` would become `Ã©`"):
        refuse_wrong_encoding(file(tmp_path, "café\n".encode()), encoding)
    for right in ("UTF8", "utf-8-sig"):
        refuse_wrong_encoding(file(tmp_path, "café\n".encode()), right)
    refuse_wrong_encoding(file(tmp_path, "café\n".encode(encoding)), encoding)


def test_the_encoding_of_other_text_is_a_persons_choice(tmp_path: Path) -> None:
    error = not_utf_8(file(tmp_path, "a;b\n1;Gr\xf6\xdfe;x\n".encode("latin-1")))
    assert error.message == (
        "`a.csv` is not UTF-8 text: line 2 has `Größe` in cp1252 (Western Europe), `Größe` in cp1250 (Central Europe), "
        "`GrцЯe` in cp1251 (Cyrillic)."
    )
    assert "`read: {encoding: cp1252}`" in error.hint
    mixed = not_utf_8(file(tmp_path, "é\n".encode() + b"\xe9\n"))
    assert mixed.message == "`a.csv` mixes UTF-8 and another encoding, in line 2."


# --- What an expectation depends on


@pytest.mark.parametrize(
    ("expectation", "used"),
    [
        (stated("expect_column_values_to_be_unique", column="a"), ["a"]),
        (stated("expect_column_values_to_not_be_in_set", column="a", value_set=[1]), ["a"]),
        (stated("expect_multicolumn_sum_to_equal", column_list=["a", "b"], sum_total=1), ["a", "b"]),
        (stated("expect_table_columns_to_match_ordered_list", column_list=["a", "b"]), []),
        (stated("expect_column_values_to_not_be_null", column="a"), []),
        (stated("expect_column_values_to_match_regex", column="a", regex="b"), []),
        (stated("expect_column_values_to_not_be_null", column="c", row_condition="a == 9.5"), ["a"]),
        (stated("expect_column_values_to_not_be_null", column="c", row_condition="ab == 9.5"), []),
        (stated("unexpected_rows_expectation", unexpected_rows_query="SELECT * FROM {batch} WHERE b = 1"), ["b"]),
    ],
)
def test_columns_whose_numbers_matter(expectation: Stated, used: list[str]) -> None:
    assert expectation.uses(["a", "b"]) == used


@pytest.mark.parametrize(
    ("expectation", "ordered"),
    [
        (stated("expect_column_max_to_be_between", column="a", max_value="2024-01-31"), ["a"]),
        (stated("expect_column_max_to_be_between", column="a", min_value={"$PARAMETER": "first"}), ["a"]),
        (stated("expect_column_max_to_be_between", column="a", max_value=3), []),
        (stated("expect_column_max_to_be_between", column="a"), []),
        (stated("expect_column_mean_to_be_between", column="a", max_value={"$PARAMETER": "m"}), []),
        (stated("expect_column_pair_values_a_to_be_greater_than_b", column_A="a", column_B="b"), ["a", "b"]),
        (stated("expect_column_pair_values_to_be_equal", column_A="a", column_B="b"), []),
    ],
)
def test_columns_whose_order_matters(expectation: Stated, ordered: list[str]) -> None:
    assert list(expectation.orders) == ordered


CONDITION = {"type": "comparison", "column": {"name": "the day"}, "operator": ">=", "parameter": 1}


@pytest.mark.parametrize(
    ("condition", "compared"),
    [
        ("a == 1 and `the day` > '2024-01-01'", ["a", "the day"]),
        ("`the day` == '2024-01-01'", []),
        (CONDITION, ["the day"]),
        ({"type": "and", "conditions": [CONDITION | {"operator": "=="}]}, []),
    ],
)
def test_columns_that_a_condition_compares(condition: str | dict[str, Any], compared: list[str]) -> None:
    assert stated("x", row_condition=condition).compares(["a", "b", "the day"]) == compared


@pytest.mark.parametrize("query", ['"A" < 1', "a NOT BETWEEN 1 AND 2", "max(a) = 1", "x.a >= 1"])
def test_columns_that_a_query_compares(query: str) -> None:
    assert stated("x", unexpected_rows_query=f"FROM {{batch}} WHERE {query}").compares(["a", "b"]) == ["a"]


@pytest.mark.parametrize(
    "texts",
    [
        ["2024-01-31", "2023-12-01"],
        ["2024-01-31T09:00", "2024-01-31T10:00"],
        ["2024-01-31 09:00:00.25", "2024-01-31 10:00:00.50"],
        ["2024-01-31T09:00:00Z"],
        ["2024-01-31T09:00:00+01:00", "2024-07-31T09:00:00+01:00"],
    ],
)
def test_iso_dates_of_one_form_sort_by_time(texts: list[str]) -> None:
    assert sorts_by_time(texts)


@pytest.mark.parametrize(
    "texts",
    [
        ["31/01/2024"],
        ["Ada"],
        [""],
        ["2024-01-31\n"],
        ["2024-01-31", "31/01/2024"],
        ["2024-01-31", "2024-01-31T00:00"],
        ["2024-01-31 9:00", "2024-01-31 10:00"],
        ["2024-01-31T09:00", "2024-01-31 10:00"],
        ["2024-01-31T09:00", "2024-01-31T09:00:01"],
        ["2024-01-31T09:00:00.25", "2024-01-31T09:00:00.5"],
        ["2024-01-31T09:00Z", "2024-01-31T09:00+02:00"],
        ["2024-01-31T09:00+01:00", "2024-01-31T08:59+02:00"],
        ["2024-01-31T09:00 CET"],
    ],
)
def test_other_dates_do_not_sort_by_time(texts: list[str]) -> None:
    assert not sorts_by_time(texts)
