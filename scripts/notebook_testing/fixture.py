"""Gives tests kernels that have run cells of a notebook: the fixture `notebook`. Runs in the user's Python: 3.8.

The first test that names these cells starts a process that runs them (`kernel.py`); each test gets a fork of it. Needs
IPython, and Linux or macOS.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec
from multiprocessing.connection import Connection
from operator import contains, eq, getitem, methodcaller, setitem
from pathlib import Path
from typing import Any, Iterator, NoReturn
from unittest import mock

from notebook_testing import reading
from notebook_testing.reading import Notebook, NotebookError

END_SECONDS = 5.0
# What may be set for coverage.py outside its configuration file.
MEASURED = ("run:branch", "run:include", "run:omit", "run:plugins", "run:source")
# Not through `sys.path`: other packages in the folder of this one would be found there, too.
START = """
import sys, types
package = sys.modules["notebook_testing"] = types.ModuleType("notebook_testing")
package.__path__ = [sys.argv[1]]
from notebook_testing import kernel
kernel.main(*sys.argv[2:])
"""


class CellError(Exception):
    """An error in a kernel."""


def _done_there(function: Any) -> Any:
    """Return a method that does an operation in the kernel."""

    def operation(self: Reference, *args: Any) -> Any:
        __tracebackhide__ = True
        return self._kernel.call(function, self, *args)

    return operation


class Reference:
    """An object in a kernel. Operations are done there; what they return is copied, if it can be."""

    __slots__ = ("_kernel", "_number")

    def __init__(self, kernel: NotebookKernel, number: int) -> None:
        self._kernel = kernel
        self._number = number

    __getitem__ = _done_there(getitem)
    __setitem__ = _done_there(setitem)
    __contains__ = _done_there(contains)
    __len__ = _done_there(len)
    __bool__ = _done_there(bool)
    __repr__ = _done_there(repr)
    __eq__ = _done_there(eq)
    __hash__ = None  # type: ignore[assignment] # it may be equal to any value

    def __iter__(self) -> Iterator[Any]:
        items = self._kernel.refer(list, self)
        return (items[index] for index in range(len(items)))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        return self._kernel.call(self, *args, **kwargs)

    def __getattr__(self, name: str) -> Reference:
        __tracebackhide__ = True
        if name.startswith("__"):  # Python and libraries look for these
            raise AttributeError(name)
        return self._kernel.refer(getattr, self, name)

    def resolve(self) -> Any:
        """Return a copy. Raises TypeError."""
        __tracebackhide__ = True
        return self._kernel.copy(self, "this object")


class _Pickler(pickle.Pickler):
    def persistent_id(self, value: Any) -> int | None:
        return value._number if type(value) is Reference else None  # noqa: SLF001 - the other half of Reference


class NotebookKernel:
    """A kernel that has run cells of a notebook. It belongs to one test, and ends with it."""

    def __init__(self, notebook: Notebook, connection: Connection, first: bytes) -> None:
        self._notebook = notebook
        self._connection = connection
        self._pid, self._cells = pickle.loads(first)  # noqa: S301 - a process of the same user, here and below
        self._itself = Reference(self, 0)
        self._is_idle = True

    def check(self) -> None:
        """Raise the error of the cells, if they failed."""
        __tracebackhide__ = True
        self._unpack(self._cells)

    def execute(self, cells: Any) -> None:
        """Run more cells."""
        __tracebackhide__ = True
        self.refer(methodcaller("execute", choose(self._notebook, cells)), self._itself)

    def inject(self, source: str) -> str:
        """Run code as if it were a cell, and return its output as text."""
        __tracebackhide__ = True
        return str(self.call(methodcaller("inject", source), self._itself))

    def output(self, cell: int | str) -> str:
        """Return the output of a cell as text; with a tag, of the first cell that has it."""
        __tracebackhide__ = True
        return str(self.call(methodcaller("output", choose(self._notebook, cell)[0]), self._itself))

    def ref(self, expression: str) -> Reference:
        """Return a reference to the value of a name, or of another expression."""
        __tracebackhide__ = True
        return self.refer(methodcaller("evaluate", expression), self._itself)

    def value(self, expression: str) -> Any:
        """Return a copy of the value of a name, or of another expression. Raises TypeError."""
        __tracebackhide__ = True
        return self.copy(self.ref(expression), f"`{expression}`")

    def patch(self, target: str, **options: Any) -> Reference:
        """Replace an object in the kernel, like `unittest.mock.patch`, and return a reference to its mock."""
        return self.refer(self.refer(mock.patch, target, **options).start)

    def call(self, function: Any, *args: Any, **kwargs: Any) -> Any:
        """Call a function in the kernel, and return a copy of its result; a reference if it cannot be copied."""
        __tracebackhide__ = True
        number, data, _ = self._ask(function, *args, **kwargs)
        try:
            return pickle.loads(data)  # noqa: S301
        except Exception:  # noqa: BLE001 - the result may be of any class
            return Reference(self, number)

    def refer(self, function: Any, *args: Any, **kwargs: Any) -> Reference:
        """Call a function in the kernel, and return a reference to its result."""
        __tracebackhide__ = True
        return Reference(self, self._ask(function, *args, **kwargs)[0])

    def copy(self, reference: Reference, name: str) -> Any:
        __tracebackhide__ = True
        _, data, reason = self._ask(methodcaller("same", reference), self._itself)
        try:
            return pickle.loads(data)  # noqa: S301
        except Exception as error:  # noqa: BLE001 - as in `call`
            reason = reason or f"{type(error).__name__}: {error}"
            raise TypeError(f"{name} cannot be copied from the kernel: {reason}. Use `ref`.") from None

    def _ask(self, function: Any, *args: Any, **kwargs: Any) -> tuple[int, bytes, str]:
        """Return the number of the result in the kernel, the pickled result, or why it cannot be pickled."""
        __tracebackhide__ = True
        request = io.BytesIO()
        _Pickler(request).dump((function, args, kwargs))
        self._is_idle = False  # also if the test is interrupted
        try:
            self._connection.send_bytes(request.getvalue())
            answer = self._connection.recv_bytes()
        except (EOFError, ConnectionError):
            raise CellError(f"The kernel of `{self._notebook.name}` has died.") from None
        self._is_idle = True
        return self._unpack(answer)

    def _unpack(self, answer: bytes) -> tuple[int, bytes, str]:
        __tracebackhide__ = True
        number, data, reason, failure = pickle.loads(answer)  # noqa: S301
        if failure:
            self._fail(*failure)
        return number, data, reason

    def _fail(self, data: bytes, message: str, trace: str, line: int) -> NoReturn:
        """Raise an error of the kernel, at a line of the notebook (0: it is elsewhere)."""
        __tracebackhide__ = True
        try:
            error = pickle.loads(data)  # noqa: S301
        except Exception:  # noqa: BLE001 - the test may not know its class
            error = None
        if not isinstance(error, Exception):  # others would end pytest
            error = CellError(message)
        error.__cause__ = CellError(f"In the kernel:\n{trace}")
        if line:
            reading.raise_at(self._notebook.path, line, error)
        raise error

    def end(self) -> None:
        if self._is_idle:
            with suppress(OSError):
                self._connection.send_bytes(b"")
                self._connection.poll(END_SECONDS)  # until it has ended
        with suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        self._connection.close()


class Kernels:
    """The kernels of the tests in one file."""

    def __init__(self) -> None:
        self._all: list[_Template] = []
        self._templates: dict[Any, _Template] = {}  # the last one for these cells

    def fork(self, path: str, cells: Any) -> NotebookKernel:
        """Return a kernel that has run cells. Raises NotebookError, OSError, LookupError, CellError."""
        __tracebackhide__ = True
        if sys.platform == "win32":
            raise NotebookError("The fixture `notebook` does not work on Windows: it needs forks.")
        if find_spec("IPython") is None:
            raise NotebookError("The fixture `notebook` needs IPython. Add `ipykernel` to your list of packages.")
        notebook = reading.read(os.path.realpath(path))
        notebook.show_in_tracebacks()
        chosen = choose(notebook, cells)
        environ = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
        key = (notebook, tuple(chosen), frozenset(environ.items()))
        forked = self._templates[key].fork() if key in self._templates else None
        if not forked:
            self._templates[key] = _Template(notebook, chosen, environ)
            self._all.append(self._templates[key])
            forked = self._templates[key].fork()
        if not forked:
            code = self._templates.pop(key).end()
            raise CellError(f"The kernel of `{notebook.name}` died while it ran the cells (exit code {code}).")
        return NotebookKernel(notebook, *forked)

    def end(self) -> None:
        for template in self._all:
            template.end()


class _Template:
    """A process that runs cells once, and is forked for each test. If a fork is not safe, it serves only one test."""

    def __init__(self, notebook: Notebook, chosen: list[int], environ: dict[str, str]) -> None:
        self._control, theirs = socket.socketpair()
        with theirs:
            package, number = str(Path(__file__).parent), str(theirs.fileno())
            arguments = [package, number, notebook.path, json.dumps(chosen), json.dumps(_measured())]
            self._process = subprocess.Popen(
                [sys.executable, "-c", START, *arguments],
                env=environ,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def fork(self) -> tuple[Connection, bytes] | None:
        """Return a connection to a kernel, and its first message; None if the process has ended."""
        from multiprocessing.reduction import sendfds  # not on Windows

        ours, theirs = socket.socketpair()
        connection = Connection(ours.detach())
        with theirs, suppress(OSError):
            sendfds(self._control, [theirs.fileno()])
        with suppress(EOFError, OSError):
            return connection, connection.recv_bytes()
        connection.close()
        return None

    def end(self) -> int:
        """End the process, and return its exit code."""
        self._control.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS)
        self._process.kill()
        return self._process.wait()


def _measured() -> dict[str, Any]:
    """Return how this process measures lines, for `kernel.py`; nothing if it does not."""
    module: Any = sys.modules.get("coverage")
    current = module and module.Coverage.current()
    if not current:
        return {}
    return {
        "module": module.__file__,
        "config_file": current.config.config_file or False,
        "data_file": str(Path(current.get_option("run:data_file")).absolute()),
        "options": {name: current.get_option(name) for name in MEASURED},
    }


def choose(notebook: Notebook, cells: Any) -> list[int]:
    """Return the indexes of cells: of an index, a tag, a slice (with its last cell), or several. Raises LookupError."""
    if isinstance(cells, slice):
        if cells.step is not None:
            raise ValueError("A slice of cells cannot have a step.")
        first = 0 if cells.start is None else _find(notebook, cells.start)[0]
        last = len(notebook.cells) - 1 if cells.stop is None else _find(notebook, cells.stop)[-1]
        return list(range(first, last + 1))
    if isinstance(cells, (int, str)):
        return _find(notebook, cells)
    return [index for cell in cells for index in _find(notebook, cell)]


def _find(notebook: Notebook, cell: int | str) -> list[int]:
    count = len(notebook.cells)
    if isinstance(cell, int):
        if not -count <= cell < count:
            raise LookupError(f"`{notebook.name}` has no cell {cell}: it has {count} cells, counted from 0.")
        return [cell % count]
    found = [each.index for each in notebook.cells if cell in each.tags]
    if not found:
        tags = ", ".join(f"`{tag}`" for tag in sorted(set().union(*(each.tags for each in notebook.cells))))
        raise LookupError(f"`{notebook.name}` has no cell with the tag `{cell}`. Its tags: {tags or 'none'}.")
    return found
