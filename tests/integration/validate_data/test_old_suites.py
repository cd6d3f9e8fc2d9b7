"""Suites of Great Expectations 0.x, run and rewritten by the real engine."""

import json
import stat
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from integration.suite import ROOT, Workspace, base_environ, uncompiled_environment
from integration.validate_data.projects import STAGE, stated, suite, validate, with_tools

FOLDER = Path(__file__).parent / "gx-0.x"
LOCK = ROOT / "requirements" / "gx-0.18.txt"
HASHED = ("--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", str(LOCK))


def verdicts_of_0_18(folder: Path, environment: Path) -> dict[str, list[bool]]:
    """Return the verdicts of Great Expectations 0.18, which adds suites to the folder."""
    python = uncompiled_environment(environment, *HASHED)
    command = [python, FOLDER / "gx_0_18.py", folder]
    done = subprocess.run(command, env=base_environ(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def key(result: Mapping[str, Any]) -> str:
    return f"{Path(result['suite']).stem} {Path(result['data']).stem}"


def verdicts(results: Iterable[Mapping[str, Any]], folder: Path) -> dict[str, list[bool]]:
    """Return whether each expectation is met; the lines tell which it is."""
    found = {}
    for result in results:
        text = (folder / result["suite"]).read_text().splitlines()
        lines = [
            number for number, line in enumerate(text, 1) if line.strip().startswith(('"expectation_type"', '"type"'))
        ]
        violated = {violation["line"] for violation in result["violations"]}
        assert violated <= set(lines)
        found[key(result)] = [line not in violated for line in lines]
    return found


def test_verdicts_are_those_of_great_expectations_0_18(workspace: Workspace) -> None:
    """Those of the old suites, and of the same after `migrate-suite`; Great Expectations 1.x agrees."""
    for path in FOLDER.glob("*.csv"):
        workspace.write(path.name, path.read_bytes())
        workspace.write(f"old/{path.name}", path.read_bytes())
    for path in FOLDER.glob("suite-*.json"):
        workspace.write(f"old/{path.name}", path.read_bytes())
    expected = verdicts_of_0_18(workspace.folder / "old", workspace.base / "gx-0.18")
    suites = sorted(path.name for path in (workspace.folder / "old").glob("suite-*.json"))
    assert (len(suites), sum(map(len, expected.values()))) == (5, 404)
    for name in suites:
        workspace.write(name, (workspace.folder / "old" / name).read_bytes())
    before = (workspace.folder / "suite-0.15.json").read_text()
    (workspace.folder / "suite-0.15.json").chmod(0o664)
    assert workspace.run("migrate-suite", flags=suites).code == 0
    assert stat.S_IMODE((workspace.folder / "suite-0.15.json").stat().st_mode) == 0o664
    old = [f"old/{name}" for name in suites]
    done = validate(workspace, {"*.csv": [*old, *suites]})
    assert done.code == 1, done.log
    for names in (old, suites):
        assert verdicts([r for r in done.record["results"] if r["suite"] in names], workspace.folder) == expected
    notices = [each for each in done.record["problems"] if each["severity"] == "notice"]
    assert [each["file"] for each in notices if "Great Expectations 0.x" in each["message"]] == old
    typed = [name for name in (*old, *suites) if "assistant" not in name and "0.13" not in name]
    assert [each["file"] for each in notices if "counts as `object`" in each["message"]] == typed
    with_tools(VERDICTS_OF_1, workspace.folder)
    of_1 = json.loads((workspace.folder / "verdicts.json").read_text())
    assert of_1.keys() == expected.keys()
    for name, found in of_1.items():
        for (expectation, met), of_0 in zip(found, expected[name], strict=True):
            assert met == of_0 or expectation in BY_PANDAS, (name, expectation)
    after = (workspace.folder / "suite-0.15.json").read_text()
    again = workspace.run("migrate-suite", flags=["suite-0.15.json"])
    assert (again.code, again.log.strip()) == (0, "suite-0.15.json: already a suite of 1.x.")
    assert (workspace.folder / "suite-0.15.json").read_text() == after
    removed = {line.strip().rstrip(",") for line in set(before.splitlines()) - set(after.splitlines())}
    assert '"ge_cloud_id": null' in removed
    assert '"min_value": 3' not in removed


# Their verdicts depend on the version of pandas: text is `object` in pandas 2.
BY_PANDAS = {"expect_column_values_to_be_of_type", "expect_column_values_to_be_in_type_list"}
VERDICTS_OF_1 = """
import glob, json, pandas, great_expectations as gx
context = gx.get_context(mode="ephemeral")
found = {}
for file in glob.glob("suite-*.json"):
    content = json.load(open(file))
    suite = gx.ExpectationSuite(**content)
    assert len(suite.expectations) == len(content["expectations"]), file
    for number, expectation in enumerate(suite.expectations):
        expectation.meta = {"number": number}
    for data in ("good", "bad"):
        batch = context.data_sources.pandas_default.read_dataframe(pandas.read_csv(f"{data}.csv"))
        results = batch.validate(suite, expectation_parameters=suite.suite_parameters).results
        results = sorted(results, key=lambda result: result.expectation_config.meta["number"])
        found[f"{file[:-5]} {data}"] = [(each.expectation_config.type, bool(each.success)) for each in results]
json.dump(found, open("verdicts.json", "w"))
"""


def old(*expectations: Any, **more: Any) -> dict[str, Any]:
    """Return a suite of 0.18; expectations are those of 1.x."""
    renamed = [{"expectation_type": each["type"], "kwargs": each["kwargs"]} for each in expectations]
    meta = {"great_expectations_version": "0.18.22"}
    return {"expectation_suite_name": "s", "expectations": renamed, "meta": meta, "ge_cloud_id": None, **more}


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a misspelled expectation": (
        stated("expect_column_values_to_be_uniqe", column="a"),
        "`expect_column_values_to_be_uniqe` is not an expectation. Did you mean `expect_column_values_to_be_unique`?",
    ),
    "an argument of one's own": (
        stated("expect_column_values_to_be_unique", column="a", tolerance=1),
        "The suite is wrong about `expect_column_values_to_be_unique`: `tolerance: extra fields not permitted`.",
    ),
    "another parser": (
        stated("expect_column_values_to_be_unique", column="a", row_condition="a > 1", condition_parser="python"),
        "The suite is wrong about `expect_column_values_to_be_unique`: `condition_parser: unexpected value;",
    ),
    "an argument that 0.18 ignored": (
        stated("expect_column_max_to_be_between", column="a", max_value=1, mostly=0.9),
        "The suite is wrong about `expect_column_max_to_be_between`: `mostly: extra fields not permitted`.",
    ),
    "a set of anything": (
        stated("expect_column_values_to_be_in_set", column="a", value_set=None),
        "The suite is wrong about `expect_column_values_to_be_in_set`: `value_set: none is not an allowed value`.",
    ),
}


