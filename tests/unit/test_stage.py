import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from notebook_ci.base import stage as stage_module
from notebook_ci.base.context import Context
from notebook_ci.base.errors import CheckFailed, InputError, Problem, SurroundingsError
from notebook_ci.base.inputs import StageInputs, given
from notebook_ci.base.plan import Nothing, Plan
from notebook_ci.base.stage import Stage, imports
from notebook_ci.base.values import SECONDS
from notebook_ci.records.record import Record
from notebook_ci.records.run_directory import RunDirectory, StageFiles
from unit.consoles import commands_in, outputs_in

TESTS = Path(__file__).parents[1]
NO_INPUTS: dict[str, Any] = {"": "standard input ends at once"}
SCRIPTS = Path(stage_module.__file__).parents[2]


@dataclass(frozen=True, kw_only=True)
class ToyInputs(StageInputs):
    """Do nothing."""

    wait: float = given(SECONDS, "Seconds.", default=1.0, shown_default="1")


@dataclass(kw_only=True)
class ToyRecord(Record):
    """The record of a stage that does what a test wants."""

    done: list[str] = field(default_factory=list)

    @property
    def headline(self) -> Mapping[str, str]:
        return {"count": str(len(self.done))}


@dataclass(frozen=True, kw_only=True)
class ToyPlan(Plan):
    """Play."""

    def lines(self) -> list[str]:
        return ["play"]


Work = Callable[[ToyInputs, Context, ToyRecord], None]


def _unplanned(work: Work) -> Callable[[ToyInputs, ToyPlan, Context, ToyRecord], None]:
    return lambda inputs, _, context, record: work(inputs, context, record)


def well(_: ToyInputs, context: Context, record: ToyRecord) -> None:
    record.done.append("one")
    context.console.progress("working")


@dataclass
class Toy:
    """Runs a stage in a folder, on a runner or not, and reads what it left."""

    folder: Path
    capsys: pytest.CaptureFixture[str]
    on_runner: bool = True
    log: str = ""
    ahead: tuple[str, ...] = ()
    plan: ToyPlan | Nothing = field(default_factory=ToyPlan)

    def run(
        self,
        work: Work,
        step: Mapping[str, Any] | None = None,
        *argv: str,
    ) -> int:
        toy = Stage(
            "toy",
            ToyInputs,
            {"count": "How many."},
            ToyRecord,
            lambda *_: self.plan,
            _unplanned(work),
            ahead=imports(*self.ahead),
        )
        flags = [] if step is None else ["--inputs-from-stdin"]
        given = "" if step == NO_INPUTS else json.dumps(step)
        code = toy.main([*flags, *argv], self.environ, io.StringIO(given))
        written = self.capsys.readouterr()
        self.log = written.out + written.err
        return code

    @property
    def environ(self) -> dict[str, str]:
        if not self.on_runner:
            return {}
        return {
            "GITHUB_ACTIONS": "true",
            "RUNNER_TEMP": str(self.folder / "temp"),
            "GITHUB_OUTPUT": str(self.folder / "output"),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
            "GITHUB_SHA": "abc",
        }

    @property
    def run_directory(self) -> Path:
        return self.folder / "temp" / "notebook-ci"

    @property
    def record(self) -> dict[str, Any]:
        return dict(json.loads((self.run_directory / "toy.json").read_text(encoding="utf-8")))

    @property
    def outputs(self) -> dict[str, str]:
        return outputs_in(self.folder / "output")

    @property
    def summary(self) -> str:
        return (self.folder / "summary").read_text(encoding="utf-8")


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Toy:
    monkeypatch.chdir(tmp_path)
    return Toy(tmp_path, capsys)


def test_a_stage_that_passes(toy: Toy) -> None:
    assert toy.run(well, {"wait": "2", "slug": ""}) == 0
    record = toy.record
    assert (record["status"], record["problems"], record["done"]) == ("passed", [], ["one"])
    assert record["inputs"] == {"working-directory": "", "run-dir": "", "slug": "", "config": "", "wait": 2.0}
    assert record["outputs"] == {"count": "1"}
    assert record["source"] == {"system": "github", "commit": "abc", "workspace": str(Path.cwd())}
    assert record["started"].endswith("+00:00")
    assert 0 <= record["duration"] < 10
    assert toy.outputs == {"status": "passed", "record": str(toy.run_directory / "toy.json"), "count": "1"}
    assert re.match(r"### ✅ toy passed in \d\.\d s\n", toy.summary)
    assert toy.log == "working\n"


