"""Reads suites of Great Expectations and finds the lines of their expectations, without Great Expectations.

Its own reader (1.24) drops unknown keys with a line in a log, reports success for an empty suite, and raises a
TypeError for suites of 0.x. Here the first two are errors that say what to do, and suites of 0.x are read as
`old_suites` rewrites them.
"""

import json
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, get_args

from notebook_ci.base.errors import InputError, NotebookCiError, located
from notebook_ci.base.files import read_text
from notebook_ci.base.json_walker import DuplicateKeyError, JsonWalker, unique_keys
from notebook_ci.base.texts import did_you_mean, quote
from notebook_ci.records.validate_data import Severity
from notebook_ci.validate_data import conditions, old_suites

# The keys of suite files: the arguments of `ExpectationSuite` and `ExpectationConfiguration` (1.24).
SUITE_KEYS = ("name", "expectations", "suite_parameters", "meta", "notes", "id")
STATED_KEYS = (
    *("type", "kwargs", "meta", "severity", "notes", "description", "id"),
    *("success_on_last_run", "expectation_context", "rendered_content"),
)
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
# Arguments of 0.x that 1.x does not have -> what to do. `old_suites` drops them if they change nothing.
GONE = {
    "parse_strings_as_datetimes": "Text is not parsed as dates any more. Store the column as dates (Parquet) and write "
    "bounds with the time, or use `expect_column_values_to_match_strftime_format`; then remove the argument.",
    "allow_cross_type_comparisons": "Write bounds of the column's type, then remove the argument.",
}
COLUMN_KEYS = ("column", "column_A", "column_B")
QUERY, QUERY_KEY = "unexpected_rows_expectation", "unexpected_rows_query"
PAIR = "expect_column_pair_values_a_to_be_greater_than_b"
# Parts of the types of expectations that are about text, about whether there is a value, or about no values.
ALSO_FOR_TEXT = re.compile("expect_table_|_(to_exist|null|regex|like_pattern|lengths|type|strftime|parseable|json)")
BETWEEN = "expect_column_values_to_be_between"
EXTREMES = ("expect_column_min_to_be_between", "expect_column_max_to_be_between")
WHAT_A_SUITE_IS = 'Write `{"name": ..., "expectations": [{"type": ..., "kwargs": {...}}, ...]}`.'
CALLED: dict[type, str] = {str: "text", list: "a list", dict: "an object"}
Type = TypeVar("Type")


@dataclass(frozen=True)
class Stated:
    """An expectation as it is written in a suite."""

    type: str  # e.g. `expect_column_values_to_not_be_null`
    kwargs: dict[str, Any]
    severity: Severity  # what a violation means
    content: dict[str, Any]  # the whole entry
    line: int  # counted from 1

    @cached_property
    def columns(self) -> list[str]:
        """The columns that the expectation is about."""
        single = [self.kwargs[key] for key in COLUMN_KEYS if key in self.kwargs]
        several = self.kwargs.get("column_list")
        return [name for name in [*single, *(several if isinstance(several, list) else [])] if isinstance(name, str)]

    def uses(self, columns: Iterable[str]) -> list[str]:
        """Return which of these columns must have been read as what they are: numbers as numbers, not as text."""
        about = () if ALSO_FOR_TEXT.search(self.type) else self.columns
        return [name for name in columns if name in about or self.filters(name)]

    def filters(self, name: str) -> bool:
        """Return whether its conditions mention a column."""
        return conditions.mention(self._conditions, name)

    def compares(self, columns: Iterable[str]) -> list[str]:
        """Return which of these columns its conditions may compare with greater or lesser values."""
        is_comparing = conditions.compare(self._conditions)
        return [name for name in columns if is_comparing and self.filters(name)]

    @property
    def orders(self) -> Sequence[str]:
        """The columns whose values are compared with greater or lesser ones, apart from conditions."""
        return self.columns if (self.type in EXTREMES and self.has_dates) or self.type == PAIR else ()

    @property
    def has_dates(self) -> bool:
        """Whether Great Expectations (1.24) takes a bound for a date: text, also the value of a `$PARAMETER`."""
        return any(isinstance(self.kwargs.get(bound), str | dict) for bound in ("min_value", "max_value"))

    @property
    def _conditions(self) -> list[object]:
        return [self.kwargs[key] for key in ("row_condition", QUERY_KEY) if key in self.kwargs]


@dataclass(frozen=True)
class Suite:
    file: str  # as the user knows it
    name: str
    expectations: tuple[Stated, ...]  # at least one
    parameters: dict[str, Any]  # values for `{"$PARAMETER": name}`
    is_old: bool = False  # of 0.x; the other fields are those of 1.x
    objects: tuple[str, ...] = ()  # columns in which text counts as `object`, as in pandas 2


def read(path: Path, shown: str) -> tuple[Suite | None, list[NotebookCiError]]:
    """Read a suite. It is None if it has errors: it is not a suite, or has unknown keys."""
    errors: list[NotebookCiError] = []
    try:
        text = read_text(path, shown, hint="The suite is a JSON file, relative to the workspace.")
        content = parsed(text, shown)
        is_old = isinstance(content, dict) and old_suites.is_old(content)
        if is_old:
            _refuse_both(content, text, shown)
            content = parsed(old_suites.rewritten(text), shown)
        with located(shown, 1):
            name, expectations, parameters = _head(content, shown)
    except InputError as error:
        return None, [error]
    stated = []
    for each, line in zip(expectations, stated_lines(text), strict=True):
        try:
            with located(shown, line):
                stated.append(_stated(each, line))
        except InputError as error:
            errors.append(error)
    if errors:
        return None, errors
    before_pandas_3 = old_suites.is_before_pandas_3(content)
    objects = old_suites.object_columns(each.kwargs for each in stated) if before_pandas_3 else ()
    return Suite(shown, name, tuple(stated), parameters, is_old, objects), errors


