"""Has contenders do a work in turn, and measures them."""

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
# Above this part of its time a run tells of the disk rather than of the contender: nbmake was seen to take seven times
# as long while another process read all files of the machine.
MOST_STALLED = 0.1
ATTEMPTS = 3


class NotDoneError(Exception):
    """A contender did not do its work. The text says what is missing."""


# Looks at the folder of a run and what was printed; raises `NotDoneError` where not all notebooks were executed.
Check = Callable[[Path, str, Notebooks], None]


@dataclass(frozen=True)
class Figure:
    """What was measured in a round.

    Attributes:
        value: In the unit of the work.
        stalled: In which part of the time (0 to 1) something on the machine waited for a disk.
    """

    value: float
    stalled: float


@dataclass(frozen=True)
class Contender:
    """Something that does a work.

    Attributes:
        name: As the table has it.
        command: What is run in the folder of the notebooks.
        check: Tells whether the work was done.
        slow: It takes minutes.
    """

    name: str
    command: Sequence[str]
    check: Check
    slow: bool = False


@dataclass(frozen=True)
class Promise:
    """How often better one contender is to be than others: those of them that did best.

    Attributes:
        ours: Its name.
        peers: Their names.
        at_least: The ratio that is promised.
        aim: The ratio that is hoped for.
    """

    ours: str
    peers: Sequence[str]
    at_least: float
    aim: float | None = None


@dataclass(frozen=True)
class Work:
    """What contenders do.

    Attributes:
        name: For the command line.
        title: As the table has it.
        notebooks: What is to be executed.
        rehearsal: What each contender executes first, uncounted: files are read and byte code is written then.
        contenders: Who does it.
        promises: What is promised.
        counted: Whose memory is measured; None: the time of the whole command is.
    """

    name: str
    title: str
    notebooks: Notebooks
    rehearsal: Notebooks
    contenders: Sequence[Contender]
    promises: Sequence[Promise]
    counted: Counted | None = None

    @property
    def unit(self) -> Literal["s", "MB"]:
        """Of what is measured."""
        return "MB" if self.counted else "s"


@dataclass(frozen=True)
class Contest:
    """One work, done by all its contenders.

    Attributes:
        work: The work.
        environ: The environment of the contenders.
        folder: A folder to be made, for all there is to write.
    """

    work: Work
    environ: Mapping[str, str]
    folder: Path

    def run(self, rounds: int, slow_rounds: int) -> dict[str, list[Figure]]:
        """Return the figures of each contender, one a round; of a slow one perhaps fewer."""
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
        """Have a contender do the work, anew while it fails or the disk has much part in it; the last figure counts.

        nbclient was seen to fail: a kernel of a hundred that began at once had no port.
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
        """Have a contender do the work in a fresh copy of a folder."""
        folder, said = self.folder / "run", self.folder / "said"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(source, folder)
        done = processes.run(contender.command, folder, self.environ, said, self.work.counted)
        text = said.read_text(encoding="utf-8", errors="replace")
        self._check(contender, done, text, notebooks)
        shutil.rmtree(folder)
        return Figure(done.most_bytes / 1e6 if self.work.counted else done.seconds, done.stalled / done.seconds)

    def _check(self, contender: Contender, done: Done, text: str, notebooks: Notebooks) -> None:
        """Refuse a figure where the work was not done: it would mean nothing."""
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
