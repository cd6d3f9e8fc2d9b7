"""Imports modules before a kernel is forked, and proves that it makes no difference.

These imports happen before the kernel's shell, streams and hooks exist. Each check below is one way to notice that
afterwards. An import that fails a check is refused, and its process ends. ../README.md lists checks and tests.
"""

from __future__ import annotations

import builtins
import ctypes
import gc
import importlib
import io
import os
import pickle
import random
import re
import signal
import sys
import threading
import time
import types
import warnings
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, NamedTuple

PROBE_SECONDS = 20.0
PROOF_SECONDS = 20.0
# multiprocessing gives the main module this name, too, when it is imported.
MAIN_OF_CHILDREN = "__mp_main__"
MAIN = ("__main__", MAIN_OF_CHILDREN)
STANDARD: Any = getattr(sys, "stdlib_module_names", ())  # since Python 3.10
SIDE = 128  # of the matrices that are multiplied: OpenBLAS divides this among its threads
# OpenBLAS in the wheels of NumPy and SciPy has names of its own, and 64-bit numbers where the name says so.
OPENBLAS = re.compile(r"openblas.*\.so")
PREFIXES = {"scipy_openblas_": "scipy_cblas_", "openblas_": "cblas_"}
SUFFIXES = ("64_", "")
DONE_ONCE = {
    "tempfile.mkdtemp": "makes a temporary folder",
    "tempfile.mkstemp": "makes a temporary file",
    "subprocess.Popen": "starts processes",
    "os.fork": "starts processes",
    "os.forkpty": "starts processes",
    "os.posix_spawn": "starts processes",
    "os.system": "starts processes",
    "socket.connect": "uses the network",
    "socket.bind": "uses the network",
}
# urllib3 binds `::1` to find out whether IPv6 works. If a socket stays open, `_State` sees it.
ANY_PORT = ((("::1", 0),), (("127.0.0.1", 0),))
MATPLOTLIB = re.compile(r"(matplotlib|mpl_toolkits)\b")
TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
OWN_REFERENCES = 2  # to a stand-in: its holder's, and that of the function that counts
# The types of most names in modules.
NOT_RANDOM = {bool, dict, int, list, str, tuple, type, types.BuiltinFunctionType, types.FunctionType, types.ModuleType}
# First word and position of its state after the system has seeded it, not a number.
FRESH_MERSENNE_TWISTER = (0x80000000, 623)
ROW_MAJOR, NOT_TRANSPOSED = 101, 111  # cblas.h


class Kernel(NamedTuple):
    """What a kernel changes in its process before the user's first cell."""

    environ: dict[str, str]  # the variables that it sets
    path: list[str]  # `sys.path`
    prompts: dict[str, str]  # the texts that it adds to `sys`, by name
    filters: list[Any]  # `warnings.filters`


def probe(folder: Path) -> Kernel | None:
    """Let a child become a kernel, with its connection file in a folder, and return what this changes.

    Returns None if the child fails, or if the kernel runs code of the user before the first cell.
    """
    result = folder / "probe"
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            _be_probed(folder, result)
        os._exit(0)
    wait_for(child, PROBE_SECONDS)
    try:
        return Kernel(*pickle.loads(result.read_bytes()))  # noqa: S301 - our child wrote it into our folder
    except (OSError, ValueError, EOFError, pickle.UnpicklingError):
        return None


def _be_probed(folder: Path, result: Path) -> None:
    environ, names = dict(os.environ), set(vars(sys))
    app = importlib.import_module("ipykernel.kernelapp").IPKernelApp.instance()
    where = ["-f", str(folder / "probe.json"), "--transport=ipc", f"--ip={folder / 'probe-socket'}"]
    app.initialize([*where, "--HistoryManager.hist_file=:memory:"])
    startup = list(Path(app.shell.profile_dir.startup_dir).glob("*.[pi]*y"))
    if startup or app.exec_lines or app.exec_files or app.code_to_run or app.extensions or app.extra_extensions:
        return  # what these do comes before the imports
    changed = {name: value for name, value in os.environ.items() if environ.get(name) != value}
    prompts = {name: value for name, value in vars(sys).items() if name not in names and isinstance(value, str)}
    kernel = Kernel(changed, sys.path, prompts, list(warnings.filters))
    partial = result.with_suffix(".partial")
    partial.write_bytes(pickle.dumps(tuple(kernel)))
    partial.rename(result)


