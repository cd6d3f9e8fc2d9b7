"""The summary of validate-data."""

from notebook_ci.base.errors import Failed
from notebook_ci.base.markdown import MOST_LISTED, code, count, folded, inline, name, rest, table, title
from notebook_ci.records.validate_data import RuleResult, ValidateRecord, Violation

ICONS = {True: "✅", False: "❌"}
LEVELS = {"warning": "⚠️", "info": "ℹ️"}  # noqa: RUF001 - this sign is intended
SHOWN = 3  # examples in a violation's message


def note(record: ValidateRecord) -> str:
    warned = sum(result.warned for result in record.results)
    met = f"{count(record.evaluated - warned, 'expectation')} met"
    return f"{met}, {count(warned, 'warning')}" if warned else met


def failures(record: ValidateRecord) -> list[Failed]:
    """Return the violations that make the stage fail. Its errors say which data could not be read."""
    return [
        Failed(
            subject=result.data,
            part=_about(violation),
            message=violation.message,
            hint=violation.note,
            file=violation.file,
            line=violation.line,
            details=_examples(violation),
            again=(("data", result.data), ("suite", result.suite)),
        )
        for result in record.results
        for violation in result.violations
        if violation.fails
    ]


def section(record: ValidateRecord) -> list[str]:
    """Return a table of data and suites, failed ones first, and the violations that do not make the stage fail."""
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
    found = [(result, each) for result in results for each in result.violations if not each.fails]
    found.sort(key=lambda each: list(LEVELS).index(each[1].severity))
    return [
        table(header, rows),
        *(_violation(result, each) for result, each in found[:MOST_LISTED]),
        rest(len(found) - MOST_LISTED),
    ]


def _violation(result: RuleResult, violation: Violation) -> str:
    heading = f"{LEVELS[violation.severity]} **{name(result.data)}, {inline(_about(violation))}**"
    said = f"{inline(violation.message)} {inline(violation.note)}".rstrip()
    examples = _examples(violation)
    more = folded("Examples", code(examples)) if examples else ""
    return "\n\n".join(filter(None, [heading, f"{said} ({name(violation.file)}, line {violation.line})", more]))


def _about(violation: Violation) -> str:
    return f"column `{violation.column}`" if violation.column else "the table"


def _examples(violation: Violation) -> str:
    """Return the examples if there are more of them than the message has."""
    lines = [f"row {each.row or '-'}: {each.value}" for each in violation.examples]
    return "\n".join(lines) if len(lines) > SHOWN else ""