def test_a_second_use_has_a_record_of_its_own(toy: Toy) -> None:
    assert [toy.run(well, {"slug": "x"}), toy.run(well, {"slug": "x"})] == [0, 0]
    assert toy.outputs["record"].endswith("toy-x-2.json")


def test_on_a_laptop_all_is_shown_and_nothing_is_commanded(toy: Toy) -> None:
    toy.on_runner = False
    assert toy.run(well) == 0
    assert "working\n" in toy.log
    assert re.search(r"^✓ toy  \d\.\d s$", toy.log, re.MULTILINE)
    assert "#" not in toy.log
    assert commands_in(toy.log) == []
    assert len(list((toy.folder / ".notebook-ci" / "runs").glob("*/toy.json"))) == 1


def never(*_: object) -> None:
    raise AssertionError("the work was begun")


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"wait": "soon"}, "::error::`wait` does not accept `soon`."),
        ({"wiat": "1"}, "::error::The action has no input `wiat`. Did you mean `wait`?"),
        ({"run-dir": "file/x"}, "::error::The run directory cannot be created"),
    ],
)
def test_a_wrong_input_is_said_before_any_work(toy: Toy, step: dict[str, str], said: str) -> None:
    (toy.folder / "file").touch()
    assert toy.run(never, step) == 2
    assert commands_in(toy.log)[0].startswith(said)
    assert toy.outputs == {"status": "error"}
    assert not (toy.folder / "summary").exists()
    assert not toy.run_directory.exists()


def test_checking_inputs_does_no_work_and_leaves_nothing(toy: Toy) -> None:
    assert toy.run(never, {"wait": "1"}, "--check-inputs") == 0
    assert toy.run(never, {"wait": "x"}, "--check-inputs") == 2
    assert not toy.run_directory.exists()


def test_a_stage_that_is_started_ahead_imports_before_its_inputs_come(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    (toy.folder / "large_library.py").write_text("")
    monkeypatch.syspath_prepend(toy.folder)
    toy.ahead = ("large_library",)
    assert toy.run(never, {"wait": "x"}, "--ahead") == 2
    assert "large_library" in sys.modules
    assert toy.run(well, {"wait": "2"}, "--ahead") == 0
    assert (toy.record["status"], toy.record["inputs"]["wait"]) == ("passed", 2.0)


def test_a_stage_that_is_started_ahead_and_gets_no_inputs_leaves_nothing(toy: Toy) -> None:
    assert toy.run(never, NO_INPUTS, "--ahead") == 0
    assert toy.log == ""
    assert list(toy.folder.iterdir()) == []
    assert toy.run(never, NO_INPUTS) == 2


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (CheckFailed("It broke.", hint="Mend it.", file="a.ipynb", line=3), 1, "failed"),
        (InputError("It broke.", hint="Mend it.", file="a.ipynb", line=3), 2, "error"),
        (SurroundingsError("It broke.", hint="Mend it.", file="a.ipynb", line=3), 3, "error"),
    ],
)
def test_an_expected_failure_has_its_exit_code_and_its_record(
    toy: Toy, error: CheckFailed | InputError | SurroundingsError, code: int, status: str
) -> None:
    def work(_: ToyInputs, __: Context, record: ToyRecord) -> None:
        record.done.append("before")
        raise error

    assert toy.run(work, {}) == code
    assert commands_in(toy.log) == ["::error file=a.ipynb,line=3::It broke. Mend it."]
    assert "Traceback" not in toy.log
    record = toy.record
    assert (record["status"], record["done"]) == (status, ["before"])
    assert record["problems"][0] == {
        "severity": "error",
        "message": "It broke.",
        "hint": "Mend it.",
        "title": "",
        "file": "a.ipynb",
        "line": 3,
    }
    assert (toy.outputs["status"], toy.outputs["count"]) == (status, "1")
    assert "toy failed: It broke, after" in toy.summary


