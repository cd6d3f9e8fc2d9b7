"""Reads suites of Great Expectations 1.x and finds the lines of their expectations, without Great Expectations.

Its own reader (1.24) drops unknown keys with a line in a log, reports success for an empty suite, and raises a
TypeError for suites of 0.18. Here each of these is an error that says what to do.
"""

import importlib.util
import json
import re
import sys
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args

from notebook_ci.base.errors import InputError, NotebookCiError
from notebook_ci.base.files import read_text
from notebook_ci.base.json_walker import JsonWalker
from notebook_ci.base.texts import did_you_mean, quote
from notebook_ci.records.validate_data import Severity
from notebook_ci.tools import integrity
from notebook_ci.validate_data import conditions

# The keys of suite files: the arguments of `ExpectationSuite` and `ExpectationConfiguration` (1.24).
SUITE_KEYS = ("name", "expectations", "suite_parameters", "meta", "notes", "id")
STATED_KEYS = (
    *("type", "kwargs", "meta", "severity", "notes", "description", "id"),
    *("success_on_last_run", "expectation_context", "rendered_content"),
)
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
OLD_KEYS = {"expectation_suite_name", "expectation_suite_id", "data_asset_type", "ge_cloud_id"}
MIGRATE = (
    "Rename `expectation_suite_name` to `name`, and each `expectation_type` to `type`; remove `data_asset_type`, "
    "`ge_cloud_id` and `expectation_suite_id`."
)
WHAT_A_SUITE_IS = 'Write `{"name": ..., "expectations": [{"type": ..., "kwargs": {...}}, ...]}`.'


@dataclass(frozen=True)
class Stated:
    """An expectation as it is written in a suite."""

    type: str  # e.g. `expect_column_values_to_not_be_null`
    kwargs: dict[str, Any]
    severity: Severity  # what a violation means
    content: dict[str, Any]  # the whole entry
    line: int  # counted from 1


@dataclass(frozen=True)
class Suite:
    file: str  # as the user knows it
    name: str
    expectations: tuple[Stated, ...]  # at least one
    parameters: dict[str, Any]  # values for `{"$PARAMETER": name}`


def read(path: Path, shown: str) -> tuple[Suite | None, list[NotebookCiError]]:
    """Read a suite. It is None if it has errors: it is not a suite, or has unknown keys or expectations."""
    errors: list[NotebookCiError] = []
    try:
        text = read_text(path, shown, hint="The suite is a JSON file, relative to the workspace.")
        lines = stated_lines(text) if isinstance(content := parsed(text, shown), dict) else []
        name, expectations, parameters = _head(content, shown, lines)
    except InputError as error:
        return None, [error]
    stated = []
    for each, line in zip(expectations, lines, strict=True):
        try:
            stated.append(_stated(each, shown, line))
        except InputError as error:
            errors.append(error)
    return (None if errors else Suite(shown, name, tuple(stated), parameters)), errors


