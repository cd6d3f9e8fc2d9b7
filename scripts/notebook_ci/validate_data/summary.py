"""The summary of validate-data."""

from notebook_ci.base.markdown import MOST_LISTED, count, folded, inline, name, rest, table, title
from notebook_ci.records.validate_data import RuleResult, ValidateRecord, Violation

ICONS = {True: "✅", False: "❌"}
LEVELS = {"critical": "❌", "warning": "⚠️", "info": "ℹ️"}  # noqa: RUF001 - this sign is intended
SHOWN = 3  # examples in a violation's message
KINDS = {"missing-column": "column missing", "not-evaluated": "not evaluated"}


def note(record: ValidateRecord) -> str:
    warned = sum(result.warned for result in record.results)
    met = f"{count(record.evaluated - warned, 'expectation')} met"
    return f"{met}, {count(warned, 'warning')}" if warned else met


def verdict(record: ValidateRecord) -> str:
    """Return which expectations failed; empty if it failed for another reason."""
    failed = [(result, each) for result in record.results for each in result.violations if each.fails]
    unread = [result for result in record.results if result.error]
    if record.status != "failed" or not failed:
        return ""
    if len(failed) == 1 and not unread:
        result, only = failed[0]
        return f"{name(result.data)}, {_about(only)} ({name(only.expectation)})"
    data = dict.fromkeys(result.data for result, _ in failed)
    more = f"; {count(len(unread), 'file')} could not be read" if unread else ""
    where = name(next(iter(data))) if len(data) == 1 else f"{len(data)} data sets"
    return f"{record.failed} of {count(record.evaluated, 'expectation')} in {where}{more}"


def section(record: ValidateRecord) -> list[str]:
    """Return a table of data and suites, failed ones first, and the violations."""
    results = sorted(record.results, key=lambda result: result.success)
    if not results:
        return []
    rows = [
        [
            f"{ICONS[result.success]} {name(result.data)}",
            f"{result.rows:,}",
            name(result.suite),
            f"{result.evaluated - result.failed - result.warned}/{result.evaluated}",
            title(result.error),
        ]
        for result in results
    ]
    header = ["data", "rows", "suite", "met", "error"]
    if not any(result.error for result in results):
        header, rows = header[:-1], [row[:-1] for row in rows]
    found = [(result, each) for result in results for each in sorted(result.violations, key=_rank)]
    return [
        table(header, rows),
        *(_violation(result, each) for result, each in found[:MOST_LISTED]),
        rest(len(found) - MOST_LISTED),
    ]


def _rank(violation: Violation) -> int:
    return list(LEVELS).index(_level(violation))


def _level(violation: Violation) -> str:
    return "critical" if violation.fails else violation.severity


def _violation(result: RuleResult, violation: Violation) -> str:
    kind = KINDS.get(violation.kind)
    location = f"{name(violation.file)}, line {violation.line}"
    lines = [
        f"{LEVELS[_level(violation)]} **{name(result.data)}: {_about(violation)}**{f' ({kind})' if kind else ''}",
        f"{inline(violation.message)} {inline(violation.note)}".rstrip() + f" ({location})",
    ]
    rows = [[str(each.row or ""), name(each.value)] for each in violation.examples]
    more = folded("Examples", table(["row", "value"], rows)) if len(rows) > SHOWN else ""
    return "\n\n".join(filter(None, [*lines, more]))


def _about(violation: Violation) -> str:
    return name(violation.column) if violation.column else "the table"
