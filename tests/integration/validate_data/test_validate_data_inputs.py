"""Wrong inputs of validate-data: each ends in one sentence with its place, before data are read."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from integration.suite import Workspace
from integration.validate_data.projects import STAGE, exists, stated, suite

Content = str | bytes | Mapping[str, Any]
GIVEN = {"data": "a.csv", "suite": "s.json"}


@dataclass(frozen=True)
class Case:
    """A wrong input.

    Attributes:
        inputs: The inputs of the action.
        message: What the error begins with.
        files: What stands in the workspace, beside `a.csv` and a good `s.json`.
        place: File and line of the annotation.
    """

    inputs: Mapping[str, str]
    message: str
    files: Mapping[str, Content] = field(default_factory=dict)
    place: tuple[str, int] = ("", 0)


def bad_suite(content: Content, message: str, line: int = 0) -> Case:
    return Case(GIVEN, message, {"s.json": content}, ("s.json", line))


def condition(row_condition: str | Mapping[str, Any], message: str) -> Case:
    """Return a case of a suite with a row_condition that is not accepted."""
    kwargs: dict[str, Any] = {"column": "name", "row_condition": row_condition, "condition_parser": "pandas"}
    return bad_suite(suite(stated("expect_column_values_to_not_be_null", **kwargs)), message, 5)


LONG = f"{'a' * 253}.csv"
CASES = {
    # What goes together
    "nothing": Case({}, "No `suite`, `rules` or `checkpoint` is set: nothing says what the data should be. Set `data`"),
    "data alone": Case({"data": "a.csv"}, "`data` is set but `suite` is not. Set both, or use `rules`"),
    "suite alone": Case({"suite": "s.json"}, "`suite` is set but `data` is not."),
    "suite and checkpoint": Case(
        {"suite": "s.json", "checkpoint": "c"},
        "`suite` and `checkpoint` cannot be combined. Keep one of them",
    ),
    "all at once": Case(
        {**GIVEN, "checkpoint": "c", "rules": "a.csv: s.json"},
        "`suite`, `rules` and `checkpoint` cannot be combined.",
    ),
    "unknown input": Case({"suites": "s.json"}, "The action has no input `suites`. Did you mean `suite`?"),
    # Data
    "a name too long": Case({**GIVEN, "data": LONG}, f"`{LONG}` cannot be read: File name too long.", place=(LONG, 0)),
    "no such file": Case(
        {**GIVEN, "data": "b.csv"}, "`b.csv` does not exist. Paths are relative to the workspace.", place=("b.csv", 0)
    ),
    "not pulled": Case(
        {**GIVEN, "data": "b.csv"},
        "`b.csv` does not exist. DVC tracks it: run dvc-pull first.",
        {"b.csv.dvc": "outs: []\n"},
        ("b.csv", 0),
    ),
    "perhaps not pulled": Case(
        {**GIVEN, "data": "data/b.csv"},
        "`data/b.csv` does not exist. If DVC tracks it, run dvc-pull first. The `.dvc` file or `dvc.lock` that names",
        {".dvc/config": ""},
        ("data/b.csv", 0),
    ),
    "a folder": Case({**GIVEN, "data": "d"}, "Unknown file type: `d/x`. Use `.csv`", {"d/x": ""}, ("d/x", 0)),
    "an empty folder": Case({**GIVEN, "data": "d"}, "No file matches `d` in `/", {"d/.gitkeep": ""}),
    "a folder not pulled": Case(
        {**GIVEN, "data": "d/b.csv"},
        "`d/b.csv` does not exist. DVC tracks it: run dvc-pull first.",
        {"d.dvc": "outs: []\n"},
        ("d/b.csv", 0),
    ),
    "an unknown option": Case({**GIVEN, "read": "decimals: ','"}, "`read` has an unknown option `decimals`. Did you"),
    "an option of another format": Case(
        {"rules": "a.csv: {suite: s.json, read: {sheet: x}}"},
        "`read` has `sheet`, which csv (`a.csv`) does not have. Options of csv: `sep`,",
    ),
    "two ways to read": Case(
        {"rules": "a.csv: s.json\n'*.csv': {suite: s.json, read: {sep: ;}}"},
        "Two rules have `a.csv` with the same suite, but with another `read`.",
    ),
    "nothing matches": Case({**GIVEN, "data": "data/*.csv"}, "No file matches `data/*.csv` in `/"),
    "unknown suffix": Case(
        {**GIVEN, "data": "a.txt"},
        "Unknown file type: `a.txt`. Use `.csv`, `.tsv`, `.json`, `.jsonl`, `.ndjson`, `.parquet`,",
        {"a.txt": "x"},
        ("a.txt", 0),
    ),
    "Parquet in gzip": Case(
        {**GIVEN, "data": "a.parquet.gz"},
        "Unknown file type: `a.parquet.gz`.",
        {"a.parquet.gz": "x"},
        ("a.parquet.gz", 0),
    ),
    # Rules
    "rules: no YAML": Case({"rules": "a.csv: [s.json"}, "`rules` is not valid YAML (line 1): "),
    "rules: a list": Case({"rules": "- a.csv"}, "`rules` is a list, not a map."),
    "rules: none": Case({"rules": "# none"}, "`rules` is empty. Write `data: suite`, one per line, such as"),
    "rules: a number": Case(
        {"rules": "a.csv: 3"}, "`rules` has `3` for `a.csv`, not a name or a list of names. Write `data: suite`"
    ),
    "rules: no suite": Case({"rules": "a.csv:"}, "`rules` has `null` for `a.csv`, not a name"),
    "rules: an empty list": Case({"rules": "a.csv: []"}, "`rules` has `[]` for `a.csv`, not a name"),
    "rules: a map": Case(
        {"rules": "a.csv: {suites: s.json}"}, "`rules` has an unknown key `suites` for `a.csv`. Write `data: {suite"
    ),
    "rules: a map without a suite": Case({"rules": "a.csv: {read: {}}"}, "`rules` has `null` for `a.csv`, not a name"),
    # Suites
    "no such suite": Case(
        {**GIVEN, "suite": "t.json"},
        "`t.json` does not exist. The suite is a JSON file, relative to the workspace.",
        place=("t.json", 0),
    ),
    "a suite in Latin-1": bad_suite(
        '{"name": "\u00fc"}'.encode("latin-1"), "`s.json` is not UTF-8 text. Save it as UTF-8."
    ),
    "no JSON": bad_suite(
        '{"name": "s",\n "expectations": [}\n', "`s.json` is not valid JSON: Expecting value (column 19).", 2
    ),
    "a key twice": bad_suite(
        '{"name": "s", "expectations": [{"type": "expect_column_to_exist", "kwargs": {"column": "a", "column": "b"}}]}',
        "`s.json` has an object with the key `column` twice: only the last would count. Remove one of them.",
    ),
    "YAML": bad_suite("name: s\n", "`s.json` is not valid JSON: Expecting value (column 1).", 1),
    "too deep": bad_suite("[" * 100_000, "`s.json` cannot be read as JSON: "),
    "a list": bad_suite("[]", 'The suite `s.json` has no `expectations`. Write `{"name": ...', 1),
    "a number": bad_suite("3", "The suite `s.json` has no `expectations`.", 1),
    "another file": bad_suite('{"a": 1}', "The suite `s.json` has no `expectations`.", 1),
    "no name": bad_suite(exists("name") | {"name": ""}, 'The suite `s.json` has no `name`. Add `"name": "..."`.', 1),
    "no list": bad_suite(
        suite() | {"expectations": {}}, "The suite `s.json` has `{}` as `expectations`, not a list. Write", 1
    ),
    "no expectations": bad_suite(suite(), "The suite `s.json` has no expectations: any data would pass.", 1),
    "text for an expectation": bad_suite(
        suite() | {"expectations": ["expect_column_to_exist"]}, "An expectation has no `type`. Write", 4
    ),
    "no type": bad_suite(suite() | {"expectations": [{"kwargs": {}}]}, "An expectation has no `type`. Write", 4),
    "an argument beside kwargs": bad_suite(
        suite(stated("expect_column_to_exist", column="name") | {"mostly": 0.9}),
        "`expect_column_to_exist` has an unknown key `mostly`. Put arguments of an expectation into its `kwargs`.",
        5,
    ),
    "a key misspelt": bad_suite(
        exists("name") | {"expectation": []},
        "The suite `s.json` has an unknown key `expectation`. Did you mean `expectations`?",
        1,
    ),
    "kwargs are null": bad_suite(
        suite({"type": "expect_table_row_count_to_be_between", "kwargs": None}),
        "`expect_table_row_count_to_be_between` has no `kwargs`.",
        5,
    ),
    "kwargs are a list": bad_suite(
        suite({"type": "expect_column_to_exist", "kwargs": ["name"]}),
        '`expect_column_to_exist` has `["name"]` as `kwargs`, not an object. Write `"kwargs": {"column": ...}`.',
        5,
    ),
    "a query of something else": bad_suite(
        suite(stated("unexpected_rows_expectation", unexpected_rows_query="SELECT 1")),
        "`unexpected_rows_query` does not query the data, `{batch}`. Write a query that selects the rows that",
        5,
    ),
    "unknown severity": bad_suite(
        suite(stated("expect_column_to_exist", column="name", severity="fatal")),
        "The severity of `expect_column_to_exist` cannot be `fatal`. Use `critical`, `warning`, `info`.",
        5,
    ),
    # What could run or fetch something
    "a condition that runs": condition(
        "@pd.io.common.os.system('touch ran') == 0",
        "`row_condition` `@pd.io.common.os.system('touch ran') == 0` contains more than columns",
    ),
    "a condition that runs, as pandas has it": condition(
        "__pd_eval_local_data.isna()", "`row_condition` `__pd_eval_local_data.isna()` contains more than columns,"
    ),
    "a condition that writes": condition(
        "name . to_csv('ran') == 0",
        "`row_condition` `name . to_csv('ran') == 0` uses `to_csv`; allowed are isnull,",
    ),
    "a condition in quotes of quotes": condition(
        "name == '\\'' or @data.to_csv('ran') or '' == ''", "`row_condition` `name == '"
    ),
    "a condition of today": condition(
        {"type": "and", "conditions": [{"type": "pass_through", "pass_through_filter": "name.to_csv('ran')"}]},
        "`row_condition` `name.to_csv('ran')` uses `to_csv`;",
    ),
    "a condition with a column that runs": condition(
        {"type": "comparison", "column": {"name": "a` or @data.to_csv('ran') or `a"}, "operator": "==", "parameter": 1},
        "`row_condition` names a column",
    ),
    "a schema elsewhere": bad_suite(
        suite(
            stated(
                "expect_column_values_to_match_json_schema",
                column="name",
                json_schema={"items": {"$ref": "http://127.0.0.1:9/schema.json"}},
            )
        ),
        "`json_schema` refers to `http://127.0.0.1:9/schema.json`: only references inside it, with `#`, are allowed.",
        5,
    ),
}


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
def test_validate_data_refuses(workspace: Workspace, case: Case) -> None:
    for name, content in {"a.csv": "name\n1\n", "s.json": exists("name"), **case.files}.items():
        workspace.write(name, content)
    done = workspace.run(STAGE, case.inputs)
    assert done.code == 2, done.log
    (error,) = done.annotations()
    assert error.message[: len(case.message)] == case.message
    assert error.place == case.place
    assert "Traceback" not in done.log
    assert "Loading Great Expectations" not in done.log, "refused before it is imported"
    assert done.outputs["status"] == "error"
    assert done.outputs.get("success", "false") == "false"


def test_a_pipe_is_not_waited_for(workspace: Workspace) -> None:
    os.mkfifo(workspace.folder / "a.csv")
    workspace.write("s.json", exists("name"))
    done = workspace.run(STAGE, GIVEN)
    assert done.code == 2, done.log
    assert done.annotations()[0].message == "`a.csv` is not a regular file."


def test_all_that_is_wrong_is_told_at_once(workspace: Workspace) -> None:
    workspace.write("a.csv", "name\n1\n")
    workspace.write("s.json", suite(stated("expect_a", severity="x"), stated("expect_b", severity="y")))
    rules = {"a.csv": ["s.json", "no.json"], "b.csv": "s.json", "c/*.csv": "s.json"}
    done = workspace.run(STAGE, {"rules": json.dumps(rules)})
    assert done.code == 2, done.log
    assert [error.message.split(".")[0] for error in done.annotations()] == [
        "The severity of `expect_a` cannot be `x`",
        "The severity of `expect_b` cannot be `y`",
        "`no",
        "`b",
        "No file matches `c/*",
    ]


def test_arguments_that_do_not_fit(workspace: Workspace) -> None:
    """Only Great Expectations itself can tell: it is imported, and still no data are read."""
    workspace.write("a.csv", "name\n1,2,3\n")
    wrong: dict[str, dict[str, Any]] = {
        "expect_column_values_to_be_in_set": {"column": "name", "valueset": [5]},
        "expect_column_values_to_be_between": {"column": "name"},
        "expect_column_values_to_not_be_null": {"column": "name", "mostly": 1.5},
        "expect_column_mean_to_be_between": {"max_value": 3},
        "expect_column_value_to_be_between": {"column": "name"},
        "ExpectColumnToExist": {"column": "name"},
    }
    workspace.write("s.json", suite(*(stated(expectation, **kwargs) for expectation, kwargs in wrong.items())))
    done = workspace.run(STAGE, GIVEN)
    assert done.code == 2, done.log
    told = [(error.message.split(" Its arguments: ")[0], error.place) for error in done.annotations()]
    said = "The suite is wrong about"
    misspelt = "`value_set: field required; valueset: extra fields not permitted`"
    unknown = "is not an expectation."
    assert [message for message, _ in told] == [
        f"{said} `expect_column_values_to_be_in_set`: {misspelt}. Did you mean `value_set`?",
        f"{said} `expect_column_values_to_be_between`: `min_value and max_value cannot both be None`.",
        f"{said} `expect_column_values_to_not_be_null`: `mostly: ensure this value is less than or equal to 1.0`.",
        f"{said} `expect_column_mean_to_be_between`: `column: field required`.",
        f"`expect_column_value_to_be_between` {unknown} Did you mean `expect_column_values_to_be_between`?",
        f"`ExpectColumnToExist` {unknown} Did you mean `expect_column_to_exist`?",
    ]
    lines = [
        number
        for number, line in enumerate((workspace.folder / "s.json").read_text().splitlines(), 1)
        if '"type"' in line
    ]
    assert [place for _, place in told] == [("s.json", line) for line in lines]
    assert done.record["results"] == []
