import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from notebook_ci.base import process
from notebook_ci.base.errors import Cancelled
from notebook_ci.base.process import Completed, Deadline
from notebook_ci.base.signals import cancellable, undisturbed

ENV = {"PATH": os.environ["PATH"]}
# A program that has a child in the background; both write their process ids first.
FAMILY = """
sleep 60 &
echo $! > child; echo $$ > parent
{then}
"""


def shell(script: str, **options: Any) -> Completed:
    return process.run(["bash", "-c", script], env=ENV, **options)


def timed_out_when_it_prints(script: str, **options: Any) -> Completed:
    deadline = Deadline.after(60)

    def move(_: str) -> None:
        deadline.end = time.monotonic()

    return shell(script, timeout=deadline, on_line=move, **options)


def until(condition: Callable[[], bool], seconds: float = 40) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    with contextlib.suppress(OSError):
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state != "Z"
    return False


def pid_in(file: Path) -> int:
    until(lambda: file.exists() and file.read_text().endswith("\n"))
    return int(file.read_text())


# Running


def test_both_streams_are_kept_as_they_came() -> None:
    done = shell("echo one; echo two >&2; echo three; exit 7")
    assert done == Completed(7, "one\ntwo\nthree", timed_out=False)


def test_the_environment_is_the_given_one_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAKED", "x")
    done = process.run(["/usr/bin/env"], env={"A": "b c"}, cwd=tmp_path)
    assert done.output.splitlines() == ["A=b c"]


def test_arguments_meet_no_shell(tmp_path: Path) -> None:
    hostile = ["$(touch owned)", "a b", "`id`", "", "é\n"]
    done = process.run([sys.executable, "-c", "import sys; print(sys.argv[1:])", *hostile], env=ENV, cwd=tmp_path)
    assert done.output == str(hostile)
    assert not (tmp_path / "owned").exists()


def test_standard_input_is_empty() -> None:
    assert shell("read -r line; echo $?", timeout=10).output == "1"


def test_what_is_given_is_read_from_standard_input() -> None:
    assert process.run(["cat"], env=ENV, stdin="naïve\n" * 50_000).output.count("naïve") == process.TAIL_LINES


def test_a_program_need_not_read_what_it_is_given() -> None:
    assert process.run(["true"], env=ENV, stdin="x" * 10_000_000).returncode == 0


def test_the_streams_can_be_kept_apart_and_standard_output_whole() -> None:
    done = process.run(["bash", "-c", "seq 5000; echo no >&2; exit 3"], env=ENV, separate=True)
    assert (done.returncode, done.output) == (3, "no")
    assert done.stdout.splitlines() == [str(number) for number in range(1, 5001)]


def test_lines_are_told_as_they_come(tmp_path: Path) -> None:
    """The program goes on only when its first line was reported."""
    lines: list[str] = []

    def take(line: str) -> None:
        lines.append(line)
        (tmp_path / "told").touch()

    script = "echo one; until [ -e told ]; do sleep 0.01; done; echo two"
    process.run(["bash", "-c", script], env=ENV, cwd=tmp_path, timeout=20, on_line=take)
    assert lines == ["one", "two"]


def test_only_the_last_lines_are_kept() -> None:
    done = shell(f"seq {process.TAIL_LINES + 500}")
    lines = done.output.splitlines()
    assert (len(lines), lines[-1]) == (process.TAIL_LINES, str(process.TAIL_LINES + 500))


def test_a_line_without_end_is_kept_in_part_only() -> None:
    characters = (process.TAIL_LINES + 100) * process.LONGEST_LINE + 5
    done = shell(f"head -c {characters} /dev/zero | tr '\\0' x; echo; echo end")
    assert len(done.output) < process.TAIL_LINES * (process.LONGEST_LINE + 1)
    assert done.output.endswith("x\nend")


def test_bytes_that_are_no_text_are_escaped() -> None:
    assert shell(r"printf 'a\xffb\n'").output == "a\\xffb"


def test_a_missing_program_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        process.run([tmp_path / "none"], env=ENV)
    with pytest.raises(FileNotFoundError):
        process.run(["true"], env=ENV, cwd=tmp_path / "none")


def test_a_signal_that_ended_it_is_told() -> None:
    assert shell("kill -9 $$").returncode == -signal.SIGKILL


# Ending