def test_faults_that_are_recorded_and_not_raised_fail_too(toy: Toy) -> None:
    def work(_: ToyInputs, __: Context, record: ToyRecord) -> None:
        record.status = "failed"
        record.problems += [Problem(severity="warning", message="w"), Problem(severity="error", message="e")]

    assert toy.run(work, {}) == 1
    assert commands_in(toy.log) == ["::error::e", "::warning::w"]


def test_a_stage_with_nothing_to_do_passes_as_skipped(toy: Toy) -> None:
    def work(_: ToyInputs, __: Context, record: ToyRecord) -> None:
        record.status = "skipped"

    assert toy.run(work, {}) == 0
    assert toy.outputs["status"] == "skipped"


def buggy(_: ToyInputs, __: Context, record: ToyRecord) -> None:
    record.done.append("before")
    raise ZeroDivisionError("\n::add-mask::a")


def test_a_bug_is_said_with_its_traceback_fenced_and_the_record_written(toy: Toy) -> None:
    assert toy.run(buggy, {}) == 70
    assert "Traceback (most recent call last)" in toy.log
    assert "::add-mask::a" in toy.log
    (command,) = commands_in(toy.log)
    assert command.startswith("::error::This is a bug in notebook-ci: ZeroDivisionError: ")
    assert "Please report it" in command
    assert (toy.record["status"], toy.record["done"], toy.outputs["status"]) == ("error", ["before"], "error")


def test_a_bug_before_there_is_a_record_is_no_fault_of_the_user(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RunDirectory, "take", never)
    assert toy.run(well, {}) == 70
    assert "Traceback" in toy.log
    assert toy.outputs == {"status": "error"}


def test_a_bug_while_closing_is_no_fault_of_the_user(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ToyRecord, "headline", property(lambda _: {"count": 1 / 0}))
    assert toy.run(well, {}) == 70
    assert "ZeroDivisionError" in toy.log
    assert toy.outputs == {"status": "error"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_cancelled_stage_keeps_what_was_done(toy: Toy, number: signal.Signals) -> None:
    def work(_: ToyInputs, __: Context, record: ToyRecord) -> None:
        try:
            record.done.append("before")
            signal.raise_signal(number)
        finally:
            signal.raise_signal(signal.SIGTERM)
            record.done.append("saved")

    assert toy.run(work, {}) == 128 + number
    assert commands_in(toy.log) == [f"::error::Cancelled ({number.name}). Results so far were kept."]
    assert (toy.record["status"], toy.record["done"]) == ("error", ["before", "saved"])
    assert toy.outputs["status"] == "error"


def test_a_signal_while_the_record_is_written_waits(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    write = StageFiles.write

    def disturbed(files: StageFiles, record: Record) -> Record:
        signal.raise_signal(signal.SIGINT)
        return write(files, record)

    monkeypatch.setattr(StageFiles, "write", disturbed)
    before = signal.getsignal(signal.SIGINT)
    assert toy.run(well, {}) == 0
    assert toy.outputs["status"] == "passed"
    assert toy.record["status"] == "passed"
    assert signal.getsignal(signal.SIGINT) == before


def test_a_real_process_that_is_cancelled_writes_its_record(tmp_path: Path) -> None:
    code = (
        "import sys, time; from unit.test_stage import *\n"
        "def work(*_):\n    print('begun', flush=True); time.sleep(60)\n"
        "stage_module.run_script(\n"
        "    Stage('toy', ToyInputs, {}, ToyRecord, lambda *_: ToyPlan(), work)\n)\n"
    )
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(SCRIPTS), str(TESTS)]), "GITHUB_ACTIONS": "true"}
    environ |= {"RUNNER_TEMP": str(tmp_path), "GITHUB_OUTPUT": str(tmp_path / "o"), "GITHUB_STEP_SUMMARY": ""}
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environ, cwd=tmp_path
    ) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == "begun\n"
        started.send_signal(signal.SIGTERM)
        rest, _ = started.communicate(timeout=40)
    assert started.returncode == 143
    assert commands_in(rest) == ["::error::Cancelled (SIGTERM). Results so far were kept."]
    record = json.loads((tmp_path / "notebook-ci" / "toy.json").read_text())
    assert record["status"] == "error"


def taken_place(_: ToyInputs, context: Context, record: ToyRecord) -> None:
    """Write a file where the record is to go."""
    context.files.record.write_text("{}")
    record.problems.append(Problem(severity="warning", message="Seen."))


