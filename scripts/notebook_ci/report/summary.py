"""The summary of a run. In Markdown: a headline, a table of stages, what failed; the rest is folded.

The part of each stage is in the `summary.py` of its package. On a terminal, only one line per stage, and the metrics:
problems were shown before.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TypeVar

from notebook_ci.base import markdown
from notebook_ci.base.console import Summary
from notebook_ci.base.errors import Problem
from notebook_ci.base.markdown import ICONS, count, duration, folded, inline, table, title
from notebook_ci.base.texts import printable
from notebook_ci.records.record import Record
from notebook_ci.report.junit import junit
from notebook_ci.stages import ALL_STAGES

Part = TypeVar("Part", str, list[str])
SIGNIFICANT_DIGITS = 6
MARKS = {"passed": "✓", "failed": "✗", "error": "✗", "skipped": "-"}  # on a terminal
# Outputs that are digests -> what they identify.
DIGESTS = {"env-digest": "environment", "data-digest": "data", "image-id": "image", "digest": "image in its registry"}

# Imported now: once a notebook has run, it may have written these files.
_PACKAGES = {stage: stage.replace("-", "_") for stage in ALL_STAGES}
_PACKAGES["collect-runs"] = "execute_notebook"  # it shows the notebooks of all shards
_OF_STAGE = {stage: import_module(f"notebook_ci.{package}.summary") for stage, package in _PACKAGES.items()}


def summarize(records: Sequence[Record]) -> Summary:
    problems = [problem for record in records for problem in record.problems]
    return Summary(render(records), _for_terminal(records), problems, junit(records))


def render(records: Sequence[Record]) -> str:
    if len(records) == 1:
        details = [*_section(records[0]), _problems(records), _metrics(records[0].metrics), _files(records)]
    else:
        details = _together(records)
    parts = [_headline(records), *details]
    return "\n\n".join(part for part in parts if part) + "\n"


def _together(records: Sequence[Record]) -> list[str]:
    """Return the summary of several stages; details of stages that did not fail are folded."""
    failed = [record for record in records if _has_failed(record)]
    others = [record for record in records if not _has_failed(record)]
    return [
        table(["stage", "", "time", ""], [_row(record) for record in records]),
        *(part for record in failed for part in (f"#### {_named(record)}", *_section(record), _problems([record]))),
        _problems(others),
        *(_metrics(record.metrics) for record in records),
        _digests(records),
        *(folded(f"Details of {_named(record)}", "\n\n".join(filter(None, _section(record)))) for record in others),
        _files(records),
    ]


def _headline(records: Sequence[Record]) -> str:
    took = duration(sum(record.duration for record in records))
    bad = [record for record in records if _has_failed(record)]
    if bad:
        first = next((record for record in bad if record.status == "error"), bad[0])
        more = f" (and {count(len(bad) - 1, 'more stage')} failed)" if len(bad) > 1 else ""
        return f"### {ICONS[first.status]} {_named(first)} failed: {_verdict(first)}{more}, after {took}"
    passed = [record for record in records if record.status == "passed"]
    if not passed:
        return f"### {ICONS['skipped']} {', '.join(map(_named, records))} skipped"
    if len(records) == 1:
        note = _note(passed[0])
        return f"### {ICONS['passed']} {_named(passed[0])}{f': {note}' if note else ' passed'} in {took}"
    skipped = f", {len(records) - len(passed)} skipped" if len(passed) < len(records) else ""
    number = sum(problem.severity == "warning" for record in records for problem in record.problems)
    warned = f", {count(number, 'warning')}" if number else ""
    return f"### {ICONS['passed']} {count(len(passed), 'stage')} passed{skipped}{warned} in {took}"


def _has_failed(record: Record) -> bool:
    return record.status in {"error", "failed"}


def _row(record: Record) -> list[str]:
    result = f"{ICONS[record.status]} {record.status}"
    took = "" if record.status == "skipped" else duration(record.duration)
    return [_named(record), result, took, _verdict(record) if _has_failed(record) else _note(record)]


def _note(record: Record) -> str:
    if record.status == "skipped":
        return title(record.problems[-1].message) if record.problems else ""
    return inline(_of_stage("note", record, ""))


def _verdict(record: Record) -> str:
    if verdict := _of_stage("verdict", record, ""):
        return verdict
    # The error that ended the stage was added last.
    return title(record.errors[-1].message.removesuffix(".")) if record.errors else "no reason was recorded"


def _section(record: Record) -> list[str]:
    return _of_stage("section", record, []) if record.status != "skipped" else []


def _of_stage(function: str, record: Record, default: Part) -> Part:
    """Call a function of the stage's `summary.py`. Returns the default if there is none, or another version's stage.

    `note` is the result in a few words of plain text, `section` are blocks of Markdown, `verdict` is why it failed: if
    that is empty, the last error says so.
    """
    if record.stage not in ALL_STAGES:
        return default
    part: Part = getattr(_OF_STAGE[record.stage], function, lambda _: default)(record)
    return part


def _metrics(metrics: Mapping[str, float]) -> str:
    rows = [[markdown.name(each), _metric(value)] for each, value in metrics.items()]
    return table(["metric", "value"], rows) if rows else ""


def _metric(value: float) -> str:
    return f"{value:.{SIGNIFICANT_DIGITS}g}"


def _problems(records: Sequence[Record]) -> str:
    """List the problems that neither a stage's own section (these have titles) nor the table of stages shows."""
    problems = [
        problem
        for record in records
        if record.status != "skipped" or len(records) == 1
        for problem in record.problems
        if not problem.title
    ]
    lines = [
        f"- {problem.severity}: {_location(problem)}{inline(problem.message)} {inline(problem.hint)}".rstrip()
        for problem in problems[: markdown.MOST_LISTED]
    ]
    return "\n".join(filter(None, [*lines, markdown.rest(len(problems) - markdown.MOST_LISTED)]))


def _location(problem: Problem) -> str:
    line = f", line {problem.line}" if problem.line else ""
    return f"{markdown.name(problem.file)}{line}: " if problem.file else ""


def _digests(records: Sequence[Record]) -> str:
    rows = [
        [_with_slug(shown, record), f"`{digest}`"]
        for record in records
        for output, shown in DIGESTS.items()
        if (digest := record.outputs.get(output))
    ]
    return table(["digest", ""], rows) if rows else ""


def _files(records: Sequence[Record]) -> str:
    files = {path: digest for record in records for path, digest in {**record.read, **record.created}.items()}
    lines = [f"{digest}  {path}" for path, digest in files.items()]
    return folded("Files", markdown.code("\n".join(lines))) if lines else ""


def _named(record: Record) -> str:
    return _with_slug(record.stage, record)


def _with_slug(text: str, record: Record) -> str:
    return f"{text} ({record.slug})" if record.slug else text


def _for_terminal(records: Sequence[Record]) -> str:
    """Return plain text. Names and messages are shown unchanged, except control characters."""
    times = ["" if record.status == "skipped" else duration(record.duration) for record in records]
    names, widest = max(len(_named(record)) for record in records), max(map(len, times))
    lines = [""] if len(records) > 1 else []
    for record, took in zip(records, times, strict=True):
        lines.append(f"{MARKS[record.status]} {_named(record):<{names}}  {took:>{widest}}  {_result(record)}".rstrip())
        lines += [f"  {name}  {_metric(value)}" for name, value in record.metrics.items()]
    return "".join(f"{printable(line)}\n" for line in lines)


def _result(record: Record) -> str:
    if record.status in {"passed", "skipped"}:
        return _of_stage("note", record, "") if record.status == "passed" else "skipped"
    return count(len(record.errors), "error")
