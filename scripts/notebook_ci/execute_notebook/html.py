"""Renders executed notebooks as pages without scripts. The only adapter of nbconvert."""

import functools
import html
import pkgutil
import re
import sys
import warnings
from importlib import import_module
from pathlib import Path

import nbformat

from notebook_ci.base.files import write
from notebook_ci.notebooks import displays

SHOWN = [each for each in displays.SHOWN if each not in {"image/gif", "image/webp"}]  # those of nbconvert (7.17)
# The policy is a second line of defence: if something passes the cleaner, the browser neither loads nor runs it.
PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>%s</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; font-src data:;\
 style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1.0">%s
</head><body class="jp-Notebook" data-jp-theme-light="true" data-jp-theme-name="JupyterLab Light"><main>
%s
</main></body></html>
"""
ATTRIBUTES = {"class", "id", "style", "title", "tabindex", "data-mime-type"}


@functools.cache
class Pages:
    """Renders pages. Loads everything at once, and only from the tool environment."""

    def __init__(self) -> None:
        import pygments.lexers
        from nbconvert.exporters import HTMLExporter
        from traitlets.config import Config

        from notebook_ci.notebooks.cleaner import Cleaner

        for module in pkgutil.iter_modules(pygments.lexers.__path__):  # pygments loads lexers on first use
            import_module(f"pygments.lexers.{module.name}")
        templates = Path(sys.prefix, "share", "jupyter", "nbconvert", "templates")
        given = {  # by default nbconvert also finds templates in the working directory and the home folder
            "template_paths": [str(templates / name) for name in ("lab", "base", "")],
            "config": Config({"NbConvertBase": {"display_data_priority": SHOWN}}),
            "filters": {"clean_html": lambda text: text},  # nbconvert's own cleaner takes a minute for nested elements
        }
        self._cleaner = Cleaner(ATTRIBUTES)
        cells = [nbformat.v4.new_markdown_cell(), nbformat.v4.new_code_cell(outputs=[nbformat.v4.new_output("stream")])]
        example = nbformat.v4.new_notebook(cells=cells, metadata={"language_info": {"name": "python"}})
        page, _ = HTMLExporter(**given).from_notebook_node(example)
        self._styles = "".join(re.findall("<style.*?</style>", page, re.DOTALL))
        self._exporter = HTMLExporter(raw_template="{% extends 'base.html.j2' %}", **given)
        self._exporter.environment.auto_reload = False
        self.page(example, "")  # reads templates

    def page(self, nb: nbformat.NotebookNode, title: str) -> str:
        """Return the page of a notebook. All its content passes the cleaner. Changes `nb`."""
        nb.metadata.pop("widgets", None)
        for data in [output.data for cell in nb.cells for output in cell.get("outputs", ()) if "data" in output]:
            self._prepare(data)
        body = self._cleaner.clean(self._exporter.from_notebook_node(nb)[0])
        return PAGE % (html.escape(str(nb.metadata.get("title", title))), self._styles, body)

    def _prepare(self, data: nbformat.NotebookNode) -> None:
        """Remove HTML that shows nothing without scripts, so that another form or a notice is shown."""
        types = ", ".join(data)
        if self._cleaner.shows_nothing(data.get("text/html", "")):
            data.pop("text/html", None)
        if data.keys().isdisjoint(SHOWN):
            data["text/plain"] = self._cleaner.NOT_SHOWN.format(types=types)


def render(nb: nbformat.NotebookNode, page: Path) -> None:
    """Write the page of an executed notebook. Raises whatever Jinja, Pygments and others raise on its outputs."""
    nb = nbformat.v4.reads(nbformat.v4.writes(nb))  # a copy, with joined lines; `nbformat.reads` would validate it
    # nbconvert warns of things that users cannot change, such as lexers missing in the tool environment.
    with warnings.catch_warnings(action="ignore"):
        write(page, Pages().page(nb, page.stem))