def parsed(text: str, shown: str) -> Any:
    """Parse JSON text. Raises InputError."""
    try:
        return json.loads(text, object_pairs_hook=unique_keys)
    except json.JSONDecodeError as error:
        raise InputError(
            f"`{shown}` is not valid JSON: {error.msg} (column {error.colno}).", file=shown, line=error.lineno
        ) from error
    except DuplicateKeyError as error:
        message = f"`{shown}` has an object with the key {quote(str(error))} twice: only the last would count."
        raise InputError(message, hint="Remove one of them.", file=shown) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"`{shown}` cannot be read as JSON: {error}.", file=shown) from error


def stated_lines(text: str) -> list[int]:
    """Return the line of each expectation in a suite, from 1: the line of its `type`, or else its first line."""
    walker = JsonWalker(text)
    lines: list[int] = []

    def of_expectation(at: int) -> int:
        found = [walker.line_at(at)]

        def member(key: str, value: int) -> int:
            if key in {"type", "expectation_type"}:
                found.append(walker.line_at(value))
            return walker.skip(value)

        end = walker.object(at, member)
        lines.append(found[-1])
        return end

    def of_suite(key: str, at: int) -> int:
        if key != "expectations":
            return walker.skip(at)
        lines.clear()
        return walker.array(at, of_expectation)

    walker.object(walker.space(0), of_suite)
    return lines


def at(content: object, kind: type[Type], *keys: str, where: str, hint: str, default: Type | None = None) -> Type:
    """Return what an object contains at a path of keys. Raises InputError for another kind, and for empty text."""
    for key in keys:
        content = content.get(key) if isinstance(content, dict) else None
    if content is None and default is not None:
        return default
    if isinstance(content, kind) and content != "":
        return content
    name = f"`{'.'.join(keys)}`"
    missing = content is None or content == ""
    wrong = f"no {name}" if missing else f"{quote(content)} as {name}, not {CALLED[kind]}"
    raise InputError(f"{where} has {wrong}.", hint=hint)


def _head(content: Any, file: str) -> tuple[str, list[Any], dict[str, Any]]:
    """Check everything in a suite except its expectations; return name, expectations and parameters.

    `content` may be any JSON value: `at` refuses what is not an object.
    """
    where = f"The suite `{file}`"
    expectations = at(content, list, "expectations", where=where, hint=WHAT_A_SUITE_IS)
    _refuse_unknown(content, SUITE_KEYS, where)
    if not expectations:
        hint = "Add some, or remove the suite from the inputs."
        raise InputError(f"{where} has no expectations: any data would pass.", hint=hint)
    name = at(content, str, "name", where=where, hint='Add `"name": "..."`.')
    return name, expectations, at(content, dict, "suite_parameters", where=where, default={}, hint=WHAT_A_SUITE_IS)


def _refuse_both(content: Any, text: str, file: str) -> None:
    """Refuse a suite that has a key of 0.x and the same key of 1.x: `old_suites` would write it twice."""
    parts = [(content, old_suites.IN_SUITE, 1)]
    if isinstance(expectations := content.get("expectations"), list):
        parts += [
            (each, old_suites.IN_EXPECTATION, line) for each, line in zip(expectations, stated_lines(text), strict=True)
        ]
    for part, names, line in parts:
        for old, new in names.items():
            if isinstance(part, dict) and new and {old, new} <= part.keys():
                message = f"{quote(old)} and {quote(new)} are the same key, of Great Expectations 0.x and 1.x."
                raise InputError(message, hint="Remove one of them.", file=file, line=line)


def _stated(content: Any, line: int) -> Stated:
    stated_type = at(
        content, str, "type", where="An expectation", hint='Write `{"type": "expect_...", "kwargs": {...}}`.'
    )
    _refuse_unknown(content, STATED_KEYS, quote(stated_type))
    hint = 'Write `"kwargs": {"column": ...}`.'
    kwargs = at(content, dict, "kwargs", where=quote(stated_type), hint=hint) if "kwargs" in content else {}
    if wrong := conditions.wrong(kwargs):
        raise InputError(wrong, hint="A suite cannot run or fetch anything.")
    if stated_type == QUERY and "{batch}" not in str(kwargs.get(QUERY_KEY)):
        hint = "Write a query that selects the rows that must not exist from `{batch}`."
        raise InputError(f"`{QUERY_KEY}` does not query the data, `{{batch}}`.", hint=hint)
    for key, hint in GONE.items():
        if key in kwargs:
            raise InputError(f"{quote(stated_type)} has no argument `{key}` in Great Expectations 1.x.", hint=hint)
    if (severity := content.get("severity") or SEVERITIES[0]) not in SEVERITIES:
        hint = f"Use {', '.join(map(quote, SEVERITIES))}."
        raise InputError(f"The severity of `{stated_type}` cannot be {quote(severity)}.", hint=hint)
    return Stated(stated_type, kwargs, severity, content, line)


def _refuse_unknown(content: Collection[str], known: Collection[str], where: str) -> None:
    for key in content:
        if key not in known:
            hint = did_you_mean(known, key)
            if "kwargs" in known and not hint:
                hint = "Put arguments of an expectation into its `kwargs`."
            known_keys = f"Known: {', '.join(map(quote, known))}."
            raise InputError(f"{where} has an unknown key {quote(key)}.", hint=f"{hint} {known_keys}".lstrip())
