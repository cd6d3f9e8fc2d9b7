"""Markdown for GitHub pages that is also readable on a terminal, safe for any text in names and messages."""

import math
import re
from collections.abc import Iterable, Sequence

from notebook_ci.base.texts import printable

MOST_ROWS = 100
MOST_LISTED = 20
MOST_TITLE_CHARACTERS = 200
MINUTE = 60
_LINKED = re.compile(r"(?<=[:@])|(?<=www)", re.IGNORECASE)  # GitHub makes links of addresses in prose
_ADDRESS = re.compile(r"https?://[\w.:-]+(?:[/?#][\w.~:/?#%&=+,;-]*)?", re.ASCII)  # without user and password

# By the status of a record, or of a notebook.
ICONS = {"passed": "✅", "failed": "❌", "error": "🛑", "skipped": "⏭️", "allowed": "⚠️"}
MARKS = {"passed": "✓", "failed": "✗", "error": "✗", "skipped": "-", "allowed": "!"}  # the same as plain text


def count(number: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def duration(seconds: float) -> str:
    """`4.2 s`, `3 min 12 s`."""
    if not math.isfinite(seconds):  # in a record that somebody else wrote
        return "?"
    minutes, remaining = divmod(round(seconds), MINUTE)
    return f"{minutes} min {remaining} s" if minutes else f"{seconds:.1f} s"


def difference(value: float, before: float) -> str:
    """`+0.25`; empty if there is none."""
    return f"{value - before:+.3g}" if value != before else ""


def unbroken(text: str) -> str:
    """Return a short text that a narrow table does not wrap."""
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def unbroken_duration(seconds: float) -> str:
    """Return a duration for a table in Markdown."""
    return unbroken(duration(seconds))


def rest(number: int) -> str:
    return f"- … and {number:,} more: see the record." if number > 0 else ""


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table with aligned columns, so that its source is readable, too."""
    cells = [list(header), *map(list, rows[:MOST_ROWS])]
    if len(rows) > MOST_ROWS:
        cells.append([f"… and {len(rows) - MOST_ROWS:,} more", *[""] * (len(header) - 1)])
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = [_row(text.ljust(width) for text, width in zip(row, widths, strict=True)) for row in cells]
    return "\n".join([lines[0], _row("-" * width for width in widths), *lines[1:]])


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def folded(summary: str, content: str) -> str:
    return f"<details><summary>{summary}</summary>\n\n{content}\n\n</details>" if content else ""


def code(text: str) -> str:
    """Return a code block. Its fence is longer than any run of backticks in the text."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def name(text: str) -> str:
    """Return the name of a file or a metric as code: shown unchanged, on a terminal too."""
    shown = _one_line(text)
    is_code = shown and not {"`", "|"}.intersection(shown)
    return f"`{shown}`" if is_code else _LINKED.sub("\u200b", _escaped(shown))


def inline(text: str) -> str:
    """Return prose from a notebook or a tool. The only Markdown it can contain is code between backticks."""
    pieces = re.split(r"`([^`|]+)`", _one_line(text))
    return "".join(f"`{piece}`" if number % 2 else _escaped(piece) for number, piece in enumerate(pieces))


def title(text: str) -> str:
    short = f"{text[:MOST_TITLE_CHARACTERS]}…" if len(text) > MOST_TITLE_CHARACTERS else text
    return inline(short)


def link(shown: str, url: str) -> str:
    """Return a link; `shown` is Markdown. What could end a link, hide its target or have a password is not linked."""
    return f"[{shown}]({url})" if _ADDRESS.fullmatch(url) else shown


def bounded(markdown: str, room: int, cut: str) -> str:
    """Return at most `room` bytes of `markdown`: cut at the end of a line, all open blocks closed, then `cut`."""
    data = (markdown + "\n").encode(errors="backslashreplace")
    if len(data) <= room:
        return data.decode()
    longest_fence = max(map(len, re.findall("`+", markdown)), default=0)
    room -= len(cut.encode()) + longest_fence + 100
    if room <= 0:
        return ""
    kept = data[:room].decode(errors="ignore").rpartition("\n")[0]
    return kept + _closing(kept) + cut


def _closing(markdown: str) -> str:
    """Return the ends of the code block and the folded parts that are open at the end of `markdown`."""
    fence = ""
    folded = 0
    for line in markdown.splitlines():
        if found := re.match("`{3,}", line):
            if not fence:
                fence = found[0]
            elif line.strip("`") == "" and len(line) >= len(fence):
                fence = ""
        elif not fence:
            folded += line.count("<details>") - line.count("</details>")
    return (f"\n{fence}" if fence else "") + "\n\n</details>" * folded


def _escaped(text: str) -> str:
    """Return text that is not read as Markdown, HTML or a mention of a person."""
    escaped = re.sub(r"[\\`*\[\]|~]|(?<!\w)_|_(?!\w)", r"\\\g<0>", text)
    escaped = escaped.replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"(?<!\w)@(?=\w)", "@\u200b", escaped)  # a zero-width space


def _one_line(text: str) -> str:
    return printable(" ".join(text.split()))