def test_when_the_time_is_over_grandchildren_end_too(tmp_path: Path) -> None:
    done = timed_out_when_it_prints(FAMILY.format(then="echo begun; wait"), cwd=tmp_path)
    assert done.timed_out
    assert done.returncode == -signal.SIGTERM
    pids = [pid_in(tmp_path / "parent"), pid_in(tmp_path / "child")]
    until(lambda: not any(map(alive, pids)))


def test_a_deadline_can_be_moved_while_a_program_runs() -> None:
    done = timed_out_when_it_prints("echo begun; sleep 60")
    assert done == Completed(-signal.SIGTERM, "begun", timed_out=True)


def test_what_ignores_the_polite_signal_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE_SECONDS", 0.2)
    script = "trap '' TERM; " + FAMILY.format(then="echo begun; while :; do sleep 60; done")
    done = timed_out_when_it_prints(script, cwd=tmp_path)
    assert (done.timed_out, done.returncode) == (True, -signal.SIGKILL)
    pids = [pid_in(tmp_path / "parent"), pid_in(tmp_path / "child")]
    until(lambda: not any(map(alive, pids)))


def test_a_program_may_use_the_polite_signal() -> None:
    done = timed_out_when_it_prints("trap 'echo saved; exit 5' TERM; echo begun; sleep 60 & wait")
    assert done == Completed(5, "begun\nsaved", timed_out=True)


def test_what_a_program_leaves_behind_ends_with_it(tmp_path: Path) -> None:
    done = shell(FAMILY.format(then="echo over"), cwd=tmp_path)
    assert done == Completed(0, "over", timed_out=False)
    until(lambda: not alive(pid_in(tmp_path / "child")))


def test_output_held_open_by_one_that_got_away_does_not_hang(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE_SECONDS", 0.1)
    began = time.monotonic()
    done = shell(
        "echo said; setsid sh -c 'echo $$ > away; exec sleep 60' & until [ -s away ]; do :; done", cwd=tmp_path
    )
    os.kill(pid_in(tmp_path / "away"), signal.SIGKILL)
    assert done.output == "said"
    assert time.monotonic() - began < 40


def test_a_cancelled_job_ends_the_whole_tree(tmp_path: Path) -> None:
    def interrupt() -> None:
        pid_in(tmp_path / "parent")
        time.sleep(0.1)  # until `run` waits
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(Cancelled) as caught, cancellable():
        shell(FAMILY.format(then="wait"), cwd=tmp_path)
    thread.join()
    assert caught.value.exit_code == 130
    pids = [pid_in(tmp_path / "parent"), pid_in(tmp_path / "child")]
    until(lambda: not any(map(alive, pids)))


# Signals


def handlers() -> list[object]:
    return [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_cancels_and_those_that_follow_wait(number: signal.Signals, code: int) -> None:
    before = handlers()
    saved = []

    def work() -> None:
        try:
            signal.raise_signal(number)
        finally:
            for each in (signal.SIGINT, signal.SIGTERM):
                signal.raise_signal(each)
                saved.append(each)

    with pytest.raises(Cancelled) as caught, cancellable():
        work()
    assert len(saved) == 2
    assert caught.value.exit_code == code
    assert handlers() == before


class Finalized:
    """Calls something when it is removed; Python drops what that raises."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.call = call

    def __del__(self) -> None:
        self.call()


def test_a_signal_in_a_finalizer_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    dropped: list[sys.UnraisableHookArgs] = []
    monkeypatch.setattr(sys, "unraisablehook", dropped.append)
    before = (*handlers(), sys.unraisablehook)

    def work() -> None:
        Finalized([].pop)
        Finalized(lambda: signal.raise_signal(signal.SIGTERM))
        time.sleep(10)

    with pytest.raises(Cancelled) as caught, cancellable():
        work()
    assert caught.value.exit_code == 143
    assert [each.exc_type for each in dropped] == [IndexError]
    assert (*handlers(), sys.unraisablehook) == before


def test_without_a_signal_the_handlers_are_as_before() -> None:
    before = handlers()
    with cancellable():
        assert handlers() != before
    assert handlers() == before


def test_a_signal_that_was_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with cancellable():
            signal.raise_signal(signal.SIGINT)
            with pytest.raises(Cancelled):
                signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_what_must_be_done_is_not_disturbed() -> None:
    before = handlers()
    with cancellable():
        inside = handlers()
        with undisturbed():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)
        assert handlers() == inside
    assert handlers() == before
