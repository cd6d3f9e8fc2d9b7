"""Finds what notebooks and their local modules import, unless a file of the workspace provides it."""

import contextlib
import functools
import os
import re
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from notebook_ci.base.errors import NotebookCiError
from notebook_ci.base.files import MOST_BYTES, read_bytes
from notebook_ci.notebooks import imports
from notebook_ci.notebooks.document import Cell, Document
from notebook_ci.notebooks.imports import Import
from notebook_ci.notebooks.parameters import parse_python

_MODULE = re.compile(r"([^\W\d]\w*)(?:\.pyc?|\.pyx|(?:\.[\w-]+)?\.(?:so|pyd))")
# Code after which modules may be found in other folders.
_CHANGES_PATH = re.compile(r"\bsys\.path\b|\bchdir\b|\baddsitedir\b|^[ \t]*%(?:cd|run)\b", re.MULTILINE)
_IMPORTS_NOTEBOOKS = re.compile(r"\b(?:import_ipynb|nbimporter)\b")
_UNSEARCHED = re.compile(r"\..*|node_modules|__pycache__|site-packages")
# Code for the user's Python: it defines a function that returns which modules that Python lacks, by the path that was
# asked for: `a` or `a.b` for `a.b.c`. Of `a.b`, `find_spec` imports `a`, so that is only asked for namespace packages,
# which have no code: what a package itself contains is not known without running it.
MISSING = """
import importlib.util
def missing(paths):
    found = {path: _missing(path.split(".")) for path in paths}
    return {path: name for path, name in found.items() if name}
def _missing(parts):
    for count in range(1, len(parts) + 1):
        name = ".".join(parts[:count])
        try:
            spec = importlib.util.find_spec(name)
        except Exception:
            return ""
        if spec is None:
            return name
        if spec.origin not in (None, "namespace") or not spec.submodule_search_locations:
            return ""
    return ""
"""


@dataclass(frozen=True, slots=True)
class Needed:
    path: str  # what may be a module: `numpy`, `google.cloud.storage`
    imported: Import
    document: Document
    cell: Cell  # that imports it, or the local module that does
    file: Path | None  # the local module that imports it; None: the notebook itself

    @property
    def line(self) -> int:
        """The physical line of the import, counted from 1."""
        line = self.imported.line
        return line if self.file else self.document.line(self.cell.index, line)


