"""How the death of a kernel is described, and what is kept of what it printed before."""

import os
import signal
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kernel_server.inside import last_messages
from notebook_ci.base.signals import how_it_ended
from notebook_ci.execute_notebook import deaths, machine
from notebook_ci.execute_notebook.deaths import LastWords, MemoryWatch

HINT = "Run fewer notebooks at a time with `workers`, or use a machine with more memory."
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="kernels are forked on Linux alone")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (-9, "was killed by SIGKILL"),
        (-15, "was killed by SIGTERM"),
        (-11, "crashed with SIGSEGV (Segmentation fault)"),
        (-6, "crashed with SIGABRT (Aborted)"),
        (-50, "was killed by signal 50"),
        (0, "ended with exit code 0"),
        (3, "ended with exit code 3"),
        (None, "ended"),
    ],
)
def test_how_a_process_ended(code: int | None, expected: str) -> None:
    assert how_it_ended(code) == expected
    ended_by_memory = code == -signal.SIGKILL
    assert (MemoryWatch().sentence("It", code) == f"It {expected}.") == (not ended_by_memory)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (1, 2, f"It was killed by SIGKILL: the system ran out of memory. Its peak was 1.9 GB of 2.0 GB. {HINT}"),
        (1, 1, "It was killed by SIGKILL. The system counted no out-of-memory kill."),
        (None, None, "It was killed by SIGKILL. Often this means that memory ran out."),
    ],
)
def test_memory_is_blamed_where_the_system_says_so(
    monkeypatch: pytest.MonkeyPatch, before: int | None, after: int | None, expected: str
) -> None:
    counts = iter([before, after])
    monkeypatch.setattr(machine, "oom_kills", lambda: next(counts))
    monkeypatch.setattr(machine, "memory", lambda: machine.Memory(2_000_000_000, 0))
    assert MemoryWatch().sentence("It", -signal.SIGKILL, 1_900_000_000) == expected


# --- The last messages

LONG = b"x" * (last_messages.SIZE // 5)


def kept(*messages: list[Any]) -> list[list[bytes]]:
    """Return what is read of messages that a kernel has kept, after all of them were sent."""
    descriptor = os.memfd_create("messages")
    os.truncate(descriptor, last_messages.SIZE)
    sent: list[Any] = []
    send = last_messages.keeping(lambda frames, copy: sent.append((frames, copy)), os.dup(descriptor))
    for message in messages:
        send(message, copy=False)
    assert sent == [(message, False) for message in messages]
    with os.fdopen(descriptor, "rb") as memory:
        return list(last_messages.read(memory.read()))


@LINUX
def test_messages_are_kept() -> None:
    assert kept() == []
    assert kept([b"a", b"", b"bc"], [b"d"]) == [[b"a", b"", b"bc"], [b"d"]]
    assert kept([b"a", memoryview(struct.pack("2i", 1, 2)).cast("i")]) == [[b"a", struct.pack("2i", 1, 2)]]


@LINUX
def test_of_many_the_last_are_kept_and_of_long_ones_none() -> None:
    numbered = [[b"%d" % number, LONG] for number in range(7)]
    assert kept(*numbered) == numbered[4:]
    assert kept([b"a"], [LONG * 4], [b"b"]) == [[b"a"], [b"b"]]


@pytest.mark.parametrize("memory", [b"", b"\xff" * 64, struct.pack("=III", 1 << 30, 1 << 30, 1 << 30), bytes(64)])
def test_what_is_no_message_is_not_read(memory: bytes) -> None:
    assert len(list(last_messages.read(memory))) <= 1


# --- What it has written

WRITES = """
import os, sys
read, write = os.pipe()
os.dup2(write, 2)
os.write(1, b"of an earlier cell\\n")
input()
os.write(1, b"in the log\\n")
os.write(2, b"in the pipe\\n")
print("Fatal Python error: Aborted\\n\\nStack (most recent call first):\\n"
    '  File "/tmp/ipykernel_7/8.py", line 2 in f\\n'
    '  File "/tmp/ipykernel_7/9.py", line 1 in <module>\\n'
    '  File "/x/IPython/core/interactiveshell.py", line 3 in run_code', flush=True)
os.kill(os.getpid(), 9)
"""


@LINUX
def test_what_a_process_wrote_since_its_cell_began_outlives_it(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w+b") as log:
        words = LastWords(log)
        process = subprocess.Popen([sys.executable, "-c", WRITES], stdin=subprocess.PIPE, stdout=log)
        while not os.fstat(log.fileno()).st_size:
            pass
        words.cell_begins(process.pid)
        process.communicate(b"\n")
        for _ in range(2):  # it can be asked for again, also when the pipes are closed
            assert words.text() == (
                "in the log\nin the pipe\nFatal Python error: Aborted\n\nStack (most recent call first):\n"
                '  File "/tmp/ipykernel_7/8.py", line 2 in f\n  File "/tmp/ipykernel_7/9.py", line 1 in <module>'
            )
            words.close()


def test_of_a_long_log_the_end_is_shown(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w+b") as log:
        log.write(b"x" * deaths.MOST_LOG_BYTES + b"end")
        log.flush()
        assert LastWords(log).text() == "x" * (deaths.MOST_LOG_BYTES - 3) + "end"