def wait_for(child: int, seconds: float) -> int | None:
    """Return the exit code of a child; None: it took too long, and was killed."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


class Importer:
    """Imports modules like a kernel, one after the other, until one is refused.

    `is_installed`, `real_path` and `names_of` are functions of `server.py`. `inline`: the notebooks may run
    `%matplotlib inline` before these imports, which changes settings that other packages may read.
    """

    def __init__(
        self,
        kernel: Kernel,
        is_installed: Callable[[str], bool],
        real_path: Callable[[str], str],
        names_of: Callable[[Any], dict[str, Any]],
        *,
        inline: bool,
    ) -> None:
        self._kernel = kernel
        self._inline = inline
        self._is_installed = is_installed
        self._names_of = names_of
        self._filters = kernel.filters
        self._path_changed = False
        self._libraries: set[str] = set()
        self._streams = _Streams()
        self._has_alias = False
        self._arguments = _Arguments()
        self._audit = _Audit(is_installed, real_path)
        sys.addaudithook(self._audit.take)
        self._main = types.ModuleType("__main__")  # has no `__file__`, as a notebook's
        os.environ.update(kernel.environ)

    def refusal(self, item: str) -> str:
        """Import `a.b`, or `a.b:c` for `from a.b import c`. Returns why this is refused; empty if it is not."""
        module, _, name = item.partition(":")
        before, known, threads = _State(), self._names(), _running()
        shell, failed, settings = _Shell(), "", self._settings()
        with self._as_in_kernel(), shell.watched(), self._audit.listening():
            try:
                # A warning may be of the code that imports: here as there, of `__main__`.
                statement = f"from {module} import {name}" if name else f"import {module}"
                exec(statement, vars(self._main))  # noqa: S102 - of module names from the notebook's own imports
            except BaseException as error:  # noqa: BLE001 - whatever it is, the notebook is to see it
                failed = f"its import failed here: {type(error).__name__}"
        if failed and not (shell.asked or self._arguments.are_used):
            return failed
        if self._streams.are_used or before.has_printed():
            return "its import prints or warns"
        if shell.asked or shell.is_kept:
            return "it uses the shell"
        if self._arguments.are_used or sys.getrefcount(self._arguments) > OWN_REFERENCES:
            return "it uses sys.argv"
        self._has_alias = self._has_alias or (MAIN_OF_CHILDREN in sys.modules and MAIN_OF_CHILDREN not in known)
        return (
            self._foreign(known)
            or self._extended(known)
            or self._too_early(module, known, settings)
            or self._audit.seen
            or before.difference()
            or self._of_threads(threads)
        )

    def before_start(self, app: Any) -> None:
        """In a forked kernel, before its application is initialized: do what the imports would have done to it."""
        numpy_random = sys.modules.get("numpy.random")
        if numpy_random is not None:
            numpy_random.seed()
        self._streams.become_real()

        def initialize(argv: object = None) -> None:
            del app.initialize
            app.initialize(argv)
            self._streams.are_real()
            if self._has_alias:
                sys.modules[MAIN_OF_CHILDREN] = sys.modules["__main__"]
            if self._filters != self._kernel.filters:
                _set_filters(self._filters)

        app.initialize = initialize

    @contextmanager
    def _as_in_kernel(self) -> Iterator[None]:
        """Make this process look like a kernel during an import."""
        path, filters, shown = sys.path[:], list(warnings.filters), (sys.stdout, sys.stderr)
        arguments, main = sys.argv, sys.modules["__main__"]
        sys.argv, sys.modules["__main__"] = self._arguments, self._main
        sys.path[:] = self._kernel.path
        _set_filters(self._filters)
        vars(sys).update(self._kernel.prompts)
        sys.stdout, sys.stderr = self._streams.by_name["stdout"], self._streams.by_name["stderr"]
        try:
            yield
        finally:
            sys.stdout, sys.stderr = shown
            self._arguments.are_used = self._arguments.are_used or getattr(sys, "argv", None) is not self._arguments
            sys.argv, sys.modules["__main__"] = arguments, main
            for name in self._kernel.prompts:
                vars(sys).pop(name, None)
            self._filters = list(warnings.filters)
            self._path_changed = sys.path != self._kernel.path
            sys.path[:] = path
            _set_filters(filters)

    def _of_threads(self, before: int) -> str:
        """Return why the threads of this process do not survive a fork; empty if they do.

        A fork loses them. OpenBLAS creates its own again: a product in a child proves it. `before` is their number
        before an import.
        """
        libraries = [_OpenBlas(path) for path in _mapped()]
        known, self._libraries = self._libraries, {library.path for library in libraries}
        fresh = sum(library.threads - 1 for library in libraries if library.path not in known)
        # Those of before this process was forked: they may have been created again, or not.
        lost = sum(library.threads - 1 for library in libraries if library.path in known) - before
        started = _running() - before
        if started not in {fresh, fresh + lost}:
            return "it starts threads"
        if not started:
            return ""
        child = os.fork()
        if child == 0:
            with suppress(BaseException):
                os._exit(0 if all(library.multiplies() for library in libraries) else 1)
            os._exit(1)
        return "" if wait_for(child, PROOF_SECONDS) == 0 else "it starts threads that do not survive a fork"

    def _names(self) -> dict[str, set[str]]:
        """Return the names in each module."""
        return {name: set(self._names_of(module)) for name, module in list(sys.modules.items())}

    def _extended(self, known: Mapping[str, set[str]]) -> str:
        """Return which module got names that are not submodules: `from a import b` could find `b` too early.

        Ignored: modules of the standard library with `__getattr__`, which load names at their first use, and modules
        without a file, such as Cython's.
        """
        for name, names in self._names().items():
            is_standard = name.partition(".")[0] in STANDARD
            if name in MAIN or ("__getattr__" in names if is_standard else "__file__" not in names):
                continue
            added = [each for each in names.difference(known.get(name, names)) if not each.startswith("_")]
            if any(f"{name}.{each}" not in sys.modules for each in added):
                return f"it adds names to {name}"
        return ""

    def _too_early(self, module: str, known: Mapping[str, set[str]], settings: object) -> str:
        """Return why an import must come after `%matplotlib inline`; empty if it need not.

        `settings` are those of Matplotlib before the import.
        """
        if not self._inline:
            return ""
        left_out = {*known, *MAIN}
        others = [
            each for name, each in list(sys.modules.items()) if name not in left_out and not MATPLOTLIB.match(name)
        ]
        uses = any(_is_of_matplotlib(value) for each in others for value in list(self._names_of(each).values()))
        changes = not MATPLOTLIB.match(module) and self._settings() != settings
        return "it uses Matplotlib, and `%matplotlib inline` comes before it" if uses or changes else ""

    def _settings(self) -> list[str] | None:
        """Return Matplotlib's settings as they are stored: `rcParams` would choose a backend. None: there are none."""
        module = sys.modules.get("matplotlib")
        settings = self._names_of(module).get("rcParams") if module else None
        return [str(each) for each in dict.items(settings)] if isinstance(settings, dict) else None

    def _foreign(self, known: Mapping[str, set[str]]) -> str:
        """Return why new modules, or the way they were found, would differ in a kernel; empty if they would not."""
        if self._path_changed:
            return "it changes sys.path"
        for name in sys.modules.keys() - known.keys() - {MAIN_OF_CHILDREN}:
            names = self._names_of(sys.modules[name])
            file = names.get("__file__")
            if file and not self._is_installed(file):
                return f"{name.partition('.')[0]} is not from the installed environment"
            if not name.startswith("numpy.random") and _has_random(names):
                return f"{name.partition('.')[0]} has random numbers of its own"  # all forks would have the same
        return ""


