"""The record of compare-environments."""

from dataclasses import dataclass, field
from typing import Literal

from notebook_ci.records.record import Record

# `fixed`: it fails only with `base`. `nondeterministic`: two runs with `base` differ, too, so no package is to blame.
Verdict = Literal["same", "differs", "broken", "fixed", "fails in both", "nondeterministic", "not compared"]


@dataclass(kw_only=True)
class PackageChange:
    """A package whose version differs between the environments."""

    name: str
    before: str  # its version with `base`; empty: not installed
    after: str  # its version with `head`; empty: not installed
    conda: bool = False  # whether it is a package of conda, whose build follows its version

    def __str__(self) -> str:
        if not self.before:
            return f"new {self.name} {self.after}"
        return f"{self.name} {self.before} -> {self.after}" if self.after else f"removed {self.name} {self.before}"


@dataclass(kw_only=True)
class ComparedNotebook:
    path: str  # relative to the workspace
    name: str  # of the execution: the path; in a sweep with the parameter set
    verdict: Verdict
    # What changed or broke it. Several: they can only be installed together. Empty: not known, see `reason`.
    packages: list[PackageChange] = field(default_factory=list)
    reason: str = ""  # how it fails or differs, or why that is not known
    line: int | None = None  # where, in its file

    @property
    def result(self) -> str:
        return f"{self.verdict} by {', '.join(map(str, self.packages))}" if self.packages else self.verdict


@dataclass(kw_only=True)
class CompareEnvironmentsRecord(Record):
    base: str = ""  # the lock, relative to the workspace
    head: str = ""
    changes: list[PackageChange] = field(default_factory=list)
    notebooks: list[ComparedNotebook] = field(default_factory=list)
    trials: int = 0  # how many environments between `base` and `head` notebooks were run in

    def with_verdict(self, verdict: Verdict) -> list[ComparedNotebook]:
        return [each for each in self.notebooks if each.verdict == verdict]

    @property
    def headline(self) -> dict[str, str]:
        found = {"differing": self.with_verdict("differs"), "broken": self.with_verdict("broken")}
        return {name: str(len(each)) for name, each in found.items()}
