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

    def read(self) -> None:
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        for line in lines:
            with contextlib.suppress(ValueError, RecursionError):
                self._take(from_json(Event, json.loads(line)))

    def _take(self, event: Event) -> None:
        self.events.append(event)
        if event.event == "test":
            self.running[event.test] = time.monotonic()
        elif event.event == "end" or event.when == CRASHED:
            self.running.pop(event.test, None)

    def of(self, kind: str) -> Iterator[Event]:
        return (event for event in self.events if event.event == kind)

    @property
    def root(self) -> str:
        """The folder in which node IDs begin."""
        return next((event.root for event in self.of("began")), "")

    @property
    def version(self) -> str:
        return next((event.version for event in self.of("began")), "")


@contextlib.contextmanager
def session(path: Path) -> Iterator[Session]:
    """Create the file of the report, and open it before a test can delete it."""
    path.touch()
    with path.open("rb") as file:
        yield Session(file)


class DeadlineOfTests(Deadline):
    """The end of pytest's time: when a test has run too long, and was not interrupted."""

    def __init__(self, running: Session, seconds: float) -> None:
        super().__init__(0.0)
        self._session, self._seconds = running, seconds

    @property
    def left(self) -> float:
        self._session.read()
        first = min(self._session.running.values(), default=time.monotonic())
        return first + self._seconds + GRACE_SECONDS - time.monotonic()
