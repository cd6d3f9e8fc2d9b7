"""Finds the imports in the code of a notebook or a module, without running anything."""

import ast
import contextlib
import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from notebook_ci.notebooks.document import Cell, Document
from notebook_ci.notebooks.parameters import parse

SKIPPED = "skip-execution"  # nbclient (0.11) does not run cells with this tag
MAY_FAIL = "raises-exception"  # after a cell with this tag fails, nbclient (0.11) runs the next one
_CAUGHT = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
# A magic that imports a module; the others of its kind are parts of IPython.
_EXTENSION = re.compile(r"^[ \t]*%(?:re)?load_ext[ \t]+(?!autoreload|storemagic)([^\W\d][\w.]*)", re.MULTILINE)

# What decides whether an import happens; of several, the last in this order. `never`: only type checkers read it, or it
# replaces another one that failed in the same `try`.
Guard = Literal["", "condition", "try", "function", "never"]
_ORDER: tuple[Guard, ...] = get_args(Guard)


@dataclass(frozen=True, slots=True)
class Import:
    module: str  # as it is written: `numpy`, `a.b`, `.helpers`
    names: tuple[str, ...]  # of `from module import names`; empty: `import module`
    line: int  # of the source, counted from 1
    guard: Guard = ""

    def paths(self) -> list[str]:
        """Return all that may be modules: `a.b` and `a.c` for `from a import b, c`."""
        between = "" if self.module.endswith(".") else "."
        return [f"{self.module}{between}{name}" for name in self.names if name != "*"] or [self.module]


def runs(cell: Cell) -> bool:
    return cell.kind == "code" and SKIPPED not in cell.tags and bool(cell.source.strip())


def of_document(document: Document) -> Iterator[tuple[Cell, Import]]:
    """Yield the imports of all cells that run; a cell that is not Python has none."""
    for cell in filter(runs, document.cells):
        if "import" not in cell.source and "load_ext" not in cell.source:
            continue  # parsing takes most of the time
        statements: list[ast.stmt] = []
        with contextlib.suppress(SyntaxError):
            statements = parse(textwrap.dedent(cell.source))
        extensions = _EXTENSION.finditer(cell.source) if statements else ()
        loaded = [Import(found[1], (), cell.source.count("\n", 0, found.start(1)) + 1) for found in extensions]
        for each in (*loaded, *of(statements)):
            yield (
                cell,
                Import(each.module, each.names, each.line, each.guard or ("try" if MAY_FAIL in cell.tags else "")),
            )


def of(statements: Iterable[ast.stmt], guard: Guard = "") -> Iterator[Import]:
    """Yield the imports in statements, in order."""
    pending: list[tuple[ast.AST, Guard]] = []
    pending += [(statement, guard) for statement in statements][::-1]
    while pending:
        node, guard = pending.pop()
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, (), node.lineno, guard) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            yield Import("." * node.level + (node.module or ""), names, node.lineno, guard)
        elif not isinstance(node, ast.expr):
            pending += [(child, max(guard, inner, key=_ORDER.index)) for child, inner in _children(node)][::-1]


def _children(node: ast.AST) -> Iterator[tuple[ast.AST, Guard]]:
    """Yield what a statement consists of, and what guards it."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            yield from ((each, "function") for each in node.body)
        case ast.Try() | ast.TryStar():
            is_caught = any(map(_expects_absence, node.handlers))
            yield from ((each, "try" if is_caught else "") for each in (*node.body, *node.orelse))
            yield from ((each, "never" if is_caught else "condition") for each in node.handlers)
            yield from ((each, "") for each in node.finalbody)
        case ast.If():
            is_for_types = ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}
            yield from ((each, "never" if is_for_types else "condition") for each in node.body)
            yield from ((each, "" if is_for_types else "condition") for each in node.orelse)
        case ast.With() if any(ast.unparse(item).partition("(")[0].endswith("suppress") for item in node.items):
            yield from ((each, "try") for each in node.body)
        case _:
            is_case = isinstance(node, ast.match_case)
            yield from ((child, "condition" if is_case else "") for child in ast.iter_child_nodes(node))


def _expects_absence(handler: ast.ExceptHandler) -> bool:
    """Whether code goes on after an import failed."""
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = [None if name is None else ast.unparse(name) for name in caught]
    return (None in names or not _CAUGHT.isdisjoint(names)) and not isinstance(handler.body[-1], ast.Raise)