def _is_of_matplotlib(value: Any) -> bool:
    kind = type(value)  # not `isinstance`, which asks a proxy for what it stands for
    if issubclass(kind, types.ModuleType):
        owner = object.__getattribute__(value, "__dict__").get("__name__")  # does not load a lazy module
    else:
        owner = value.__module__ if issubclass(kind, (type, types.FunctionType)) else kind.__module__
    return isinstance(owner, str) and bool(MATPLOTLIB.match(owner))


def _set_filters(filters: list[Any]) -> None:
    """Set the filters of warnings, and drop what Python has cached of the earlier ones."""
    warnings.filters[:] = filters  # type: ignore[index] # a list
    with warnings.catch_warnings():  # drops it at its end
        pass


class _Audit:
    """Watches imports through Python's audit events (PEP 578)."""

    def __init__(self, is_installed: Callable[[str], bool], real_path: Callable[[str], str]) -> None:
        self.seen = ""  # what would be done once for all forks, or would read files next to the notebook too early
        self._is_installed = is_installed
        self._real_path = real_path
        self._folder = os.path.realpath(".") + os.sep
        self._listens = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        self._listens = True
        try:
            yield
        finally:
            self._listens = False

    def take(self, event: str, arguments: tuple[Any, ...]) -> None:
        # A hook cannot be removed.
        if not self._listens:
            return
        if event in DONE_ONCE and arguments[1:] not in ANY_PORT:
            self.seen = self.seen or f"it {DONE_ONCE[event]}"
        elif event == "open" and isinstance(arguments[0], str):
            path = arguments[0]
            if self._real_path(path).startswith(self._folder) and not self._is_installed(path):
                self.seen = self.seen or "it reads or writes a file next to the notebook"


