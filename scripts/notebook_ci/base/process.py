"""Runs a program, keeps its output, limits its time, and ends its whole process tree."""

import collections
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

GRACE_SECONDS = 2.0
LOOK_SECONDS = 1.0  # how often a deadline is read again: it may have been moved
TAIL_LINES = 2000
LONGEST_LINE = 10_000  # characters; a longer one is read in pieces
POSIX = sys.platform != "win32"
LINUX = sys.platform == "linux"
KILL = signal.SIGKILL if POSIX else signal.SIGTERM

Argument = str | Path


@dataclass(frozen=True)
class Completed:
    returncode: int  # negative: the signal that ended it
    output: str  # the last lines of standard output and standard error together; if kept apart, of standard error
    timed_out: bool
    stdout: str = ""  # all of standard output, if kept apart


@dataclass
class Deadline:
    """The end of a program's time, which can be moved while the program runs."""

    end: float  # seconds of `time.monotonic`

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        return cls(time.monotonic() + seconds)

    @property
    def left(self) -> float:
        """Seconds, negative after the deadline."""
        return self.end - time.monotonic()


def run(
    argv: Sequence[Argument],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    timeout: float | Deadline | None = None,
    stdin: str = "",
    separate: bool = False,
    on_line: Callable[[str], object] | None = None,
    started: "subprocess.Popen[str] | None" = None,
) -> Completed:
    """Run a program, without a shell, until it ends or its time is over. Raises OSError if it cannot be started.

    All processes that it started end with it, also when an exception (a cancelled job) is raised meanwhile.

    `env` is the whole environment, `timeout` in seconds or a deadline that may be moved meanwhile, `stdin` the text of
    its standard input. `separate` keeps all of standard output, apart from standard error. `on_line` is called with
    each line of `Completed.output` as it comes, from another thread. `started` is the program if it runs already.
    """
    lines: collections.deque[str] = collections.deque(maxlen=TAIL_LINES)
    whole: list[str] = []

    def keep(line: str) -> None:
        line = line.rstrip("\n")
        lines.append(line)
        if on_line:
            on_line(line)

    process = started or start(argv, env=env, cwd=cwd, takes_input=bool(stdin), separate=separate)
    threads = [
        threading.Thread(target=read, args=(process.stderr if separate else process.stdout, keep), daemon=True),
        *([threading.Thread(target=read, args=(process.stdout, whole.append), daemon=True)] if separate else []),
        *([threading.Thread(target=feed, args=(process.stdin, stdin), daemon=True)] if stdin else []),
    ]
    deadline = Deadline.after(timeout) if isinstance(timeout, int | float) else timeout
    timed_out = True
    try:
        for thread in threads:
            thread.start()
        timed_out = not _ends(process, deadline)
    finally:
        end_tree(process)
        for thread in threads:
            if thread.is_alive():  # a signal may come before it was started
                thread.join(GRACE_SECONDS)
    return Completed(process.returncode, "\n".join(lines), timed_out, "".join(whole))


def start(
    argv: Sequence[Argument], *, env: Mapping[str, str], cwd: Path | None, takes_input: bool, separate: bool
) -> "subprocess.Popen[str]":
    """Start a program in a session of its own: see `run`."""
    return subprocess.Popen(
        list(map(str, argv)),
        env=dict(env),
        cwd=cwd,
        stdin=subprocess.PIPE if takes_input else subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if separate else subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="backslashreplace",
        start_new_session=POSIX,
    )


def resume(process: "subprocess.Popen[str]") -> None:
    """Let a program go on that leads its own session, if another program of the same user has stopped it."""
    if POSIX:
        signal_group(process.pid, signal.SIGCONT)


def program_in(environment: Path, name: str = "python") -> Path:
    """Return the path of a program of a Python environment. It may not exist."""
    if POSIX:
        return environment / "bin" / name
    of_conda = environment / f"{name}.exe"
    return of_conda if of_conda.exists() else environment / "Scripts" / f"{name}.exe"


def end_tree(process: subprocess.Popen[str]) -> None:
    """End a process that leads its own session, and all its descendants: SIGTERM, then SIGKILL."""
    if not POSIX:
        if process.poll() is None:
            subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True, check=False)
        process.wait()
        return
    if process.poll() is None:
        signal_group(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
    signal_group(process.pid, signal.SIGKILL)
    process.wait()


def signal_group(leader: int, number: int) -> None:
    """Send a signal to a process group, if it exists; on Windows, end the process that leads it. 0 is no group."""
    with contextlib.suppress(OSError):
        if leader and POSIX:
            os.killpg(leader, number)
        elif leader:
            os.kill(leader, signal.SIGTERM)


def _ends(process: subprocess.Popen[str], deadline: Deadline | None) -> bool:
    """Wait for the end of a process. Return whether it ended in time."""
    if deadline is None:
        process.wait()
    else:
        while process.poll() is None and deadline.left > 0:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(min(deadline.left, LOOK_SECONDS))
    return process.poll() is not None


def read(stream: IO[str], take: Callable[[str], object], longest: int = LONGEST_LINE) -> None:
    with stream:
        while line := stream.readline(longest):
            take(line)


def feed(stream: IO[str], text: str) -> None:
    with contextlib.suppress(OSError), stream:  # the program may not read all of it
        stream.write(text)
