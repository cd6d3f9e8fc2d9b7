"""Checkpoints of a project, read without running any of its code."""

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
