"""Runs contenders in turn on a work, and measures them."""

import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dev.bench import inputs, processes
from dev.bench.inputs import Notebooks
from dev.bench.processes import Counted, Done

LINES_SHOWN = 30
# A run that waits for the disk for more than this part of its time measures the disk rather than the contender: nbmake
# took seven times as long while another process read all files of the machine.
MOST_STALLED = 0.1
ATTEMPTS = 3


class NotDoneError(Exception):
    """A contender did not do its work. The message says what is missing."""


# Gets the folder of a run, its output and the notebooks; raises `NotDoneError` if not all were executed.
Check = Callable[[Path, str, Notebooks], None]


@dataclass(frozen=True)
class Figure:
    """A measurement of one round."""

    value: float  # in the unit of the work
    stalled: float  # part of the time (0 to 1) in which a process of the machine waited for a disk


@dataclass(frozen=True)
class Contender:
    name: str  # as in the table
    command: Sequence[str]  # runs in the folder of the notebooks
    check: Check
    slow: bool = False  # takes minutes


@dataclass(frozen=True)
class Promise:
    """How many times better than the best of its peers one contender must be."""

    ours: str
    peers: Sequence[str]
    at_least: float  # the promised ratio
    aim: float | None = None  # the ratio we aim for


@dataclass(frozen=True)
class Work:
    name: str  # on the command line
    title: str  # in the table
    notebooks: Notebooks
    # Each contender executes these first, unmeasured, so that files are in memory and byte-code exists.
    rehearsal: Notebooks
    contenders: Sequence[Contender]
    promises: Sequence[Promise]
    counted: Counted | None = None  # the processes whose memory is measured; None: measure the time of the command

    @property
    def unit(self) -> Literal["s", "MB"]:
        return "MB" if self.counted else "s"


@dataclass(frozen=True)
class Contest:
    work: Work
    environ: Mapping[str, str]
    folder: Path  # does not exist yet; everything is written here

    def run(self, rounds: int, slow_rounds: int) -> dict[str, list[Figure]]:
        """Return the figures of each contender, one per round; fewer for a slow one if there are fewer slow rounds."""
        inputs.write(self.work.rehearsal, self.folder / "rehearsal")
        inputs.write(self.work.notebooks, self.folder / "notebooks")
        figures: dict[str, list[Figure]] = {contender.name: [] for contender in self.work.contenders}
        for contender in self.work.contenders:
            self._figure(contender, self.folder / "rehearsal", self.work.rehearsal)
        for number in range(rounds):
            for contender in self.work.contenders:
                if number < slow_rounds or not contender.slow:
                    figures[contender.name].append(self._undisturbed(contender, f"round {number + 1}"))
        return figures

    def _undisturbed(self, contender: Contender, what: str) -> Figure:
        """Measure a contender. Repeat while it fails or waits much for a disk; the last figure counts.

        nbclient sometimes fails: of a hundred kernels that started at once, one got no port.
        """
        for attempt in range(ATTEMPTS):
            try:
                figure = self._figure(contender, self.folder / "notebooks", self.work.notebooks)
            except NotDoneError as error:
                _tell(f"{self.work.name}, {what}: {contender.name} did not do the work: {error}")
                if attempt == ATTEMPTS - 1:
                    raise SystemExit(1) from error
                continue
            disk = f", waits for a disk in {figure.stalled:.0%} of the time" if figure.stalled > MOST_STALLED else ""
            _tell(f"{self.work.name}, {what}: {contender.name}: {figure.value:.2f} {self.work.unit}{disk}")
            if not disk:
                break
        return figure

    def _figure(self, contender: Contender, source: Path, notebooks: Notebooks) -> Figure:
        """Measure a contender in a fresh copy of a folder."""
        folder, said = self.folder / "run", self.folder / "said"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(source, folder)
        done = processes.run(contender.command, folder, self.environ, said, self.work.counted)
        text = said.read_text(encoding="utf-8", errors="replace")
        self._check(contender, done, text, notebooks)
        shutil.rmtree(folder)
        return Figure(done.most_bytes / 1e6 if self.work.counted else done.seconds, done.stalled / done.seconds)

    def _check(self, contender: Contender, done: Done, text: str, notebooks: Notebooks) -> None:
        """Refuse the figure of a contender that did not do its work."""
        try:
            _check_code(done.code)
            contender.check(self.folder / "run", text, notebooks)
        except NotDoneError as error:
            end = "\n".join(text.splitlines()[-LINES_SHOWN:])
            raise NotDoneError(f"{error}\n{end}") from error


def _check_code(code: int) -> None:
    if code:
        raise NotDoneError(f"the exit code is {code}")


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")
