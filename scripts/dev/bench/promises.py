"""What is promised of the medians of a work, in seconds or bytes by contender."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Verdict(NamedTuple):
    contenders: str  # that are compared
    reached: str
    promised: str
    aim: str  # empty: no more than is promised
    kept: bool


@dataclass(frozen=True)
class Ratio:
    """How many times better than the best of its peers one contender must be."""

    ours: str
    peers: Sequence[str]
    at_least: float
    aim: float | None = None

    def verdict(self, medians: Mapping[str, float]) -> Verdict:
        best = min(self.peers, key=medians.__getitem__)
        ratio = medians[best] / medians[self.ours]
        aim = f"{self.aim:g}x" if self.aim else ""
        kept = ratio >= self.at_least
        return Verdict(f"{self.ours} against {best}", f"{ratio:.2f}x", f"{self.at_least:g}x", aim, kept)


@dataclass(frozen=True)
class Difference:
    """How many milliseconds more than another one contender may take."""

    ours: str
    other: str
    at_most: float

    def verdict(self, medians: Mapping[str, float]) -> Verdict:
        more = (medians[self.ours] - medians[self.other]) * 1000
        kept = more <= self.at_most
        return Verdict(f"{self.ours}, less {self.other}", f"{more:.0f} ms", f"{self.at_most:g} ms", "", kept)
