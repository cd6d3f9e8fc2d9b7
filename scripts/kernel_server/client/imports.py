"""Finds the imports at the very beginning of a notebook, before anything that can change how something imports.

A kernel may be forked from a process that has already done some of these imports. Listing one import too many changes
what a notebook does (a library reads `os.environ` when it is imported); one too few only costs time. So only a few
kinds of statement count as harmless, and all others end the search. Nothing is run or imported here.

The compiler sees what IPython makes of a cell (`IPython.core.inputtransformer2`, 8.12): a cell that is valid Python is
not changed, except for `_ipython_alone_breaks`. Of IPython's own commands, only `%matplotlib inline` is known here.
"""

import ast
import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from notebook_ci.notebooks import imports
from notebook_ci.notebooks.document import Cell, Document, is_python
from notebook_ci.notebooks.parameters import parse, parse_python
from notebook_ci.notebooks.positions import split_lines

_LONGEST_SHOWN = 60

# These end a line for IPython (`str.splitlines`) but not for Python: IPython 8 turns `# a<form feed>!ls \\` into a
# command that swallows the next line.
_ipython_alone_breaks = re.compile("[\v\f\x1c-\x1e\x85\u2028\u2029]")

# It imports `matplotlib.pyplot`, and changes settings of Matplotlib and of the shell (`enable_matplotlib`). Imports
# that look at either are not made in advance: see `_too_early` and `_Shell`.
_inline = re.compile(r"^%matplotlib[ \t]+inline[ \t]*$", re.MULTILINE)
_IMPORT_OF_INLINE = "import matplotlib.pyplot"

# No attributes: `a.b` may exist only after something has imported `a.b`.
_ANNOTATION = (ast.Constant, ast.Name, ast.Subscript, ast.Tuple, ast.Load)


@dataclass(frozen=True, slots=True)
class Imports:
    # Those that certainly come first, in order, each once: `numpy`, `matplotlib.pyplot`, and for `from a.b import c`
    # `a.b` and `a.b:c`.
    first: tuple[str, ...]
    # Why other modules are not in `first`, in order, by the name as it is written (`pandas`, `.helpers`): "comes
    # after `os.environ['X'] = '1'` in cell 2". Imports in functions, and for type checkers, are left out.
    later: Mapping[str, str]
    inline: bool = False  # `%matplotlib inline` may come before some of `first`


def of(document: Document) -> Imports:
    """Return the imports of a notebook; none if it names another language than Python. Never raises.

    A cell that cannot be parsed ends the search, and its own imports are not found.
    """
    cells = [cell for cell in document.cells if imports.runs(cell)] if is_python(document) else []
    first: dict[str, None] = {}
    inline = False
    for at, cell in enumerate(cells):
        inline = inline or bool(_inline.search(cell.source))
        statements, reason = _beginning(cell)
        for statement in statements:
            first.update(dict.fromkeys(_entries(statement)))
        if reason:
            late = [module for later in cells[at:] for module in _modules(later) if module not in first]
            return Imports(tuple(first), dict.fromkeys(late, f"comes {reason}"), inline)
    return Imports(tuple(first), {}, inline)


def _beginning(cell: Cell) -> tuple[list[ast.stmt], str]:
    """Return the harmless statements at the beginning of a cell, and what ends them; empty if nothing does."""
    number = cell.index + 1
    if imports.MAY_FAIL in cell.tags:
        return [], f"in or after cell {number}, which may fail (it is tagged `{imports.MAY_FAIL}`)"
    source, reason = _inline.sub(_IMPORT_OF_INLINE, cell.source), ""
    statements, lines = _parsed(source), split_lines(source)
    command = next((at for at, line in enumerate(lines) if _is_command(line)), None)
    if statements is None and command is not None:
        # It may also be inside a string or an expression: then the lines before it cannot be parsed.
        source, reason = "\n".join(lines[:command]), _after(lines[command].strip(), number)
        statements = _parsed(source)
    if statements is None:
        return [], f"in or after cell {number}, which cannot be parsed as Python"
    for count, statement in enumerate(statements):
        # It may define any name: its import counts, and nothing after it.
        is_star = isinstance(statement, ast.ImportFrom) and not statement.level and statement.names[0].name == "*"
        if is_star or not _is_harmless(statement):
            return statements[: count + is_star], _after(ast.get_source_segment(source, statement) or "", number)
    return statements, reason


