"""Renders executed notebooks as pages. The one adapter of nbconvert."""

import warnings
from pathlib import Path

from notebook_ci.errors import SurroundingsError


def render(notebook: Path) -> Path:
    """Write a page of HTML beside an executed notebook.

    Scripts and event handlers in outputs are taken out: the page may show what a stranger's pull request made.

    Returns:
        The path of the page.

    Raises:
        SurroundingsError: It cannot be rendered or written.
    """
    from nbconvert.exporters import HTMLExporter

    page = notebook.with_suffix(".html")
    try:
        # It warns of what the user can do nothing about, such as lexers that are not installed beside it.
        with warnings.catch_warnings(action="ignore"):
            body, _ = HTMLExporter(sanitize_html=True).from_filename(str(notebook))
        page.write_text(body, encoding="utf-8", errors="backslashreplace")
    except Exception as error:  # nbconvert raises what the outputs of a notebook make Jinja, Bleach or Pygments raise
        raise SurroundingsError(
            f"The page {page.name} could not be made: {type(error).__name__}: {error}.",
            hint="The executed notebook itself is complete.",
        ) from error
    return page
