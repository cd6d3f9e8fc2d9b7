"""Shows text as Jupyter does, and hides what differs in each run.

A rule that hides a result makes a wrong notebook pass. So only what cannot be a result is hidden: no UUIDs, which are
values in many tables, and only on request dates, times of day, versions and sizes.
"""

import re
from collections.abc import Collection, Mapping

from notebook_ci.notebooks.tracebacks import strip_ansi

# A path begins after one of these characters, and has none of them: so each part of a long text is read once.
_BETWEEN = r"\s\"'<>:;(\[=,"
_FOLDER = rf"(?<![^{_BETWEEN}])(?:[A-Za-z]:|~)?[/\\](?:[^{_BETWEEN}]{{0,300}}[/\\])?"
_DURATION = r"\d[\d.]*(?:e[+-]\d+)? ?(?:ns|[uµμ]s|ms|s|min|h|d)(?: \d+(?:h|min|s))*"
_CLOCK = r"\[\d\d:[\d:]{2,6}"
_UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
RULES: Mapping[str, tuple[str, str]] = {  # by name: what is replaced, and by what
    "addresses": (  # of memory; at the end: weak references, futures, code objects
        r"(?<= at )0x[0-9A-Fa-f]{6,16}(?=>|&gt;|; to | state=|, file )",
        "0x...",
    ),
    "cell-files": (rf"{_FOLDER}ipykernel_\d+[/\\]\d+\.py", "cell.py"),
    "package-folders": (rf"{_FOLDER}(?:site|dist)-packages(?=[/\\])", "site-packages"),
    # As Python's tempfile names it.
    "temporary-folders": (r"(?:(?<=/tmp/)|(?<=/T/)|(?<=\\Temp\\))tmp[a-z0-9_]{8}(?![\w-])", "tmp..."),
    "time": (
        rf"(?m:^(CPU times|Wall time): (?:user |total: )?{_DURATION}(?:, (?:sys|total): {_DURATION})*$)",
        r"\1: ...",
    ),
    "timeit": (
        rf"(?m:^{_DURATION} ± {_DURATION} per loop \(mean ± std\. dev\. of \d+ runs?, [\d,]+ loops? each\)$)",
        "... per loop",
    ),
    "memit": (r"(?m:^peak memory: [\d.]+ MiB, increment: -?[\d.]+ MiB$)", "peak memory: ..."),
    "tqdm": (  # with and without a total
        rf"(?:(?<=\d ){_CLOCK}<[\d:?]{{1,9}}|(?<=\dit ){_CLOCK}), {{1,3}}[\d.?]{{1,9}}(?:\w{{1,9}}/s|s/\w{{1,9}})",
        "[...",
    ),
    "keras": (r"(?<=[\]━] )(- )?\d+s \d+[mu]?s/(step|epoch)\b", r"\1.../\2"),
    "pandas-styles": (  # of pandas: of the table, its cells, its styles
        r'(<table id="(?=\w{7}")| id="(?=\w{7}_(row|level))|#(?=\w{7}(_row|_level| [^{}\n]{0,99}\{)))T_[0-9a-f]{5}',
        r"\1T_...",
    ),
    "plotly-names": (  # in HTML and scripts
        rf"(<div id=|\bgetElementById\(|\bPlotly\.\w{{1,20}}\(\s{{0,99}})([\"']){_UUID}(?=\2)",
        r"\1\2...",
    ),
    "altair-names": (r"\baltair-viz-[0-9a-f]{32}\b", "altair-viz-..."),
}
ON_REQUEST: Mapping[str, tuple[str, str]] = {
    "dates": (r"(?<![\w./-])\d{4}([-/])\d\d\1\d\d(?![\d/-]|\.\d)", "date..."),
    "times": (r"(?<![\d:.])\d\d?:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?(?![\d:])", "time..."),
    "versions": (
        r"(?<![\w.])(?!\d{1,3}(?:\.\d{3})+(?!\w|\.\w)|\d\d?\.\d\d?\.\d{4}\b)v?\d{1,9}(?:\.\d{1,9}){2,3}(?:(?:a|b|rc|\.dev|\.post)\d{1,9})?(?![\w+]|\.\d)",
        "version...",
    ),
    "sizes": (r"(?<![\w.,])\d[\d.,]{0,20}\+? ?(?:[kKMGT]i?B|bytes)(?!\w)", "size..."),
}
# Of a clip path, marker, hatch, image or collection: a part of a hash that has a random salt.
_SVG_ID = "(?:[A-Za-z]{0,8}|C[0-9a-f]{1,4}_[0-9a-f]{1,8}_)[0-9a-f]{10}"
_STRING = r"'[^'\\\n]*'"
_SET = re.compile(rf"\{{{_STRING}(?:, {_STRING})+\}}")


SET_ORDER, SVG_NAMES = "set-order", "svg-names"
NAMES = (*RULES, SET_ORDER, SVG_NAMES)


def on_terminal(text: str) -> str:
    """Return what is left of a plain text on a terminal: no colors, and nothing that a carriage return overwrote."""
    text = strip_ansi(text).replace("\r\n", "\n").replace("\b", "")
    return "\n".join(map(_overwritten, text.split("\n"))) if "\r" in text else text


def shown(text: str, keep: Collection[str] = (), hide: Collection[str] = ()) -> str:
    """Return a text without what differs in each run, except for `keep`, and without what `hide` names."""
    text = text.replace("\r\n", "\n")
    for name, (pattern, replacement) in {**RULES, **{name: ON_REQUEST[name] for name in hide}}.items():
        text = text if name in keep else re.sub(pattern, replacement, text)
    return text if SET_ORDER in keep else _SET.sub(_in_order, text)


def _in_order(found: re.Match[str]) -> str:
    """Return a set of strings in the same order in each run."""
    return f"{{{', '.join(sorted(re.findall(_STRING, found[0])))}}}"


def _overwritten(line: str) -> str:
    """Return what is left of a line after each carriage return began it again."""
    left = ""
    for part in reversed(line.split("\r")):
        left += part[len(left) :]
    return left.rstrip()


def svg(text: str, keep: Collection[str] = ()) -> str:
    """Return an SVG without its metadata, and with the IDs that matplotlib invents numbered."""
    if SVG_NAMES in keep:
        return text
    # Not by a pattern, which would search for an end that is missing from each begin.
    before, _, rest = text.partition("<metadata>")
    about, _, after = rest.partition("</metadata>")
    if about.lstrip().startswith("<rdf:RDF") and about.rstrip().endswith("</rdf:RDF>"):
        text = before + after
    names: dict[str, str] = {}
    for found in re.finditer(rf'\bid="({_SVG_ID})"', text):
        names.setdefault(found[1], f"id{len(names) + 1}")
    return re.sub(rf'(?<=["#]){_SVG_ID}(?=["\)])', lambda found: names.get(found[0], found[0]), text)