def test_a_record_that_cannot_be_written_fails_the_stage_and_all_is_still_shown(toy: Toy) -> None:
    assert toy.run(taken_place, {}) == 3
    error, warning = commands_in(toy.log)
    assert error.startswith("::error::The record ")
    assert warning == "::warning::Seen."
    assert toy.outputs == {"status": "error", "record": "", "count": "0"}
    assert toy.summary.startswith("### 🛑 toy failed: The record ")


@pytest.mark.parametrize(("error", "code"), [(CheckFailed("x"), 3), (InputError("x"), 2), (ZeroDivisionError(), 70)])
def test_a_record_that_cannot_be_written_hides_no_worse_error(toy: Toy, error: Exception, code: int) -> None:
    def work(inputs: ToyInputs, context: Context, record: ToyRecord) -> None:
        taken_place(inputs, context, record)
        raise error

    assert toy.run(work, {}) == code


@pytest.mark.parametrize("file", ["output", "summary"])
def test_outputs_or_a_summary_that_cannot_be_written_fail_the_stage(toy: Toy, file: str) -> None:
    (toy.folder / file).mkdir()
    assert toy.run(well, {}) == 3
    assert commands_in(toy.log) == [
        (
            "::error::The step's outputs and summary cannot be written: Is a directory. "
            "Remove or rename what is in the way."
        )
    ]
    assert toy.record["status"] == "passed"


def test_a_wrong_input_is_told_where_outputs_cannot_be_written_too(toy: Toy) -> None:
    (toy.folder / "output").mkdir()
    assert toy.run(never, {"wait": "soon"}) == 2


def test_names_that_are_no_text_do_not_stop_the_record(toy: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    def work(_: ToyInputs, __: Context, record: ToyRecord) -> None:
        record.read["\udcff.ipynb"] = "digest"
        record.add(CheckFailed("broken", file="\udcff.ipynb"))

    monkeypatch.setattr(ToyRecord, "headline", property(lambda _: {"count": "\udcff"}))
    assert toy.run(work, {}) == 1
    assert toy.record["read"] == {"\\udcff.ipynb": "digest"}
    assert toy.outputs["count"] == "\\udcff"


def test_help_ends_well_and_names_the_inputs(toy: Toy) -> None:
    with pytest.raises(SystemExit) as ended:
        toy.run(never, None, "--help")
    assert ended.value.code == 0
    assert "--wait" in toy.capsys.readouterr().out


# For programs

NOISY = """
import io, os, subprocess, sys
from unit.test_stage import ToyInputs, ToyPlan, ToyRecord, _unplanned
from notebook_ci.base.errors import CheckFailed
from notebook_ci.base.stage import Stage

def work(inputs, context, record):
    context.console.progress("::error::é")
    print("from Python")
    subprocess.run(["echo", "from a program"])
    if inputs.wait > 1:
        raise CheckFailed("No.")

toy = Stage("toy", ToyInputs, {}, ToyRecord, lambda *_: ToyPlan(), _unplanned(work))
sys.exit(toy.main(sys.argv[1:], os.environ, sys.stdin))
"""


@pytest.mark.parametrize("environ", [{}, {"GITHUB_ACTIONS": "true"}], ids=["laptop", "runner"])
@pytest.mark.parametrize(
    ("flags", "code", "status"),
    [
        ((), 0, "passed"),
        (("--wait", "2"), 1, "failed"),
        (("--wait", "soon"), 2, "error"),
        (("--plan",), 2, "error"),
        (("--nix",), 2, "error"),
    ],
    ids=["passed", "failed", "wrong", "planned", "unknown"],
)
def test_json_is_all_of_standard_output(
    tmp_path: Path, environ: dict[str, str], flags: tuple[str, ...], code: int, status: str
) -> None:
    env = {**environ, "PATH": os.environ["PATH"], "PYTHONPATH": f"{SCRIPTS}:{TESTS}", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-c", NOISY, "--json", *flags],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    document = json.loads(done.stdout)
    assert (done.returncode, document["status"]) == (code, status), done.stderr
    assert len(document["problems"]) == (code > 0)
    if code < 2:
        assert document["stage"] == "toy"
        assert {"::error::é", "from Python", "from a program"} <= set(done.stderr.splitlines())
