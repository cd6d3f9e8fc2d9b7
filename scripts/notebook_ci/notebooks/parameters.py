"""Which parameters a notebook declares, found without running or importing anything.

papermill's convention: the first code cell tagged `parameters` holds the defaults, one assignment each. papermill
itself accepts any other name with a mere warning (2.7), so a misspelt parameter would silently have no effect.
"""

import ast
import re
import textwrap
import warnings
from collections.abc import Iterator

from notebook_ci.errors import CheckFailed
from notebook_ci.notebooks import positions
from notebook_ci.notebooks.document import Cell, Document, is_python, language

TAG = "parameters"

_PYTHON_BODY = frozenset({"capture", "prun", "time", "timeit"})
"""The cell magics whose body is Python run in the notebook's own name space."""

_MOST_IPYTHON_LINES = 200
"""So many lines of IPython's own syntax are looked for in one cell; each costs one parse of the cell."""

_TRANSLATED = {
    "r": "R",
    "scala": "scala",
    "julia": "julia",
    "matlab": "matlab",
    "c#": ".net-csharp",
    "f#": ".net-fsharp",
    "powershell": ".net-powershell",
    "bash": "bash",
}
"""The names that papermill (2.7) has for languages other than Python in which it sets parameters."""

_assignment = re.compile(
    r"(?:^|;[ \t]*)"
    r"(?:[\w.<>\[\]]+[ \t]+)*"  # `val`, `const`, `let mutable`, `export`, `int` ...
    r"(?:\[[\w.\[\]]+\])?\$?"  # PowerShell: `[int]$n = 1`
    r"(?P<name>[^\W\d][\w.]*)[ \t]*"
    r"(?:::?[ \t]*[\w.\[\]{}, ]+)?"  # a type: `n: Int = 1`, `n::Int = 1`
    r"(?:<?<-|=(?![=>~]))",
    re.MULTILINE,
)
_ipython_line = re.compile(r"\s*(?:[%!?]|[\w.]+\?{1,2}\s*$)")
_ipython_assignment = re.compile(r"(\s*[^\W\d][\w.,\s]*=\s*)[%!].*")


def declared(document: Document) -> tuple[str, ...]:
    """The names assigned at the top level of the parameters cell, in order, each once.

    Empty if there is no such cell, if its cell magic says that it is not Python (`%%bash`), and for a notebook of a
    language in which papermill sets no parameters. In other languages than Python a line, or what follows a `;`, counts
    that begins as an assignment.

    Raises:
        CheckFailed: The cell is not valid Python; carries the line in the file.
    """
    cell = _cell(document)
    if cell is None or not translated(document):
        return ()
    if not is_python(document):
        return tuple(dict.fromkeys(found["name"] for found in _assignment.finditer(textwrap.dedent(cell.source))))
    if not _is_python(cell.source):
        return ()
    try:
        tree = _parse(textwrap.dedent(cell.source))
    except SyntaxError as error:
        raise CheckFailed(
            f"The parameters cell of {document.path.as_posix()} is not valid Python: {error.msg}.",
            hint="Correct the cell tagged `parameters`: it is read to find the names of the parameters.",
            file=document.path,
            line=positions.source_line(document.text, cell.index, error.lineno or 1),
        ) from None
    return tuple(dict.fromkeys(name for statement in tree.body for name in _assigned(statement)))


def translated(document: Document) -> str:
    """Return papermill's name of the notebook's language; nothing where papermill cannot set parameters in it."""
    return "python" if is_python(document) else _TRANSLATED.get(language(document) or "", "")


def is_foreign(document: Document) -> bool:
    """Whether the notebook has a cell of parameters, and papermill cannot set them."""
    return _cell(document) is not None and not translated(document)


def mistagged(document: Document) -> str:
    """Return a tag that is `parameters` but for the case of its letters, where no cell has that; else nothing."""
    tags = sorted(tag for cell in document.cells for tag in cell.tags if tag.lower() == TAG)
    return tags[0] if tags and TAG not in tags else ""


def _cell(document: Document) -> Cell | None:
    return next((cell for cell in document.cells if cell.kind == "code" and TAG in cell.tags), None)


def _is_python(source: str) -> bool:
    magic = re.match(r"\s*%%(\S*)", source)
    return magic is None or magic[1] in _PYTHON_BODY


def _parse(source: str) -> ast.Module:
    """Parse a cell, putting plain Python in the place of IPython's own lines without moving any other line.

    Only a line that the parser stumbles on is replaced: `%` may as well begin the second line of an expression.
    """
    lines = positions.split_lines(source)
    for _ in range(_MOST_IPYTHON_LINES):
        try:
            return _parse_python(lines)
        except SyntaxError as error:
            if error.lineno is None or not _neutralise(lines, error.lineno - 1):
                raise
    return _parse_python(lines)


def _parse_python(lines: list[str]) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse("\n".join(lines))
    except (ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, SyntaxError):
            raise
        # A null character before Python 3.12, or an expression nested beyond the parser's limits.
        raise SyntaxError(str(error) or "too deeply nested", ("", None, None, None)) from None


def _neutralise(lines: list[str], index: int) -> bool:
    """Replace the IPython command that starts in line `index`; say whether there was one."""
    index = min(index, len(lines) - 1)
    line = lines[index]
    if found := _ipython_assignment.match(line):
        replacement = found[1] + "None"
    elif _ipython_line.match(line):
        replacement = line[: len(line) - len(line.lstrip())] + "pass"
    else:
        return False
    end = index
    while lines[end].endswith("\\") and end + 1 < len(lines):
        end += 1
    lines[index : end + 1] = [replacement, *[""] * (end - index)]
    return True


def _assigned(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.Assign):
        for target in statement.targets:
            yield from _names(target)
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        yield from _names(statement.target)


def _names(target: ast.expr) -> Iterator[str]:
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, ast.Starred):
        yield from _names(target.value)
    elif isinstance(target, ast.Tuple | ast.List):
        for element in target.elts:
            yield from _names(element)
