"""Finds the modules that a notebook certainly imports, so that servers may import them for it. Runs nothing.

Imports after a line that may change how Python imports are left to the notebook.
"""

import ast
import contextlib
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from notebook_ci.notebooks import imports
from notebook_ci.notebooks.document import Document, is_python
from notebook_ci.notebooks.parameters import parse
from notebook_ci.notebooks.positions import split_lines

_LONGEST_SHOWN = 60

# What changes variables, logging, packages, or how modules are found. A kernel notices the rest: see `inside/shelf.py`.
_CHANGES = re.compile(
    r"environ\b(?!\.get\b|\[[^]]+\](?!\s*=[^=]))|putenv|%(?:set_)?env\b|dotenv|sys\.modules|meta_path|path_hooks"
    r"|__import__|\bpatch\b|\bpatch_\w+\(|reload\(|basicConfig|dictConfig|setLevel|Handler\("
    r"|\b(?:simplefilter|filterwarnings)\(\s*[\"'](?!ignore)|\b(?:pip3?|conda|mamba|uv)\b|\bsite\."
)


@dataclass(frozen=True, slots=True)
class Imports:
    # In order, each once: `numpy`, `matplotlib.pyplot`, and for `from a.b import c` `a.b` and `a.b:c`.
    certain: tuple[str, ...]
    # Why other modules are left to the notebook, by name: "comes after `os.environ['X'] = '1'` in cell 2".
    others: Mapping[str, str]


def of(document: Document) -> Imports:
    """Return the imports of a notebook; none if it names another language than Python. Never raises."""
    certain: dict[str, None] = {}
    others: dict[str, str] = {}
    why = ""
    for cell in filter(imports.runs, document.cells if is_python(document) else ()):
        source = textwrap.dedent(cell.source)
        lines = split_lines(source)
        change = next((at for at, line in enumerate(lines, 1) if _CHANGES.search(line.partition("#")[0])), None)
        statements: list[ast.stmt] = []
        with contextlib.suppress(SyntaxError):
            statements = parse(source)
        for statement in statements:
            found = list(_entries(statement))
            if not why and change and statement.lineno >= change:
                why = _after(lines[change - 1].strip(), cell.index + 1)
            may_fail = f"is in cell {cell.index + 1}, which may fail (it is tagged `{imports.MAY_FAIL}`)"
            if reason := why or (may_fail if imports.MAY_FAIL in cell.tags else ""):
                others |= {entry: reason for entry in found if ":" not in entry and entry not in certain}
            else:
                certain.update(dict.fromkeys(found))
        if change and not why:
            why = _after(lines[change - 1].strip(), cell.index + 1)
    return Imports(tuple(certain), {name: reason for name, reason in others.items() if name not in certain})


def _after(line: str, number: int) -> str:
    shown = line if len(line) <= _LONGEST_SHOWN else line[: _LONGEST_SHOWN - 1] + "…"
    return f"comes after `{shown}` in cell {number}"


def _entries(statement: ast.stmt) -> Iterator[str]:
    """Yield what a statement imports, as in `Imports.certain`."""
    match statement:
        case ast.Import(names=names):
            yield from (alias.name for alias in names)
        case ast.ImportFrom(module=str(module), names=names, level=0) if module != "__future__":
            yield module
            yield from (f"{module}:{alias.name}" for alias in names if alias.name != "*")
