"""The process of a kernel: runs cells of a notebook like Jupyter, then answers a test. Runs in the user's Python: 3.8.

A request is a function with its arguments; in an answer is the result, pickled if possible, and the number under which
the process keeps it for later requests. `fixture.py` is the other side.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import pickle
import socket
import sys
import textwrap
import traceback
from contextlib import suppress
from importlib.util import find_spec
from multiprocessing.connection import Connection
from multiprocessing.reduction import recvfds
from pathlib import Path
from typing import Any, Callable

from notebook_testing import reading
from notebook_testing.measuring import allow_plugins
from notebook_testing.reading import CODE, Notebook, SourceCell

SKIPPED = "skip-execution"
MAY_FAIL = "raises-exception"
CELL_MAGIC = "get_ipython().run_cell_magic("  # what IPython makes of `%%name`
THREADS = Path("/proc/self/task")
INLINE = "matplotlib_inline"


class CellRunner:
    """IPython's shell, with what else a kernel does: it keeps outputs, and has no terminal."""

    def __init__(self, notebook: Notebook) -> None:
        from IPython.core.interactiveshell import InteractiveShell
        from traitlets.config import Config

        self._notebook = notebook
        self._cell: SourceCell | None = None  # that runs
        self._before = 0  # how many of its lines come before those that IPython compiles
        self._outputs: dict[int, list[str]] = {}
        self._shown: list[str] = []  # the outputs of what runs
        self._error: BaseException | None = None
        if find_spec(INLINE):
            os.environ.setdefault("MPLBACKEND", f"module://{INLINE}.backend_inline")
        config: Any = Config()
        config.HistoryManager.hist_file = ":memory:"  # a file would have a thread
        shell: Any = InteractiveShell.instance(config=config)
        self._shell = shell
        self._name_of_code = shell.compile.cache
        shell.compile.cache = self._cache
        shell.ast_transformers.append(self)
        shell.display_pub.publish = self._publish
        shell.displayhook.write_format_data = self._publish
        shell.displayhook.write_output_prompt = shell.enable_gui = _nothing
        # The test gets the error itself.
        shell.showtraceback = shell.showsyntaxtraceback = shell.showindentationerror = self._keep_error
        notebook.show_in_tracebacks()
        sys.stdout = sys.stderr = _KeptStream(self)

    def execute(self, chosen: list[int]) -> None:
        for index in chosen:
            cell = self._notebook.cells[index]
            if cell.kind == CODE and SKIPPED not in cell.tags:
                self._outputs[index] = self._run(cell.source, cell)

    def inject(self, source: str) -> str:
        return _text(self._run(textwrap.dedent(source), None))

    def output(self, index: int) -> str:
        if index not in self._outputs:
            raise LookupError(f"Cell {index + 1} of `{self._notebook.name}` has not run.")
        return _text(self._outputs[index])

    def evaluate(self, expression: str) -> Any:
        return eval(expression, self._shell.user_ns)  # noqa: S307 - the test's own code

    def same(self, value: Any) -> Any:
        return value

    def show(self, text: str) -> None:
        self._shown.append(text)

    def visit(self, tree: Any) -> Any:
        """Give the statements of a cell their physical lines: IPython calls this before it compiles them."""
        if self._cell:
            reading.move(tree.body, self._cell, self._before)
        return tree

    def _run(self, source: str, cell: SourceCell | None) -> list[str]:
        self._cell, self._shown, self._error = cell, [], None
        result = self._shell.run_cell(source, store_history=True)
        # `%%capture` hides the error of its code from the result.
        error = result.error_before_exec or result.error_in_exec or self._error
        shown, self._cell, self._shown = self._shown, None, []
        if isinstance(error, SyntaxError) and cell and error.filename == self._notebook.path:
            error.lineno = cell.physical((error.lineno or 1) + self._before)
        if error and not (cell and MAY_FAIL in cell.tags):
            raise error
        return shown

    def _keep_error(self, *_: Any, **__: Any) -> None:
        self._error = sys.exc_info()[1]

    def _cache(self, code: str, *args: Any, **kwargs: Any) -> str:
        """Return the file of code that IPython is about to compile."""
        if not self._cell:
            return str(self._name_of_code(code, *args, **kwargs))
        # IPython removes empty lines at the start of a cell, and a cell magic.
        lines = len(self._cell.source.splitlines()) - len(code.splitlines())
        self._before = 0 if code.startswith(CELL_MAGIC) else max(lines, 0)
        return self._notebook.path

    def _publish(self, data: dict[str, Any], *_: Any, **__: Any) -> None:
        self.show(data.get("text/plain", ""))


