"""The summary of test-notebook."""

from notebook_ci.base.errors import Failed
from notebook_ci.base.markdown import count, name, table, unbroken_duration
from notebook_ci.records.test_notebook import PytestRecord

SLOWEST = 5
SLOW_SECONDS = 1.0


def note(record: PytestRecord) -> str:
    parts = [f"{count(len(record.of('passed', 'expected-failure')), 'test')} passed"]
    if skipped := record.of("skipped"):
        parts.append(f"{len(skipped)} skipped")
    if record.coverage is not None:
        parts.append(f"{record.coverage:.1f}% of lines covered")
    return ", ".join(parts)


def failures(record: PytestRecord) -> list[Failed]:
    return [
        Failed(
            subject=case.test,
            title="" if "::" in case.test else "Tests not collected",
            message=case.message,
            file=case.file or None,
            line=case.line,
            details=case.traceback,
            again=(("tests", case.test),),
        )
        for case in record.of("failed")
    ]


def section(record: PytestRecord) -> list[str]:
    statuses = dict.fromkeys(case.status for case in record.cases)
    counts = [[status.replace("-", " "), str(len(record.of(status)))] for status in statuses]
    slowest = sorted(record.cases, key=lambda case: -case.duration)[:SLOWEST]
    slow = [[name(case.test), unbroken_duration(case.duration)] for case in slowest if case.duration >= SLOW_SECONDS]
    return [
        table(["tests", ""], counts) if counts else "",
        table(["slowest tests", "time"], slow) if slow else "",
    ]
