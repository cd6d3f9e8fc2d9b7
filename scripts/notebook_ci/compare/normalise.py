"""Shows text as a terminal does, and hides what differs in each run.

A rule that hides a result makes a wrong notebook pass. So only what cannot be a result is hidden: no dates, no times of
day, no UUIDs, which are values in many tables.
"""

import re
from collections.abc import Mapping

from notebook_ci.notebooks.tracebacks import strip_ansi

# A path begins after one of these characters, and has none of them: so each part of a long text is read once.
_BETWEEN = r"\s\"'<>:;(\[=,"
_FOLDER = rf"(?<![^{_BETWEEN}])(?:[A-Za-z]:|~)?[/\\](?:[^{_BETWEEN}]{{0,300}}[/\\])?"
_DURATION = r"\d[\d.]*(?:e[+-]\d+)? ?(?:ns|[uµμ]s|ms|s|min|h|d)(?: \d+(?:h|min|s))*"
_CLOCK = r"\[\d\d:[\d:]{2,6}"
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
RULES: Mapping[str, tuple[str, str]] = {  # by name: what is replaced, and by what
    "memory address": (  # at the end: weak references, futures, code objects
        r"(?<= at )0x[0-9A-Fa-f]{6,16}(?=>|&gt;|; to | state=|, file )",
        "0x...",
    ),
    "file of a cell": (rf"{_FOLDER}ipykernel_\d+[/\\]\d+\.py", "cell.py"),
    "folder of packages": (rf"{_FOLDER}(?:site|dist)-packages(?=[/\\])", "site-packages"),
    # As Python's tempfile names it.
    "temporary folder": (r"(?:(?<=/tmp/)|(?<=/T/)|(?<=\\Temp\\))tmp[a-z0-9_]{8}(?![\w-])", "tmp..."),
    "%time": (
        rf"(?m:^(CPU times|Wall time): (?:user |total: )?{_DURATION}(?:, (?:sys|total): {_DURATION})*$)",
        r"\1: ...",
    ),
    "%timeit": (
        rf"(?m:^{_DURATION} ± {_DURATION} per loop \(mean ± std\. dev\. of \d+ runs?, [\d,]+ loops? each\)$)",
        "... per loop",
    ),
    "speed of tqdm": (  # with and without a total
        rf"(?:(?<=\d ){_CLOCK}<[\d:?]{{1,9}}|(?<=\dit ){_CLOCK}), {{1,3}}[\d.?]{{1,9}}(?:\w{{1,9}}/s|s/\w{{1,9}})",
        "[...",
    ),
    "speed of Keras": (r"(?<=[\]━] )(- )?\d+s \d+[mu]?s/(step|epoch)\b", r"\1.../\2"),
    "name of a styled table": (  # of pandas: of the table, its cells, its styles
        r'(<table id="(?=\w{7}")| id="(?=\w{7}_(row|level))|#(?=\w{7}(_row|_level| [^{}\n]{0,99}\{)))T_[0-9a-f]{5}',
        r"\1T_...",
    ),
    "name of a Plotly figure": (  # in HTML and scripts
        rf"(<div id=|\bgetElementById\(|\bPlotly\.\w{{1,20}}\(\s{{0,99}})([\"']){_UUID}(?=\2)",
        r"\1\2...",
    ),
    "name of an Altair chart": (r"\baltair-viz-[0-9a-f]{32}\b", "altair-viz-..."),
}
_STRING = r"'[^'\\\n]*'"
_SET = re.compile(rf"\{{{_STRING}(?:, {_STRING})+\}}")


def shown(text: str) -> str:
    """Return what a person sees of an output's text, without what differs in each run."""
    text = strip_ansi(text).replace("\r\n", "\n").replace("\b", "")
    if "\r" in text:
        text = "\n".join(map(_overwritten, text.split("\n")))
    for pattern, replacement in RULES.values():
        text = re.sub(pattern, replacement, text)
    return _SET.sub(_in_order, text)


def _in_order(found: re.Match[str]) -> str:
    """Return a set of strings in the same order in each run."""
    return f"{{{', '.join(sorted(re.findall(_STRING, found[0])))}}}"


def _overwritten(line: str) -> str:
    """Return what is left of a line after each carriage return began it again."""
    left = ""
    for part in reversed(line.split("\r")):
        left += part[len(left) :]
    return left.rstrip()
