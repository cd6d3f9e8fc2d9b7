"""One run of act, while it goes on."""

import contextlib
import fcntl
import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from harness import processes
from harness.result import Result, read_jobs
from standins import cache

# GitHub's runner gives a cancelled step SIGINT, this time to end, SIGTERM, this time to end, then kills it (seconds).
AFTER_INTERRUPT = 7.5
AFTER_TERMINATE = 2.5


class HarnessError(AssertionError):
    """The run is of no use to a test: nothing may be concluded from it."""


class RunTimeoutError(HarnessError):
    """The run took too long; all its processes have been ended."""


class UnmappedActionError(HarnessError):
    """The run uses an action for which there is no stand-in at that commit; all its processes have been ended."""


class Run:
    """act at work. Ends with `finish()`; as a context manager it leaves no process behind, whatever happens.

    Args:
        command: act and its arguments.
        environment: All of its environment.
        folder: Where act starts.
        jobs_folder: Where act makes the workspaces; nothing else on the machine works in it.
        tracking_id: The value of RUNNER_TRACKING_ID by which the run's processes are known.
        secrets: Values to mask.
        artifacts: Where the run's artifacts are.
        cache_folder: Where the repository's cache is.
    """

    def __init__(
        self,
        command: list[str],
        environment: Mapping[str, str],
        *,
        folder: Path,
        jobs_folder: Path,
        tracking_id: str,
        secrets: Iterable[str],
        artifacts: Path,
        cache_folder: Path,
    ) -> None:
        self._jobs_folder = jobs_folder
        self._tracking_id = tracking_id
        self._secrets = list(secrets)
        self._artifacts = artifacts
        self._cache_folder = cache_folder
        self._entries: list[dict[str, Any]] = []
        self._messages: list[str] = []
        self._unmapped = ""
        self._cancelled_at: int | None = None
        self._news = threading.Condition()
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, name="act-log", daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def wait_for(self, text: str, timeout: float = 30) -> None:
        """Wait until a step has printed a line with this text.

        Args:
            text: Part of the line.
            timeout: Seconds.

        Raises:
            RunTimeoutError: It did not in that time, or the run is over; its processes have been ended.
        """
        self._wait_until(lambda: self._printed(text), f"No step printed {text!r}", timeout)

    def cancel(self) -> None:
        """Cancel the run as GitHub does: signals to the running steps, then on with `cancelled()` true.

        act's own way (0.2.89) is of no use. On SIGINT it kills, with SIGKILL, the process of a running step at once,
        unless the step's `if` holds for cancelled jobs, and goes on with `cancelled()` true; on a second SIGINT, or on
        SIGTERM, it kills all and runs no further step. It kills that one process only, not what was started by it.

        So the steps' processes first get what GitHub's runner sends them. When they have ended, act is kept from going
        on to the next step until it knows of the cancellation.

        One thing stays different: the steps within a composite action that are to run `if: always()` do so only if the
        action's own step in the workflow has that condition, too.
        """
        with self._news:
            self._cancelled_at = len(self._entries)
        steps = processes.children(self._process.pid)
        with contextlib.ExitStack() as holds:
            for process in steps:
                # act reads this file after each step, before it looks at the next one; only JavaScript actions write it
                if state_file := processes.variable(process, "GITHUB_STATE"):
                    holds.enter_context(_kept_from_opening(Path(state_file)))
            _end_as_the_runner_does(steps)
            self.signal(signal.SIGINT)
            if steps:
                self._wait_until(lambda: self._logged("Reevaluate condition"), "act did not take notice", 30)

    def signal(self, number: signal.Signals) -> None:
        """Send act itself a signal; see `cancel` for what it makes of it."""
        processes.send(self._process.pid, number)

    def finish(self, timeout: float = 120) -> Result:
        """Wait for the end of the run, and report what happened.

        Args:
            timeout: Seconds from now.

        Raises:
            RunTimeoutError: It took longer.
            UnmappedActionError: It used an action that has no stand-in.
        """
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RunTimeoutError(f"The run took more than {timeout} s.\n{self._result([])}") from None
        orphans = [processes.command_line(process) for process in self._left_behind()]
        self.kill()
        if self._unmapped:
            raise UnmappedActionError(f"There is no stand-in for this: {self._unmapped}")
        return self._result(orphans)

    def kill(self) -> None:
        """End every process of the run at once."""
        running = self._process.pid if self._process.poll() is None else None
        processes.end_all(lambda: processes.of_run(self._tracking_id, self._jobs_folder, running))
        self._process.wait()
        self._reader.join()

    def _left_behind(self) -> list[int]:
        """The processes still alive; those about to end get a moment."""
        deadline = time.monotonic() + 0.5
        while (found := processes.of_run(self._tracking_id, self._jobs_folder)) and time.monotonic() < deadline:
            time.sleep(0.05)
        return found

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout:
            for line in self._process.stdout:
                self._take(line)
        with self._news:
            self._news.notify_all()

    def _take(self, line: str) -> None:
        try:
            entry = json.loads(line)
        except ValueError:
            self._messages.append(line)
            return
        if "jobID" not in entry and entry.get("level") != "debug":
            self._messages.append(f"{entry.get('msg', line)}\n")
        if entry.get("msg", "").startswith("LocalRepositoryCache not matched") and "raw_output" not in entry:
            # act would now ask the network for it, with whatever comes of that
            self._unmapped = entry["msg"]
            processes.send(self._process.pid, signal.SIGKILL)
        with self._news:
            self._entries.append(entry)
            self._news.notify_all()

    def _wait_until(self, happened: Callable[[], bool], otherwise: str, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        with self._news:
            while not happened():
                if time.monotonic() > deadline or not self._reader.is_alive():
                    break
                self._news.wait(0.5)
            else:
                return
        self.kill()
        raise RunTimeoutError(f"{otherwise} within {timeout} s.\n{self._result([])}")

    def _logged(self, text: str) -> bool:
        """Whether act itself has logged this since the run was cancelled."""
        return any(text in entry["msg"] for entry in self._entries[self._cancelled_at :] if not _is_output(entry))

    def _printed(self, text: str) -> bool:
        return any(text in entry.get("raw", entry["msg"]) for entry in self._entries if _is_output(entry))

    def _result(self, orphans: list[str]) -> Result:
        return Result(
            exit_code=self._process.returncode,
            jobs=read_jobs(self._entries, self._secrets, self._cancelled_at),
            messages="".join(self._messages),
            artifacts=self._artifacts,
            cache=cache.entries(self._cache_folder),
            orphans=orphans,
        )


def _is_output(entry: Mapping[str, Any]) -> bool:
    return "raw_output" in entry or "raw" in entry


def _end_as_the_runner_does(steps: list[int]) -> None:
    """Ask processes to end, twice; when they do not, kill them and all they have started."""
    for number, seconds in ((signal.SIGINT, AFTER_INTERRUPT), (signal.SIGTERM, AFTER_TERMINATE)):
        for process in steps:
            if processes.is_alive(process):
                processes.send(process, number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not any(processes.is_alive(process) for process in steps):
                return
            time.sleep(0.01)
    everything = {process for step in steps for process in processes.descendants(step)}
    processes.end_all(lambda: [process for process in everything if processes.is_alive(process)])


@contextlib.contextmanager
def _kept_from_opening(file: Path) -> Iterator[None]:
    """Make every other process wait that opens the file (fcntl(2), leases)."""
    with file.open("rb+") as handle:
        # told of the waiting process by this signal, which nobody minds; the usual one would end this process
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        yield
