"""Suites of Great Expectations 0.x: what is renamed, dropped, kept, and refused."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from notebook_ci.base.errors import InputError
from notebook_ci.base.workspace import Workspace
from notebook_ci.validate_data import old_suites, plan, suites
from notebook_ci.validate_data.model import Checks, ValidateInputs
from notebook_ci.validate_data.suites import Suite

# As releases of each age saved them.
OF_0_13 = """{
  "data_asset_type": "Dataset",
  "expectation_suite_name": "orders.warning",
  "evaluation_parameters": {
    "dearest": 1e3
  },
  "expectations": [
    {
      "expectation_type": "expect_column_values_to_be_between",
      "kwargs": {
        "allow_cross_type_comparisons": null,
        "column": "price",
        "max_value": {
          "$PARAMETER": "dearest * 2"
        },
        "parse_strings_as_datetimes": false
      },
      "meta": {
        "notes": {
          "content": ["In EUR, not \\"expectation_type\\": 1."],
          "format": "markdown"
        }
      }
    },
    {
      "expectation_type": "expect_column_values_to_not_be_null",
      "kwargs": {"column": "id", "catch_exceptions": false, "include_config": true, "result_format": "BASIC"},
      "success_on_last_run": true
    },
    {
      "expectation_type": "expect_column_values_to_be_of_type",
      "kwargs": {"column": "id", "type_": "O"}
    }
  ],
  "meta": {
    "great_expectations.__version__": "0.13.49"
  }
}
"""
OF_0_15 = """{
    "ge_cloud_id": null,
    "expectation_suite_name": "trips",
    "expectations": [
        {"ge_cloud_id": null, "expectation_type": "expect_table_row_count_to_be_between", "meta": {},
         "kwargs": {"auto": true, "batch_id": "84be", "max_value": 9, "min_value": 1, "profiler_config": {"a": []}}},
        {"kwargs": {"column": "vendor", "strict_max": null, "min_value": 1, "strict_min": false},
         "expectation_type": "expect_column_max_to_be_between"}
    ],
    "data_asset_type": null,
    "meta": {"citations": [{"citation_date": "2022"}], "great_expectations_version": "0.15.50"}}"""
OF_0_18 = """{
  "data_asset_type": null,
  "expectation_suite_name": "types",
  "expectations": [
    {
      "expectation_type": "expect_column_values_to_be_of_type",
      "ge_cloud_id": "5a1b2c3d-0000-4000-8000-000000000000",
      "kwargs": {"column": "name", "type_": "object"},
      "meta": {}
    },
    {
      "expectation_type": "expect_column_values_to_be_in_type_list",
      "kwargs": {"column": "town", "type_list": ["CHAR", "str", "string"]},
      "meta": {}
    },
    {
      "expectation_type": "expect_column_values_to_be_of_type",
      "kwargs": {"column": "age", "type_": "int64"},
      "meta": {}
    }
  ],
  "ge_cloud_id": null,
  "meta": {"great_expectations_version": "0.18.22"}
}
"""


def read(tmp_path: Path, content: object) -> tuple[Suite | None, list[tuple[int | None, str]]]:
    text = content if isinstance(content, str) else json.dumps(content, indent=1)
    (tmp_path / "s.json").write_text(text, newline="")
    suite, errors = suites.read(tmp_path / "s.json", "s.json")
    return suite, [(error.line, f"{error.message} {error.hint}") for error in errors]


def good(tmp_path: Path, content: object) -> Suite:
    suite, errors = read(tmp_path, content)
    assert suite, errors
    return suite


def old(*expectations: Any, **more: Any) -> dict[str, Any]:
    meta = {"great_expectations_version": "0.18.22"}
    return {"expectation_suite_name": "s", "expectations": list(expectations), "meta": meta, **more}


def of_type(**kwargs: Any) -> dict[str, Any]:
    return {"expectation_type": "expect_column_values_to_be_of_type", "kwargs": kwargs}


def test_a_suite_of_0_13(tmp_path: Path) -> None:
    suite = good(tmp_path, OF_0_13)
    assert (suite.name, suite.is_old, suite.objects) == ("orders.warning", True, ("id",))
    assert suite.parameters == {"dearest": 1000}
    between, not_null, of_object = suite.expectations
    assert between.kwargs == {"column": "price", "max_value": {"$PARAMETER": "dearest * 2"}}
    assert not_null.kwargs == {"column": "id", "catch_exceptions": False, "result_format": "BASIC"}
    assert of_object.kwargs == {"column": "id", "type_": "O"}
    assert [OF_0_13.splitlines()[each.line - 1].strip() for each in suite.expectations] == [
        f'"expectation_type": "{each.type}",' for each in suite.expectations
    ]


def test_a_suite_of_0_15(tmp_path: Path) -> None:
    suite = good(tmp_path, OF_0_15)
    assert [(each.kwargs, each.line) for each in suite.expectations] == [
        ({"batch_id": "84be", "max_value": 9, "min_value": 1}, 5),
        ({"column": "vendor", "min_value": 1, "strict_min": False}, 8),
    ]


def test_a_suite_of_0_18_expects_the_types_of_pandas_2(tmp_path: Path) -> None:
    assert good(tmp_path, OF_0_18).objects == ("name", "town")


def test_all_else_stays_as_it_was_written() -> None:
    assert (
        old_suites.rewritten(OF_0_15)
        == """{
    "name": "trips",
    "expectations": [
        {"type": "expect_table_row_count_to_be_between", "meta": {},
         "kwargs": {"batch_id": "84be", "max_value": 9, "min_value": 1}},
        {"kwargs": {"column": "vendor", "min_value": 1, "strict_min": false},
         "type": "expect_column_max_to_be_between"}
    ],
    "meta": {"citations": [{"citation_date": "2022"}], "great_expectations_version": "0.15.50"}}"""
    )
    assert '"dearest": 1e3\n' in old_suites.rewritten(OF_0_13)
    assert 'not \\"expectation_type\\": 1' in old_suites.rewritten(OF_0_13)


@pytest.mark.parametrize("text", [OF_0_13, OF_0_15, OF_0_18])
@pytest.mark.parametrize(
    "change", [str, lambda text: text.replace("\n", "\r\n"), lambda text: re.sub(r'(?<!\\)": ', '" :\t', text)]
)
def test_what_is_rewritten_is_a_suite_of_1(tmp_path: Path, text: str, change: Any) -> None:
    before = good(tmp_path, change(text))
    after = good(tmp_path, old_suites.rewritten(change(text)))
    assert (before.is_old, after.is_old) == (True, False)
    assert [(each.type, each.kwargs) for each in after.expectations] == [
        (each.type, each.kwargs) for each in before.expectations
    ]
    assert (after.name, after.parameters, after.objects) == (before.name, before.parameters, before.objects)
    assert old_suites.rewritten(old_suites.rewritten(text)) == old_suites.rewritten(text)


@pytest.mark.parametrize(
    ("text", "rewritten"),
    [
        ('{"data_asset_type": 1}', "{}"),
        ('{"data_asset_type":1,"ge_cloud_id":2}', "{}"),
        ('{"a": 1, "data_asset_type": "}", "ge_cloud_id": {"b": [2]}}', '{"a": 1}'),
        ('{"data_asset_type": 1 , "a": "," , "ge_cloud_id": 2 }', '{"a": ","  }'),
        (
            '{"a": {"ge_cloud_id": 1}, "meta": {"expectation_type": 2}}',
            '{"a": {"ge_cloud_id": 1}, "meta": {"expectation_type": 2}}',
        ),
        ('{"expectations": [{"expectation\\u005ftype": "a"}, 5, []]}', '{"expectations": [{"type": "a"}, 5, []]}'),
        ('{"expectations": {"expectation_type": 1}}', '{"expectations": {"expectation_type": 1}}'),
        (
            '{"expectations": [{"kwargs": []}, {"kwargs": {"auto": 1}}]}',
            '{"expectations": [{"kwargs": []}, {"kwargs": {}}]}',
        ),
        ("[]", "[]"),
    ],
)
def test_keys_that_are_renamed_or_removed(text: str, rewritten: str) -> None:
    assert old_suites.rewritten(text) == rewritten


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"parse_strings_as_datetimes": True}, "`expect_a` has no argument `parse_strings_as_datetimes` in Great Exp"),
        (
            {"parse_strings_as_datetimes": {"$PARAMETER": "p"}},
            "`expect_a` has no argument `parse_strings_as_datetimes`",
        ),
        ({"allow_cross_type_comparisons": True}, "`expect_a` has no argument `allow_cross_type_comparisons` in Great"),
        ({"row_condition": "@pd.x"}, "`row_condition` `@pd.x` contains more than columns"),
    ],
)
def test_arguments_that_would_change_a_verdict_are_refused(tmp_path: Path, kwargs: Any, message: str) -> None:
    _, errors = read(tmp_path, old({"expectation_type": "expect_a", "kwargs": kwargs}))
    ((line, said),) = errors
    assert (line, said[: len(message)]) == (5, message)


@pytest.mark.parametrize(
    ("content", "line", "message"),
    [
        (old(), 1, "The suite `s.json` has no expectations: any data would pass."),
        (old(of_type(column="a"), batch={}), 1, "The suite `s.json` has an unknown key `batch`."),
        (
            old(of_type(column="a") | {"mostly": 1}),
            5,
            "`expect_column_values_to_be_of_type` has an unknown key `mostly`",
        ),
        (old({"kwargs": {}}), 4, "An expectation has no `type`."),
        (
            old(of_type(), name="s"),
            1,
            "`expectation_suite_name` and `name` are the same key, of Great Expectations 0.x",
        ),
        (
            old(5, of_type() | {"type": "b"}),
            8,
            "`expectation_type` and `type` are the same key, of Great Expectations",
        ),
        (
            old(of_type(), evaluation_parameters=[1]),
            1,
            "The suite `s.json` has `[1]` as `suite_parameters`, not an object",
        ),
        (
            old(of_type() | {"severity": "low"}),
            5,
            "The severity of `expect_column_values_to_be_of_type` cannot be `low`",
        ),
        ({"data_asset_type": None, "expectations": [of_type()]}, 1, "The suite `s.json` has no `name`."),
    ],
)
def test_what_is_not_known_is_refused(tmp_path: Path, content: Any, line: int | None, message: str) -> None:
    suite, ((found, said), *_) = read(tmp_path, content)
    assert (suite, found, said[: len(message)]) == (None, line, message)


@pytest.mark.parametrize(
    ("version", "columns"),
    [("1.5.0", ("a",)), ("1.10.0", ("a",)), ("1.11.0", ()), ("2.0", ()), ("0.18.22", ("a",)), (None, ())],
)
def test_suites_of_1_from_before_pandas_3_expect_the_types_of_pandas_2(
    tmp_path: Path, version: Any, columns: Any
) -> None:
    expectations = [{"type": "expect_column_values_to_be_of_type", "kwargs": {"column": "a", "type_": "object"}}]
    content = {"name": "s", "expectations": expectations, "meta": {"great_expectations_version": version}}
    suite = good(tmp_path, content)
    assert (suite.is_old, suite.objects) == (False, columns)


@pytest.mark.parametrize(
    "kwargs",
    [
        {"column": "a", "type_": "str"},
        {"column": "a", "type_": ["object"]},
        {"column": "a", "type_": {"$PARAMETER": "t"}},
        {"column": "a", "type_list": "object"},
        {"column": "a", "type_list": ["int64", ["object"], None]},
        {"column": 5, "type_": "object"},
        {"type_": "object"},
    ],
)
def test_other_types_are_those_of_pandas_3(tmp_path: Path, kwargs: Any) -> None:
    assert not good(tmp_path, old(of_type(**kwargs))).objects


def test_without_a_version_types_are_those_of_pandas_3_in_both_forms(tmp_path: Path) -> None:
    before = old(of_type(column="a", type_="object"), meta={})
    assert not good(tmp_path, before).objects
    assert not good(tmp_path, old_suites.rewritten(json.dumps(before))).objects


def test_one_notice_each_says_what_is_read_differently(tmp_path: Path) -> None:
    for name, text in {"a.json": OF_0_18, "b.json": OF_0_13, "a.csv": "a\n1\n", "b.csv": "a\n1\n"}.items():
        (tmp_path / name).write_text(text)
    planned = plan.create(ValidateInputs(rules={"*.csv": Checks(("a.json", "b.json"))}), Workspace(tmp_path, {}))
    found = [(each.severity, each.file, each.message, each.hint) for each in planned.problems]
    assert [each[:2] for each in found] == [("notice", f"{name}.json") for name in "aabb"]
    assert (
        found[0][2]
        == "`a.json` was saved with Great Expectations 0.x. It is read as a 1.x suite; the file is not changed."
    )
    assert found[0][3].startswith("To rewrite the file: `bash ")
    assert found[0][3].endswith("launch.sh migrate-suite a.json`.")
    assert (
        found[1][2] == "`a.json` was saved before pandas 3. Text counts as `object` in `name`, `town`, as in pandas 2."
    )


PROJECT = """config_version: 4.0
fluent_datasources:
  files: {type: pandas, assets: {a: {type: csv, filepath_or_buffer: a.csv, batch_definitions: {b: }}}}
