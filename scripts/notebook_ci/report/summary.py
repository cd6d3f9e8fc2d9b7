"""The summary of a run in Markdown: a headline, a table, what failed; the rest folded. A terminal shows it well too."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

ICONS = {"passed": "✅", "failed": "❌", "error": "🛑", "skipped": "⏭️"}
MOST_NAMED = 3
MOST_ROWS = 100
MOST_FAILURES = 20
MOST_TITLE_CHARACTERS = 200
SIGNIFICANT_DIGITS = 6
MINUTE = 60

Json = Mapping[str, Any]


def render(records: Sequence[Json]) -> str:
    """Return the summary of records, in the order they are given.

    Args:
        records: Records as JSON has them.
    """
    parts = [_headline(records)]
    if len(records) > 1:
        parts.append(_table(["stage", "status", "time"], [_stage_row(record) for record in records]))
    for record in records:
        parts += _stage(record)
    return "\n\n".join(part for part in parts if part) + "\n"


def _headline(records: Sequence[Json]) -> str:
    """Say what failed and where, or that nothing did."""
    took = _time(sum(record["duration"] for record in records))
    bad = [record for record in records if record["status"] in {"error", "failed"}]
    if bad:
        first = next((record for record in bad if record["status"] == "error"), bad[0])
        more = f" (and {_count(len(bad) - 1, 'more stage')} failed)" if len(bad) > 1 else ""
        return f"### {ICONS[first['status']]} {_named(first)} failed: {_verdict(first)}{more}, after {took}"
    passed = [record for record in records if record["status"] == "passed"]
    if not passed:
        return f"### {ICONS['skipped']} {', '.join(map(_named, records))} skipped"
    skipped = f", {len(records) - len(passed)} skipped" if len(passed) < len(records) else ""
    what = _passed(passed[0]) if len(records) == 1 else f"{_count(len(passed), 'stage')} passed{skipped}"
    return f"### {ICONS['passed']} {what} in {took}"


def _passed(record: Json) -> str:
    notebooks = record.get("notebooks", [])
    return f"{_named(record)}: {_count(len(notebooks), 'notebook')} passed" if notebooks else f"{_named(record)} passed"


def _verdict(record: Json) -> str:
    """Return what made a stage fail, on one line."""
    failed = [notebook for notebook in record.get("notebooks", []) if notebook["failure"]]
    if record["status"] == "failed" and len(failed) == 1:
        return f"{_name(failed[0]['path'])}, {_title(_where(failed[0]['failure']))}"
    if record["status"] == "failed" and failed:
        named = ", ".join(_name(notebook["path"]) for notebook in failed[:MOST_NAMED])
        more = f" and {len(failed) - MOST_NAMED} more" if len(failed) > MOST_NAMED else ""
        return f"{len(failed)} of {_count(len(record['notebooks']), 'notebook')} ({named}{more})"
    errors = [problem for problem in record["problems"] if problem["severity"] == "error"]
    # What ended the stage was added last.
    return _title(errors[-1]["message"].removesuffix(".")) if errors else "no reason was recorded"


def _stage(record: Json) -> list[str]:
    return [
        *_environment(record),
        *_notebooks(record),
        _problems(record),
        _metrics(record["metrics"]),
        _folded("Digests", _digests(record)),
    ]


def _environment(record: Json) -> list[str]:
    if record["stage"] != "setup-env" or not record.get("python_version"):
        return []
    made = "reused" if record["reused"] else "made"
    rows = [
        ["Python", f"{record['python_version']} ({made})"],
        ["lock file", _name(record["lock_file"])],
        ["packages", str(len(record["packages"]))],
        ["digest", f"`{record['env_digest'][:16]}`"],
    ]
    packages = "\n".join(f"{name}=={version}" for name, version in record["packages"].items())
    return [_table(["environment", ""], rows), _folded("Packages", _code(packages))]


def _notebooks(record: Json) -> list[str]:
    """Return the table of notebooks, failed ones first, and what happened in those."""
    notebooks = sorted(record.get("notebooks", []), key=lambda notebook: not notebook["failure"])
    if not notebooks:
        return []
    rows = [
        [
            f"{ICONS[notebook['status']]} {_name(notebook['path'])}",
            f"{notebook['executed_cells']}/{notebook['cells']}",
            _time(notebook["duration"]),
            _title(_where(notebook["failure"])) if notebook["failure"] else "",
        ]
        for notebook in notebooks
    ]
    # What an invalid notebook lacks is said by the stage's problems, with its hint.
    failed = [each for each in notebooks if each["failure"] and each["failure"]["kind"] != "invalid-notebook"]
    header = ["notebook", "cells run", "time", "failure"]
    if not any(notebook["failure"] for notebook in notebooks):
        header, rows = header[:-1], [row[:-1] for row in rows]
    return [
        _table(header, rows),
        *map(_failure, failed[:MOST_FAILURES]),
        _rest(len(failed) - MOST_FAILURES),
    ]


def _where(failure: Json) -> str:
    line = f" (line {failure['line']} of the file)" if failure["line"] else ""
    return f"{failure['title']}{line}"


def _failure(notebook: Json) -> str:
    failure = notebook["failure"]
    title = f"**{_name(notebook['path'])}: {_title(_where(failure))}**"
    return f"{title}\n\n{_code(failure['traceback'] or failure['message'])}"


def _metrics(metrics: Mapping[str, float | str]) -> str:
    """Return the metrics as a table. What is no number for JSON (NaN) stands in a record as text."""
    rows = [
        [_name(name), f"{value:.{SIGNIFICANT_DIGITS}g}" if isinstance(value, int | float) else _inline(value)]
        for name, value in metrics.items()
    ]
    return _table(["metric", "value"], rows) if rows else ""


def _problems(record: Json) -> str:
    """List what is not said by the table of notebooks, whose problems have titles."""
    problems = [problem for problem in record["problems"] if not problem["title"]]
    lines = [
        f"- {problem['severity']}: {_place(problem)}{_inline(problem['message'])} {_inline(problem['hint'])}".rstrip()
        for problem in problems[:MOST_FAILURES]
    ]
    return "\n".join(filter(None, [*lines, _rest(len(problems) - MOST_FAILURES)]))


def _place(problem: Json) -> str:
    line = f", line {problem['line']}" if problem["line"] else ""
    return f"{_name(problem['file'])}{line}: " if problem["file"] else ""


def _digests(record: Json) -> str:
    files = {**record["read"], **record["made"]}
    return _code("\n".join(f"{digest}  {path}" for path, digest in files.items())) if files else ""


def _stage_row(record: Json) -> list[str]:
    return [_named(record), f"{ICONS[record['status']]} {record['status']}", _time(record["duration"])]


def _named(record: Json) -> str:
    return f"{record['stage']} ({record['slug']})" if record["slug"] else str(record["stage"])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _time(seconds: float) -> str:
    """Return seconds as people say them: `4.2 s`, `3 min 12 s`."""
    minutes, rest = divmod(round(seconds), MINUTE)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


def _rest(number: int) -> str:
    return f"- … and {number} more: see the record." if number > 0 else ""


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose columns are aligned, so that its source can be read as it is."""
    cells = [list(header), *map(list, rows[:MOST_ROWS])]
    if len(rows) > MOST_ROWS:
        cells.append([f"… and {len(rows) - MOST_ROWS} more", *[""] * (len(header) - 1)])
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = [_row(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in cells]
    return "\n".join([lines[0], _row("-" * width for width in widths), *lines[1:]])


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _folded(title: str, content: str) -> str:
    return f"<details><summary>{title}</summary>\n\n{content}\n\n</details>" if content else ""


def _code(text: str) -> str:
    """Return a block of code, with a fence longer than any run of backticks in it."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _name(text: str) -> str:
    """Return the name of a file or a metric as code: it shows as it is, on a terminal too."""
    shown = _one_line(text)
    return _escaped(shown) if "`" in shown or "|" in shown or not shown else f"`{shown}`"


def _inline(text: str) -> str:
    """Return prose from a notebook or a tool, so that all it can do is quote code between backticks."""
    pieces = re.split(r"`([^`|]+)`", _one_line(text))
    return "".join(f"`{piece}`" if number % 2 else _escaped(piece) for number, piece in enumerate(pieces))


def _escaped(text: str) -> str:
    """Return text that cannot be taken for Markdown, HTML or the name of a person."""
    escaped = re.sub(r"[\\`*\[\]|~]|(?<!\w)_|_(?!\w)", r"\\\g<0>", text)
    escaped = escaped.replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"(?<!\w)@(?=\w)", "@\u200b", escaped)  # a space of no width


def _title(text: str) -> str:
    """Return prose for a line that must stay short."""
    short = f"{text[:MOST_TITLE_CHARACTERS]}…" if len(text) > MOST_TITLE_CHARACTERS else text
    return _inline(short)


def _one_line(text: str) -> str:
    """Return text on one line, with control characters as escapes."""
    line = " ".join(text.split())
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in line)
