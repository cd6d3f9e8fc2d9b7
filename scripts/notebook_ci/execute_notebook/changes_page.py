"""Writes a page with the old and the new outputs of the cells that differ."""

import base64
import binascii
import difflib
import itertools
import json
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Any

from notebook_ci.base.files import write
from notebook_ci.base.masking import masked
from notebook_ci.compare import images
from notebook_ci.compare.normalise import shown
from notebook_ci.compare.notebooks import ChangedCell, Differences
from notebook_ci.compare.outputs import parts
from notebook_ci.execute_notebook.html import PAGE
from notebook_ci.notebooks.displays import IMAGES, SVG

MOST_CHARACTERS = 20_000_000  # of a page
MOST_READ, MOST_LINES, MOST_LINE = 2_000, 300, 500  # of a text: lines that are read and shown, characters of a line
STYLE = """<style>
body { font-family: sans-serif; margin: 1em; }
pre { background: #f5f5f5; overflow: auto; padding: .5em; }
del { background: #fdd; text-decoration: none; } ins { background: #dfd; text-decoration: none; }
div { display: flex; flex-wrap: wrap; gap: 1em; } figure { margin: 0; } img { max-width: 100%; border: 1px solid #ccc; }
</style>"""


def render(found: Differences, page: Path) -> None:
    """Write a page with the old and the new outputs of each cell that differs. Raises OSError.

    All that comes from the notebook is escaped, or the data of an image: the page runs no scripts and loads nothing.
    """
    sections: list[str] = []
    room = MOST_CHARACTERS
    for number, changed in enumerate(found.changed):
        section = "\n".join(_section(changed))
        room -= len(section)
        if room < 0:
            sections.append(f"<p>{len(found.changed) - number} more cells: see the executed notebook.</p>")
            break
        sections.append(section)
    write(page, masked(PAGE % (escape(page.stem), STYLE, "\n".join(sections))))


def _section(changed: ChangedCell) -> Iterator[str]:
    source = "\n".join(line[:MOST_LINE] for line in changed.cell.source.splitlines()[:MOST_LINES])
    yield f"<h2>{escape(changed.failure.title)}</h2>\n<pre>{escape(source)}</pre>"
    yield f"<pre>{escape(changed.failure.message)}</pre>"
    old, new = parts(changed.old), parts(changed.new)
    for name in {**old, **new}:
        before, after = (each[name].data if name in each else {} for each in (old, new))
        for mime in {**before, **after}:
            if repr(before.get(mime)) != repr(after.get(mime)):
                yield f"<h3>{escape(name)}: {escape(mime)}</h3>"
                yield _pictures(mime, before, after) if mime in IMAGES else _text(before.get(mime), after.get(mime))


def _pictures(mime: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    figures = [(name, mime, _data(mime, each[mime])) for name, each in (("old", old), ("new", new)) if mime in each]
    if mime in images.FORMATS and len(figures) > 1 and (marked := images.marked(mime, old[mime], new[mime])):
        figures.append(("what differs, in red", "image/png", base64.b64encode(marked).decode()))
    written = [
        f'<figure><figcaption>{name}</figcaption><img alt="{name}" src="data:{kind};base64,{data}"></figure>'
        for name, kind, data in figures
    ]
    return f"<div>{''.join(written)}</div>"


def _data(mime: str, content: str) -> str:
    """Return the data of a picture in Base64, and nothing else."""
    try:
        data = content.encode(errors="replace") if mime == SVG else base64.b64decode(content)
    except (binascii.Error, ValueError):
        data = b""
    return base64.b64encode(data).decode()


def _text(old: object, new: object) -> str:
    before, after = (_lines(each) for each in (old, new))
    differing = difflib.unified_diff(before, after, lineterm="", n=3)
    lines = list(itertools.islice(differing, 2, MOST_LINES + 3))  # without the names of files
    tags = {"-": "<del>{}</del>", "+": "<ins>{}</ins>"}
    written = [tags.get(line[0], "{}").format(escape(line[:MOST_LINE])) for line in lines[:MOST_LINES]]
    shown_lines = "\n".join([*written, "…"] if len(lines) > MOST_LINES else written)
    return f"<pre>{shown_lines}</pre>"


def _lines(value: object) -> list[str]:
    if value is None:
        return []
    text = value if isinstance(value, str) else json.dumps(value, indent=1, sort_keys=True, default=str)
    return shown(text[: MOST_READ * MOST_LINE]).splitlines()[:MOST_READ]