def test_what_1_does_not_have_is_refused_by_name(workspace: Workspace) -> None:
    workspace.write("a.csv", "a\n1\n")
    path = workspace.write("s.json", old(*(each for each, _ in REFUSED.values())))
    text = path.read_text()
    lines = [number for number, line in enumerate(text.splitlines(), 1) if '"expectation_type"' in line]
    done = workspace.run(STAGE, {"data": "a.csv", "suite": "s.json"})
    assert done.code == 2, done.log
    errors = done.annotations()
    assert [each.place for each in errors] == [("s.json", line) for line in lines]
    migrated = workspace.run("migrate-suite", flags=["s.json"])
    assert migrated.code == 2, migrated.log
    for line, error, (_, message) in zip(lines, errors, REFUSED.values(), strict=True):
        assert error.message[: len(message)] == message
        assert f"error: s.json:{line}: {message}" in migrated.log
    assert path.read_text() == text


def test_dates_are_not_silently_compared_as_text(workspace: Workspace) -> None:
    between = stated("expect_column_values_to_be_between", column="a", min_value="2024-01-01")
    between["kwargs"]["parse_strings_as_datetimes"] = True
    workspace.write("a.csv", "a\n2023-12-31\n")
    workspace.write("s.json", old(between))
    message = "`expect_column_values_to_be_between` has no argument `parse_strings_as_datetimes` in Great Expectations"
    done = workspace.run(STAGE, {"data": "a.csv", "suite": "s.json"})
    (error,) = done.annotations()
    assert (done.code, error.place, error.message[: len(message)]) == (2, ("s.json", 5), message)
    migrated = workspace.run("migrate-suite", flags=["s.json"])
    assert (migrated.code, f"error: s.json:5: {message}" in migrated.log) == (2, True), migrated.log


def test_migrate_suite_changes_all_files_or_none(workspace: Workspace) -> None:
    good = workspace.write("good.json", old(stated("expect_column_to_exist", column="a")))
    workspace.write("bad.json", old(stated("expect_column_to_exist", column="a"), batch={}))
    before = good.read_text()
    done = workspace.run("migrate-suite", flags=["good.json", "bad.json", "none.json"])
    assert done.code == 2
    assert "error: bad.json:1: The suite `bad.json` has an unknown key `batch`." in done.log
    assert "error: `none.json` does not exist." in done.log
    assert good.read_text() == before
    assert workspace.run("migrate-suite").code == 2


