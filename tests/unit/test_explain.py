"""The command explain: what it prints of a run, and what it refuses."""

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from explain import Explain
from notebook_ci.base.errors import Problem
from notebook_ci.base.inputs import StageInputs
from notebook_ci.records.execute_notebook import ExecuteRecord
from notebook_ci.records.record import Record
from notebook_ci.records.run_directory import RunDirectory
from notebook_ci.records.setup_env import SetupEnvRecord
from notebook_ci.records.test_notebook import CaseResult, PytestRecord
from unit.test_summary import ENVIRONMENT, REFUSED, execution, failed, passed

ROOT = Path(__file__).resolve().parents[2]
TRACEBACK = "Traceback (most recent call last)\n\tx = {}['price']\nKeyError: 'price'"
FAILED = failed(
    "notebooks/it's train.ipynb",
    title="KeyError in cell 3",
    message="'price'",
    ename="KeyError",
    source="x = {}['price']",
    hint="Look.",
    traceback=TRACEBACK,
)
FAILED.parameters = {"year": 2024}


def written(run: Path, *records: Record) -> Path:
    for number, record in enumerate(records):
        record.started = f"2026-01-01T00:00:0{number}+00:00"
        RunDirectory(run).take(record.stage, record.slug).write(record)
    return run


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / ".notebook-ci" / "runs" / "one"
    folder.mkdir(parents=True)
    return folder


def explain(*argv: str, **environ: str) -> int:
    return Explain(name="explain", inputs=StageInputs, outputs={}).main(argv, environ, io.StringIO())


