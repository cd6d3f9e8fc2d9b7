"""Which data and suites a checkpoint of Great Expectations 1.x means, and what is refused."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from notebook_ci.base.errors import InputError
from notebook_ci.base.workspace import Workspace
from notebook_ci.validate_data import plan
from notebook_ci.validate_data.model import ValidateInputs
from notebook_ci.validate_data.plan import Rule, ValidationPlan

PROJECT = """config_version: 4.0
stores: {validations_store: {class_name: Own, module_name: own_package}}
plugins_directory: plugins/
fluent_datasources:
  files:
    type: pandas_filesystem
    base_directory: data
    assets:
      a:
        type: csv
        batch_definitions: {b: }
"""
CONFIG = "gx/great_expectations.yml"
GIVE_DATA = "To use the suites of the checkpoint for other data, set `data` as well."
IN_WORKSPACE = f"not a path in the workspace. Write it relative to the workspace, without variables. {GIVE_DATA}"
CHECKPOINT = {"name": "c", "validation_definitions": [{"name": "v"}]}
DATA = {"datasource": {"name": "files"}, "asset": {"name": "a"}, "batch_definition": {"name": "b"}}
DEFINITION: dict[str, Any] = {"name": "v", "data": DATA, "suite": {"name": "s"}}
SUITE = {"name": "s", "expectations": [{"type": "expect_column_to_exist", "kwargs": {"column": "a"}}]}
GOOD: dict[str, object] = {
    CONFIG: PROJECT,
    "gx/checkpoints/c.json": CHECKPOINT,
    "gx/validation_definitions/v.json": DEFINITION,
    "gx/expectations/s.json": SUITE,
    "gx/plugins/more/own.py": "open('ran', 'w')",
    "data/a.csv": "a\n1\n",
}


def write(folder: Path, files: Mapping[str, object]) -> None:
    for path, content in {**GOOD, **files}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content if isinstance(content, str) else json.dumps(content))


def planned(folder: Path, **inputs: Any) -> ValidationPlan:
    found = plan.create(ValidateInputs(**{"checkpoint": "c", **inputs}), Workspace(folder, {}))
    assert isinstance(found, ValidationPlan)
    return found


def only(folder: Path, *changes: tuple[str, str]) -> Rule:
    """Return the only rule, if the configuration of the project is changed."""
    config = PROJECT
    for old, new in changes:
        assert old in config
        config = config.replace(old, new, 1)
    write(folder, {CONFIG: config})
    (rule,) = planned(folder).rules
    return rule


def test_code_of_the_repository_does_not_matter(tmp_path: Path) -> None:
    rule = only(tmp_path)
    assert (rule.data, rule.suite.file, rule.read.format) == ("data/a.csv", "gx/expectations/s.json", "csv")
    assert not (tmp_path / "ran").exists()


MONTHLY = '{regex: "(?P<month>\\\\d+)-(?P<year>\\\\d+).csv", param_names: [year, month]}'


def test_the_last_batch_of_a_partition(tmp_path: Path) -> None:
    write(tmp_path, dict.fromkeys(("data/12-2023.csv", "data/01-2024.csv"), "a\n1\n"))
    partitioned = ("{b: }", f"{{b: {{partitioner: {MONTHLY}}}}}")
    assert only(tmp_path, partitioned).data == "data/01-2024.csv"
    (notice,) = planned(tmp_path).problems
    assert notice.message == "`data/01-2024.csv` is the last of 2 files that match. Only it is checked."
    assert only(tmp_path, ("{b: }", "{b: {partitioner: {regex: 12.*, param_names: []}}}")).data == "data/12-2023.csv"
    with pytest.raises(
        InputError, match=r"`a` has several files; only the last can be checked: `12-2023\.csv`, `01-2024\.csv`\."
    ):
        only(tmp_path, ("{b: }", f"{{b: {{partitioner: {MONTHLY[:-1]}, sort_ascending: false}}}}}}"))


def test_how_a_file_is_read(tmp_path: Path) -> None:
    write(tmp_path, {"data/a.txt": "{}"})
    asset = ("type: csv", 'type: json\n        lines: true\n        connect_options: {glob_directive: "*.txt"}')
    rule = only(tmp_path, asset)
    assert (rule.data, rule.read.format) == ("data/a.txt", "jsonl")
    rule = only(
        tmp_path,
        ("pandas_filesystem", "pandas"),
        ("csv", "csv\n        filepath_or_buffer: data/a.txt\n        sep: ;"),
    )
    assert (rule.data, rule.read.format, rule.read.sep) == ("data/a.txt", "csv", ";")


def refused(folder: Path, **inputs: Any) -> tuple[tuple[str, int | None], str]:
    with pytest.raises(InputError) as caught:
        planned(folder, **inputs)
    assert not caught.value.others
    return (caught.value.file or "", caught.value.line), f"{caught.value.message} {caught.value.hint}"


OF_CONFIGURATIONS: dict[str, tuple[str, str, int, str]] = {
    "no data source": (
        "  files:",
        "  file:",
        1,
        f"`{CONFIG}` has no data source `files`. Did you mean `file`? {GIVE_DATA}",
    ),
    "no asset": ("      a:", "      b:", 1, f"`{CONFIG}` has no asset of the data source `files`, `a`. Known: `b`."),
    "no batch definition": ("{b: }", "{c: }", 1, f"`{CONFIG}` has no batch definition of `a`, `b`. Known: `c`."),
    "a database": (
        "pandas_filesystem",
        "sqlite",
        6,
        f"The data source `files` has the type `sqlite`; accepted: pandas, pandas_filesystem. {GIVE_DATA}",
    ),
    "Spark": ("pandas_filesystem", "spark_filesystem", 6, "The data source `files` has the type `spark_filesystem`;"),
    "a pickle": ("type: csv", "type: pickle", 10, "The asset `a` has the type `pickle`; accepted: csv, json, parquet,"),
    "a dataframe": (
        "type: csv",
        "type: dataframe",
        10,
        "The asset `a` has the type `dataframe`; accepted: csv, json, ",
    ),
    "data outside": (
        "base_directory: data",
        "base_directory: ../..",
        7,
        f"`base_directory` is `../..`, {IN_WORKSPACE}",
    ),
    "an absolute path": (
        "base_directory: data",
        "base_directory: /proc/self",
        7,
        f"`base_directory` is `/proc/self`, {IN_WORKSPACE}",
    ),
    "a variable": (
        "base_directory: data",
        "base_directory: ${TOKEN}/a",
        7,
        f"`base_directory` is `${{TOKEN}}/a`, {IN_WORKSPACE}",
    ),
    "a home folder": (
        "base_directory: data",
        "base_directory: ~/data",
        7,
        f"`base_directory` is `~/data`, {IN_WORKSPACE}",
    ),
    "no folder": ("    base_directory: data\n", "", 1, f"`base_directory` is `null`, {IN_WORKSPACE}"),
    "a pattern that climbs": (
        "type: csv\n",
        "type: csv\n        connect_options: {glob_directive: ../../*}\n",
        11,
        f"`glob_directive` is `../../*`, {IN_WORKSPACE}",
    ),
    "a URL": (
        "type: pandas_filesystem\n    base_directory: data\n    assets:\n      a:\n",
        "type: pandas\n    assets:\n      a:\n        filepath_or_buffer: https://127.0.0.1:9/a.csv\n",
        9,
        f"`filepath_or_buffer` is `https://127.0.0.1:9/a.csv`, {IN_WORKSPACE}",
    ),
    "a wrong pattern": (
        "{b: }",
        "{b: {partitioner: {regex: '(a'}}}",
        11,
        "`(a` is not a regular expression: missing ), unterminated",
    ),
    "a pattern of nothing": (
        "{b: }",
        "{b: {partitioner: {regex: b.csv}}}",
        0,
        f"No file in `data` is `a`: none matches `b.csv`. If DVC tracks it, run dvc-pull first. {GIVE_DATA}",
    ),
    "an option of pandas": (
        "type: csv",
        "type: csv\n        skiprows: 3",
        1,
        f"`a` has an unknown option `skiprows`. {GIVE_DATA}",
    ),
    "no header": (
        "type: csv",
        "type: csv\n        header: null",
        1,
        f"`header` in `a` does not accept `null`. {GIVE_DATA}",
    ),
    "a part of each file": (
        "type: csv",
        "type: csv\n        splitter: {column_name: x}",
        1,
        "`a` has an unknown option `splitter`.",
    ),
    "an option of another format": (
        "type: csv",
        "type: csv\n        sheet_name: x",
        0,
        "`read` has `sheet`, which csv (`data/a.csv`) does not have.",
    ),
    "assets as a list": (
        "    assets:\n      a:\n        type: csv\n        batch_definitions: {b: }\n",
        "    assets: [a]\n",
        1,
        f'The project `gx` has `["a"]` as `assets`, not an object. {GIVE_DATA}',
    ),
    "no YAML": ("4.0", "[", 3, f"`{CONFIG}` is not valid YAML: "),
    "no version": ("config_version: 4.0\n", "", 0, f"`{CONFIG}` has the `config_version` `null`; known are 2, 3, 4."),
    "a version of text": ("4.0", "'4.0'", 0, f"`{CONFIG}` has the `config_version` `4.0`; known are 2, 3, 4."),
    "version 1": ("4.0", "1", 0, f"`{CONFIG}` has the `config_version` `1`; known are 2, 3, 4. Set `data` and `suite`"),
    "a store in a database": (
        "stores: {",
        "stores: {checkpoint_store: {store_backend: {class_name: DatabaseStoreBackend}}, ",
        0,
        f"`checkpoint_store` of `{CONFIG}` is a `DatabaseStoreBackend`, but validate-data reads only projects of",
    ),
}


@pytest.mark.parametrize("case", OF_CONFIGURATIONS)
def test_configurations_that_are_refused(tmp_path: Path, case: str) -> None:
    old, new, line, message = OF_CONFIGURATIONS[case]
    assert old in PROJECT
    write(tmp_path, {CONFIG: PROJECT.replace(old, new, 1)})
    place, found = refused(tmp_path)
    assert (place[1] or 0, found[: len(message)]) == (line, message)
    assert place[0] == CONFIG or not line


SEVERAL = {"name": "c", "validation_definitions": [{"name": "v"}, {"name": "w"}]}
OF_DEFINITIONS: dict[str, tuple[dict[str, object], tuple[str, int], str]] = {
    "no name": (
        {"gx/checkpoints/c.json": {"name": "c", "validation_definitions": [{"id": "1"}]}},
        ("gx/checkpoints/c.json", 1),
        "A validation definition in `gx/checkpoints/c.json` has no `name`. Save it again with Great Expectations 1.x.",
    ),
    "nothing": (
        {"gx/checkpoints/c.json": {"name": "c"}},
        ("gx/checkpoints/c.json", 1),
        "The checkpoint `c` has no validation definitions.",
    ),
    "a missing definition": (
        {"gx/checkpoints/c.json": {"name": "c", "validation_definitions": [{"name": "w"}]}},
        ("gx/checkpoints/c.json", 1),
        "The project `gx` has no validation definition `w`. Known: `v`.",
    ),
    "no data": (
        {"gx/validation_definitions/v.json": {"name": "v"}},
        ("gx/validation_definitions/v.json", 1),
        "`gx/validation_definitions/v.json` has no `data.datasource.name`.",
    ),
    "a missing suite": (
        {"gx/validation_definitions/v.json": {**DEFINITION, "suite": {"name": "t"}}},
        ("gx/validation_definitions/v.json", 1),
        "The project `gx` has no suite `t`. Known: `s`.",
    ),
    "an empty suite": (
        {"gx/expectations/s.json": {**SUITE, "expectations": []}},
        ("gx/expectations/s.json", 1),
        "The suite `gx/expectations/s.json` has no expectations: any data would pass.",
    ),
}


@pytest.mark.parametrize("case", OF_DEFINITIONS)
def test_checkpoints_that_are_refused(tmp_path: Path, case: str) -> None:
    files, place, message = OF_DEFINITIONS[case]
    write(tmp_path, files)
    found_place, found = refused(tmp_path)
    assert (found_place, found[: len(message)]) == (place, message)


def test_checkpoints_that_do_not_exist(tmp_path: Path) -> None:
    write(tmp_path, {"gx/checkpoints/night.json": CHECKPOINT})
    _, found = refused(tmp_path, checkpoint="nightly")
    assert found == "The project `gx` has no checkpoint `nightly`. Did you mean `night`? Known: `c`, `night`."
    _, found = refused(tmp_path, checkpoint="../expectations/s")
    assert found == "The project `gx` has no checkpoint `../expectations/s`. Known: `c`, `night`."


def test_several_data_of_a_checkpoint_with_one_file(tmp_path: Path) -> None:
    other = {**DEFINITION, "data": {**DATA, "asset": {"name": "z"}}}
    write(tmp_path, {"gx/checkpoints/c.json": SEVERAL, "gx/validation_definitions/w.json": other})
    place, found = refused(tmp_path, data=("data/a.csv",))
    assert place == ("gx/checkpoints/c.json", 1)
    assert found == (
        "The checkpoint `c` checks several data: `files/a`, `files/z`. "
        "Use `rules` to say which suite is for which file."
    )


def test_no_project(tmp_path: Path) -> None:
    place, found = refused(tmp_path)
    assert place == (CONFIG, None)
    assert found == (
        f"`{CONFIG}` does not exist. Commit the project in the folder `gx` or `great_expectations`, or set `data` and "
        "`suite` instead of `checkpoint`."
    )


def test_data_that_dvc_pull_will_bring(tmp_path: Path) -> None:
    write(tmp_path, {CONFIG: PROJECT.replace("{b: }", "{b: {partitioner: {regex: b.csv}}}")})
    found = plan.create(ValidateInputs(checkpoint="c"), Workspace(tmp_path, {}, awaits_data=True))
    assert isinstance(found, ValidationPlan)
    assert list(found.lines()) == ["not known before dvc-pull: No file in `data` is `a`: none matches `b.csv`."]