class _KeptStream(io.TextIOBase):
    encoding = "utf-8"

    def __init__(self, kernel: CellRunner) -> None:
        self._kernel = kernel

    def write(self, text: str) -> int:
        self._kernel.show(text)
        return len(text)


class _Unpickler(pickle.Unpickler):
    def __init__(self, request: bytes, objects: list[Any]) -> None:
        super().__init__(io.BytesIO(request))
        self._objects = objects

    def persistent_load(self, number: Any) -> Any:
        return self._objects[number]


def main(descriptor: str, path: str, chosen: str, measured: str) -> None:
    """Run cells, then fork for each test, which sends its connection through the socket `descriptor`.

    `path` is that of the notebook, `chosen` the indexes of cells, `measured` how the test measures lines: both as JSON.
    """
    sys.argv[:] = [""]
    coverage = _measure(json.loads(measured))
    os.chdir(Path(path).parent)
    kernel = CellRunner(reading.read(path))
    objects: list[Any] = [kernel]
    cells = _answer(objects, path, lambda: kernel.execute(json.loads(chosen)))
    forks = _can_fork()
    with socket.socket(fileno=int(descriptor)) as control:
        while True:
            (test,) = recvfds(control, 1)  # EOFError: there are no more tests
            if not (forks and os.fork()):
                break
            os.close(test)
    with Connection(test) as connection, suppress(EOFError, OSError):
        connection.send_bytes(pickle.dumps((os.getpid(), cells)))
        while True:
            request = connection.recv_bytes()
            if not request:
                break
            connection.send_bytes(_answer(objects, path, _called(request, objects)))
        if coverage:
            coverage.stop()
            coverage.save()
    os._exit(0)


def _can_fork() -> bool:
    """Whether a fork of this process would have all its threads.

    OpenBLAS ends its threads before a fork, and creates them again: so one is made before they are counted. Others
    (PyTorch, Polars, OpenMP) would wait forever for a thread that is not there.
    """
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return THREADS.is_dir() and len(list(THREADS.iterdir())) == 1


def _called(request: bytes, objects: list[Any]) -> Callable[[], Any]:
    def call() -> Any:
        function, args, kwargs = _Unpickler(request, objects).load()
        return function(*args, **kwargs)

    return call


def _answer(objects: list[Any], path: str, act: Callable[[], Any]) -> bytes:
    """Return the number of a result, the pickled result, why it cannot be pickled, and what failed."""
    try:
        value = act()
    except BaseException as error:  # noqa: BLE001 - the test gets it
        return pickle.dumps((0, b"", "", _failure(error, path)))
    objects.append(value)
    data, reason = _pickled(value)
    return pickle.dumps((len(objects) - 1, data, reason, None))


def _pickled(value: Any) -> tuple[bytes, str]:
    try:
        return pickle.dumps(value), ""
    except Exception as error:  # noqa: BLE001 - the value may be of any class
        return b"", f"{type(error).__name__}: {error}"


def _failure(error: BaseException, path: str) -> tuple[bytes, str, str, int]:
    """Return the pickled error, its message, its traceback without IPython's frames, and the line of the notebook."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    lines = [frame.lineno or 0 for frame in frames if frame.filename == path]
    if isinstance(error, SyntaxError) and error.filename == path:
        lines = [error.lineno or 0]
    own = next((at for at, frame in enumerate(frames) if frame.filename.startswith((path, "<"))), 0)
    text = "".join([*traceback.format_list(frames[own:]), *traceback.format_exception_only(type(error), error)])
    return _pickled(error)[0], f"{type(error).__name__}: {error}", text, lines[-1] if lines else 0


def _measure(how: dict[str, Any]) -> Any:
    """Begin to measure lines like the process of the test, and return the measurement; None if that does not."""
    if not how:
        return None
    sys.path.append(str(Path(how["module"]).parents[1]))
    coverage = importlib.import_module("coverage").Coverage(
        config_file=how["config_file"], data_file=how["data_file"], data_suffix=True
    )
    allow_plugins(coverage)
    for name, value in how["options"].items():
        coverage.set_option(name, value)
    coverage.start()
    return coverage


def _text(shown: list[str]) -> str:
    return "".join(shown).strip()


def _nothing(*_: Any, **__: Any) -> None:
    pass
