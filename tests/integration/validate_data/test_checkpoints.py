"""Checkpoints of a project, read without running any of its code."""

import json
from pathlib import Path
from typing import Any

import pytest

from integration.suite import Workspace, line_of
from integration.validate_data.projects import SMALL, STAGE, exists, results, stated, suite, violations, with_tools
from notebook_ci.base.files import sha256

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
        "`mass`: observed `99.0`; this fails expect_column_max_to_be_between (`max_value: 50"
    )
    (notice,) = done.annotations("notice")
    assert notice.message == "Actions of the checkpoint `all` are not run: docs."
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
        "`data/small.csv` cannot be read as csv: `Expected 2 fields in line 3, saw 3`. "
        "Correct it, or say how it is written: `read: {sep: ..., header: ...}`."
    )


OLD = """config_version: 3.0
datasources:
  files:
    class_name: Datasource
    execution_engine: {class_name: PandasExecutionEngine}
    data_connectors:
      trips:
        class_name: InferredAssetFilesystemDataConnector
        base_directory: ../data
        default_regex: {group_names: [data_asset_name, year], pattern: '([a-z]+)_(\\d+)\\.csv'}
"""
REQUEST = {"datasource_name": "files", "data_connector_name": "trips", "data_asset_name": "trips"}
PARAMETERS = {"rows": 4, "most": 10}
LEAST, URN = {"$PARAMETER": "trunc(rows * 0.9)"}, {"$PARAMETER": "urn:great_expectations:validations:s.x:y.result.z"}
OF_0: list[tuple[str, dict[str, Any], str]] = [
    ("expect_table_row_count_to_be_between", {"min_value": LEAST}, ""),
    ("expect_column_values_to_be_between", {"column": "mass", "max_value": {"$PARAMETER": "most"}}, "1 of 3 values of"),
    ("expect_column_values_to_be_in_range", {"column": "mass"}, "expect_column_values_to_be_in_range cannot be evalua"),
    ("expect_table_row_count_to_equal", {"value": URN}, 'expect_table_row_count_to_equal (`value: {"$PARAMETER": '),
    (
        "expect_column_max_to_be_between",
        {"column": "mass", "max_value": {"$PARAMETER": "least"}},
        "expect_column_max_to",
    ),
    ("expect_column_to_exist", {"column": "name"}, ""),
]


def test_a_checkpoint_of_0(workspace: Workspace) -> None:
    """A custom expectation, and values that are not known, fail by themselves: the rest is checked."""
    stated_ = [{"expectation_type": kind, "kwargs": kwargs} for kind, kwargs, _ in OF_0]
    parameters = {"evaluation_parameters": {**PARAMETERS, "most": 1}}
    workspace.write(
        "gx/expectations/trips/all.json", {"expectation_suite_name": "x", "expectations": stated_, **parameters}
    )
    workspace.write("gx/great_expectations.yml", OLD)
    validations = [{"batch_request": REQUEST, "expectation_suite_name": "trips.all"}]
    checkpoint = {"validations": validations, "evaluation_parameters": {"most": 50}}
    workspace.write("gx/checkpoints/nightly.yml", json.dumps(checkpoint))
    for year in (2023, 2024):
        workspace.write(f"data/trips_{year}.csv", SMALL)
    done = workspace.run(STAGE, {"checkpoint": "nightly"})
    assert done.code == 1, done.log
    ((data, result),) = results(done).items()
    assert (data, result["suite"], result["evaluated"]) == ("data/trips_2024.csv", "gx/expectations/trips/all.json", 6)
    expected = [message for _, _, message in OF_0 if message]
    found = violations(done)
    assert [each["message"][: len(message)] for each, message in zip(found, expected, strict=True)] == expected
    assert [each["kind"] for each in found] == ["violation", *["not-evaluated"] * 3]
    assert "a result of another validation is not stored. Write a name." in found[2]["message"]
    assert "`No value found for $PARAMETER least`. Add its value to the suite" in found[3]["message"]
    told = "`data/trips_2024.csv` is the last of 2 files that match. Only it is checked. To check others, set `data` as"
    assert told in [each.message[: len(told)] for each in done.annotations("notice")]
    assert {"gx/checkpoints/nightly.yml", "data/trips_2024.csv"} <= done.record["read"].keys()


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
