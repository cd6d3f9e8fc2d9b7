"""Renders the cells of executed notebooks as HTML: everything of them is escaped or cleaned. The adapter of mistune."""

import base64
import json
import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

import mistune

from notebook_ci.base.texts import size
from notebook_ci.notebooks.cleaner import Cleaner
from notebook_ci.notebooks.displays import IMAGES, SHOWN
from notebook_ci.notebooks.tracebacks import strip_ansi
from notebook_ci.report_run.executed import ExecutedCell, mapping, text
from notebook_ci.report_run.pieces import LEFT_OUT, Piece

LARGE = 2_000  # characters from which an output may be left out
_ATTACHMENT = re.compile(r"\(attachment:([^)\s]+)\)")


class Renderer:
    def __init__(self) -> None:
        # Notebooks get no attributes by which the page's own styles and script find elements.
        self._cleaner = Cleaner({"style", "title"})
        self._markdown = mistune.create_markdown(escape=False, plugins=["table", "strikethrough", "url"])

    def cell(self, cell: ExecutedCell, *, element: str, seconds: float | None, is_failed: bool) -> Iterator[Piece]:
        """Yield a cell as an element with the ID `element`."""
        if cell.kind == "markdown":
            yield Piece(f'<div class="markdown" id="{element}" tabindex="0">{self._of_markdown(cell)}</div>\n')
            return
        title = f"cell {cell.number}" if cell.number else "parameters"
        took = f" · {seconds:.2f} s" if seconds is not None else ""
        failed = " failed" if is_failed else ""
        start = f'<section class="cell{failed}" id="{element}" aria-label="{title}" tabindex="-1">'
        yield Piece(f'{start}<p class="meta">{title}{took}</p>')
        if cell.source:
            yield Piece(f'<pre class="source" tabindex="0"><code>{escape(cell.source)}</code></pre>')
        for output in cell.outputs:
            try:
                yield _piece(self._output(output, title))
            except RecursionError:
                yield Piece('<p class="notice">[Not shown: an output is nested too deeply.]</p>')
        yield Piece("</section>\n")

    def _of_markdown(self, cell: ExecutedCell) -> str:
        def inlined(found: "re.Match[str]") -> str:
            for kind, data in mapping(cell.attachments.get(found[1])).items():
                if kind in IMAGES:
                    return f"(data:{kind};base64,{_in_base64(kind, text(data))})"
            return found[0]

        return self._formatted(_ATTACHMENT.sub(inlined, cell.source))

    def _formatted(self, markdown: str) -> str:
        try:
            return self._clean(str(self._markdown(markdown)))
        except RecursionError:  # quotations in quotations, for example
            return f"<pre>{escape(markdown)}</pre>"

    def _clean(self, html: str) -> str:
        return re.sub(r"<img(?![^>]* alt=)", '<img alt=""', self._cleaner.clean(html))

    def _output(self, output: Mapping[str, Any], title: str) -> str:
        match output.get("output_type"):
            case "stream":
                kind = "stderr" if output.get("name") == "stderr" else "stdout"
                return _pre(text(output.get("text")), kind)
            case "error":
                lines = output.get("traceback")
                traceback = "\n".join(map(str, lines)) if isinstance(lines, list) else ""
                return _pre(traceback or f"{output.get('ename')}: {output.get('evalue')}", "error")
            case "display_data" | "execute_result":
                return self._data(mapping(output.get("data")), title)
        return ""

    def _data(self, data: Mapping[str, Any], title: str) -> str:
        for kind in (each for each in SHOWN if each in data):
            content = text(data[kind])
            if kind == "text/html" and not self._cleaner.shows_nothing(content):
                return f'<div class="output" tabindex="0">{self._clean(content)}</div>'
            if kind == "text/markdown":
                return f'<div class="output" tabindex="0">{self._formatted(content)}</div>'
            if kind in IMAGES:
                source = f"data:{kind};base64,{_in_base64(kind, content)}"
                return f'<div class="output"><img src="{source}" alt="picture of {title}"></div>'
            if kind in {"text/latex", "text/plain"}:
                return _pre(content, "output")
        if any(isinstance(value, dict | list) for value in data.values()):
            return _pre(json.dumps(dict(data), ensure_ascii=False, indent=1, default=str), "output")
        types = ", ".join(data) or "nothing"
        return _pre(self._cleaner.NOT_SHOWN.format(types=types), "output")


def plain(content: str) -> str:
    """Return a text as a terminal shows it in the end, without colours."""
    lines = strip_ansi(content).split("\n")
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)


def _pre(content: str, kind: str) -> str:
    shown = plain(content).rstrip("\n")
    return f'<pre class="{kind}" tabindex="0">{escape(shown)}</pre>' if shown.strip() else ""


def _piece(html: str) -> Piece:
    return Piece(html, LEFT_OUT.format(f"An output of {size(len(html))}") if len(html) > LARGE else "")


def _in_base64(kind: str, content: str) -> str:
    """Return an image as it stands in a `data:` URL; an SVG is text in a notebook."""
    if kind == "image/svg+xml":
        return base64.b64encode(content.encode(errors="replace")).decode()
    return re.sub(r"[^A-Za-z0-9+/=]", "", content)
