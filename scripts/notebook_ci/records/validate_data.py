"""The record of validate-data."""

from dataclasses import dataclass, field
from typing import Literal

from notebook_ci.records.record import Record

Severity = Literal["critical", "warning", "info"]


Kind = Literal["violation", "missing-column", "not-evaluated"]


@dataclass(kw_only=True)
class Example:
    """A value that does not meet an expectation.

    Attributes:
        row: Its row in the data, the first one being 1 and a header not counted; None: rows have labels of their own.
        value: The value as JSON, cut where it is long.
    """

    row: int | None
    value: str


@dataclass(kw_only=True)
class Violation:
    """An expectation that is not met.

    Attributes:
        kind: `missing-column` names a column that the data do not have; `not-evaluated` fails in itself.
        severity: As the suite states it. Only `critical` makes the stage fail.
        expectation: Its type, e.g. `expect_column_values_to_not_be_null`.
        column: Its column, or its columns with `, ` between; empty: it is about the table.
        file: The file of the suite.
        line: The line there that states it, counted from 1.
        message: One sentence.
        note: What the suite notes on it.
        expected: Its arguments.
        observed: What was found instead, where that is one value.
        unexpected: Number of values (or rows) that do not meet it.
        total: Number of values (or rows) that it was held against: those that are not missing.
        percent: The share of the former in the latter.
        examples: Some of them, the first in the data.
    """

    kind: Kind
    severity: Severity
    expectation: str
    column: str
    file: str
    line: int
    message: str
    note: str = ""
    expected: str = ""
    observed: str = ""
    unexpected: int | None = None
    total: int | None = None
    percent: float | None = None
    examples: list[Example] = field(default_factory=list)

    @property
    def fails(self) -> bool:
        """Whether it makes the stage fail."""
        return self.kind != "violation" or self.severity == "critical"


@dataclass(kw_only=True)
class RuleResult:
    """How some data went against one suite.

    Attributes:
        data: The data: a file, relative to the workspace where it lies there, or the batch of a checkpoint.
        sha256: SHA-256 of that file; empty: it is no single file.
        rows: Number of rows.
        columns: Number of columns.
        suite: The file of the suite.
        suite_name: Its name.
        success: Whether nothing in it makes the stage fail.
        evaluated: Number of its expectations.
        failed: Number of those that make the stage fail.
        warned: Number of those that are not met, and are of severity `warning` or `info`.
        error: Why the data cannot be validated at all.
        violations: The expectations that are not met, in the order of the suite.
        result: The result as Great Expectations gives it, a JSON file in the run directory.
    """

    data: str
    sha256: str = ""
    rows: int = 0
    columns: int = 0
    suite: str
    suite_name: str
    success: bool = False
    evaluated: int = 0
    failed: int = 0
    warned: int = 0
    error: str = ""
    violations: list[Violation] = field(default_factory=list)
    result: str = ""


@dataclass(kw_only=True)
class ValidateRecord(Record):
    """The record of validate-data.

    Attributes:
        great_expectations: The version of Great Expectations.
        pandas: The version of pandas that read the data.
        checkpoint: The checkpoint, where one was given.
        success: Whether all data could be validated and nothing makes the stage fail.
        evaluated: Number of expectations over all results.
        failed: Number of those that make the stage fail.
        results: One for each data and suite, in the order of validation.
    """

    great_expectations: str = ""
    pandas: str = ""
    checkpoint: str = ""
    success: bool = False
    evaluated: int = 0
    failed: int = 0
    results: list[RuleResult] = field(default_factory=list)

    @property
    def headline(self) -> dict[str, str]:
        """The values of `OUTPUTS`."""
        return {
            "success": "true" if self.success else "false",
            "evaluated": str(self.evaluated),
            "failed": str(self.failed),
        }
