"""The stage validate-data: validates the planned data and records the results."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from notebook_ci.base.context import Context
from notebook_ci.base.errors import CheckFailed, Problem, Severity, SurroundingsError
from notebook_ci.base.files import is_folder, sha256
from notebook_ci.records.validate_data import RuleResult, ValidateRecord, Violation, named
from notebook_ci.validate_data import data, violations
from notebook_ci.validate_data.doubts import Table
from notebook_ci.validate_data.model import ValidateInputs
from notebook_ci.validate_data.plan import Rule, ValidationPlan
from notebook_ci.validate_data.suites import Suite

if TYPE_CHECKING:
    from notebook_ci.validate_data.engine import Engine

LEVELS: dict[str, Severity] = {"critical": "error", "warning": "warning", "info": "notice"}
ROW_COUNTS = "expect_table_row_count_"


def run(inputs: ValidateInputs, planned: ValidationPlan, context: Context, record: ValidateRecord) -> None:
    """Validate all data. A problem in one file goes into the record; the other files are still validated.

    Raises InputError if a suite is wrong, before data is read; SurroundingsError if data does not fit into memory, or a
    result cannot be written.
    """
    context.run_directory.hide_secrets(context.environ)
    if planned.checkpoint:
        record.checkpoint = inputs.checkpoint
        record.read |= {file: sha256(context.cwd / file) for file in planned.checkpoint.files}
    _note_suites(planned.suites, context, record)
    context.console.progress("Loading Great Expectations ...")
    from notebook_ci.validate_data.engine import Engine

    engine = Engine()
    record.great_expectations, record.pandas = engine.version, engine.pandas_version
    suites = engine.suites(planned.suites)
    validator = _Validator(engine, context, record)
    for rule in planned.rules:
        validator.run(rule, suites[rule.suite.file])
    record.success = all(result.success for result in record.results)
    if not record.success:
        record.status = "failed"


@dataclass
class _Validator:
    engine: "Engine"
    context: Context
    record: ValidateRecord
    last: tuple[Rule, Table, RuleResult] | None = None  # the data of the previous rule: rules often share it

    def run(self, rule: Rule, suite: Any) -> None:
        result = RuleResult(data=rule.data, suite=rule.suite.file, suite_name=rule.suite.name)
        self.record.results.append(result)
        try:
            table = self._table(rule, result)
            result.rows, result.columns = table.frame.shape
            _refuse_nothing(table.frame, rule)
            doubts = table.doubts(rule.suite.expectations)
            frame = data.with_objects(table.frame, rule.suite.objects)
            dates = table.dates(rule.suite.expectations)
            content = self.engine.validate(frame, suite, rule.suite.parameters, dates)
        except CheckFailed as error:
            result.error = error.message
            self.record.add(error)
            return
        except MemoryError as error:
            message = f"`{result.data}` does not fit into the memory of this machine."
            raise SurroundingsError(message, hint="Split it, and validate the parts.") from error
        columns = {str(name): str(dtype) for name, dtype in frame.dtypes.items()}
        numbered = bool(frame.index.equals(pd.RangeIndex(len(frame))))
        found = violations.find(content["results"], rule.suite, columns, numbered=numbered, doubts=doubts)
        result.violations = found
        violated = {(each.line, each.name) for each in found}
        names = [(each.line, named(each.type, ", ".join(each.columns))) for each in rule.suite.expectations]
        result.met = [name for line, name in names if (line, name) not in violated]
        result.evaluated = len(rule.suite.expectations)
        result.failed = sum(violation.fails for violation in found)
        result.warned = len(found) - result.failed
        result.success = not result.failed
        self.record.evaluated += result.evaluated
        self.record.failed += result.failed
        self.record.problems += [_problem(violation, result.data) for violation in found]
        self._write(result, content)
        self.context.console.progress(_line(result))

    def _table(self, rule: Rule, result: RuleResult) -> Table:
        """Return the data of a rule; its digest goes into the result."""
        if self.last and (self.last[0].data, self.last[0].read) == (rule.data, rule.read):
            _, table, before = self.last
            result.sha256 = before.sha256
            return table
        self.last = None  # never two data sets in memory at once
        path = self.context.cwd / rule.data
        files = sorted(each for each in path.rglob("*") if each.is_file()) if is_folder(path) else [path]
        digests = {(Path(rule.data) / each.relative_to(path)).as_posix(): sha256(each) for each in files}
        self.record.read |= digests
        result.sha256 = digests.get(rule.data, "")
        table = data.read(path, rule.data, rule.read)
        for note in table.notes:
            self.context.notice(f"`{rule.data}` {note}", file=rule.data)
        self.last = (rule, table, result)
        return table

    def _write(self, result: RuleResult, content: dict[str, Any]) -> None:
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(result.data).name).strip("-.") or "data"
        path = self.context.files.artifacts / f"{len(self.record.results):02}-{stem[:60]}.json"
        self.context.files.write_json("result", path, content)
        result.result = self.context.files.relative(path)
        self.record.created[result.result] = sha256(path)


def _note_suites(suites: Iterable[Suite], context: Context, record: ValidateRecord) -> None:
    """Record the suites as read, and warn about duplicate expectations."""
    for suite in suites:
        record.read[suite.file] = sha256(context.cwd / suite.file)
        first: dict[str, int] = {}
        for each in suite.expectations:
            line = first.setdefault(json.dumps([each.type, each.kwargs], sort_keys=True), each.line)
            if line != each.line:
                text = f"`{each.type}` repeats line {line}. Remove one of them."
                context.warning(text, file=suite.file, line=each.line)


def _refuse_nothing(frame: pd.DataFrame, rule: Rule) -> None:
    """Refuse data without rows, which meets any rule about values; a suite that checks the row count decides."""
    if len(frame) or any(each.type.startswith(ROW_COUNTS) for each in rule.suite.expectations):
        return
    raise CheckFailed(
        f"`{rule.data}` has no rows: there is nothing to validate.",
        hint=f"If that can be right, add `{ROW_COUNTS}to_be_between` to the suite.",
        file=rule.data,
    )


def _problem(violation: Violation, shown: str) -> Problem:
    return Problem(
        severity="error" if violation.fails else LEVELS[violation.severity],
        message=violation.message,
        hint=violation.note,
        title=f"{shown}: {violation.column or 'the table'}",
        file=violation.file,
        line=violation.line,
    )


def _line(result: RuleResult) -> str:
    met = result.evaluated - result.failed - result.warned
    return f"{result.data}: {result.rows:,} rows, {met} of {result.evaluated} expectations of {result.suite} met"
