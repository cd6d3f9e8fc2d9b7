"""The summary of a run in Markdown: a headline, a table, what failed; the rest folded. A terminal shows it well too."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

ICONS = {"passed": "✅", "failed": "❌", "error": "🛑", "skipped": "⏭️"}
MOST_FAILURES = 20
MOST_TRACEBACK_LINES = 40
SIGNIFICANT_DIGITS = 6

Json = Mapping[str, Any]


def render(records: Sequence[Json]) -> str:
    """Return the summary of records, in the order they are given.

    Args:
        records: Records as JSON has them.
    """
    parts = [_headline(records)]
    if len(records) > 1:
        parts.append(_table(["stage", "status", "seconds"], [_stage_row(record) for record in records]))
    for record in records:
        parts += _stage(record)
    return "\n\n".join(part for part in parts if part) + "\n"


def _headline(records: Sequence[Json]) -> str:
    """Say what failed, or that nothing did."""
    worst = next((record for record in records if record["status"] in {"error", "failed"}), None)
    seconds = sum(record["duration"] for record in records)
    what = ", ".join(_named(record) for record in records) if len(records) == 1 else f"{len(records)} stages"
    if worst is None:
        return f"### {ICONS['passed']} {what} passed in {seconds:.1f} s"
    return f"### {ICONS[worst['status']]} {_named(worst)} {_verdict(worst)}"


def _verdict(record: Json) -> str:
    failed = [notebook for notebook in record.get("notebooks", []) if notebook["status"] == "failed"]
    if failed and record["status"] == "failed":
        return f"failed: {len(failed)} of {len(record['notebooks'])} notebooks"
    errors = [problem for problem in record["problems"] if problem["severity"] == "error"]
    return f"failed: {_inline(errors[0]['message'])}" if errors else "failed"


def _stage(record: Json) -> list[str]:
    return [
        *_environment(record),
        *_notebooks(record),
        _metrics(record["metrics"]),
        _problems(record["problems"]),
        _folded("Digests", _digests(record)),
    ]


def _environment(record: Json) -> list[str]:
    if record["stage"] != "setup-env" or not record.get("python_version"):
        return []
    made = "reused" if record["reused"] else "made"
    rows = [
        ["Python", f"{record['python_version']} ({made})"],
        ["lock file", _inline(record["lock_file"])],
        ["packages", str(len(record["packages"]))],
        ["environment", f"`{record['env_digest'][:16]}`"],
    ]
    packages = "\n".join(f"{name}=={version}" for name, version in record["packages"].items())
    return [_table(["environment", ""], rows), _folded("Packages", _code(packages))]


def _notebooks(record: Json) -> list[str]:
    notebooks = record.get("notebooks", [])
    if not notebooks:
        return []
    rows = [
        [
            f"{ICONS[notebook['status']]} {_inline(notebook['path'])}",
            f"{notebook['executed_cells']}/{notebook['cells']}",
            f"{notebook['duration']:.1f}",
            _inline(_where(notebook["failure"])) if notebook["failure"] else "",
        ]
        for notebook in notebooks
    ]
    failed = [notebook for notebook in notebooks if notebook["failure"]]
    details = [_failure(notebook) for notebook in failed[:MOST_FAILURES]]
    if len(failed) > MOST_FAILURES:
        details.append(f"… and {len(failed) - MOST_FAILURES} more: see the record `{record['stage']}.json`.")
    return [_table(["notebook", "cells", "seconds", "failure"], rows), *details]


def _where(failure: Json) -> str:
    what = failure["ename"] or failure["kind"]
    cell = f" in cell {failure['cell']}" if failure["cell"] else ""
    line = f", line {failure['line']}" if failure["line"] else ""
    return f"{what}{cell}{line}"


def _failure(notebook: Json) -> str:
    failure = notebook["failure"]
    title = f"**{_inline(notebook['path'])}: {_inline(_where(failure))}**"
    lines = failure["traceback"].splitlines()
    shown = "\n".join(lines[-MOST_TRACEBACK_LINES:])
    return f"{title}\n\n{_code(shown)}" if shown else f"{title}\n\n{_inline(failure['message'])}"


def _metrics(metrics: Mapping[str, float]) -> str:
    rows = [[_inline(name), f"{value:.{SIGNIFICANT_DIGITS}g}"] for name, value in metrics.items()]
    return _table(["metric", "value"], rows) if rows else ""


def _problems(problems: Sequence[Json]) -> str:
    """List what is not said by the table of notebooks."""
    lines = [
        f"- {problem['severity']}: {_inline(problem['file'] + ': ' if problem['file'] else '')}"
        f"{_inline(problem['message'])} {_inline(problem['hint'])}".rstrip()
        for problem in problems
        if not problem["title"]
    ]
    return "\n".join(lines)


def _digests(record: Json) -> str:
    files = {**record["read"], **record["made"]}
    return _code("\n".join(f"{digest}  {path}" for path, digest in files.items())) if files else ""


def _stage_row(record: Json) -> list[str]:
    return [_named(record), f"{ICONS[record['status']]} {record['status']}", f"{record['duration']:.1f}"]


def _named(record: Json) -> str:
    return f"{record['stage']} ({record['slug']})" if record["slug"] else str(record["stage"])


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table whose columns are aligned, so that its source can be read as it is."""
    cells = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def _folded(title: str, content: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{content}\n\n</details>" if content else ""


def _code(text: str) -> str:
    """Return a block of code, with a fence longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _inline(text: str) -> str:
    """Return text from a notebook or a file name, so that it cannot be taken for Markdown or HTML."""
    escaped = re.sub(r"([\\`*_{}\[\]()#+!|~@])", r"\\\1", text).replace("&", "&amp;").replace("<", "&lt;")
    return " ".join(escaped.split())
