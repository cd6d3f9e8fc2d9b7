"""The protocol between a stage and its worker, with real processes."""

import io
import os
import signal
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from notebook_ci.base import masking
from notebook_ci.base.errors import SurroundingsError
from notebook_ci.base.github import RunnerConsole
from notebook_ci.base.process import Deadline
from notebook_ci.base.spellings import Known
from notebook_ci.base.worker import Reply, TooSlow, ask, waiting

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
WORKER = """\
import os, sys, time
sys.path[:0] = [{scripts!r}, {tests!r}]
from notebook_ci.base import worker
from notebook_ci.base.errors import CheckFailed
from unit.test_worker import Answer, Item, Question

def work(question, answer):
{body}

worker.serve(Question, Answer(), work, lambda: print("loaded"))
"""


@dataclass(frozen=True, kw_only=True)
class Item:
    name: str
    line: int | None = None


@dataclass(frozen=True, kw_only=True)
class Question:
    items: list[Item]


@dataclass(kw_only=True)
class Answer(Reply):
    items: list[Item] = field(default_factory=list)


class Asked:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.steps: list[str] = []
        self.shown = io.StringIO()

    def command(self, body: str) -> list[str | Path]:
        script = self.folder / "worker.py"
        text = "".join(f"    {line}\n" for line in body.splitlines())
        script.write_text(WORKER.format(scripts=str(SCRIPTS), tests=str(Path(__file__).parents[1]), body=text))
        return [sys.executable, "-I", "-u", script]

    def waiting(self, body: str) -> AbstractContextManager["subprocess.Popen[str]"]:
        return waiting(self.command(body), env=os.environ, cwd=self.folder)

    def ask(self, body: str, seconds: float = 60, started: "subprocess.Popen[str] | None" = None) -> Answer:
        return ask(
            self.command(body),
            Question(items=[Item(name="ä\n\ud800"), Item(name="b", line=2)]),
            Answer,
            tool="The tool",
            env=os.environ,
            cwd=self.folder,
            console=RunnerConsole({}, self.shown),
            on_step=self.steps.append,
            deadline=Deadline.after(seconds),
            log=self.folder / "log",
            started=started,
        )


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    return Asked(tmp_path)


def test_a_reply_has_the_types_of_the_request(asked: Asked) -> None:
    answer = asked.ask("answer.items = question.items")
    assert answer.items == [Item(name="ä\n\ud800"), Item(name="b", line=2)]
    assert answer.errors == []


def test_progress_is_shown_and_other_lines_are_kept_without_secrets(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(masking, "_known", Known())
    masking.hide("MY_TOKEN", "abcdefgh")
    asked.ask(
        "worker.progress('half')\nworker.step('a file was read')\nprint('to stdout')\n"
        "os.system('echo of a program')\nsys.stderr.write('abcd\\n  efgh of http://ann:s3cr3t@host/x?sig=1\\n')"
    )
    assert asked.shown.getvalue() == "half\n"
    assert asked.steps == ["a file was read"]
    assert (asked.folder / "log").read_text() == "loaded\nto stdout\nof a program\n*** of http://host/x\n"


def test_expected_failures_keep_what_was_done(asked: Asked) -> None:
    answer = asked.ask(
        "answer.items = [Item(name='a')]\nraise CheckFailed('Wrong.', hint='Mend it.', file='x', line=3)"
    )
    assert answer.items == [Item(name="a")]
    (error,) = answer.errors
    assert (error.exit_code, error.message, error.hint, error.file, error.line) == (1, "Wrong.", "Mend it.", "x", 3)


def test_a_file_that_cannot_be_read(asked: Asked) -> None:
    (error,) = asked.ask("open('none')").errors
    assert error.message == "none cannot be read or written: No such file or directory."
    assert error.exit_code == 3


@pytest.mark.parametrize(
    ("body", "message", "shown"),
    [
        ("1 / 0", "The tool ended by a bug of notebook-ci.", "ZeroDivisionError"),
        ("print('last words')\nos._exit(5)", "The tool ended with exit code 5.", "last words"),
        ("print('last words')\nos.kill(os.getpid(), 9)", "The tool was killed by SIGKILL.", "last words"),
        ("answer.items = 5", "The tool ended with exit code 0.", ""),
    ],
)
def test_no_reply(asked: Asked, body: str, message: str, shown: str) -> None:
    with pytest.raises(SurroundingsError) as raised:
        asked.ask(body)
    assert raised.value.message == message
    assert shown in asked.shown.getvalue()


def test_a_worker_that_is_too_slow_cleans_up(asked: Asked) -> None:
    body = "worker.step('it slept')\ntry:\n    time.sleep(60)\nfinally:\n    open('cleaned', 'w').close()"
    began = time.monotonic()
    with pytest.raises(TooSlow):
        asked.ask(body, seconds=3)
    assert time.monotonic() - began < 60
    assert asked.steps == ["it slept"]
    assert (asked.folder / "cleaned").exists()


def test_a_thread_that_hangs_does_not_hold_the_worker(asked: Asked) -> None:
    began = time.monotonic()
    asked.ask("import threading\nthreading.Thread(target=time.sleep, args=(60,)).start()")
    assert time.monotonic() - began < 60


def test_a_worker_that_was_started_ahead_and_stopped_meanwhile(asked: Asked) -> None:
    body = "answer.items = question.items[1:]"
    with asked.waiting(body) as started:
        assert started.poll() is None
        os.kill(started.pid, signal.SIGSTOP)
        assert asked.ask(body, started=started).items == [Item(name="b", line=2)]
    assert started.returncode == 0
    assert (asked.folder / "log").read_text() == "loaded\n"


def test_a_worker_that_was_started_for_nothing_or_cannot_start(asked: Asked) -> None:
    with asked.waiting("open('worked', 'w')") as started:
        assert started.communicate() == ("", "loaded\n")
    assert started.returncode == 0
    assert not (asked.folder / "worked").exists()
    with waiting(["false"], env=os.environ, cwd=asked.folder) as ended:
        assert ended.wait() == 1


def test_a_worker_that_waits_is_ended_even_if_it_was_stopped(asked: Asked) -> None:
    with asked.waiting("pass") as started:
        os.kill(started.pid, signal.SIGSTOP)
    assert started.returncode == -signal.SIGKILL