"""


def files_of_a_checkpoint() -> dict[str, str]:
    names = {"datasource": {"name": "files"}, "asset": {"name": "a"}, "batch_definition": {"name": "b"}}
    return {
        "great_expectations.yml": PROJECT,
        "checkpoints/c.json": json.dumps({"name": "c", "validation_definitions": [{"name": "v"}]}),
        "validation_definitions/v.json": json.dumps({"name": "v", "data": names, "suite": {"name": "s"}}),
        "expectations/s.json": OF_0_18,
    }


def write_project(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / "gx" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "gx" / name).write_text(text)


def test_a_checkpoint_of_1_may_use_a_suite_of_0(tmp_path: Path) -> None:
    write_project(tmp_path, files_of_a_checkpoint())
    (tmp_path / "a.csv").write_text("name\n1\n")
    planned = plan.create(ValidateInputs(checkpoint="c"), Workspace(tmp_path, {}))
    assert isinstance(planned, plan.ValidationPlan)
    found = [(rule.data, rule.suite.name, rule.suite.is_old) for rule in planned.rules]
    assert found == [("a.csv", "types", True)]
    assert [each.file for each in planned.problems] == ["gx/expectations/s.json"] * 2


@pytest.mark.parametrize(
    "asset", ["{type: dataframe, batch_definitions: {b: }}", "{type: csv, filepath_or_buffer: /home/me/a.csv}", "{}"]
)
def test_a_checkpoint_with_data_of_its_own_does_not_use_that_of_the_project(tmp_path: Path, asset: str) -> None:
    project = f"config_version: 4.0\nfluent_datasources: {{files: {{assets: {{a: {asset}}}}}}}\n"
    files = {**files_of_a_checkpoint(), "great_expectations.yml": project}
    write_project(tmp_path, files)
    (tmp_path / "b.csv").write_text("name\n1\n")
    (tmp_path / "c.csv").write_text("name\n1\n")
    inputs = ValidateInputs(checkpoint="c", data=("*.csv",), read={"sep": ";"})
    planned = plan.create(inputs, Workspace(tmp_path, {}))
    assert isinstance(planned, plan.ValidationPlan)
    assert [(rule.data, rule.suite.name, rule.read.sep) for rule in planned.rules] == [
        ("b.csv", "types", ";"),
        ("c.csv", "types", ";"),
    ]
    with pytest.raises(InputError, match="type `null`"):
        plan.create(ValidateInputs(checkpoint="c"), Workspace(tmp_path, {}))
