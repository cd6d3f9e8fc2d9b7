"""Which data and suites a checkpoint of a project means: of Great Expectations 1.x, and of 0.x."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from notebook_ci.base.errors import InputError, NotebookCiError
from notebook_ci.base.workspace import Workspace
from notebook_ci.validate_data import plan
from notebook_ci.validate_data.model import ValidateInputs
from notebook_ci.validate_data.plan import Rule, ValidationPlan

SUITE = json.dumps({"name": "s", "expectations": [{"type": "expect_column_to_exist", "kwargs": {"column": "a"}}]})
CONFIG = "gx/great_expectations.yml"
GIVE_DATA = "To use the suites of the checkpoint for other data, set `data` as well."
IN_WORKSPACE = f"not a path in the workspace. Write it relative to the workspace, without variables. {GIVE_DATA}"
Found = tuple[str, int | None, str]

# --- Projects of 0.x

OLD = """config_version: 3.0
datasources:
  files:
    class_name: Datasource
    execution_engine: {class_name: PandasExecutionEngine, module_name: great_expectations.execution_engine}
    data_connectors:
      one:
        class_name: InferredAssetFilesystemDataConnector
        base_directory: ../data
        default_regex: {group_names: [data_asset_name], pattern: (.*)}
      by_year:
        class_name: InferredAssetFilesystemDataConnector
        base_directory: ../data
        glob_directive: "*.csv"
        default_regex: {group_names: [data_asset_name, year], pattern: '([a-z]+)_(\\d+)\\.csv'}
      sorted:
        class_name: InferredAssetFilesystemDataConnector
        base_directory: ..\\data
        default_regex: {group_names: [data_asset_name, year], pattern: '([a-z]+)_(\\d+)\\.csv'}
        sorters: [{name: year, orderby: desc, class_name: LexicographicSorter}]
      by_hand:
        class_name: ConfiguredAssetFilesystemDataConnector
        base_directory: ..
        batch_spec_passthrough: {reader_method: read_csv, reader_options: {delimiter: ";"}}
        assets: {raw: {pattern: 'data/raw/(.*)\\.csv', group_names: [name]}, trips: {
          base_directory: data, pattern: 'trips_(?P<year>\\d+)\\.csv', group_names: [year]}}
      runtime: {class_name: RuntimeDataConnector, batch_identifiers: [run]}
  database:
    execution_engine: {class_name: SqlAlchemyExecutionEngine, connection_string: "sqlite:///a.db"}
    data_connectors: {one: {class_name: InferredAssetSqlDataConnector}}
fluent_datasources:
  folder:
    type: pandas_filesystem
    base_directory: ../data
    assets:
      trips: {type: csv, batching_regex: 'trips_(?P<year>\\d{4})\\.csv', sep: ";", low_memory: false}
      ordered: {type: csv, batching_regex: 'trips_(?P<year>\\d{4})\\.csv', order_by: [{key: year, reverse: true}]}
  single:
    type: pandas
    assets: {small: {type: csv, filepath_or_buffer: data/small.csv, parse_dates: [day]}}
