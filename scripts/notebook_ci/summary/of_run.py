"""The summary of a run. In Markdown: a headline, what failed, a table of stages, metrics; the rest is folded.

The part of each stage is in the `summary.py` of its package.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TypeVar

from notebook_ci.base import markdown
from notebook_ci.base.console import Summary
from notebook_ci.base.errors import Failed, Problem
from notebook_ci.base.markdown import ICONS, MARKS, count, difference, duration, folded, inline, table, title, unbroken
from notebook_ci.base.texts import printable
from notebook_ci.base.workspace import Workspace
from notebook_ci.records.execute_notebook import NotebooksRecord
from notebook_ci.records.record import Record
from notebook_ci.records.report_run import ReportRunRecord
from notebook_ci.stages import ALL_STAGES
from notebook_ci.summary.junit import junit
from notebook_ci.summary.links import NO_LINKS, Links, find

Part = TypeVar("Part", str, list[str], list[Failed])
SIGNIFICANT_DIGITS = 6
UNRECORDED = "a step of this job failed or was cancelled, and left no record. See its log"
BAD_JOB = {"failure", "cancelled", "failed", "canceled"}  # on GitHub, on Azure Pipelines
MOST_LINES = 30  # of a traceback that is not folded
_DETAILS = re.compile(r"(?<=\.) | \(|: | since ")  # where the details begin in the reason why a stage was skipped
# Outputs that are digests -> what they identify.
DIGESTS = {"env-digest": "environment", "data-digest": "data", "image-id": "image", "digest": "image in its registry"}

# Imported now: once a notebook has run, it may have written these files.
_PACKAGES = {stage: stage.replace("-", "_") for stage in ALL_STAGES}
_PACKAGES["collect-runs"] = "execute_notebook"  # it shows the notebooks of all shards
_OF_STAGE = {stage: import_module(f"notebook_ci.{package}.summary") for stage, package in _PACKAGES.items()}


@dataclass(frozen=True, kw_only=True)
class Brief:
    """The first parts of a summary, in Markdown."""

    headline: str
    failures: list[str]
    stages: str  # a table, if there are several, and why some were skipped
    metrics: str


def summarize(
    records: Sequence[Record],
    workspace: Workspace,
    detailed: Sequence[Record] | None = None,
) -> Summary:
    """Return the summary of a run.

    `detailed` are the records of which it has details, by default all: the others have a summary of their own.
    """
    detailed = records if detailed is None else detailed
    problems = [problem for record in detailed for problem in record.problems]
    links = find([problem.file for problem in problems if problem.file], workspace)
    text = _for_terminal(records, detailed)
    return Summary(render(records, detailed, links), text, problems, junit(detailed))


def render(
    records: Sequence[Record],
    detailed: Sequence[Record] | None = None,
    links: Links = NO_LINKS,
) -> str:
    detailed = records if detailed is None else detailed
    shown = [record for record in detailed if record.status != "skipped"]
    has_others = len(records) > len(detailed)
    found = brief(records, detailed, links, unrecorded=UNRECORDED if has_others and is_job_bad(detailed[-1]) else "")
    parts = [
        found.headline,
        *found.failures,
        found.stages,
        found.metrics,
        _links(records, links) if len(records) > 1 else "",
        _problems(shown, links),
        *(folded(f"Details of {_named(record)}", "\n\n".join(filter(None, _section(record)))) for record in shown),
        _digests(detailed),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def brief(records: Sequence[Record], detailed: Sequence[Record], links: Links, *, unrecorded: str) -> Brief:
    """Return the first parts of the summary. `unrecorded` says what failed without a record; empty: nothing."""
    failed = every_failure(detailed)
    is_only = len(every_failure(records)) == 1
    listed = [_failure(record, each, links, is_only=is_only) for record, each in failed[: markdown.MOST_LISTED]]
    baseline = _baseline(records)  # the steps before have shown their metrics, but not how they changed
    return Brief(
        headline=_headline(records, links, unrecorded),
        failures=[*listed, markdown.rest(len(failed) - markdown.MOST_LISTED)],
        stages=_stages(records, detailed) if len(records) > 1 else "",
        metrics=_metrics(records if baseline else detailed, baseline),
    )


def failures(record: Record) -> list[Failed]:
    """Return why a stage failed: at least one reason, the most important one first."""
    own: list[Failed] = _of_stage("failures", record, [])
    # If it has its own, problems with a title repeat them.
    others = [_of_problem(error) for error in record.errors if not (own and error.title)]
    # The error that ended the stage was added last.
    found = [*reversed(others), *own] if record.status == "error" else [*own, *others]
    return found or [Failed(message="no reason was recorded")]


def every_failure(records: Iterable[Record]) -> list[tuple[Record, Failed]]:
    """Return why a run failed, the most important reason first."""
    bad = sorted((record for record in records if record.has_failed), key=lambda record: record.status != "error")
    return [(record, each) for record in bad for each in failures(record)]


def _of_problem(error: Problem) -> Failed:
    """Return a failure; a problem with a title is about its file."""
    return Failed(**vars(error), subject=error.file or "" if error.title else "")


def _headline(records: Sequence[Record], links: Links, unrecorded: str) -> str:
    took = duration(sum(record.duration for record in records))
    if failed := every_failure(records):
        (record, first), *others = failed
        more = f" (and {count(len(others), 'more failure')})" if others else ""
        stage = "" if first.subject and len(records) > 1 else f"{_named(record)} "
        where = f"{_where(first, links)}: " if first.subject else ""
        return f"### {ICONS[record.status]} {stage}failed: {where}{title(first.why)}{more}, after {took}"
    if unrecorded:
        return f"### {ICONS['error']} failed: {unrecorded}"
    passed = [record for record in records if record.status == "passed"]
    if not passed:
        why = f": {title(_reason(records[0]))}" if len(records) == 1 and _reason(records[0]) else ""
        return f"### {ICONS['skipped']} {', '.join(map(_named, records))} skipped{why}"
    if len(records) == 1:
        note = _note(passed[0])
        return f"### {ICONS['passed']} {_named(passed[0])}{f': {note}' if note else ' passed'} in {took}"
    skipped = f", {len(records) - len(passed)} skipped" if len(passed) < len(records) else ""
    number = sum(problem.severity == "warning" for record in records for problem in record.problems)
    warned = f", {count(number, 'warning')}" if number else ""
    return f"### {ICONS['passed']} {count(len(passed), 'stage')} passed{skipped}{warned} in {took}"


def is_job_bad(record: Record) -> bool:
    """Whether a step before that of the record failed or was cancelled."""
    return record.source.get("job_status", "").lower() in BAD_JOB


def _where(failed: Failed, links: Links, line: str = "") -> str:
    part = f", {inline(failed.part)}" if failed.part else ""
    return links.line(f"{markdown.name(failed.subject)}{part}{line}", failed.file, failed.line)


def _failure(record: Record, failed: Failed, links: Links, *, is_only: bool) -> str:
    """Return what failed, the code of the line unless the traceback shows it, the traceback, and what to do.

    If it is the only failure, what the headline says is not repeated.
    """
    details = failed.details
    is_whole = len(failed.why) <= markdown.MOST_TITLE_CHARACTERS and "\n" not in failed.message.strip()
    said = title(failed.why) if details or is_whole else inline(failed.message)
    is_repeated = is_only and (details or is_whole)
    is_short = details.count("\n") < MOST_LINES
    parts = [
        f"**{ICONS[record.status]} {_subject(record, failed, links)}**{'' if is_repeated else f': {said}'}",
        markdown.code(failed.source) if failed.source and not (is_short and failed.source in details) else "",
        (markdown.code(details) if is_short else folded("Traceback", markdown.code(details))) if details else "",
        f"Hint: {inline(failed.hint)}" if failed.hint else "",
    ]
    return "\n\n".join(filter(None, parts))


def _subject(record: Record, failed: Failed, links: Links) -> str:
    if failed.subject and failed.subject == failed.file:
        where, location = _where(failed, links, f", line {failed.line} of the file" if failed.line else ""), ""
    else:
        where, location = _where(failed, links) if failed.subject else record.stage, _location(failed, links)
    return where + "".join(f" ({text})" for text in (location, record.slug) if text)


def _location(problem: Problem, links: Links) -> str:
    line = f", line {problem.line}" if problem.line else ""
    return links.line(f"{markdown.name(problem.file)}{line}", problem.file, problem.line) if problem.file else ""


def _row(record: Record) -> list[str]:
    result = f"{ICONS[record.status]} {record.status}"
    took = "" if record.status == "skipped" else markdown.unbroken_duration(record.duration)
    note = count(len(failures(record)), "failure") if record.has_failed else _note(record)
    return [_named(record), unbroken(result), took, note]


def _note(record: Record) -> str:
    if record.status == "skipped":
        return title(_short(_reason(record)))
    return inline(_of_stage("note", record, ""))


def _reason(record: Record) -> str:
    return record.problems[-1].message if record.problems else ""


def _short(reason: str) -> str:
    """Return a reason without its details: with them, a table would wrap it."""
    return _DETAILS.split(reason, maxsplit=1)[0]


def _stages(records: Sequence[Record], detailed: Sequence[Record]) -> str:
    """Return the table of stages, and why some were skipped, where the table has only a part of it."""
    reasons = [(record, _reason(record)) for record in detailed if record.status == "skipped"]
    lines = [f"- {_named(record)}: {inline(reason)}" for record, reason in reasons if reason != _short(reason)]
    shown = table(["stage", "", "time", ""], [_row(record) for record in records])
    return "\n\n".join(filter(None, [shown, folded("Why stages were skipped", "\n".join(lines))]))


def _section(record: Record) -> list[str]:
    return _of_stage("section", record, []) if record.status != "skipped" else []


def _of_stage(function: str, record: Record, default: Part) -> Part:
    """Call a function of the stage's `summary.py`. Returns the default if there is none, or another version's stage.

    `note` is the result in a few words of plain text, `section` are blocks of Markdown, `failures` are those that its
    problems do not describe completely, `lines` are for a terminal, and `links` lead to what it created elsewhere.
    """
    if record.stage not in ALL_STAGES:
        return default
    part: Part = getattr(_OF_STAGE[record.stage], function, lambda _: default)(record)
    return part


def _metrics(records: Sequence[Record], baseline: Mapping[str, float]) -> str:
    """Return a table of metrics, with their notebooks."""
    rows = []
    for record in records:
        reported = record.reported if isinstance(record, NotebooksRecord) else {}
        for key, value in record.metrics.items():
            change = [difference(value, baseline.get(key, value))] if baseline else []
            rows.append([markdown.name(key), _metric(value), *change, markdown.name(reported.get(key, record.stage))])
    header = ["metric", "value", *(["change"] if baseline else []), "reported by"]
    return table(header, rows) if rows else ""


def _baseline(records: Sequence[Record]) -> dict[str, float]:
    """Return the metrics of an earlier run, if the report compares with one."""
    reports = (record for record in records if isinstance(record, ReportRunRecord))
    return {name: value for record in reports for name, value in record.baseline_metrics.items()}


def _metric(value: float) -> str:
    return f"{value:.{SIGNIFICANT_DIGITS}g}"


def _links(records: Sequence[Record], links: Links) -> str:
    run = [markdown.link("This run and its artifacts", links.run)] if links.run else []
    return " · ".join([*run, *(each for record in records for each in _of_stage("links", record, []))])


def _problems(records: Sequence[Record], links: Links) -> str:
    """List the warnings and notices that no stage's own section shows: these have titles."""
    found = [each for record in records for each in record.problems if each.severity != "error" and not each.title]
    lines = [
        f"- {each.severity}: {': '.join(filter(None, (_location(each, links), inline(each.text))))}"
        for each in found[: markdown.MOST_LISTED]
    ]
    content = "\n".join(filter(None, [*lines, markdown.rest(len(found) - markdown.MOST_LISTED)]))
    numbers = Counter(each.severity for each in found)
    return folded(", ".join(count(number, severity) for severity, number in numbers.items()), content)


