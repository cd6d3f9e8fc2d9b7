"""The record of validate-data."""

from dataclasses import dataclass, field
from typing import Literal

from notebook_ci.records.record import Record

Severity = Literal["critical", "warning", "info"]
Kind = Literal["violation", "missing-column", "not-evaluated"]


def named(expectation: str, columns: str) -> str:
    """Return the name of an expectation: its type and what it is about."""
    return f"{expectation} of {columns}" if columns else expectation


@dataclass(kw_only=True)
class Example:
    """A value that violates an expectation."""

    row: int | None  # row in the data, counted from 1 without the header; null if rows have their own labels
    value: str  # the value as JSON; long ones are cut


@dataclass(kw_only=True)
class Violation:
    """An expectation that is not met."""

    kind: Kind  # `missing-column` and `not-evaluated` always make the stage fail
    severity: Severity  # as in the suite; only `critical` makes the stage fail
    expectation: str  # its type, such as `expect_column_values_to_not_be_null`
    column: str  # its column, or its columns, separated by `, `; empty if it is about the table
    file: str  # the suite
    line: int  # the line in the suite, counted from 1
    message: str  # one sentence
    note: str = ""  # the suite's note on the expectation
    expected: str = ""  # the arguments of the expectation
    observed: str = ""  # what was found instead, if that is one value
    unexpected: int | None = None  # number of values (or rows) that violate it
    total: int | None = None  # number of values (or rows) that were checked: those that are not missing
    percent: float | None = None  # `unexpected` as a share of `total`
    examples: list[Example] = field(default_factory=list)  # the first ones in the data

    @property
    def name(self) -> str:
        return named(self.expectation, self.column)

    @property
    def fails(self) -> bool:
        return self.kind != "violation" or self.severity == "critical"


@dataclass(kw_only=True)
class RuleResult:
    """The result of checking some data against one suite."""

    data: str  # a file or folder, relative to the workspace if it is inside
    sha256: str = ""  # empty if the data is not a single file
    rows: int = 0
    columns: int = 0
    suite: str  # the file of the suite
    suite_name: str
    success: bool = False  # false if it makes the stage fail
    evaluated: int = 0  # number of expectations
    failed: int = 0  # number of expectations that make the stage fail
    warned: int = 0  # number of expectations of severity `warning` or `info` that are not met
    error: str = ""  # why the data could not be checked at all
    met: list[str] = field(default_factory=list)  # names of the expectations that are met
    violations: list[Violation] = field(default_factory=list)  # the others, in the order of the suite
    result: str = ""  # Great Expectations' own result, a JSON file in the run directory


@dataclass(kw_only=True)
class ValidateRecord(Record):
    great_expectations: str = ""  # version of Great Expectations
    pandas: str = ""  # version of pandas, which read the data
    checkpoint: str = ""  # the input
    success: bool = False  # whether all data could be checked and nothing makes the stage fail
    evaluated: int = 0  # number of expectations in all results
    failed: int = 0  # number of expectations that make the stage fail
    results: list[RuleResult] = field(default_factory=list)  # one per data and suite, in the order of checking

    @property
    def headline(self) -> dict[str, str]:
        numbers = {"evaluated": str(self.evaluated), "failed": str(self.failed)}
        return {"success": "true" if self.success else "false", **numbers}
