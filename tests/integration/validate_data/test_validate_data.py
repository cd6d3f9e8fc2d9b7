"""validate-data with real Great Expectations: the example, parameters, a laptop, signals, much data."""

import csv
import io
import json
import signal
import time
from collections.abc import Callable
from pathlib import Path

from integration.suite import Workspace, line_of, wait_until
from integration.validate_data.projects import (
    PENGUINS,
    SMALL,
    STAGE,
    exists,
    lines_violated,
    stated,
    suite,
    validate,
    violations,
    with_tools,
)
from notebook_ci.base.files import sha256

SUITE = PENGUINS / "suites" / "penguins_raw.json"
RAW = PENGUINS / "dvc-storage" / "files" / "md5" / "04" / "9da101568e078f9845c8b366481810"
Row = dict[str, str]

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
    assert done.record["created"] == {result["result"]: sha256(artifact)}
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
    # The last one is a warning: it is shown, and fails nothing.
    assert [result["success"] for result in done.record["results"]] == [False] * 14 + [True]
    assert (done.outputs["evaluated"], done.outputs["failed"]) == (str(15 * 15), "14")
    assert done.log.count("Loading Great Expectations") == 1


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
    assert "Write timestamps with a time, and with a zone if the column has one" in date["message"]
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
        f"`expect_column_values_to_be_between` repeats line {lines[0]}. Remove one of them.",
        lines[2],
    )


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
    assert "evaluated  1\n  failed     1\n" in done.log


def test_a_cancelled_job(workspace: Workspace) -> None:
    workspace.write("a.csv", SMALL)
    for count in range(200):
        workspace.write(f"s/{count}.json", exists("name"))
    rules = json.dumps({"a.csv": [f"s/{count}.json" for count in range(200)]})
    process = workspace.start(STAGE, {"rules": rules})
    artifacts = workspace.runner_temp / "notebook-ci" / STAGE
    assert wait_until(lambda: artifacts.exists() and any(artifacts.glob("*.json")), 60)
    process.send_signal(signal.SIGTERM)
    began = time.monotonic()
    done = workspace.end(process)
    assert time.monotonic() - began < 10  # after its first signal, a runner kills a step
    assert done.code == 128 + signal.SIGTERM, done.log
    assert [error.message for error in done.annotations()] == ["Cancelled (SIGTERM). Results so far were kept."]
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
        "`a.csv` does not fit into the memory of this machine. Split it, and validate the parts."
    ]