def test_a_failure_is_printed_with_the_command_that_shows_it_again(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written(run, ENVIRONMENT, execution(passed("a.ipynb"), FAILED))
    assert explain() == explain(str(run)) == explain(".notebook-ci/runs/one") == 0
    printed = capsys.readouterr().out
    one = printed[: len(printed) // 3]
    assert printed == one * 3
    *lines, again = one.splitlines()
    assert lines == [
        "notebooks/it's train.ipynb:41: cell 3: KeyError: 'price'",
        "  x = {}['price']",
        "  Traceback (most recent call last)",
        "        x = {}['price']",
        "  KeyError: 'price'",
        "  hint: Look.",
        "  environment: Python 3.12.4, requirements.txt",
    ]
    command = again.removeprefix("  again: ")
    shell = ["bash", "-c", f"printf '%s\\n' {command}"]
    words = subprocess.run(shell, capture_output=True, text=True, check=True).stdout.splitlines()
    given = ["--notebooks", "notebooks/it's train.ipynb", "--parameters", '{"year": 2024}']
    assert words[1:] == [str(ROOT / "scripts" / "launch.sh"), "execute-notebook", *given]


def as_json(run: Path, *flags: str) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, str(ROOT / "scripts" / "explain.py"), "--json", *flags]
    done = subprocess.run(command, cwd=run.parents[2], env={"GITHUB_ACTIONS": "true"}, capture_output=True, check=False)
    return done.returncode, json.loads(done.stdout)


def test_json_has_the_same_of_every_stage(run: Path) -> None:
    case = CaseResult(test="tests/test_a.py::test_b", status="failed", file="tests/test_a.py", line=3, message="no")
    tests = PytestRecord(stage="test-notebook", status="failed", python_version="3.11.1", cases=[case])
    broken = SetupEnvRecord(stage="setup-env", slug="b", status="error", lock_file="uv.lock")
    broken.problems = [Problem(severity="error", message="No numpy.", hint="Add it.", file="uv.lock", line=9)]
    execute = execution(FAILED)
    execute.source = {"system": "github", "directory": "some study"}
    written(run, ENVIRONMENT, REFUSED, execute, tests, broken)
    code, found = as_json(run, str(run))
    assert (code, found["status"], found["run"]) == (0, "failed", str(run))
    stage, *data, cell, test = found["failures"]
    assert [(each["stage"], each["subject"], each["part"]) for each in data] == [
        ("validate-data", "data/penguins.csv", "column `Body Mass (g)`"),
        ("validate-data", "data/penguins.csv", "column `Iland`"),
    ]
    assert data[0]["command"].endswith("validate-data --data data/penguins.csv --suite suites/penguins.json")
    assert (cell["cell"], cell["file"], cell["line"], cell["error"]) == (3, FAILED.path, 41, "KeyError: 'price'")
    assert (cell["code"], cell["traceback"], cell["hint"]) == ("x = {}['price']", TRACEBACK, "Look.")
    assert cell["environment"] == {"python": "3.12.4", "lock": "requirements.txt"}
    assert " execute-notebook --working-directory 'some study' --notebooks " in cell["command"]
    assert (test["environment"]["python"], test["error"]) == ("3.11.1", "no")
    assert test["command"].endswith("test-notebook --tests tests/test_a.py::test_b")
    assert (stage["slug"], stage["subject"], stage["error"], stage["hint"]) == ("b", "", "No numpy", "Add it.")
    assert stage["command"].endswith(" setup-env")


@pytest.mark.parametrize("records", [[ENVIRONMENT], [Record(stage="dvc-pull", status="skipped")]])
def test_of_a_run_that_passed_nothing_is_explained(
    run: Path, records: list[Record], capsys: pytest.CaptureFixture[str]
) -> None:
    written(run, *records)
    assert explain() == 0
    assert capsys.readouterr().out == "Nothing failed.\n"
    assert as_json(run, str(run)) == (0, {"run": str(run), "status": "passed", "failures": []})


def test_a_traceback_gives_a_runner_no_command(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(run, execution(failed("a.ipynb", traceback="x\n::add-mask::y\n\x1b]0;z\x07")))
    assert explain(str(run), GITHUB_ACTIONS="true") == 0
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first.startswith("::stop-commands::")
    assert last == f"::{first.removeprefix('::stop-commands::')}::"


def test_without_a_reason_that_is_said(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(run, ExecuteRecord(stage="execute-notebook", status="error"), Record(stage="of-later", status="failed"))
    assert explain() == 0
    assert capsys.readouterr().out.count("no reason was recorded") == 2


BAD = {
    "no run": ((), {}, "/.notebook-ci/runs` has no records of a run."),
    "no folder": (("none",), {}, "none` is not a folder."),
    "a file": (("x.json",), {"x.json": "{}"}, "x.json` is not a folder."),
    "two runs": (("x",), {"x/r/a.json": "{}", "x/s/a.json": "{}"}, "x` has several folders with records. Name one"),
    "an empty folder": (("empty",), {"empty/x.txt": ""}, "empty` has no records of a run."),
    "not JSON": (("r",), {"r/a.json": "{"}, "a.json is not a notebook-ci record ("),
    "empty": (("r",), {"r/a.json": ""}, "a.json is not a notebook-ci record ("),
    "no schema": (("r",), {"r/a.json": "{}"}, "(no `schema` field)"),
    "no object": (("r",), {"r/a.json": "[]"}, "(no `schema` field)"),
    "another schema": (("r",), {"r/a.json": '{"schema": "x"}'}, "(its `schema` is not `notebook-ci/record/1`)"),
    "another version": (
        ("r",),
        {"r/a.json": '{"schema": "notebook-ci/record/9"}'},
        "was written by another version of notebook-ci",
    ),
    "no fields": (("r",), {"r/a.json": '{"schema": "notebook-ci/record/1"}'}, "(no field `stage`"),
    "no path": (("\0",), {}, "is not a folder."),
}


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize("name", BAD)
def test_what_is_no_run_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    argv, files, said = BAD[name]
    for path, text in files.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)
    assert explain(*argv) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert said in error
    assert "Traceback" not in error


def test_an_artifact_with_a_run_and_other_folders_is_read(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(run, execution(FAILED))
    (run.parent / "notebook-ci-mlflow").mkdir()
    assert explain(str(run.parent)) == 0
    assert "KeyError: 'price'" in capsys.readouterr().out


def test_on_a_runner_it_is_the_run_of_the_job(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    job = tmp_path / "notebook-ci"
    job.mkdir()
    written(job, execution(FAILED))
    (job / "execute-notebook").mkdir()
    (job / "execute-notebook" / "a.json").write_text("{}")
    assert explain(RUNNER_TEMP=str(tmp_path)) == 0
    assert "KeyError: 'price'" in capsys.readouterr().out


def test_a_stage_without_a_record_has_not_passed(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(run, ENVIRONMENT)
    (run / "execute-notebook-2").mkdir()
    assert explain() == 0
    assert "`execute-notebook-2` left no record: it was killed, or it still runs\n" in capsys.readouterr().out


def test_a_strangers_stage_is_no_command(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = RunDirectory(run).take("other", "")
    files.write(Record(stage="curl", status="failed", problems=[Problem(severity="error", message="No.")]))
    assert explain() == 0
    assert "again" not in capsys.readouterr().out


def test_a_damaged_field_is_named(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(run, execution(FAILED))
    [path] = run.glob("*.json")
    path.write_text(path.read_text().replace('"line": 41', '"line": "41"'))
    assert explain() == 2
    assert "`notebooks[0].failure.line` is `41`, not a whole number" in capsys.readouterr().err


@pytest.mark.usefixtures("run")
def test_more_arguments_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        explain("a", "b")
    assert "unrecognized arguments: b" in capsys.readouterr().err