def _has_random(names: dict[str, Any]) -> bool:
    """Return whether a module with these names has a generator of random numbers that all forks would share."""
    module = sys.modules.get("numpy.random")
    kinds = (random.Random, module.Generator, module.RandomState) if module else (random.Random,)
    shared = module and module.mtrand._rand  # noqa: SLF001 - that of these functions
    for value in [value for value in names.values() if type(value) not in NOT_RANDOM]:
        with suppress(Exception):  # a proxy is asked for its class
            if isinstance(value, kinds) and not isinstance(value, random.SystemRandom) and value is not shared:
                return True
    return False


class _Arguments(list):  # type: ignore[type-arg] # Python 3.8
    """Stands for `sys.argv`, and notes every use: a kernel's arguments name its connection file."""

    are_used = False


def _looked_at(name: str) -> Any:
    def method(self: Any, *arguments: Any) -> Any:
        self.are_used = True
        return getattr(list, name)(self, *arguments)

    return method


for _name in vars(list).keys() - {"__new__", "__init__", "__getattribute__", "__hash__", "__class_getitem__"}:
    if callable(getattr(list, _name)):
        setattr(_Arguments, _name, _looked_at(_name))


class _Streams:
    """Stand for the standard streams of a kernel, and become its streams later.

    They stay the same objects, because modules keep them: in a handler of logging, or as the default of an argument.
    """

    def __init__(self) -> None:
        self._module: Any = importlib.import_module("ipykernel.iostream")
        self._kind = self._module.OutStream
        stream = _kind_of_stream(self._kind)
        self.by_name = {name: stream(name) for name in ("stdout", "stderr")}

    @property
    def are_used(self) -> bool:
        """Whether a module wrote to them, or used something that only a kernel's streams have."""
        return any(stream.is_used for stream in self.by_name.values())

    def become_real(self) -> None:
        """In a forked kernel: let it use these objects when it creates its streams."""
        self._module.OutStream = self._created

    def are_real(self) -> None:
        """In a forked kernel that has created its streams: undo `become_real`."""
        self._module.OutStream = self._kind

    def _created(self, session: object, thread: object, name: str, **settings: object) -> object:
        stream = self.by_name[name]
        del stream.is_used
        stream.__class__ = self._kind
        stream.__init__(session, thread, name, **settings)
        return stream


def _kind_of_stream(kind: Any) -> Any:
    """Return a class of streams that only note their use. An instance can become one of `kind`, a kernel's."""

    class Stream(kind):  # type: ignore[misc] # known at run time only
        __module__ = kind.__module__  # so that its end is that of a kernel's

        def __init__(self, name: str) -> None:
            self.name = name
            self._isatty = False
            self.is_used = False

        def write(self, text: str) -> int:
            self.is_used = True
            return len(text)

        def flush(self) -> None:
            pass

        def fileno(self) -> int:
            self.is_used = True
            raise io.UnsupportedOperation("fileno")

    return Stream


class _Shell:
    """Stands for IPython's shell, which does not exist yet.

    pandas asks for it to see whether it runs in a notebook, and for nothing else: this is answered as in a kernel. The
    functions that return the shell stay the same objects, because modules may keep them; only their code is replaced.
    """

    def __init__(self) -> None:
        self.asked = False  # for something that only the real shell knows
        self.stands = _standing_for(self)

    @property
    def is_kept(self) -> bool:
        """Whether an imported module keeps it."""
        return sys.getrefcount(self.stands) > OWN_REFERENCES

    @contextmanager
    def watched(self) -> Iterator[None]:
        functions = [importlib.import_module("IPython.core.getipython").get_ipython]
        singleton = importlib.import_module("traitlets.config.configurable").SingletonConfigurable
        methods = [singleton.initialized.__func__, singleton.instance.__func__]
        codes = [each.__code__ for each in functions + methods]
        for each in functions + methods:
            each.__globals__["_before_fork"] = self
        functions[0].__code__ = _give.__code__
        methods[0].__code__ = methods[1].__code__ = _refuse.__code__
        vars(builtins).update(get_ipython=functions[0], __IPYTHON__=True)
        try:
            yield
        finally:
            for name in ("get_ipython", "__IPYTHON__"):
                vars(builtins).pop(name, None)
            for each, code in zip(functions + methods, codes):
                each.__code__ = code
                each.__globals__.pop("_before_fork", None)


def _standing_for(shell: _Shell) -> Any:
    """Return an object that looks like a kernel's shell, and notes when more of it is used."""

    class _Stub:
        def __getattr__(self, name: str) -> Any:
            shell.asked = True
            raise AttributeError(name)

    stub = _Stub()
    names = {"__module__": "ipykernel.zmqshell", "kernel": property(lambda _: stub)}
    return type("ZMQInteractiveShell", (_Stub,), names)()


