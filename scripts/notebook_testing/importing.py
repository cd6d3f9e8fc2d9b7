"""Imports notebooks as modules. Runs in the user's Python: 3.8, the standard library alone."""

from __future__ import annotations

import ast
import dis
import os
import re
import sys
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn, Sequence

from notebook_testing import reading
from notebook_testing.definitions import TAG, choose

SUFFIX = ".ipynb"
FOLDER = "notebooks"
REASONS = "__left_out__"  # in an imported notebook: by name, why it has no value


class Finder:
    """Finds `name.ipynb` where Python looks for `name.py`, and in the folder `notebooks`. Modules come first."""

    def __init__(self, root: str) -> None:
        self._notebooks = str(Path(root, FOLDER))

    def find_spec(self, name: str, path: Sequence[str] | None = None, _: object = None) -> ModuleSpec | None:
        folders = [*sys.path, self._notebooks] if path is None else path
        file = name.rpartition(".")[2] + SUFFIX
        paths = (os.path.realpath(Path(folder, file)) for folder in folders)
        found = [each for each in dict.fromkeys(paths) if Path(each).is_file()]
        if len(found) > 1:
            files = " and ".join(f"`{each}`" for each in found)
            raise ImportError(f"`{name}` may be {files}. Rename one of them.", name=name)
        return spec_from_file_location(name, found[0], loader=_Loader(found[0])) if found else None


class _Loader(Loader):
    def __init__(self, path: str) -> None:
        self._path = path

    def create_module(self, _: ModuleSpec) -> None:
        return None  # Python creates it

    def exec_module(self, module: ModuleType) -> None:
        __tracebackhide__ = True
        notebook = reading.read(self._path)
        notebook.show_in_tracebacks()
        statements, left_out = choose(notebook)
        reasons = {
            name: f"`{name}` is assigned in cell {where.cell} of `{notebook.name}` (line {where.line}) by code that "
            f"does not run on import. Run it with the fixture `notebook`, or tag the cell `{TAG}`."
            for name, where in left_out.items()
        }
        folder = str(Path(self._path).parent)
        if folder not in sys.path:  # the working directory of a kernel, which imports modules from there
            sys.path.append(folder)
        names = vars(module)
        names.update({REASONS: reasons, "display": _display, "get_ipython": _get_ipython})
        code = compile(ast.Module(statements, []), self._path, "exec", dont_inherit=True)
        try:
            exec(code, names)  # noqa: S102 - this is what an import does
        except NameError as error:
            explain(error)
            raise
        for name in reasons:
            names.pop(name, None)
        names["__getattr__"] = _without_value(reasons, module.__name__)


def _display(*values: object, **_: object) -> None:
    print(*values)  # as IPython's `display` does outside a kernel


def _get_ipython() -> NoReturn:
    raise NameError("this code needs IPython, which an import does not have. Run it with the fixture `notebook`")


def _without_value(reasons: dict[str, str], module: str) -> Any:
    def get(name: str) -> NoReturn:
        __tracebackhide__ = True
        caller = sys._getframe(1)  # noqa: SLF001 - an AttributeError would be hidden from `from module import name`
        is_import = dis.opname[caller.f_code.co_code[caller.f_lasti]] == "IMPORT_FROM"
        error = ImportError if is_import and name in reasons else AttributeError
        raise error(reasons.get(name, f"module '{module}' has no attribute '{name}'"))

    return get


def explain(error: BaseException) -> None:
    """Add to a NameError of an imported notebook why the name has no value."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    reasons = trace.tb_frame.f_globals.get(REASONS, {}) if trace else {}
    name = re.search(r"'(\w+)'", str(error))
    reason = reasons.get(name[1], "") if type(error) is NameError and name else ""
    if reason and reason not in str(error):
        error.args = (f"{error}. {reason}",)


def install(root: str) -> Finder:
    """Let notebooks be imported from here on. `root` is the folder of the project."""
    if root not in sys.path:
        sys.path.append(root)
    finder = Finder(root)
    sys.meta_path.append(finder)
    return finder