"""
FILES = ("data/small.csv", "data/trips_2023.csv", "data/trips_2024.csv", "data/raw/deep.csv")
BY_YEAR = {"datasource_name": "files", "data_connector_name": "by_year", "data_asset_name": "trips"}
ONE = {"datasource_name": "files", "data_connector_name": "one", "data_asset_name": "small.csv"}
BY_HAND = {"datasource_name": "files", "data_connector_name": "by_hand", "data_asset_name": "trips"}
RUNTIME = {"datasource_name": "files", "data_connector_name": "runtime", "data_asset_name": "any"}
TRIPS = {"datasource_name": "folder", "data_asset_name": "trips"}


def old_project(
    folder: Path, checkpoint: object, *, config: str = OLD, name: str = "gx", suites: tuple[str, ...] = ("s",)
) -> None:
    """Write a project with the checkpoint `c`; YAML contains JSON."""
    files: dict[str, object] = {f"{name}/expectations/{suite}.json": SUITE for suite in suites}
    files |= {f"{name}/great_expectations.yml": config, f"{name}/checkpoints/c.yml": checkpoint}
    write(folder, {**files, **dict.fromkeys(FILES, "a\n1\n")})


def write(folder: Path, files: Mapping[str, object]) -> None:
    for path, content in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content if isinstance(content, str) else json.dumps(content))


def planned(folder: Path, **inputs: Any) -> ValidationPlan:
    found = plan.create(ValidateInputs(checkpoint="c", **inputs), Workspace(folder, {}))
    assert isinstance(found, ValidationPlan)
    return found


def data_of(folder: Path, request: object) -> tuple[Rule, list[str]]:
    """Return the only rule of a checkpoint of 0.x, and its notices."""
    old_project(folder, {"validations": [{"batch_request": request, "expectation_suite_name": "s"}]})
    found = planned(folder)
    (rule,) = found.rules
    return rule, [problem.message for problem in found.problems]


def query(**query: Any) -> dict[str, Any]:
    return {"data_connector_query": query}


@pytest.mark.parametrize(
    ("request_", "file"),
    [
        (ONE, "data/small.csv"),
        (ONE | query(index=-1), "data/small.csv"),
        (BY_YEAR, "data/trips_2024.csv"),
        (BY_YEAR | query(index=-1), "data/trips_2024.csv"),
        (BY_YEAR | query(index=-1, batch_filter_parameters={"year": "2023"}), "data/trips_2023.csv"),
        (BY_YEAR | query(batch_filter_parameters={"year": 2023}), "data/trips_2023.csv"),
        (BY_HAND, "data/trips_2024.csv"),
        (BY_HAND | {"data_asset_name": "raw"}, "data/raw/deep.csv"),
        (TRIPS, "data/trips_2024.csv"),
        (TRIPS | {"options": {"year": "2023"}, "batch_slice": None}, "data/trips_2023.csv"),
        (TRIPS | {"options": {"path": "trips_2023.csv"}}, "data/trips_2023.csv"),
        ({"datasource_name": "single", "data_asset_name": "small", "options": {}}, "data/small.csv"),
        (RUNTIME | {"runtime_parameters": {"path": "data/small.csv"}}, "data/small.csv"),
        (RUNTIME | {"runtime_parameters": {"path": "../data/small.csv"}}, "data/small.csv"),
    ],
)
def test_the_file_of_a_batch_request(tmp_path: Path, request_: dict[str, Any], file: str) -> None:
    rule, notices = data_of(tmp_path, request_)
    assert (rule.data, rule.suite.file) == (file, "gx/expectations/s.json")
    is_one_of_two = file.endswith("2024.csv")
    assert notices == [f"`{file}` is the last of 2 files that match. Only it is checked."] * is_one_of_two


def test_the_last_file_is_not_pulled(tmp_path: Path) -> None:
    write(tmp_path, {"data/trips_2024.csv.dvc": "", "data/trips_2025.csv.dvc": ""})
    for request in (BY_YEAR, TRIPS):
        validations = [{"batch_request": request, "expectation_suite_name": "s"}]
        old_project(tmp_path, {"validations": validations})
        assert refused(tmp_path) == [
            ("data/trips_2025.csv", None, "`data/trips_2025.csv` does not exist. DVC tracks it: run dvc-pull first.")
        ]
    (tmp_path / "data/trips_2025.csv").write_text("a\n1\n")
    assert [rule.data for rule in planned(tmp_path).rules] == ["data/trips_2025.csv"]


def test_how_a_file_is_read(tmp_path: Path) -> None:
    read = data_of(tmp_path, BY_HAND)[0].read
    assert (read.format, read.sep) == ("csv", ";")
    assert data_of(tmp_path, TRIPS)[0].read == read
    assert data_of(tmp_path, {"datasource_name": "single", "data_asset_name": "small"})[0].read.dates == {"day": ""}
    passed = {"batch_spec_passthrough": {"reader_method": "read_csv", "reader_options": {"header": 1}}}
    assert data_of(tmp_path, ONE | passed)[0].read.header == 1


@pytest.mark.parametrize("name", ["gx", "great_expectations"])
def test_suites_with_dots_and_parameters(tmp_path: Path, name: str) -> None:
    stated = {"expectation_suite_name": "all.good", "batch_request": ONE, "evaluation_parameters": {"x": 1, "y": 2}}
    validations = [
        {"evaluation_parameters": {"y": 3}},
        {"expectation_suite_name": "s"},
        {"expectation_suite_name": "s"},
    ]
    old_project(tmp_path, {**stated, "validations": validations}, name=name, suites=("s", "all/good"))
    rules = [(rule.data, rule.suite.file, rule.suite.parameters) for rule in planned(tmp_path).rules]
    assert rules == [
        ("data/small.csv", f"{name}/expectations/all/good.json", {"x": 1, "y": 3}),
        ("data/small.csv", f"{name}/expectations/s.json", {"x": 1, "y": 2}),
    ]


def test_one_file_that_is_the_last_and_chosen_by_itself(tmp_path: Path) -> None:
    requests = [BY_YEAR, BY_YEAR | query(batch_filter_parameters={"year": 2024})]
    for each in (requests, requests[::-1]):
        validations = [{"batch_request": request, "expectation_suite_name": "s"} for request in each]
        old_project(tmp_path, {"validations": validations})
        (notice,) = planned(tmp_path).problems
        assert notice.message == "`data/trips_2024.csv` is the last of 2 files that match. Only it is checked."


def test_a_checkpoint_without_validations_is_one(tmp_path: Path) -> None:
    old_project(tmp_path, {"expectation_suite_name": "s", "batch_request": ONE, "validations": []})
    assert [rule.data for rule in planned(tmp_path).rules] == ["data/small.csv"]


def test_batches_of_version_2(tmp_path: Path) -> None:
    kwargs = {"path": "../data/small.csv", "datasource": "x", "reader_method": "csv", "reader_options": {"sep": "|"}}
    batches = [{"batch_kwargs": kwargs, "expectation_suite_names": ["s", "all.good"]}]
    config = "config_version: 2\ndatasources: {x: {class_name: PandasDatasource}}\n"
    old_project(tmp_path, {"batches": batches}, config=config, suites=("s", "all/good"))
    rules = planned(tmp_path).rules
    assert [(rule.data, rule.suite.file, rule.read.sep) for rule in rules] == [
        ("data/small.csv", "gx/expectations/s.json", "|"),
        ("data/small.csv", "gx/expectations/all/good.json", "|"),
    ]


def test_with_data_nothing_else_of_the_data_counts(tmp_path: Path) -> None:
    for request in ({}, RUNTIME, {"datasource_name": "database", "data_connector_name": "one"}):
        old_project(tmp_path, {"validations": [{"batch_request": request, "expectation_suite_name": "s"}]})
        found = planned(tmp_path, data=("data/trips*.csv",))
        assert [rule.data for rule in found.rules] == ["data/trips_2023.csv", "data/trips_2024.csv"]


def test_actions_that_are_not_run(tmp_path: Path) -> None:
    classes = {
        "store_validation_result": "StoreValidationResultAction",
        "docs": "UpdateDataDocsAction",
        "chat": "SlackNotificationAction",
    }
    actions = [{"name": name, "action": {"class_name": kind}} for name, kind in classes.items()]
    old_project(tmp_path, {"expectation_suite_name": "s", "batch_request": ONE, "action_list": actions})
    (notice,) = planned(tmp_path).problems
    assert notice.message == "Actions of the checkpoint `c` are not run: docs, chat."


def refused(folder: Path) -> list[Found]:
    with pytest.raises(InputError) as caught:
        planned(folder)
    errors: list[NotebookCiError] = [*caught.value.others, caught.value]
    return [(error.file or "", error.line, f"{error.message} {error.hint}") for error in errors]


C = "gx/checkpoints/c.yml"
MEANT = "An entry of `validations` has a `batch_request`, and an `expectation_suite_name` that is text."
OF_CHECKPOINTS: dict[str, tuple[object, Found]] = {
    "no YAML": ("a: [", (C, 1, "`gx/checkpoints/c.yml` is not valid YAML: ")),
    "a list": ("[]", (C, None, "`gx/checkpoints/c.yml` is a list, not a map.")),
    "nothing": ({}, (C, 1, "The checkpoint `c` has no validations.")),
    "text": ({"validations": "s"}, (C, 1, f"`{C}` has `s` as `validations`, not a list. {MEANT}")),
    "a name": ({"validations": ["s"]}, (C, 1, f"`{C}` has no `expectation_suite_name`. {MEANT}")),
    "no suite": (
        {"validations": [{"batch_request": ONE}]},
        (C, 1, f"`{C}` has no `expectation_suite_name`. {MEANT}"),
    ),
    "a number": (
        {"validations": [{"expectation_suite_name": 1}]},
        (C, 1, f"`{C}` has `1` as `expectation_suite_name`, not text. {MEANT}"),
    ),
    "no such suite": (
        {"validations": [{"expectation_suite_name": "t", "batch_request": ONE}]},
        (C, 1, "The project `gx` has no suite `t`. Known: `s`."),
    ),
    "a request as text": (
        {"validations": [{"expectation_suite_name": "s", "batch_request": "one"}]},
        (C, 1, f"`{C}` has `one` as `batch_request`, not an object. {MEANT}"),
    ),
    "parameters as a list": (
        {"expectation_suite_name": "s", "batch_request": ONE, "evaluation_parameters": [1]},
        (C, 1, f"`{C}` has `[1]` as `evaluation_parameters`, not an object."),
    ),
    "a variable": (
        {"expectation_suite_name": "s", "batch_request": ONE, "evaluation_parameters": {"most": "${MOST}"}},
        (C, 1, f"`{C}` has `${{MOST}}` in `evaluation_parameters`: variables of a project are not replaced. Write the"),
    ),
    "a template": ({"template_name": "base"}, (C, 1, f"`{C}` has a `template_name`: another checkpoint, which is not")),
    "a table of version 2": (
        {"batches": [{"batch_kwargs": {"table": "t"}, "expectation_suite_names": ["s"]}]},
        (CONFIG, 1, f"The checkpoint names no file as its data. {GIVE_DATA}"),
    ),
    "no kwargs": (
        {"batches": [{"expectation_suite_names": ["s"]}]},
        (C, 1, f"`{C}` has no `batch_kwargs`. An entry of `batches` has"),
    ),
    "no suites": (
        {"batches": [{"batch_kwargs": {"path": "a.csv"}}]},
        (C, 1, f"`{C}` has no `expectation_suite_names`."),
    ),
}


@pytest.mark.parametrize("case", OF_CHECKPOINTS)
def test_checkpoints_that_are_refused(tmp_path: Path, case: str) -> None:
    checkpoint, (file, line, message) = OF_CHECKPOINTS[case]
    old_project(tmp_path, checkpoint)
    ((found_file, found_line, found),) = refused(tmp_path)
    assert (found_file, found_line, found[: len(message)]) == (file, line, message)


OF_REQUESTS: dict[str, tuple[Mapping[str, Any], Found]] = {
    "no data": ({}, (CONFIG, 1, f"The checkpoint names no file as its data. {GIVE_DATA}")),
    "no asset": (ONE | {"data_asset_name": None}, (CONFIG, 1, "The checkpoint names no file as its data.")),
    "no source": (
        ONE | {"datasource_name": "file"},
        (CONFIG, 1, f"`{CONFIG}` has no data source `file`. Did you mean `files`? {GIVE_DATA}"),
    ),
    "no connector": (
        ONE | {"data_connector_name": "x"},
        (
            CONFIG,
            1,
            f"`{CONFIG}` has no data connector of `files`, `x`. Known: `one`, `by_year`, `sorted`, `by_hand`, `run",
        ),
    ),
    "a dataframe": (
        RUNTIME,
        (
            CONFIG,
            27,
            "The data connector `runtime` has the class `RuntimeDataConnector`; accepted: InferredAssetFilesys",
        ),
    ),
    "a query": (
        RUNTIME | {"runtime_parameters": {"query": "SELECT 1"}},
        (CONFIG, 27, "The data connector `runtime` has"),
    ),
    "a database": (
        {"datasource_name": "database", "data_connector_name": "one", "data_asset_name": "t"},
        (
            CONFIG,
            29,
            "The data source `database` has the class `SqlAlchemyExecutionEngine`; accepted: PandasExecutionEng",
        ),
    ),
    "not pulled": (ONE | {"data_asset_name": "b.csv"}, ("data/b.csv", None, "`data/b.csv` does not exist. ")),
    "no match": (
        BY_YEAR | {"data_asset_name": "taxis"},
        (
            "",
            None,
            "No file in `data` is `taxis`: none matches `([a-z]+)_(\\d+)\\.csv`. If DVC tracks it, run dvc-pull",
        ),
    ),
    "no such year": (
        BY_YEAR | query(batch_filter_parameters={"year": 2020}),
        ("", None, "No file in `data` is `trips`: none"),
    ),
    "an unknown group": (
        BY_YEAR | query(batch_filter_parameters={"yaer": 2023}),
        ("", None, "No file in `data` is `trips`"),
    ),
    "the first": (
        BY_YEAR | query(index=0),
        (CONFIG, 26, "`trips` has several files; only the last can be checked: `trips_2023.csv`, `trips_2024.csv`."),
    ),
    "a slice": (
        TRIPS | {"batch_slice": "[0:2]"},
        (CONFIG, 26, "`trips` has several files; only the last can be checked: `trips_2023"),
    ),
    "some of them": (
        BY_YEAR | query(limit=1),
        (CONFIG, 26, "`trips` has several files; only the last can be checked: `trips_2023"),
    ),
    "none, or some of them": (
        BY_YEAR | query(index=None, limit=1),
        (CONFIG, 26, "`trips` has several files; only the last can be checked: `trips_2023"),
    ),
    "a limit of the request": (
        BY_YEAR | {"limit": 1},
        (CONFIG, 26, "`trips` has several files; only the last can be checked:"),
    ),
    "a misspelled filter": (
        BY_YEAR | query(batch_filter_parameter={"year": 2023}),
        (
            C,
            1,
            f"A batch request in `{C}` has the unknown key `batch_filter_parameter`. Did you mean `batch_filter_par",
        ),
    ),
    "a misspelled query": (
        BY_YEAR | {"data_conector_query": {"index": 0}},
        (C, 1, f"A batch request in `{C}` has the unknown key `data_conector_query`."),
    ),
    "a sample": (
        ONE | {"batch_spec_passthrough": {"sampling_method": "_sample_using_limit", "sampling_kwargs": {"n": 9}}},
        (
            CONFIG,
            1,
            f"`sampling_method` chooses a part of a file, but validate-data checks whole files. {GIVE_DATA}",
        ),
    ),
    "another order": (
        BY_YEAR | {"data_connector_name": "sorted"},
        (CONFIG, 26, "`trips` has several files; only the last can be checked: `trips_2023.csv`, `trips_2024.csv`."),
    ),
    "another order of a new asset": (
        TRIPS | {"data_asset_name": "ordered"},
        (CONFIG, 1, "`ordered` has several files;"),
    ),
    "filters as a list": (
        TRIPS | {"options": [2023]},
        (C, 1, f"`{C}` has `[2023]` as `options`, not an object."),
    ),
    "a laptop's path": (
        RUNTIME | {"runtime_parameters": {"path": "/home/me/a.csv"}},
        (CONFIG, 1, f"`path` is `/home/me/a.csv`, {IN_WORKSPACE}"),
    ),
    "a path of Windows": (
        RUNTIME | {"runtime_parameters": {"path": "C:\\data\\a.csv"}},
        (CONFIG, 1, f"`path` is `C:\\data\\a.csv`, {IN_WORKSPACE}"),
    ),
    "a bucket": (
        RUNTIME | {"runtime_parameters": {"path": "s3://b/a.csv"}},
        (CONFIG, 1, "`path` is `s3://b/a.csv`, not a"),
    ),
    "a path as a list": (
        RUNTIME | {"runtime_parameters": {"path": ["a"]}},
        (C, 1, f'`{C}` has `["a"]` as `path`, not text.'),
    ),
    "a path that climbs": (
        RUNTIME | {"runtime_parameters": {"path": "../../a.csv"}},
        (CONFIG, 1, f"`path` is `../../a.csv`, {IN_WORKSPACE}"),
    ),
    "an option of pandas": (
        ONE | {"batch_spec_passthrough": {"reader_options": {"usecols": ["a"]}}},
        (CONFIG, 1, f"`reader_options` has an unknown option `usecols`. {GIVE_DATA}"),
    ),
    "a wrong option": (
        ONE | {"batch_spec_passthrough": {"reader_options": {"sep": "ab"}}},
        (CONFIG, 1, "`sep` in `reader_options` does not accept `ab`."),
    ),
    "another reader": (
        ONE | {"batch_spec_passthrough": {"reader_method": "read_pickle"}},
        (CONFIG, 1, f"`reader_method` is `pickle`; accepted: csv, json, parquet, excel, feather. {GIVE_DATA}"),
    ),
    "options as text": (
        ONE | {"batch_spec_passthrough": {"reader_options": "sep"}},
        (CONFIG, 1, "The project `gx` has `sep` as `reader_options`, not an object."),
    ),
}


@pytest.mark.parametrize("case", OF_REQUESTS)
def test_data_that_a_checkpoint_cannot_name(tmp_path: Path, case: str) -> None:
    request, (file, line, message) = OF_REQUESTS[case]
    old_project(tmp_path, {"validations": [{"batch_request": request, "expectation_suite_name": "s"}]})
    ((found_file, found_line, found),) = refused(tmp_path)
    assert (found_file, found_line, found[: len(message)]) == (file, line, message)
