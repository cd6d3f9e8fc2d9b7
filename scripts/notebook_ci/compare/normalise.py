"""Shows text as a terminal does, and hides what differs in each run.

A rule that hides a result makes a wrong notebook pass. So only what cannot be a result is hidden: no dates, no times of
day, no UUIDs, which are values in many tables.
"""

import re
from dataclasses import dataclass

from notebook_ci.notebooks.tracebacks import strip_ansi


@dataclass(frozen=True)
class Hidden:
    name: str
    pattern: re.Pattern[str]
    replacement: str


# Its length is limited, because it is tried at each `/` of a long text.
_FOLDER = r"(?:\b[A-Za-z]:)?[/\\](?:[^\s\"'<>:]{0,300}[/\\])?"
RULES = (
    Hidden("memory address", re.compile(r"(?<= at )0x[0-9A-Fa-f]{6,16}(?=[>,]|&gt;)"), "0x..."),
    Hidden("file of a cell", re.compile(rf"{_FOLDER}ipykernel_\d+[/\\]\d+\.py"), "cell.py"),
    Hidden("folder of packages", re.compile(rf"{_FOLDER}(?:site|dist)-packages(?=[/\\])"), "site-packages"),
    Hidden(
        "temporary folder",  # as Python's tempfile names it
        re.compile(r"(?:(?<=/tmp/)|(?<=/T/)|(?<=\\Temp\\))tmp[a-z0-9_]{8}(?![\w-])"),
        "tmp...",
    ),
    Hidden("%time", re.compile(r"^(CPU times|Wall time): (?:user |total: )?\d[\w.+:, ]*s$", re.MULTILINE), r"\1: ..."),
    Hidden(
        "%timeit",
        re.compile(r"^[\d.]+ \w+ ± [\d.]+ \w+ per loop \(mean ± std\. dev\. of [\w, ]+ each\)$", re.MULTILINE),
        "... per loop",
    ),
    Hidden(
        "speed of a progress bar",  # of tqdm
        re.compile(r"(?<=\d )\[\d\d:[\d:]{2,6}<[\d:?]{1,9}, {1,3}[\d.?]{1,9}(?:\w{1,9}/s|s/\w{1,9})"),
        "[...",
    ),
    Hidden("name of a styled table", re.compile(r"(?<=[#\"])T_[0-9a-f]{5}(?=[\"_ ])"), "T_..."),  # of pandas
)


def shown(text: str) -> str:
    """Return what a person sees of an output's text, without what differs in each run."""
    text = strip_ansi(text).replace("\r\n", "\n")
    if "\r" in text:
        text = "\n".join(map(_overwritten, text.split("\n")))
    for rule in RULES:
        text = rule.pattern.sub(rule.replacement, text)
    return text


def _overwritten(line: str) -> str:
    """Return what is left of a line after each carriage return began it again."""
    left = ""
    for part in line.split("\r"):
        left = part + left[len(part) :]
    return left.rstrip()