def _give() -> Any:
    return _before_fork.stands  # type: ignore[name-defined] # noqa: F821 - stands where the code is put


def _refuse(cls: object, *args: object, **kwargs: object) -> None:  # noqa: ARG001 - as the methods have them
    _before_fork.asked = True  # type: ignore[name-defined] # noqa: F821 - as above
    raise RuntimeError("no shell")


class _State:
    """What an import must not change: a kernel sets it, or all forks would share it."""

    def __init__(self) -> None:
        self._printed = _printed()
        self._before = self._now()

    def has_printed(self) -> bool:
        """Return whether a module wrote to the descriptor, not to Python's streams."""
        return _printed() != self._printed

    def difference(self) -> str:
        now = self._now()
        changed = [what for what, value in self._before.items() if now[what] != value]
        return f"it changes {changed[0]}" if changed else ""

    @staticmethod
    def _now() -> dict[str, Any]:
        hooks = ("excepthook", "displayhook", "unraisablehook", "breakpointhook")
        numbers = signal.valid_signals()
        return {
            "hooks of sys": [id(getattr(sys, name)) for name in hooks] + [id(threading.excepthook)],
            "signal handlers": [signal.getsignal(number) for number in numbers],
            "how warnings are shown": [id(warnings.showwarning), id(warnings.formatwarning)],
            "the garbage collector": [gc.isenabled(), gc.get_threshold()],
            "timers": [signal.getitimer(each)[0] > 0 for each in TIMERS],
            "random numbers": [hash(random.getstate()), _numpy_is_seeded()],
            "tracing": [sys.gettrace() is None, sys.getprofile() is None],
            "builtins": sorted(vars(builtins)),
            "the working directory": str(Path.cwd()),
            "open files": _descriptors(),
            "processes": _children(),
            "threads of Python": len(threading.enumerate()),
        }


def _numpy_is_seeded() -> bool:
    """Return whether a module seeded NumPy's functions or used them: each kernel seeds them again."""
    module = sys.modules.get("numpy.random")
    if module is None or not hasattr(module, "get_state"):
        return False
    _, key, position, *_ = module.get_state()
    return (int(key[0]), position) != FRESH_MERSENNE_TWISTER


def _children() -> str:
    with suppress(OSError):  # some Linux kernels have no such file
        return Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    return ""


def _printed() -> int:
    return os.fstat(1).st_size


def _descriptors() -> list[str]:
    """Return the open descriptors that a child would share."""
    found = []
    for path in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found.append(f"{path.name} {os.readlink(path)}")
    return sorted(each for each in found if "/proc/" not in each)


# --- Threads


def _running() -> int:
    """Return the number of other threads, without those of jemalloc, which goes on without them after a fork."""
    names = []
    for task in Path("/proc/self/task").glob("*/comm"):
        with suppress(OSError):  # it has ended
            names.append(task.read_text())
    return sum(name != "jemalloc_bg_thd\n" for name in names) - 1


def _mapped() -> list[str]:
    """Return the loaded libraries of OpenBLAS."""
    lines = [line.split(None, 5) for line in Path("/proc/self/maps").read_text().splitlines()]
    return sorted({line[5] for line in lines if OPENBLAS.search(line[-1])})


class _OpenBlas:
    """One library. If its functions have unknown names, it counts as having no threads, so that some are left over."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.threads = 1
        self._product: Any = None
        self._number: Any = ctypes.c_int
        library = ctypes.CDLL(path)
        for prefix, cblas in PREFIXES.items():
            for suffix in SUFFIXES:
                with suppress(AttributeError):
                    self.threads = getattr(library, f"{prefix}get_num_threads{suffix}")()
                    self._product = getattr(library, f"{cblas}dgemm{suffix}")
                    self._number = ctypes.c_int64 if suffix else ctypes.c_int
                    return

    def multiplies(self) -> bool:
        """Return whether a product of two matrices of ones is right."""
        matrix = ctypes.c_double * (SIDE * SIDE)
        one, product = matrix(*[1.0] * (SIDE * SIDE)), matrix()
        kinds, side = (ROW_MAJOR, NOT_TRANSPOSED, NOT_TRANSPOSED), self._number(SIDE)
        sides, alpha, beta = (side, side, side), ctypes.c_double(1.0), ctypes.c_double(0.0)
        self._product(*kinds, *sides, alpha, one, side, one, side, beta, product, side)
        return set(product) == {float(SIDE)}