class LocalModules:
    """The modules in the files of a workspace, as its notebooks find them: beside the notebook.

    If code changes where Python looks for modules, all folders count.
    """

    def __init__(self, cwd: Path) -> None:
        self._cwd = cwd.resolve()

    def beside(self, document: Document) -> Path:
        """Return the folder in which the kernel of a notebook starts."""
        return (self._cwd / document.path).resolve().parent

    def needed(self, document: Document) -> Iterator[Needed]:
        beside = self.beside(document)
        code = "\n".join(cell.source for cell in document.cells if imports.runs(cell))
        is_anywhere, has_finder = _CHANGES_PATH.search(code), _IMPORTS_NOTEBOOKS.search(code)
        pending: deque[tuple[Path | None, Cell, Import]] = deque()
        pending += [(None, cell, each) for cell, each in imports.of_document(document)]
        seen: set[Path] = set()
        while pending:
            file, cell, imported = pending.popleft()
            if imported.guard == "never" or imported.module == "__future__":
                continue
            for path in imported.paths():
                found = self._files(path, file, beside, is_anywhere=bool(is_anywhere))
                is_notebook = has_finder and (beside / f"{path.partition('.')[0]}.ipynb").exists()
                if found is None and not is_notebook:
                    yield Needed(path, imported, document, cell, file)
                for module in (each for each in found or () if each not in seen):
                    seen.add(module)
                    inner, changes_path = _code(module)
                    is_anywhere = is_anywhere or changes_path
                    guarded = (replace(each, guard=each.guard or imported.guard) for each in inner)
                    pending += [(module, cell, each) for each in guarded]

    def imported(self, code: Document | Path, file: Path) -> set[Path]:
        """Return the local files that imports in a notebook or module, which is in `file`, may run.

        What is beside the file wins, unless its code changes where Python looks.
        """
        if isinstance(code, Path):
            found, is_anywhere = _code(code) if code.suffix == ".py" else ((), None)
        else:
            found = [each for _, each in imports.of_document(code)]
            is_anywhere = _CHANGES_PATH.search("\n".join(cell.source for cell in code.cells))
        return {
            module
            for path in {path for each in found for path in each.paths()}
            for folder in self._may_provide(path, file, is_anywhere=bool(is_anywhere))
            for module in _modules_of(folder, path.lstrip(".").split("."))
        }

    def _may_provide(self, path: str, file: Path, *, is_anywhere: bool) -> list[Path]:
        parts = path.lstrip(".").split(".")
        level = len(path) - len(path.lstrip("."))
        if level:
            return list(file.parents[level - 1 : level])
        # In a package, it may also be a module beside the notebook: Python looks there first.
        if _provides(file.parent, parts) and not is_anywhere and not (file.parent / "__init__.py").exists():
            return [file.parent]
        return [each for each in (file.parent, *self._folders.get(parts[0], ())) if _provides(each, parts)]

    def elsewhere(self, path: str) -> Path | None:
        """Return the folder in which Python would find a module."""
        parts = path.split(".")
        return next((folder for folder in self._folders.get(parts[0], ()) if _provides(folder, parts)), None)

    def _files(self, path: str, file: Path | None, beside: Path, *, is_anywhere: bool) -> list[Path] | None:
        """Return the local files that an import in `file` runs; None: no local file provides it."""
        name = path.lstrip(".")
        parts = name.split(".")
        if name != path:
            if file is None:
                return []  # Python refuses it in a notebook
            folders = file.parents
            return _modules_of(folders[min(len(path) - len(name), len(folders)) - 1], parts)
        folder = beside if _provides(beside, parts) else self.elsewhere(path) if is_anywhere else None
        return _modules_of(folder, parts) if folder else None

    @functools.cached_property
    def _folders(self) -> dict[str, list[Path]]:
        """By name of a module, the folders that may contain it."""
        found: dict[str, list[Path]] = defaultdict(list)
        for folder, folders, files in os.walk(self._cwd):
            folders[:] = sorted(each for each in folders if not _UNSEARCHED.fullmatch(each))
            if "pyvenv.cfg" in files:
                folders.clear()
                continue
            names = {match[1] for file in files if (match := _MODULE.fullmatch(file))}
            if names:  # a package, maybe without `__init__.py`; it comes before a module of its name in it
                found[Path(folder).name].append(Path(folder).parent)
            for name in names:
                found[name].append(Path(folder))
        return found


def _provides(folder: Path, parts: Sequence[str]) -> bool:
    """Return whether a module is in a folder. A folder without `__init__.py` is a module only for others in it."""
    if parts[0] in _modules_in(folder):
        return True
    return len(parts) > 1 and _provides(folder / parts[0], parts[1:])


@functools.cache
def _modules_in(folder: Path) -> frozenset[str]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return frozenset()
    files = {found[1] for entry in entries if (found := _MODULE.fullmatch(entry.name))}
    return frozenset(files | {entry.name for entry in entries if Path(entry.path, "__init__.py").exists()})


def _modules_of(folder: Path, parts: Sequence[str]) -> list[Path]:
    """Return the files that `import a.b` runs: `a/__init__.py`, `a/b.py`."""
    stems = [folder.joinpath(*parts[:count]) for count in range(1, len(parts) + 1)]
    return [file for stem in stems for file in (stem / "__init__.py", Path(f"{stem}.py")) if file.is_file()]


@functools.cache
def _code(file: Path) -> tuple[Sequence[Import], re.Match[str] | None]:
    """Return the imports of a module, and where it changes the path; none if it is not valid Python."""
    with contextlib.suppress(NotebookCiError, SyntaxError, UnicodeDecodeError):
        source = read_bytes(file, str(file), most=MOST_BYTES)
        return tuple(imports.of(parse_python(source))), _CHANGES_PATH.search(source.decode(errors="replace"))
    return (), None