def parsed(text: str, shown: str) -> Any:
    """Parse JSON text.

    Raises:
        InputError: It is not JSON.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"`{shown}` is not valid JSON: {error.msg} (column {error.colno}).", file=shown, line=error.lineno
        ) from error
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


@cache
def known_types() -> frozenset[str]:
    """Return the types of expectations in Great Expectations (1.24), from the names of its modules.

    It is not imported, which takes seconds. It does not offer a few of these types; `engine` refuses them after the
    import. None are known outside our tool environment, where a plan may be created: another version may be installed.
    """
    is_ours = (Path(sys.prefix) / integrity.SEAL).exists()
    spec = importlib.util.find_spec("great_expectations") if is_ours else None
    folders = spec.submodule_search_locations if spec and spec.submodule_search_locations else []
    files = (path for folder in folders for path in (Path(folder) / "expectations" / "core").glob("*.py"))
    return frozenset(path.stem for path in files if not path.stem.startswith("_"))


def unknown_type(stated_type: str, known: Collection[str], file: str, line: int) -> InputError:
    snake_case = re.sub(r"(?<!^)(?=[A-Z])", "_", stated_type).lower()  # people often write the class name
    hint = did_you_mean(known, snake_case, cutoff=0.85) or "Great Expectations 1.x has none of this name."
    return InputError(
        f"{quote(stated_type)} is not an expectation.",
        hint=f"{hint} Expectations written in Python are not supported.",
        file=file,
        line=line,
    )


def _head(content: object, shown: str, lines: list[int]) -> tuple[str, list[Any], dict[str, Any]]:
    """Check everything in a suite except its expectations; return name, expectations and parameters."""
    if not isinstance(content, dict):
        what = "a list" if isinstance(content, list) else quote(content)
        raise InputError(f"`{shown}` is {what}, not a suite.", hint=WHAT_A_SUITE_IS, file=shown, line=1)
    _refuse_old(content, shown, lines)
    if "expectations" not in content:
        raise InputError(
            f"`{shown}` is not a suite: it has no `expectations`.", hint=WHAT_A_SUITE_IS, file=shown, line=1
        )
    _refuse_unknown(content, SUITE_KEYS, f"The suite `{shown}`", shown, 1)
    name, expectations = content.get("name"), content["expectations"]
    parameters = content.get("suite_parameters") or {}
    if not isinstance(expectations, list):
        raise InputError(f"`expectations` in `{shown}` is not a list.", hint=WHAT_A_SUITE_IS, file=shown, line=1)
    if not expectations:
        raise InputError(
            f"The suite `{shown}` has no expectations: any data would pass.",
            hint="Add some, or remove the suite from the inputs.",
            file=shown,
            line=1,
        )
    if not isinstance(name, str) or not name:
        raise InputError(f"The suite `{shown}` has no name.", hint='Add `"name": "..."`.', file=shown, line=1)
    if not isinstance(parameters, dict):
        raise InputError(f"`suite_parameters` in `{shown}` is not an object.", file=shown, line=1)
    return name, expectations, parameters


def _stated(content: object, file: str, line: int) -> Stated:
    if not isinstance(content, dict):
        raise InputError(f"{quote(content)} is not an expectation.", hint=WHAT_A_SUITE_IS, file=file, line=line)
    stated_type, kwargs = content.get("type"), content.get("kwargs", {})
    if not isinstance(stated_type, str):
        raise InputError("An expectation has no type.", hint='Add `"type": "expect_..."`.', file=file, line=line)
    if known_types() and stated_type not in known_types():
        raise unknown_type(stated_type, known_types(), file, line)
    _refuse_unknown(content, STATED_KEYS, quote(stated_type), file, line)
    if not isinstance(kwargs, dict):
        message = f"The `kwargs` of `{stated_type}` are {quote(kwargs)}, not an object."
        raise InputError(message, hint='Write `"kwargs": {"column": ...}`.', file=file, line=line)
    if wrong := conditions.wrong(kwargs):
        raise InputError(wrong, hint="A suite cannot run or fetch anything.", file=file, line=line)
    if (severity := content.get("severity") or SEVERITIES[0]) not in SEVERITIES:
        hint = f"Use {', '.join(map(quote, SEVERITIES))}."
        message = f"The severity of `{stated_type}` cannot be {quote(severity)}."
        raise InputError(message, hint=hint, file=file, line=line)
    return Stated(stated_type, kwargs, severity, content, line)


def _refuse_old(content: dict[str, Any], shown: str, lines: list[int]) -> None:
    expectations = content.get("expectations")
    stated = expectations if isinstance(expectations, list) else []
    old = [
        line for each, line in zip(stated, lines, strict=False) if isinstance(each, dict) and "expectation_type" in each
    ]
    if old or not OLD_KEYS.isdisjoint(content):
        raise InputError(
            f"`{shown}` is a suite of Great Expectations 0.18 or older; validate-data needs 1.x.",
            hint=MIGRATE,
            file=shown,
            line=old[0] if old else 1,
        )


def _refuse_unknown(content: dict[str, Any], known: Collection[str], where: str, file: str, line: int) -> None:
    for key in content:
        if key not in known:
            hint = did_you_mean(known, key)
            if "kwargs" in known and not hint:
                hint = "Put arguments of an expectation into its `kwargs`."
            raise InputError(
                f"{where} has an unknown key {quote(key)}.",
                hint=f"{hint} Known: {', '.join(map(quote, known))}.".lstrip(),
                file=file,
                line=line,
            )
