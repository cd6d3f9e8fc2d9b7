"""What validate-data takes, gives and records."""

from dataclasses import dataclass, field
from typing import Literal

from notebook_ci.base.errors import InputError
from notebook_ci.base.inputs import StageInputs, given
from notebook_ci.base.records import Record
from notebook_ci.base.texts import quote
from notebook_ci.base.values import GLOBS, PATH, TEXT, YamlKind
from notebook_ci.base.yaml12 import Value, as_map

NOTHING_GIVEN = "No `suite`, `rules` or `checkpoint` is set: nothing says what the data should be."
EXAMPLE = "data/penguins.csv: suites/penguins.json"
RULES_HINT = f"Write `data: suite`, one per line, such as `{EXAMPLE}`."
Severity = Literal["critical", "warning", "info"]
Kind = Literal["violation", "missing-column", "not-evaluated"]

OUTPUTS = {
    "success": "`true` if the data meets every expectation of severity `critical`, else `false`.",
    "evaluated": "Number of expectations that were checked.",
    "failed": "Number of expectations that make the stage fail: `critical` and not met, or impossible to evaluate.",
}


def _rules(value: Value, origin: str) -> dict[str, tuple[str, ...]]:
    given = as_map(value, origin)
    if not given:
        raise InputError(f"{origin} is empty.", hint=RULES_HINT)
    return {pattern.strip(): _suites(pattern, names, origin) for pattern, names in given.items()}


def _suites(pattern: str, value: Value, origin: str) -> tuple[str, ...]:
    given = value if isinstance(value, list) else [value]
    names = [name.strip() for name in given if isinstance(name, str) and name.strip()]
    if not (names and len(names) == len(given) and pattern.strip()):
        raise InputError(f"{origin} has {quote(value)} for the data {quote(pattern)}.", hint=RULES_HINT)
    return tuple(dict.fromkeys(names))


RULES = YamlKind("YAML: `data: suite`, one per line", _rules, "YAML", hint=RULES_HINT)


@dataclass(frozen=True, kw_only=True)
class ValidateInputs(StageInputs):
    """Check data against Great Expectations suites, and annotate each violation on its line of the suite."""

    data: tuple[str, ...] = given(
        GLOBS,
        "Data to check against `suite`: files or globs, one per line, relative to the workspace. The suffix gives the "
        "format: `.csv`, `.tsv`, `.parquet`, `.json`, `.jsonl`, `.ndjson`; all except Parquet also with `.gz`.",
        default=(),
        shown_default="none",
    )
    suite: str = given(
        PATH,
        "Great Expectations 1.x suite, a JSON file, relative to the workspace.",
        default="",
        shown_default="none",
    )
    rules: dict[str, tuple[str, ...]] = given(
        RULES,
        "Several data files, each with its suites, instead of `data` and `suite`. YAML: `data: suite` or "
        "`data: [suite, suite]`. Data can be globs.",
        default={},
        shown_default="none",
    )
    checkpoint: str = given(
        TEXT,
        "Name of a checkpoint in the Great Expectations 1.x project in the folder `gx` of the workspace. Its data is "
        "checked; its actions are not run.",
        default="",
        shown_default="none",
    )

    @property
    def pairs(self) -> dict[str, tuple[str, ...]]:
        """Suites by data, as `rules` or the other two have them."""
        return self.rules or dict.fromkeys(self.data, (self.suite,))

    def check(self) -> None:
        """See `StageInputs.check`."""
        pair = {"data": self.data, "suite": self.suite}
        ways = {"data": any(pair.values()), "rules": bool(self.rules), "checkpoint": bool(self.checkpoint)}
        *others, last = [f"`{name}`" for name, is_chosen in ways.items() if is_chosen] or [""]
        if others:
            raise InputError(
                f"{', '.join(others)} and {last} cannot be combined.",
                hint="Keep one of them; `rules` takes any number of data and suites.",
            )
        missing = [name for name, value in pair.items() if not value]
        if len(missing) == 1:
            present = next(name for name in pair if name not in missing)
            raise InputError(
                f"`{present}` is set but `{missing[0]}` is not.",
                hint=f"Give both, or write them as `rules`: `{EXAMPLE}`.",
            )


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
        wanted: Its arguments.
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
    wanted: str = ""
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
