"""What is compared: works, their contenders, and what is promised of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from dev.bench.notebooks import Notebooks

# "drivers": without kernels, the servers that fork them, and what these started. "kernels": only these.
Part = Literal["drivers", "kernels"]


class Unit(NamedTuple):
    name: str
    size: float  # in seconds or bytes
    digits: int  # behind the decimal point


SECONDS, MILLISECONDS, MEGABYTES = Unit("s", 1, 1), Unit("ms", 0.001, 1), Unit("MB", 1e6, 0)


class Figure(NamedTuple):
    """A measurement of one round."""

    value: float  # seconds or bytes
    stalled: float  # part of the time (0 to 1) in which a process of the machine waited for a disk


@dataclass(frozen=True)
class Contender:
    name: str  # as in the table
    command: str  # for `sh`, in the folder of the notebooks, with the variables of `environments`
    # What shows that the work was done:
    saves: str = ""  # a pattern of the folders that contain all notebooks, executed
    says: str = ""  # a part of what the command prints; `{count}`: the number of notebooks


class Verdict(NamedTuple):
    contenders: str  # that are compared
    reached: str
    promised: str
    aim: str  # empty: no more than is promised
    kept: bool


@dataclass(frozen=True)
class Ratio:
    """How many times better than the best of its peers one contender must be."""

    ours: Contender
    peers: Sequence[Contender]
    at_least: float
    aim: float | None = None

    def verdict(self, medians: Mapping[str, float]) -> Verdict:
        best = min((peer.name for peer in self.peers), key=medians.__getitem__)
        ratio = medians[best] / medians[self.ours.name]
        aim = f"{self.aim:g}x" if self.aim else ""
        kept = ratio >= self.at_least
        return Verdict(f"{self.ours.name} against {best}", f"{ratio:.2f}x", f"{self.at_least:g}x", aim, kept)


@dataclass(frozen=True)
class Difference:
    """How many milliseconds more than another one contender may take."""

    ours: Contender
    other: Contender
    at_most: float

    def verdict(self, medians: Mapping[str, float]) -> Verdict:
        more = (medians[self.ours.name] - medians[self.other.name]) * 1000
        kept = more <= self.at_most
        return Verdict(f"{self.ours.name}, less {self.other.name}", f"{more:.0f} ms", f"{self.at_most:g} ms", "", kept)


@dataclass(frozen=True)
class Work:
    name: str  # on the command line
    title: str  # in the table
    notebooks: Notebooks
    contenders: Sequence[Contender]
    promises: Sequence[Ratio | Difference]
    memory_of: Part | None = None  # None: measure the time of the command
    unit: Unit = SECONDS
    fewest_rounds: int = 1