TEXT_COLUMNS = ["str", "string", "ordered", "reversed", "iso"]
MAKE_TEXT_COLUMNS = """
import pandas
days = ['02/01/2023', '01/02/2024']
ordered = pandas.Categorical(days, categories=sorted(days), ordered=True)
kinds = {'str': days, 'string': pandas.array(days, dtype='string'), 'ordered': ordered}
iso = ['2024-01-02', '2024-02-01']
kinds['reversed'] = pandas.Categorical(iso, categories=iso[::-1], ordered=True)
pandas.DataFrame({**kinds, 'iso': pandas.Categorical(iso, ordered=True)}).to_parquet('kinds.parquet')
"""
BETWEEN = "expect_column_values_to_be_between"
FIRST = {"first": "2024-01-01"}
RANGES: list[tuple[dict[str, Any], str]] = [
    ({"column": "iso", "min_value": "2024-01-02", "max_value": "2024-02-01"}, ""),
    ({"column": "iso", "max_value": "2024-02-01", "strict_max": True}, "violation"),
    ({"column": "iso", "min_value": {"$PARAMETER": "first"}}, ""),
    ({"column": "iso", "min_value": 2024}, "not-evaluated"),
    ({"column": "american", "min_value": "2024-01-01"}, "not-evaluated"),
    ({"column": "never", "min_value": "2024-01-01"}, "not-evaluated"),
    ({"column": "paid", "min_value": "2024-01-01"}, ""),
    # Conditions are about text: on dates they would select no row, and all would be met.
    ({"column": "iso", "max_value": "2024-01-31", "row_condition": "paid == '2024-02-05'"}, "violation"),
    ({"column": "iso", "max_value": "2024-01-31", "row_condition": "iso == '2024-02-01'"}, "not-evaluated"),
]
TYPES: list[tuple[str, dict[str, Any], bool]] = [
    ("name", {"type_": "object"}, True),
    ("name", {"type_": "str"}, True),
    ("name", {"type_list": ["str"]}, True),
    ("name", {"type_": "int64"}, False),
    ("number", {"type_": "object"}, False),
    ("number", {"type_list": ["object", "str"]}, False),
    ("mixed", {"type_": "object"}, True),
    ("mixed", {"type_": "str"}, False),
    ("mixed", {"type_list": ["str", "object"]}, False),
]


def between(case: tuple[dict[str, Any], str]) -> dict[str, Any]:
    parser = {"condition_parser": "pandas"} if "row_condition" in case[0] else {}
    return stated(BETWEEN, **case[0], **parser)


@dataclass(frozen=True)
class Judged:
    folder: Path
    results: dict[str, dict[str, Any]]  # by suite


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    """What one run says of dates and types in text."""
    workspace = Workspace(tmp_path_factory.mktemp("judged"))
    workspace.write(
        "dates.csv",
        "american,iso,never,paid\n"
        "02/01/2023,2024-01-02,2024-02-30,2024-01-05\n"
        "01/02/2024,2024-02-01,2024-02-01,2024-02-05\n",
    )
    bounds = {"american": "2024-01-01", "iso": "2024-01-02"}
    least = [stated("expect_column_min_to_be_between", column=name, min_value=bound) for name, bound in bounds.items()]
    lengths = stated("expect_column_value_lengths_to_equal", column="iso", value=10)  # still text
    workspace.write(
        "dates.json",
        old(*least, *map(between, RANGES), lengths, evaluation_parameters=FIRST),
    )
    with_tools(MAKE_TEXT_COLUMNS, workspace.folder)
    bound = {"$PARAMETER": "first"}
    least = [stated("expect_column_min_to_be_between", column=name, min_value=bound) for name in TEXT_COLUMNS]
    workspace.write("kinds.json", old(*least, evaluation_parameters=FIRST))
    workspace.write("a.csv", "name,number,mixed\nAda,1,True\nBob,2,\n,3,False\n")
    expectations = [
        stated(
            f"expect_column_values_to_be_{'in_type_list' if 'type_list' in types else 'of_type'}",
            column=column,
            **types,
        )
        for column, types, _ in TYPES
    ]
    workspace.write("old.json", old(*expectations))
    workspace.write("1.5.json", suite(*expectations, meta={"great_expectations_version": "1.5.0"}))
    workspace.write("1.24.json", suite(*expectations, meta={"great_expectations_version": "1.24.1"}))
    of_types = ["old.json", "1.5.json", "1.24.json"]
    done = validate(workspace, {"dates.csv": "dates.json", "kinds.parquet": "kinds.json", "a.csv": of_types})
    assert done.code == 1, done.log
    return Judged(workspace.folder, {result["suite"]: result for result in done.record["results"]})


def test_the_first_text_is_not_the_first_date(judged: Judged) -> None:
    (column, kind), *ranges = [(each["column"], each["kind"]) for each in judged.results["dates.json"]["violations"]]
    assert (column, kind) == ("american", "not-evaluated")
    assert ranges == [(kwargs["column"], kind) for kwargs, kind in RANGES if kind]


def test_no_kind_of_text_column_is_taken_for_dates(judged: Judged) -> None:
    found = [(each["column"], each["kind"]) for each in judged.results["kinds.json"]["violations"]]
    assert found == [(name, "not-evaluated") for name in TEXT_COLUMNS[:4]]


def test_text_is_object_only_for_suites_from_before_pandas_3(judged: Judged) -> None:
    first, second, third = (judged.results[name] for name in ("old.json", "1.5.json", "1.24.json"))
    failing = [number for number, (_, _, is_met) in enumerate(TYPES) if not is_met]
    for result, expected in ((first, failing), (second, failing), (third, sorted({0, 2, *failing}))):
        lines = [
            number
            for number, line in enumerate((judged.folder / result["suite"]).read_text().splitlines(), 1)
            if 'type": "expect_' in line
        ]
        assert [lines.index(violation["line"]) for violation in result["violations"]] == expected, result["suite"]
    assert "in pandas 2" in third["violations"][0]["message"]
