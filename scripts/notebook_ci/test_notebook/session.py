"""What pytest reports while it runs: see `notebook_testing/reporting.py`."""

import contextlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from notebook_ci.base.process import Deadline
from notebook_ci.base.typed_json import from_json

GRACE_SECONDS = 5.0  # between the interruption of a test by pytest-timeout, and the end of pytest
NBVAL_SECONDS = 75.0  # the same, if nbval (0.11) interrupts: 60 to start a kernel, 5 to wait for it, and its end
SILENCE = 10  # how many times as long as a test pytest may take for anything else: to import a file, above all
CRASHED = "???"  # the phase of a test in which a worker of pytest-xdist (3.8) ended


@dataclass(frozen=True, kw_only=True)
class TracebackLine:
    path: str  # absolute, or relative to the working directory
    line: int


@dataclass(frozen=True, kw_only=True)
class Event:
    """One line of the report; each kind of event has some of the fields."""

    event: str
    test: str = ""  # a node ID
    tests: list[str] = field(default_factory=list)
    when: str = ""  # `setup`, `call` or `teardown`
    outcome: str = ""
    is_expected: bool = False  # marked `xfail`
    duration: float = 0.0  # seconds
    path: str = ""  # of the test, relative to `root`
    line: int = 1
    what: str = ""
    message: str = ""
    text: str = ""
    frames: list[TracebackLine] = field(default_factory=list)
    version: str = ""  # of pytest
    root: str = ""
    percent: float = 0.0  # of the lines that ran
    is_enough: bool = True  # for the settings of coverage.py


class Session:
    """The events so far. A test may write to the file, too: what does not look like an event is ignored."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._rest = b""
        self.events: list[Event] = []
        self.running: dict[str, float] = {}  # when each test was seen to begin, that has not ended
        self.last = time.monotonic()  # when the last event was seen
        self.root = self.version = ""  # the folder in which node IDs begin; the version of pytest

    def read(self) -> None:
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        for line in lines:
            with contextlib.suppress(ValueError, RecursionError):
                self._take(from_json(Event, json.loads(line)))

    def _take(self, event: Event) -> None:
        self.events.append(event)
        self.last = time.monotonic()
        if event.event == "began":
            self.root, self.version = self.root or event.root, self.version or event.version
        elif event.event == "test":
            self.running[event.test] = self.last
        elif event.event == "end" or event.when == CRASHED:
            self.running.pop(event.test, None)

    def of(self, kind: str) -> Iterator[Event]:
        return (event for event in self.events if event.event == kind)


@contextlib.contextmanager
def session(path: Path) -> Iterator[Session]:
    """Create the file of the report, and open it before a test can delete it."""
    path.touch()
    with path.open("rb") as file:
        yield Session(file)


class DeadlineOfTests(Deadline):
    """The end of pytest's time: a test has run too long, and was not interrupted, or nothing was heard for long."""

    def __init__(self, session: Session, seconds: float, grace: float = GRACE_SECONDS) -> None:
        super().__init__(0.0)
        self._session, self._seconds, self._grace = session, seconds, grace

    @property
    def left(self) -> float:
        self._session.read()
        running = self._session.running.values()
        end = min(running) + self._seconds if running else self._session.last + self._seconds * SILENCE
        return end + self._grace - time.monotonic()
