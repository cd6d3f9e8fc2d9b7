"""The summary of a run in Markdown: a headline, a table of stages, what failed; the rest folded.

Each stage's package has a `summary.py` for its own part.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from notebook_ci.base.markdown import (
    ICONS,
    MOST_LISTED,
    Json,
    code,
    count,
    duration,
    folded,
    inline,
    name,
    rest,
    table,
    title,
)
from notebook_ci.build_image import summary as build_image
from notebook_ci.dvc_pull import summary as dvc_pull
from notebook_ci.execute_notebook import summary as execute_notebook
from notebook_ci.log_run import summary as log_run
from notebook_ci.setup_env import summary as setup_env
from notebook_ci.validate_data import summary as validate_data

SIGNIFICANT_DIGITS = 6
# Outputs of stages that are digests, and what they are of.
DIGESTS = {"env-digest": "environment", "data-digest": "data", "image-id": "image", "digest": "image in its registry"}


@dataclass(frozen=True)
class Wording:
    """What is said of one stage, from its record.

    Attributes:
        note: What came of it, in a few words.
        section: Blocks of Markdown.
        verdict: What made it fail; nothing: its last error is what should be said.
    """

    note: Callable[[Json], str]
    section: Callable[[Json], list[str]]
    verdict: Callable[[Json], str] = lambda _: ""


OF_STAGE: Mapping[str, Wording] = {
    "setup-env": Wording(setup_env.note, setup_env.section),
    "dvc-pull": Wording(dvc_pull.note, dvc_pull.section, dvc_pull.verdict),
    "validate-data": Wording(validate_data.note, validate_data.section, validate_data.verdict),
    "execute-notebook": Wording(execute_notebook.note, execute_notebook.section, execute_notebook.verdict),
    "build-image": Wording(build_image.note, build_image.section),
    "log-run": Wording(log_run.note, log_run.section),
}


def render(records: Sequence[Json]) -> str:
    """Return the summary of records, in the order they are given.

    Args:
        records: Records as JSON has them.
    """
    parts = [_headline(records), *(_alone(records[0]) if len(records) == 1 else _together(records))]
    return "\n\n".join(part for part in parts if part) + "\n"


def _alone(record: Json) -> list[str]:
    """Return what is said of a single stage."""
    return [*_section(record), _problems([record]), _metrics(record["metrics"]), _files([record])]


def _together(records: Sequence[Json]) -> list[str]:
    """Return what is said of several stages: of those that did not fail, the details are folded."""
    failed = [record for record in records if _has_failed(record)]
    others = [record for record in records if not _has_failed(record)]
    return [
        table(["stage", "", "time", ""], [_row(record) for record in records]),
        *(part for record in failed for part in (f"#### {_named(record)}", *_section(record), _problems([record]))),
        _problems(others),
        *(_metrics(record["metrics"]) for record in records),
        _digests(records),
        *(folded(f"Details of {_named(record)}", "\n\n".join(filter(None, _section(record)))) for record in others),
        _files(records),
    ]


def _headline(records: Sequence[Json]) -> str:
    """Say what failed and where, or that nothing did."""
    took = duration(sum(record["duration"] for record in records))
    bad = [record for record in records if _has_failed(record)]
    if bad:
        first = next((record for record in bad if record["status"] == "error"), bad[0])
        more = f" (and {count(len(bad) - 1, 'more stage')} failed)" if len(bad) > 1 else ""
        return f"### {ICONS[first['status']]} {_named(first)} failed: {_verdict(first)}{more}, after {took}"
    passed = [record for record in records if record["status"] == "passed"]
    if not passed:
        return f"### {ICONS['skipped']} {', '.join(map(_named, records))} skipped"
    if len(records) == 1:
        note = _note(passed[0])
        return f"### {ICONS['passed']} {_named(passed[0])}{f': {note}' if note else ' passed'} in {took}"
    skipped = f", {len(records) - len(passed)} skipped" if len(passed) < len(records) else ""
    number = sum(problem["severity"] == "warning" for record in records for problem in record["problems"])
    warned = f", {count(number, 'warning')}" if number else ""
    return f"### {ICONS['passed']} {count(len(passed), 'stage')} passed{skipped}{warned} in {took}"


def _has_failed(record: Json) -> bool:
    return record["status"] in {"error", "failed"}


def _row(record: Json) -> list[str]:
    result = f"{ICONS[record['status']]} {record['status']}"
    took = "" if record["status"] == "skipped" else duration(record["duration"])
    return [_named(record), result, took, _verdict(record) if _has_failed(record) else _note(record)]


def _note(record: Json) -> str:
    """Return what came of a stage, in a few words."""
    if record["status"] == "skipped":
        return title(record["problems"][-1]["message"]) if record["problems"] else ""
    return wording.note(record) if (wording := OF_STAGE.get(record["stage"])) else ""


def _verdict(record: Json) -> str:
    """Return what made a stage fail, on one line."""
    if (wording := OF_STAGE.get(record["stage"])) and (said := wording.verdict(record)):
        return said
    errors = [problem for problem in record["problems"] if problem["severity"] == "error"]
    # What ended the stage was added last.
    return title(errors[-1]["message"].removesuffix(".")) if errors else "no reason was recorded"


def _section(record: Json) -> list[str]:
    wording = OF_STAGE.get(record["stage"])
    return wording.section(record) if wording and record["status"] != "skipped" else []


def _metrics(metrics: Mapping[str, float | str]) -> str:
    """Return the metrics as a table. What is no number for JSON (NaN) stands in a record as text."""
    rows = [
        [name(metric), f"{value:.{SIGNIFICANT_DIGITS}g}" if isinstance(value, int | float) else inline(value)]
        for metric, value in metrics.items()
    ]
    return table(["metric", "value"], rows) if rows else ""


def _problems(records: Sequence[Json]) -> str:
    """List what is not said by a stage's own section, whose problems have titles, or by the table of stages."""
    problems = [
        problem
        for record in records
        if record["status"] != "skipped" or len(records) == 1
        for problem in record["problems"]
        if not problem["title"]
    ]
    lines = [
        f"- {problem['severity']}: {_place(problem)}{inline(problem['message'])} {inline(problem['hint'])}".rstrip()
        for problem in problems[:MOST_LISTED]
    ]
    return "\n".join(filter(None, [*lines, rest(len(problems) - MOST_LISTED)]))


def _place(problem: Json) -> str:
    line = f", line {problem['line']}" if problem["line"] else ""
    return f"{name(problem['file'])}{line}: " if problem["file"] else ""


def _digests(records: Sequence[Json]) -> str:
    """Return the digests that tie the run together."""
    rows = [
        [_with_slug(shown, record), f"`{digest}`"]
        for record in records
        for output, shown in DIGESTS.items()
        if (digest := record["outputs"].get(output))
    ]
    return table(["digest", ""], rows) if rows else ""


def _files(records: Sequence[Json]) -> str:
    """Return the digests of all files that were read or made."""
    files = {path: digest for record in records for path, digest in {**record["read"], **record["made"]}.items()}
    return folded("Files", code("\n".join(f"{digest}  {path}" for path, digest in files.items()))) if files else ""


def _named(record: Json) -> str:
    return _with_slug(record["stage"], record)


def _with_slug(text: str, record: Json) -> str:
    return f"{text} ({record['slug']})" if record["slug"] else text
