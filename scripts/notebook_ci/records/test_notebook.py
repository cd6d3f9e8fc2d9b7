"""The record of test-notebook."""

from dataclasses import dataclass, field
from typing import Literal

from notebook_ci.records.record import Record

CaseStatus = Literal["passed", "failed", "skipped", "expected-failure", "not-run"]


@dataclass(kw_only=True)
class CaseResult:
    """The result of one test: of a function, or of a cell that nbval checks."""

    test: str  # pytest's node ID; of a file that could not be imported, its path
    # `expected-failure`: marked `xfail`. `not-run`: pytest collected the test, and ended before it did.
    status: CaseStatus
    duration: float = 0.0  # seconds, including its fixtures
    file: str = ""  # of a failed test, the file of `line`, relative to the working directory
    line: int | None = None  # where it failed: in a notebook, if its traceback leads there, else in the test
    message: str = ""  # of a failed test
    traceback: str = ""  # as pytest shows it


@dataclass(kw_only=True)
class PytestRecord(Record):
    python: str = ""  # the interpreter that ran pytest
    python_version: str = ""
    pytest: str = ""  # version of pytest
    # Version by name of the packages that were used in addition to those of the environment: what it lacked.
    added: dict[str, str] = field(default_factory=dict)
    cases: list[CaseResult] = field(default_factory=list)  # in the order in which pytest ran them
    coverage: float | None = None  # percentage of the lines that ran

    def of(self, *statuses: CaseStatus) -> list[CaseResult]:
        return [case for case in self.cases if case.status in statuses]

    @property
    def headline(self) -> dict[str, str]:
        ran, failed = len(self.cases) - len(self.of("skipped", "not-run")), len(self.of("failed"))
        coverage = "" if self.coverage is None else f"{self.coverage:.1f}"
        return {"tests": str(ran), "failed": str(failed), "coverage": coverage}