def _after(code: str, number: int) -> str:
    line = split_lines(code)[0]
    shown = line if len(line) <= _LONGEST_SHOWN else line[: _LONGEST_SHOWN - 1] + "…"
    return f"after `{shown}` in cell {number}"


def _parsed(source: str) -> list[ast.stmt] | None:
    """Return the statements of a source; None if it is not Python, or nested too deeply for the parser."""
    if not _ipython_alone_breaks.search(source):
        with contextlib.suppress(SyntaxError):
            return parse_python(source)
    return None


def _is_command(line: str) -> bool:
    """Whether a line of a cell that is not Python may be IPython's: `%magic`, `!command`, `name?`, `x = !command`."""
    # No regular expression: one that allows white space anywhere takes quadratic time on a line of spaces.
    stripped = line.strip()
    if stripped.startswith(("%", "!", "?")):
        return True
    if stripped.endswith("?") and "#" not in stripped:
        return True
    return stripped.partition("=")[2].lstrip().startswith(("%", "!"))


def _is_harmless(statement: ast.stmt) -> bool:
    """Whether a statement cannot change how a later one imports, except by its own imports."""
    match statement:
        case ast.Import(names=names) | ast.ImportFrom(names=names, level=0):
            return not any(_is_special(alias.asname or alias.name.partition(".")[0]) for alias in names)
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case ast.Assign(targets=targets, value=value):
            return all(map(_is_plain_target, targets)) and _is_literal(value)
        case ast.AnnAssign(target=ast.Name() as target, annotation=annotation, value=ast.expr() as value):
            return _is_plain_target(target) and _is_plain_annotation(annotation) and _is_literal(value)
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            return _is_plain_function(statement)
    return False


def _is_special(name: str) -> bool:
    # The import statement itself reads `__builtins__`, `__path__` and `__package__`; `%matplotlib` calls `get_ipython`.
    return (name.startswith("__") and name.endswith("__")) or name == "get_ipython"


def _is_plain_target(target: ast.expr) -> bool:
    names = target.elts if isinstance(target, ast.Tuple) else [target]
    return all(isinstance(name, ast.Name) and not _is_special(name.id) for name in names)


def _is_literal(value: ast.expr) -> bool:
    """Whether evaluating this runs no code, unlike `set()`: a notebook may define a function of this name."""
    try:
        ast.literal_eval(value)
    except (ValueError, TypeError, MemoryError, RecursionError):
        return False
    return not any(isinstance(node, ast.Call | ast.BinOp) for node in ast.walk(value))


def _is_plain_annotation(annotation: ast.expr) -> bool:
    # ast.walk does not recurse: the parser accepts deeper nesting than calls allow.
    return all(isinstance(node, _ANNOTATION) for node in ast.walk(annotation))


def _is_plain_function(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether defining the function runs no code, except for annotations."""
    if function.decorator_list or _is_special(function.name) or getattr(function, "type_params", None):
        return False
    takes = function.args
    arguments = [*takes.posonlyargs, *takes.args, takes.vararg, *takes.kwonlyargs, takes.kwarg]
    annotations = [argument.annotation for argument in arguments if argument is not None]
    return all(_is_literal(value) for value in (*takes.defaults, *takes.kw_defaults) if value is not None) and all(
        _is_plain_annotation(value) for value in (*annotations, function.returns) if value is not None
    )


def _entries(statement: ast.stmt) -> Iterator[str]:
    """Yield what a statement imports, as in `Imports.first`."""
    if isinstance(statement, ast.Import):
        yield from (alias.name for alias in statement.names)
    elif isinstance(statement, ast.ImportFrom) and statement.module != "__future__":
        module = statement.module or ""
        yield module
        yield from (f"{module}:{alias.name}" for alias in statement.names if alias.name != "*")


def _modules(cell: Cell) -> Iterator[str]:
    """Yield the modules that a cell imports outside functions, as they are written. A replacement does not count."""
    statements: list[ast.stmt] = []
    if not _ipython_alone_breaks.search(cell.source):
        with contextlib.suppress(SyntaxError):
            statements = parse(cell.source)
    for each in imports.of(statements):
        if each.guard not in {"function", "never"} and each.module != "__future__":
            yield each.module
