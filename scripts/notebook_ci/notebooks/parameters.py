"""Finds the parameters that a notebook declares, without running or importing anything.

papermill's convention: the first code cell tagged `parameters` holds the defaults, one assignment each. papermill (2.7)
only warns about any other name, so a misspelt parameter would silently have no effect.
"""

import ast
import re
import textwrap
from collections.abc import Iterator

from notebook_ci.base.errors import CheckFailed
from notebook_ci.notebooks import positions
from notebook_ci.notebooks.document import Cell, Document, is_python, language

TAG = "parameters"

# The cell magics whose body is Python code that runs in the notebook's own namespace.
_PYTHON_BODY = frozenset({"capture", "prun", "time", "timeit"})
_MOST_IPYTHON_LINES = 200  # in one cell; each costs one parse of the cell

_NAME = r"(?P<name>[^\W\d]\w*)[ \t]*"
# The languages, besides Python, in which papermill (2.7) sets parameters: its name of each, and the begin of an
# assignment at the start of a line.
_LANGUAGES = {
    "r": ("R", r"(?P<name>(?:[^\W\d]|\.(?!\d))[\w.]*)[ \t]*(?:<?<-|=(?!=))"),
    "scala": ("scala", rf"(?:\w+[ \t]+)*va[lr][ \t]+{_NAME}(?::[^\n]*?)?=(?!>)"),
    "julia": ("julia", rf"(?:(?:const|global)[ \t]+)?{_NAME}(?:::[^\n=]*)?=(?![=>])"),
    "matlab": ("matlab", rf"{_NAME}=(?!=)"),
    "c#": (".net-csharp", rf"(?:[^\W\d][^\n=;(]*?[ \t>\]?])?{_NAME}=(?![=>])"),
    "f#": (".net-fsharp", rf"let[ \t]+(?:mutable[ \t]+)?{_NAME}(?::[^\n=]*)?="),
    "powershell": (".net-powershell", rf"(?:\[[^\n=]*\][ \t]*)?\$(?:\w+:)?{_NAME}="),
    "bash": ("bash", r"(?:(?:export|readonly|declare|typeset)[ \t]+(?:-\w+[ \t]+)*)?(?P<name>[A-Za-z_]\w*)="),
}

_ipython_line = re.compile(r"\s*(?:[%!?]|[\w.]+\?{1,2}\s*$)")
_ipython_assignment = re.compile(r"(\s*[^\W\d][\w.,\s]*=\s*)[%!].*")


def declared(document: Document) -> tuple[str, ...]:
    """Return the names assigned at the top level of the parameters cell, in order, each once.

    Empty if there is no such cell, if its cell magic says that it is not Python (`%%bash`), or if papermill sets no
    parameters in the notebook's language. In other languages than Python, lines that begin with an assignment count.
    Raises CheckFailed, with the line in the file, if the cell is not valid Python.
    """
    cell = next(iter(tagged(document)), None)
    if cell is None:
        return ()
    if not is_python(document):
        if (its_language := language(document)) not in _LANGUAGES:
            return ()
        lines = positions.split_lines(textwrap.dedent(cell.source))
        found = [re.match(_LANGUAGES[its_language][1], line) for line in lines]
        return tuple(dict.fromkeys(match["name"] for match in found if match))
    try:
        statements = parse(textwrap.dedent(cell.source))
    except SyntaxError as error:
        raise CheckFailed(
            f"The parameters cell of `{document.path.as_posix()}` is not valid Python: {error.msg}.",
            hint="Correct the cell tagged `parameters`: the parameters are read from it.",
            file=document.path,
            line=document.line(cell.index, error.lineno or 1),
        ) from None
    return tuple(dict.fromkeys(name for statement in statements for name in _assigned(statement)))


def plain_values(document: Document) -> dict[str, object]:
    """Return the values of the parameters cell by name; none if it does anything else than set names to constants."""
    cell = next(iter(tagged(document)), None)
    values: dict[str, object] = {}
    try:
        for statement in parse_python(textwrap.dedent(cell.source)) if cell and is_python(document) else ():
            match statement:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    values[name] = ast.literal_eval(value)
                case _:
                    return {}
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        return {}
    return values


def papermill_language(document: Document) -> str:
    """Return papermill's name for the notebook's language; empty if papermill cannot set parameters in it."""
    return "python" if is_python(document) else _LANGUAGES.get(language(document) or "", ("", ""))[0]


def cannot_be_set(document: Document) -> bool:
    return bool(tagged(document)) and not papermill_language(document)


def mistagged(document: Document) -> str:
    """Return a tag that differs from `parameters` only in case, if no cell has the correct one; else empty."""
    tags = sorted(tag for cell in document.cells for tag in cell.tags if tag.lower() == TAG)
    return tags[0] if tags and TAG not in tags else ""


def tagged(document: Document) -> list[Cell]:
    """Return the code cells tagged `parameters`; only the first one counts."""
    return [cell for cell in document.cells if cell.kind == "code" and TAG in cell.tags]


def parse(source: str) -> list[ast.stmt]:
    """Return the statements of a cell after replacing IPython's own lines by plain Python; no other line moves.

    There are none if its cell magic says that it is not Python. Raises SyntaxError.
    """
    if not has_python_body(source):
        return []
    lines = positions.split_lines(source)
    for _ in range(_MOST_IPYTHON_LINES):
        try:
            return parse_python("\n".join(lines))
        except SyntaxError as error:  # only this line is replaced: elsewhere `%` may be an operator
            if error.lineno is None or not _neutralise(lines, error.lineno - 1):
                raise
    return parse_python("\n".join(lines))


def has_python_body(source: str) -> bool:
    magic = re.match(r"\s*%%(\S*)", source)
    return not magic or magic[1] in _PYTHON_BODY


def parse_python(source: str | bytes) -> list[ast.stmt]:
    """Return the statements of a source. Raises SyntaxError."""
    try:
        return ast.parse(source).body
    except (ValueError, RecursionError, MemoryError) as error:
        # A null character before Python 3.12, or an expression nested beyond the parser's limits.
        raise SyntaxError(str(error) or "too deeply nested", ("", None, None, None)) from None


def _neutralise(lines: list[str], index: int) -> bool:
    """Replace the IPython command that starts in line `index`; return whether there was one."""
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