def _digests(records: Sequence[Record]) -> str:
    rows = [
        [_with_slug(shown, record), f"`{digest}`"]
        for record in records
        for output, shown in DIGESTS.items()
        if (digest := record.outputs.get(output))
    ]
    files = {path: digest for record in records for path, digest in {**record.read, **record.created}.items()}
    lines = [f"{digest}  {path}" for path, digest in files.items()]
    parts = [table(["digest", ""], rows) if rows else "", markdown.code("\n".join(lines)) if lines else ""]
    return folded("Digests", "\n\n".join(filter(None, parts)))


def _named(record: Record) -> str:
    return _with_slug(record.stage, record)


def _with_slug(text: str, record: Record) -> str:
    return f"{text} ({record.slug})" if record.slug else text


def _for_terminal(records: Sequence[Record], detailed: Sequence[Record]) -> str:
    """Return plain text: a line per stage, metrics, and at the end the failures, which may have been shown long before.

    Names and messages are shown unchanged, except control characters.
    """
    times = ["" if record.status == "skipped" else duration(record.duration) for record in records]
    names, widest = max(len(_named(record)) for record in records), max(map(len, times))
    baseline, lines = _baseline(records), [""] if len(records) > 1 else []
    for record, took in zip(records, times, strict=True):
        lines.append(f"{MARKS[record.status]} {_named(record):<{names}}  {took:>{widest}}  {result(record)}".rstrip())
        lines += [f"  {line}" for line in _of_stage("lines", record, [])]
        changes = {name: difference(value, baseline.get(name, value)) for name, value in record.metrics.items()}
        lines += [f"  {name}  {_metric(record.metrics[name])}  {change}".rstrip() for name, change in changes.items()]
    # A stage alone has just shown its problems, except those of notebooks, which failed before others ran.
    repeated = [record for record in detailed if len(records) > 1 or isinstance(record, NotebooksRecord)]
    failed = every_failure(repeated)
    for record, each in failed[: markdown.MOST_LISTED]:
        more = (f"  {text}" for text in (each.source, each.hint) if text)
        lines += ["", f"{MARKS['failed']} {in_a_line(record, each)}", *more]
    lines += ["", markdown.rest(len(failed) - markdown.MOST_LISTED)] if len(failed) > markdown.MOST_LISTED else []
    return "".join(f"{printable(line)}\n" for line in lines)


def result(record: Record) -> str:
    """Return what a stage did, in a few words of plain text."""
    if record.status in {"passed", "skipped"}:
        return _of_stage("note", record, "") if record.status == "passed" else "skipped"
    return count(len(failures(record)), "failure")


def in_a_line(record: Record, failed: Failed) -> str:
    """Return the location, as terminals and editors know it, and the reason."""
    location = f"{failed.file}:{failed.line}" if failed.line else failed.file
    subject = failed.subject if failed.subject != failed.file else ""
    return ": ".join(filter(None, (location or _named(record), subject, failed.part, failed.why)))
