"""The summary of test-notebook."""

from notebook_ci.base.markdown import MOST_LISTED, code, count, duration, name, rest, table, title
from notebook_ci.base.texts import listed
from notebook_ci.records.test_notebook import CaseResult, PytestRecord

MOST_NAMED = 3
SLOWEST = 5
SLOW_SECONDS = 1.0


def note(record: PytestRecord) -> str:
    parts = [f"{count(len(record.of('passed', 'expected-failure')), 'test')} passed"]
    if skipped := record.of("skipped"):
        parts.append(f"{len(skipped)} skipped")
    if record.coverage is not None:
        parts.append(f"{record.coverage:.1f}% of lines covered")
    return ", ".join(parts)


def verdict(record: PytestRecord) -> str:
    """Return which tests failed; empty if the stage failed for another reason."""
    failed = record.of("failed")
    if record.status != "failed" or not failed:
        return ""
    if len(failed) == 1:
        return f"{name(failed[0].test)}{_where(failed[0])}"
    names = listed([name(case.test) for case in failed], MOST_NAMED)
    return f"{len(failed)} of {count(len(record.cases), 'test')} ({names})"


def section(record: PytestRecord) -> list[str]:
    statuses = dict.fromkeys(case.status for case in record.cases)
    counts = [[status.replace("-", " "), str(len(record.of(status)))] for status in statuses]
    slowest = sorted(record.cases, key=lambda case: -case.duration)[:SLOWEST]
    slow = [[name(case.test), duration(case.duration)] for case in slowest if case.duration >= SLOW_SECONDS]
    failed = [_failure(case) for case in record.of("failed")]
    return [
        table(["tests", ""], counts) if counts else "",
        *failed[:MOST_LISTED],
        rest(len(failed) - MOST_LISTED),
        table(["slowest tests", "time"], slow) if slow else "",
    ]


def _where(case: CaseResult) -> str:
    return f" ({title(case.file)}, line {case.line})" if case.file else ""


def _failure(case: CaseResult) -> str:
    return f"**{name(case.test)}{_where(case)}**\n\n{code(case.traceback or case.message)}"
