"""Chooses the statements of a notebook that run when it is imported: imports, definitions, and constants.

Runs in the user's Python: 3.8, the standard library alone.
"""

from __future__ import annotations

import ast
import builtins
from typing import Iterator, NamedTuple

from notebook_testing.reading import Notebook, parse

TAG = "on-import"  # all statements of a cell with this tag run

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
SCOPES = (*DEFINITIONS, ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
TARGETS = (ast.Name, ast.Tuple, ast.List, ast.Starred, ast.expr_context)
# An expression made of these calls nothing. An attribute may be that of a module (`np.pi`).
CONSTANTS = (
    *(*TARGETS, ast.Constant, ast.Attribute, ast.Set, ast.Dict, ast.JoinedStr, ast.FormattedValue, ast.IfExp),
    *(ast.UnaryOp, ast.BinOp, ast.BoolOp, ast.Compare, ast.unaryop, ast.operator, ast.boolop, ast.cmpop),
)
# The methods that change a list, a set or a dictionary.
CHANGES = {"add", "append", "clear", "discard", "extend", "insert", "pop", "popitem", "remove", "reverse"}
CHANGES |= {"setdefault", "sort", "update"}


class Assigned(NamedTuple):
    cell: int  # counted from 1
    line: int  # the physical line


class OnImport(NamedTuple):
    statements: list[ast.stmt]  # what runs
    left_out: dict[str, Assigned]  # the names that other statements assign, and where


def choose(notebook: Notebook) -> OnImport:
    """Choose what runs on import. Raises SyntaxError.

    If any statement that assigns a name is left out, so is the name: the import would give it a value that it does not
    have in the notebook. For the same reason, a constant is left out if another statement changes it.
    """
    cells = [(cell, parse(notebook, cell)) for cell in notebook.code_cells()]
    left_out: dict[str, Assigned] = {}
    changed: set[str] = set()
    while True:  # a statement that needs a name that is left out is left out, too
        chooser = _Chooser({*left_out, *changed}, set(left_out))
        run, before = [], (left_out.keys(), changed)
        left_out, changed = {}, set()
        for cell, statements in cells:
            for statement in statements:
                if TAG in cell.tags or chooser.runs(statement):
                    run.append(statement)
                    chooser.known.update(_assigned(statement))
                    continue
                changed.update(_changed(statement))
                for name in _assigned(statement):
                    left_out.setdefault(name, Assigned(cell.index + 1, statement.lineno))
        if (left_out.keys(), changed) == before:
            return OnImport(sorted(run, key=_is_not_future), left_out)


class _Chooser:
    def __init__(self, not_constant: set[str], left_out: set[str]) -> None:
        self.known = {name for name in dir(builtins) if not name.startswith("_")}  # what has a value so far
        self._not_constant = not_constant
        self._left_out = left_out

    def runs(self, statement: ast.stmt) -> bool:
        if isinstance(statement, DEFINITIONS):
            return self._has_names_of(statement)
        if isinstance(statement, ast.Assign):
            return self._has_value(statement.value) and all(map(self._is_target, statement.targets))
        if isinstance(statement, ast.AnnAssign) and statement.value:
            is_constant = self._has_value(statement.value) and self._is_target(statement.target)
            return is_constant and self._has_names_of(statement.annotation)
        if isinstance(statement, ast.If):
            return self._has_value(statement.test) and all(map(self.runs, statement.body + statement.orelse))
        if isinstance(statement, ast.Try):
            handled = [each for handler in statement.handlers for each in handler.body]
            return all(map(self.runs, statement.body + handled + statement.orelse + statement.finalbody))
        is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        return is_text or isinstance(statement, (ast.Import, ast.ImportFrom, ast.Pass))

    def _has_value(self, value: ast.expr) -> bool:
        """Whether an expression has a value without calling anything."""
        if isinstance(value, ast.Lambda):
            return self._has_names_of(value)
        parts = list(ast.walk(value))
        names = {part.id for part in parts if isinstance(part, ast.Name)}
        return all(isinstance(part, CONSTANTS) for part in parts) and names <= self.known - self._not_constant

    def _is_target(self, target: ast.expr) -> bool:
        parts = list(ast.walk(target))
        names = {part.id for part in parts if isinstance(part, ast.Name)}
        return all(isinstance(part, TARGETS) for part in parts) and not names & self._not_constant

    def _has_names_of(self, node: ast.AST) -> bool:
        return self._left_out.isdisjoint(_read_now(node))


def _read_now(node: ast.AST) -> Iterator[str]:
    """Yield the names that a node reads, except those in bodies of functions, which run later."""
    if isinstance(node, ast.Name):
        yield node.id
    for field, value in ast.iter_fields(node):
        if field == "body" and isinstance(node, FUNCTIONS):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _read_now(child)


def _in_its_scope(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    if not isinstance(node, SCOPES):
        for child in ast.iter_child_nodes(node):
            yield from _in_its_scope(child)


def _assigned(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement gives a value, or deletes."""
    for node in _in_its_scope(statement):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, DEFINITIONS):
            yield node.name
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]


def _changed(statement: ast.stmt) -> Iterator[str]:
    """Yield the names whose values a statement changes: `x[0] = 1`, `x.append(1)`."""
    for node in _in_its_scope(statement):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGES:
            yield _root(node.func)
        elif isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
            yield _root(node)


def _root(node: ast.AST) -> str:
    """Return the name at the begin of `name.a[0].b`; empty if there is none."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _is_not_future(statement: ast.stmt) -> bool:
    return not (isinstance(statement, ast.ImportFrom) and statement.module == "__future__")
