"""Renders the page from its template. The adapter of jinja2."""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path

import jinja2
from markupsafe import Markup

from notebook_ci.base.markdown import MARKS, count, duration
from notebook_ci.base.texts import size
from notebook_ci.report_run.view import View
from notebook_ci.summary.links import address_of

MOST_LISTED = 50
_FOLDER = Path(__file__).with_name("page")


def render(view: View, cells: Mapping[str, str]) -> str:
    """Return the page. `cells` are those of the executed notebooks, as clean HTML, by the ID of the execution."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"seconds": duration, "size": size, "count": count}
    style, script = ((_FOLDER / f"page.{kind}").read_text(encoding="utf-8") for kind in ("css", "js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page: str = environment.get_template("page.html.j2").render(
        view=view,
        cells={element: Markup(html) for element, html in cells.items()},  # noqa: S704 - it was cleaned
        marks=MARKS,
        address_of=address_of,
        most=MOST_LISTED,
        statuses=sorted({each.result.status for each in view.notebooks}),
        style=Markup(style),  # noqa: S704 - our own files
        script=Markup(script),  # noqa: S704
        script_hash=f"sha256-{digest}",
    )
    return page
