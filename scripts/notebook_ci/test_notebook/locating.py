"""Finds the line that a failure is shown at: in a notebook, if its traceback leads there, else in the test."""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from notebook_ci.base.errors import NotebookCiError
from notebook_ci.notebooks import document
from notebook_ci.notebooks.selection import SUFFIX
from notebook_ci.notebooks.tracebacks import strip_ansi
from notebook_ci.test_notebook.session import Event

Spot = tuple[str, int]  # a file, relative to the working directory, and a line in it
_CELL = re.compile(r"::Cell (\d+)$")  # as nbval (0.11) names its tests
# In text, as pytest shows what happens while it collects tests.
_FRAME = re.compile(
    r'^(?:(?!E )(?P<path>\S[^\n:]*):(?P<line>\d+): |E +File "(?P<file>[^"]+)", line (?P<number>\d+))', re.MULTILINE
)
# As faulthandler shows where a process was when it got a signal: in ASCII, the innermost frame first.
_DUMPED = re.compile(r'^  File "(.+)", line (\d+) in ', re.MULTILINE)
_ESCAPED = re.compile(r"\\(?:x[0-9a-f]{2}|u[0-9a-f]{4})")
_ERROR = re.compile(r"^E +(.*\S)", re.MULTILINE)
_NOT_OWN = re.compile(r"(^|/)(site-packages|\.notebook-ci|\.venv|venv)/")


def spot(event: Event, root: str, cwd: Path) -> Spot | None:
    """Return where to show a failure."""
    path = event.path or event.test.partition("::")[0]
    own = relative(Path(root, path), cwd) if path else None
    if own and (cell := _CELL.search(event.test)):
        return own, _line_of_cell(own, int(cell[1]))
    frames = [(each.path, each.line) for each in event.frames] or list(_frames(strip_ansi(event.text)))
    inside = [(name, line) for path, line in frames if (name := relative(cwd / path, cwd))]
    in_notebooks = [each for each in inside if each[0].endswith(SUFFIX)]
    of_test = [each for each in inside if each[0] == own]
    found = in_notebooks or (inside if event.event == "not-collected" else of_test)
    return found[-1] if found else (own, event.line) if own else None


def innermost(frames: Sequence[Spot], cwd: Path) -> Spot | None:
    """Return the last frame in a file of the workspace."""
    inside = [(name, line) for path, line in frames if (name := relative(cwd / path, cwd))]
    return inside[-1] if inside else None


def dumped(output: str) -> list[Spot]:
    """Return the frames that faulthandler has shown, the innermost last."""
    frames = [
        (_ESCAPED.sub(lambda found: chr(int(found[0].lstrip("\\xu"), 16)), path), int(line))
        for path, line in _DUMPED.findall(output)
    ]
    return frames[::-1]


def relative(path: Path, cwd: Path) -> str | None:
    """Return the path of a file of the workspace; None for another one, or one of an environment."""
    normal = Path(os.path.normpath(path))
    name = normal.relative_to(cwd).as_posix() if normal.is_relative_to(cwd) else ""
    return name if name and not _NOT_OWN.search(name) and (cwd / name).is_file() else None


def message(event: Event) -> str:
    """Return why a test failed, in a few lines."""
    if event.message:
        return event.message.strip()
    text = strip_ansi(event.text).strip()
    errors = _ERROR.findall(text)
    lines = [line for line in text.splitlines() if line.strip() and line != "Notebook cell execution failed"]
    return str(errors[-1]) if errors else "\n".join(lines[:1]) or "No reason was reported."


def _frames(text: str) -> Iterable[Spot]:
    for found in _FRAME.finditer(text):
        yield found["path"] or found["file"], int(found["line"] or found["number"])


def _line_of_cell(notebook: str, number: int) -> int:
    """Return the physical line of a code cell, which nbval counts from 0."""
    try:
        read = document.read(Path(notebook))
        return read.line([cell.index for cell in read.cells if cell.kind == "code"][number])
    except (NotebookCiError, IndexError):  # a test has changed it
        return 1
