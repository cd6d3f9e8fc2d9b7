"""Describes violations from the results of Great Expectations, without importing it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from notebook_ci.base.texts import did_you_mean, listed, quote
from notebook_ci.records.validate_data import Example, Violation
from notebook_ci.validate_data.suites import COLUMN_KEYS, Stated, Suite

Json = Mapping[str, Any]

EXAMPLES_IN_MESSAGE = 3
MOST_COLUMNS_LISTED = 20
LONGEST_EXPECTED = 200
# Arguments that say where to check or how to report, and not what to check.
NOT_EXPECTED = {*COLUMN_KEYS, "column_list", "result_format", "catch_exceptions", "batch_id"}
# Beginning of a column's type -> how to write bounds that Great Expectations (1.24) can compare with it.
ADVICE = {
    "datetime64": "Write timestamps with a time, and with a zone if the column has one: `2024-01-31T00:00:00+00:00`.",
    "str": "Dates in CSV and JSON are text: name the column in `dates` of `read`, or check it with a pattern.",
}
# For suites written with pandas 2. In a list of types, Great Expectations (1.24) does not know `str` at all.
TEXT_AS_STR = (
    "Text is `str` in pandas 3, which is used here, and was `object` in pandas 2: use "
    '`expect_column_values_to_be_of_type` with `"type_": "str"`, which works with pandas 2 and 3.'
)
PARAMETERS = 'Add its value to the suite: `"suite_parameters": {"name": value}`.'
NO_DOUBTS: Mapping[int, tuple[str, str]] = {}
# These check which columns exist, so a missing column is a violation.
ABOUT_COLUMNS = ("expect_column_to_exist", "expect_table_")


def find(
    results: Sequence[Json],
    suite: Suite,
    columns: Mapping[str, str],
    *,
    numbered: bool,
    doubts: Mapping[int, tuple[str, str]] = NO_DOUBTS,
) -> list[Violation]:
    """Return the violations in the order of the suite.

    The results (Great Expectations 1.24, as JSON) have the number of their expectation as `id`. `columns` maps columns
    to their types. `numbered`: row labels count from 0. `doubts`: why expectations cannot be evaluated, and what to do.
    """
    by_number = {int(result["expectation_config"]["id"]): result for result in results}
    judges = (_Judge(each, columns, suite.file, numbered) for each in suite.expectations)
    found = (judge.violation(by_number.get(number), doubts.get(number)) for number, judge in enumerate(judges))
    return [violation for violation in found if violation]


@dataclass(frozen=True)
class _Judge:
    stated: Stated
    columns: Mapping[str, str]
    file: str
    numbered: bool

    def violation(self, result: Json | None, doubt: tuple[str, str] | None) -> Violation | None:
        about_columns = self.stated.type.startswith(ABOUT_COLUMNS)
        missing = [] if about_columns else [name for name in self.stated.columns if name not in self.columns]
        if missing:
            return self._missing(missing)
        if doubt:
            return self._not_evaluated(*doubt)
        if any(
            isinstance(each, dict) and str(each.get("$PARAMETER")).startswith("urn:")
            for each in self.stated.kwargs.values()
        ):
            return self._not_evaluated("a result of another validation is not stored", f"Write a name. {PARAMETERS}")
        if result is None:
            return self._not_evaluated("`Great Expectations gave no result`", self._advice())
        if reason := _exception(result.get("exception_info")):
            is_parameter = "$PARAMETER" in reason or "suite parameter" in reason
            return self._not_evaluated(quote(reason), PARAMETERS if is_parameter else self._advice())
        return None if result["success"] else self._violated(result.get("result") or {})

    def _missing(self, missing: Sequence[str]) -> Violation:
        guess = did_you_mean(self.columns, *missing, cutoff=0.5)
        columns = f"{guess} Its columns: {_listed(self.columns)}.".lstrip()
        names = ", ".join(map(quote, missing))
        what = f"no column {names}" if len(missing) == 1 else f"none of the columns {names}"
        return self._found("missing-column", f"The data has {what}, which {self.stated.type} checks. {columns}")

    def _not_evaluated(self, reason: str, advice: str) -> Violation:
        types = ", ".join(
            f"{quote(name)} was read as {self.columns[name]}" for name in self.stated.columns if name in self.columns
        )
        read = f" ({types})" if types else ""
        return self._found(
            "not-evaluated",
            f"{self._expectation()} cannot be evaluated on this data{read}: {reason}.{advice and f' {advice}'}",
        )

    def _advice(self) -> str:
        """Return advice on bounds of the wrong type, which are mostly dates."""
        types = {self.columns.get(name, "") for name in self.stated.columns}
        fitting = (advice for kind, advice in ADVICE.items() if any(each.startswith(kind) for each in types))
        return next(fitting, "") if self.stated.type.endswith("_between") else ""

    def _violated(self, result: Json) -> Violation:
        if self.stated.type == "expect_column_to_exist" and not set(self.stated.columns) <= self.columns.keys():
            return self._found(
                "violation", f"The data has no column {self._names()}. Its columns: {_listed(self.columns)}."
            )
        if "element_count" in result and "unexpected_count" in result:
            return self._counted(result)
        return self._observed(result)

    def _counted(self, result: Json) -> Violation:
        unexpected = int(result["unexpected_count"])
        total = int(result["element_count"]) - int(result.get("missing_count") or 0)
        percent = 100 * unexpected / total if total else 0.0
        examples = _examples(result, numbered=self.numbered)
        what = "values of" if "column" in self.stated.kwargs else "rows of"
        shown = ", ".join(map(_example, examples[:EXAMPLES_IN_MESSAGE]))
        more = f" and {unexpected - EXAMPLES_IN_MESSAGE:,} more" if unexpected > EXAMPLES_IN_MESSAGE and shown else ""
        return self._found(
            "violation",
            # Significant digits: a tiny share is not shown as 0.
            f"{unexpected:,} of {total:,} {what} {self._names()} ({percent:.3g} %) fail {self._expectation()}"
            f"{': ' if shown else ''}{shown}{more}.",
            unexpected=unexpected,
            total=total,
            percent=round(percent, 4),
            examples=examples,
        )

    def _observed(self, result: Json) -> Violation:
        checks_existence = self.stated.type == "expect_column_to_exist"
        observed = f"the columns {_listed(self.columns)}" if checks_existence else _observation(result)
        value = result.get("observed_value")
        of = f"{self._names()}: " if self.stated.columns and not self.stated.type.startswith(ABOUT_COLUMNS) else ""
        return self._found(
            "violation",
            f"{of}observed {observed}; this fails {self._expectation()}.{self._of_pandas_2()}",
            observed=observed if value is None else _json(value),
        )

    def _of_pandas_2(self) -> str:
        """Return why text has another type than the suite says, if a change in pandas is the reason."""
        types = (self.stated.kwargs.get("type_"), *(self.stated.kwargs.get("type_list") or ()))
        is_text = any(self.columns.get(name, "").startswith("str") for name in self.stated.columns)
        return f" {TEXT_AS_STR}" if is_text and {"object", "str"}.intersection(map(str, types)) else ""

    def _found(self, kind: Any, message: str, **found: Any) -> Violation:
        return Violation(
            kind=kind,
            severity=self.stated.severity,
            expectation=self.stated.type,
            column=", ".join(self.stated.columns),
            file=self.file,
            line=self.stated.line,
            message=message,
            note=_note(self.stated.content),
            expected=self._expected(),
            **found,
        )

    def _names(self) -> str:
        return ", ".join(map(quote, self.stated.columns)) or "the table"

    def _expectation(self) -> str:
        return f"{self.stated.type} (`{self._expected()}`)" if self._expected() else self.stated.type

    def _expected(self) -> str:
        kept = {key: value for key, value in self.stated.kwargs.items() if key not in NOT_EXPECTED}
        if self.stated.type.startswith("expect_table_") and "column_list" in self.stated.kwargs:
            kept["column_list"] = self.stated.kwargs["column_list"]
        text = ", ".join(f"{quote(key)[1:-1]}: {_json(value)}" for key, value in kept.items())
        return f"{text[:LONGEST_EXPECTED]}…" if len(text) > LONGEST_EXPECTED else text


def _exception(info: object) -> str:
    """Return the message of the exception; empty if nothing was raised.

    Great Expectations (1.24) has two shapes: the exception alone, or one entry per metric that raised.
    """
    entries = [info, *info.values()] if isinstance(info, dict) else []
    raised = [each for each in entries if isinstance(each, dict) and each.get("raised_exception")]
    return " ".join(str(raised[0].get("exception_message") or "no reason given").split()).rstrip(".") if raised else ""


def _examples(result: Json, *, numbered: bool) -> list[Example]:
    """Return the unexpected values; with several columns, each is an object."""
    values = result.get("partial_unexpected_list") or []
    labels = result.get("partial_unexpected_index_list") or []
    rows = [label + 1 if numbered and isinstance(label, int) else None for label in labels]
    if len(rows) != len(values):
        rows = [None] * len(values)
    return [Example(row=row, value=_json(value)) for row, value in zip(rows, values, strict=True)]


def _example(example: Example) -> str:
    return f"row {example.row} has `{example.value}`" if example.row else f"`{example.value}`"


def _observation(result: Json) -> str:
    """Return the observed value, or what is unexpected and missing in a set."""
    details = result.get("details")
    mismatched = details.get("mismatched") if isinstance(details, dict) else None
    if isinstance(mismatched, list):
        return _positions(mismatched)
    differences = mismatched if isinstance(mismatched, dict) else {}
    unexpected = differences.get("unexpected") or result.get("partial_unexpected_list")
    missing = differences.get("missing") or result.get("partial_missing_list")
    parts = [f"unexpected `{_json(unexpected)}`"] if unexpected else []
    parts += [f"missing `{_json(missing)}`"] if missing else []
    return ", ".join(parts) or f"`{_json(result.get('observed_value'))}`"


def _positions(mismatched: Sequence[Json]) -> str:
    """Return which columns are in another position than expected."""
    parts = [
        f"column {each['Expected Column Position'] + 1} is `{_json(each['Found'])}`, not `{_json(each['Expected'])}`"
        for each in mismatched
    ]
    return listed(parts, EXAMPLES_IN_MESSAGE)


def _note(content: Json) -> str:
    """Return the suite's note on an expectation (`notes`, or `notes` in its `meta`) on one line."""
    meta = content.get("meta")
    notes = content.get("notes") or (meta.get("notes") if isinstance(meta, dict) else None)
    if isinstance(notes, dict):  # {"format": "markdown", "content": [...]}, as in 0.18
        notes = notes.get("content")
    lines = notes if isinstance(notes, list) else [notes] if notes else []
    return " ".join(" ".join(str(line) for line in lines).split())


def _listed(columns: Iterable[str]) -> str:
    return listed([quote(name) for name in columns], MOST_COLUMNS_LISTED) or "none"


def _json(value: object) -> str:
    """Return a value as short JSON on one line, without control characters."""
    return quote(json.dumps(value, ensure_ascii=False, default=str))[1:-1]
