"""The summary of a run for a terminal: one line per stage, and the metrics. Problems were shown before."""

from collections.abc import Sequence

from notebook_ci.base.markdown import count, duration
from notebook_ci.base.texts import printable
from notebook_ci.records.record import Record
from notebook_ci.report.summary import metric, named, note

MARKS = {"passed": "✓", "failed": "✗", "error": "✗", "skipped": "-"}


def render(records: Sequence[Record]) -> str:
    """Return plain text. Names and messages are shown unchanged, except control characters."""
    times = ["" if record.status == "skipped" else duration(record.duration) for record in records]
    names, widest = max(len(named(record)) for record in records), max(map(len, times))
    lines = [""] if len(records) > 1 else []
    for record, took in zip(records, times, strict=True):
        lines.append(f"{MARKS[record.status]} {named(record):<{names}}  {took:>{widest}}  {_result(record)}".rstrip())
        lines += [f"  {name}  {metric(value)}" for name, value in record.metrics.items()]
    return "".join(f"{printable(line)}\n" for line in lines)


def _result(record: Record) -> str:
    if record.status in {"passed", "skipped"}:
        return note(record) if record.status == "passed" else "skipped"
    return count(len(record.errors), "error")
