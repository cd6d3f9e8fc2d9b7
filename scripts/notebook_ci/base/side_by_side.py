"""Programs that run at once: their output is shown in an order of its own, and they are stopped together."""

import contextlib
import os
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from notebook_ci.base.process import GRACE_SECONDS, POSIX, Argument, end_tree, feed, read, resume

LOW_PRIORITY = 10
LONGEST_LINE = -1  # no limit: an annotation is one line


class Output:
    """The lines of a program: kept at first, later shown as they come."""

    def __init__(self, show: Callable[[str], object]) -> None:
        self._show = show
        self._kept: list[str] = []
        self._is_shown = False
        self._lock = threading.Lock()

    def add(self, line: str) -> None:
        with self._lock:
            if self._is_shown:
                self._show(line)
            else:
                self._kept.append(line)

    def show(self) -> None:
        """Show what was kept, and from now on each line at once."""
        with self._lock:
            self._is_shown = True
            for line in self._kept:
                self._show(line)


class Programs:
    """Starts programs, from any thread, until it is told to stop."""

    def __init__(self, env: Mapping[str, str], cwd: Path) -> None:
        self.is_stopped = False
        self._env, self._cwd = dict(env), cwd
        self._started: list[subprocess.Popen[str]] = []
        self._lock = threading.Lock()

    def run(
        self,
        argv: Sequence[Argument],
        *,
        stdin: str = "",
        on_line: Callable[[str], object] | None = None,
        in_background: bool = False,
    ) -> int | None:
        """Run a program until it ends: see `start` and `finish`. Returns its exit code; None if it was not started."""
        process = self.start(argv, is_read=on_line is not None, in_background=in_background)
        return self.finish(process, stdin, on_line) if process else None

    def start(
        self, argv: Sequence[Argument], *, is_read: bool, in_background: bool = False
    ) -> "subprocess.Popen[str] | None":
        """Start a program, which waits for its input until `finish` is called.

        If its output is not read, it writes where this process does. `in_background` leaves the processors to others.
        """
        with self._lock:
            if self.is_stopped:
                return None
            process = subprocess.Popen(
                list(map(str, argv)),
                env=self._env,
                cwd=self._cwd,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if is_read else None,
                stderr=subprocess.STDOUT if is_read else None,
                text=True,
                encoding="utf-8",
                errors="backslashreplace",
                start_new_session=POSIX,
            )
            self._started.append(process)
        if in_background and POSIX:
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, process.pid, LOW_PRIORITY)
        return process

    def finish(
        self, process: "subprocess.Popen[str]", stdin: str, on_line: Callable[[str], object] | None = None
    ) -> int:
        """Give a program its input, wait until it ends, and end all that it started. Returns its exit code.

        If its output is read, `on_line` is called with each line, from another thread.
        """
        readers = [_reader(process, on_line)] if on_line and process.stdout else []
        if process.stdin:
            feed(process.stdin, stdin)
        resume(process)  # a notebook may have stopped it while it waited
        process.wait()
        end_tree(process)
        for reader in readers:
            reader.join(GRACE_SECONDS)
        return process.returncode

    def stop(self, number: int) -> None:
        """Send a signal to the running programs, and start no other."""
        with self._lock:
            self.is_stopped = True
            for process in self._started:
                process.send_signal(number)


def _reader(process: subprocess.Popen[str], on_line: Callable[[str], object]) -> threading.Thread:
    """Start a thread that reads the output of a program."""

    def take(line: str) -> None:
        on_line(line.removesuffix("\n"))

    thread = threading.Thread(target=read, args=(process.stdout, take, LONGEST_LINE), daemon=True)
    thread.start()
    return thread
