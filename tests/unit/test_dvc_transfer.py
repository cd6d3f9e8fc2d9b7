"""Many things at a time: what comes of them, and what happens where one fails or hangs."""

import threading
import time
from pathlib import Path

import pytest

from notebook_ci.dvc_pull import transfer
from notebook_ci.dvc_pull.transfer import Progress, Silence, at_once


def progress() -> Progress:
    return Progress("Pulled", 3)


def test_all_are_done() -> None:
    made = progress()
    assert dict(at_once(lambda number: number * 2, [1, 2, 3], jobs=2, progress=made)) == {1: 2, 2: 4, 3: 6}
    assert made.files == 3


def test_as_many_at_a_time_as_asked() -> None:
    running, most, lock = 0, 0, threading.Lock()
    all_run = threading.Barrier(3)

    def work(_: int) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        all_run.wait(60)
        with lock:
            running -= 1

    list(at_once(work, range(21), jobs=3, progress=progress()))
    assert most == 3


def test_the_first_failure_ends_it() -> None:
    begun = []

    def work(number: int) -> None:
        begun.append(number)
        if number == 0:
            raise ValueError(number)
        time.sleep(0.05)

    with pytest.raises(ValueError, match="0"):
        list(at_once(work, range(1000), jobs=2, progress=progress()))
    assert len(begun) < 100


def test_what_hangs_is_given_up() -> None:
    ended = threading.Event()
    began = time.monotonic()
    with pytest.raises(Silence):
        list(at_once(lambda _: ended.wait(30), [1], jobs=1, progress=progress(), silence=0.2))
    assert time.monotonic() - began < 20
    ended.set()


def test_what_crawls_is_given_up() -> None:
    sizes = iter(range(1000))
    made = Progress("Pulled", 1, written=lambda: next(sizes))
    ended = threading.Event()
    began = time.monotonic()
    with pytest.raises(Silence):
        list(at_once(lambda _: ended.wait(30), [1], jobs=1, progress=made, silence=1))
    assert time.monotonic() - began < 20
    ended.set()


def test_what_is_slow_but_finishes_files_does_not_crawl() -> None:
    made = Progress("Pulled", 3)
    assert len(list(at_once(lambda _: time.sleep(1.2), range(3), jobs=1, progress=made, silence=3))) == 3


def test_a_large_file_that_is_hashed_is_not_given_up() -> None:
    made = Progress("Pulled", 1)

    def work(_: int) -> None:
        made.hashing.add(Path("large"))
        time.sleep(2.5)
        made.hashing.discard(Path("large"))

    assert len(list(at_once(work, [1], jobs=1, progress=made, silence=1))) == 1


def test_what_is_written_moves() -> None:
    sizes = iter(range(0, 10_000_000, 10_000))
    made = Progress("Pulled", 1, written=lambda: next(sizes))
    assert len(list(at_once(lambda _: time.sleep(2.5), [1], jobs=1, progress=made, silence=1))) == 1


def test_progress_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(transfer, "REPORT_SECONDS", 0)
    made = Progress("Pulled", 3, written=lambda: 500_000)
    made.add_file()
    made.bytes += 2_000_000
    made.report()
    assert capsys.readouterr().err == "PROGRESS Pulled 1 of 3 files, 2.5 MB\n"
