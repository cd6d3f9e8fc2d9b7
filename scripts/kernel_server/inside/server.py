"""Forks kernels. Runs in the user's interpreter: needs only Python 3.8 or later, the standard library and ipykernel.

    python start.py <descriptor> <folder>

The descriptor is a listening Unix socket. The server removes the folder when the process that started it was killed.
../README.md shows the processes and the messages. Linux only.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import importlib.util
import io
import json
import os
import select
import shutil
import signal
import site
import socket
import struct
import sys
import sysconfig
import tempfile
import threading
import time
from contextlib import suppress
from functools import lru_cache, partial
from itertools import takewhile
from pathlib import Path
from types import CoroutineType, GeneratorType, ModuleType
from typing import Any, Callable, ClassVar, Dict, Iterable, Tuple

Request = Dict[str, Any]
Become = Callable[[], None]
Ended = Tuple[int, int]

LIBC = ctypes.PyDLL(None)  # calls do not release Python's lock, so no other thread runs meanwhile
PR_SET_PDEATHSIG = 1  # linux/prctl.h
STDIN = 0
DESCRIPTORS = 4  # per kernel: three streams, and memory
# Files next to a notebook that an import may read, and that another notebook may have changed since.
BESIDE = (".py", ".so", ".toml", ".cfg", ".ini", ".yaml", ".yml", ".env", "rc")
CHANGED = "packages or files changed: "  # before their names
MOST_NAMED = 10
READY = "-ready"  # suffix of the socket's name: this file exists once everything is imported
END_SECONDS = 5.0
REFUSAL_SECONDS = 1.0
LOOK_SECONDS = 0.01
NEVER = 1 << 30  # objects until the collector runs
CONNECTION_FILE = "the connection file"
# Every kernel has these arguments (from the kernel spec and nbclient), each with its own connection file.
ARGUMENTS = ("-f", CONNECTION_FILE, "--HistoryManager.hist_file=:memory:")
MAIN = ("__main__", "__mp_main__")  # multiprocessing uses the second name
FILE: Any = io.IOBase.__base__  # base class of all files; a check with `io.IOBase` would ask all of its subclasses
# Finalizers in these modules only close what the system closes anyway, or warn.
CLOSED_BY_THE_SYSTEM = (
    *("IPython.", "_asyncio.", "_io.", "asyncio.", "builtins.", "ipykernel.", "socket.", "zmq."),
    *("joblib.externals.loky.backend.resource_tracker.", "multiprocessing.resource_tracker."),
)
# What a kernel imports before its first cell; some versions lack some of these modules.
MODULES = (
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "ipykernel.zmqshell",
    "ipykernel.debugger",
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.core.history",
    "IPython.core.logger",
    "IPython.core.magics",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "jupyter_client.localinterfaces",
    "psutil",
    "runpy",
    "sqlite3",
    "tornado.platform.asyncio",
)


def main(descriptor: int, folder: str) -> Become | None:
    """Serve on a listening Unix socket. Returns, in the process of a kernel only, the function that the kernel runs."""
    for path in [sys.argv[0]] if getattr(sys.flags, "safe_path", False) else [sys.argv[0], sys.path.pop(0)]:
        sys.path_importer_cache.pop(path, None)  # Python has already looked there
    listener = socket.socket(fileno=descriptor)
    gc.disable()  # imports create no garbage
    for name in MODULES:
        with suppress(ImportError):
            importlib.import_module(name)
    gc.enable()
    # Load these once, not in each kernel or supervisor, and before a notebook can change the files.
    for name in ("importing", "last_messages", "processes"):
        beside(name)
    parse_arguments()
    compile_tokenizer()  # its regular expressions take as long as many a cell
    files_at_start()
    first_environment()
    threads = len(list(Path("/proc/self/task").iterdir())) > 1  # from site or sitecustomize; a fork loses them
    refusal = "this Python starts threads when it begins" if threads else ""
    become = serve(listener, STDIN, refusal, None)
    if not become:
        remove(Path(folder))
    return become


def parse_arguments() -> Any:
    """Create the kernel's application and let it parse a kernel's arguments, with `CONNECTION_FILE` as the file's name.

    traitlets looks at each option, which takes a good part of the time before the first cell. Only the file differs.
    """
    app = importlib.import_module("ipykernel.kernelapp").IPKernelApp.instance()
    app.parse_command_line(list(ARGUMENTS))
    return app


def compile_tokenizer() -> None:
    manager = importlib.import_module("IPython.core.inputtransformer2").TransformerManager()
    manager.transform_cell("0\n")


@lru_cache(maxsize=None)
def files_at_start() -> list[str]:
    """Return the files of the modules that were imported before a notebook's own imports."""
    return files_of_modules()


def remove(folder: Path) -> None:
    """Remove a folder in which other processes may still write for a moment."""
    ends = time.monotonic() + END_SECONDS
    while folder.exists() and time.monotonic() < ends:
        shutil.rmtree(str(folder), ignore_errors=True)
        time.sleep(LOOK_SECONDS)


def serve(listener: socket.socket, life: int, refusal: str, importer: Any) -> Become | None:
    """Fork for each connection, or write why not.

    `life` is a descriptor that becomes readable when the server must end. `refusal` says why this server does not fork.
    `importer` has imported what the first server lacks (None: nothing). Returns, in the process of a kernel,
    the function that the kernel runs; None at the end.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody reads the exit codes of children
    began = installed(importer)
    names = listed(began)
    # Only modules that can be imported count, not this module and its neighbours.
    has_no_end = all(map(is_installed, files_of_modules())) and not has_an_end(
        each for each in gc.get_objects() if not isinstance(each, ModuleType)
    )
    beside("pages").settle(frozen=has_no_end)
    Path(listener.getsockname() + READY).touch()
    while True:
        ready, _, _ = select.select([listener.fileno(), life], [], [])
        if life in ready:
            return None
        client, _ = listener.accept()
        refusal = refusal or changes(began, names, installed(importer))
        # A plain fork(2): Python's own work after a fork follows when the kernel is forked. It would be most of what a
        # supervisor writes to memory, and servers have no Python threads.
        child = -1 if refusal else LIBC.fork()
        if child == 0:
            listener.close()
            if life != STDIN:
                os.close(life)  # else the client would not notice that this server has ended
            return answer(client, importer)
        if child < 0:
            refuse(client, refusal or "the server cannot fork")
        client.close()


def answer(client: socket.socket, importer: Any) -> Become | None:
    try:
        request, descriptors = receive(client)
    except OSError:
        os._exit(0)
    if "preload" in request:
        return grow(client, request, socket.socket(fileno=descriptors[0]), importer)
    return supervise(client, request, descriptors, importer)


def grow(client: socket.socket, request: Request, listener: socket.socket, importer: Any) -> Become:
    """Become a server that has imported more than its parent. Returns only in the process of a kernel."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # an import may never end
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    become: Become | None = None
    with suppress(OSError):  # the client has ended
        write(client, "server", os.getpid())
        os.chdir(text(request["cwd"]))
        folder = Path(listener.getsockname()).parent
        with tempfile.TemporaryFile(dir=folder) as printed:
            os.dup2(printed.fileno(), 1)
            os.dup2(printed.fileno(), 2)
        items = request["preload"]
        if items and importer is None:
            importer = new_importer(folder, inline=request["inline"])
        thresholds = gc.get_threshold()
        gc.set_threshold(NEVER)  # imports create no garbage; not disabled, because a module may do this
        refusal = refused(client, items, importer)
        gc.set_threshold(*thresholds)
        if refusal:
            write(client, "failed", refusal)
        else:
            write(client, "imported", len(items))
            become = serve(listener, client.detach(), "", importer)
    if become:
        return become
    os.killpg(0, signal.SIGKILL)  # what an import has started, and this process
    raise AssertionError


def refused(client: socket.socket, items: list[str], importer: Any) -> str:
    """Import modules. Returns why the last one that the client knows of is refused; empty if none is."""
    if items and importer is None:
        return "the kernel runs code of its own before the first cell, or does not start"
    for item in items:
        write(client, "imports", item)
        refusal = importer.refusal(item)
        if refusal:
            return str(refusal)
    return ""


def new_importer(folder: Path, *, inline: bool) -> Any:
    importing = beside("importing")
    kernel = importing.probe(folder)
    return importing.Importer(kernel, is_installed, real_path, names_of, inline=inline) if kernel else None


@lru_cache(maxsize=None)
def beside(name: str) -> Any:
    """Return a module from this folder, without making it visible to notebooks."""
    spec: Any = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def refuse(client: socket.socket, why: str) -> None:
    client.settimeout(REFUSAL_SECONDS)
    with suppress(OSError):
        _, descriptors = receive(client)  # closing a connection with unread data discards what was written
        for descriptor in descriptors:
            os.close(descriptor)
        write(client, "refused", why)


def installed(importer: Any) -> dict[str, int]:
    """Return the modification times of the folders of packages: if they change, imports made here are outdated.

    For a server with a notebook's imports, files next to the notebook count too: they come first on the path.
    """
    changed = {}
    for name in [*sys.path, site.getusersitepackages()]:
        with suppress(OSError):
            changed[name] = Path(name).stat().st_mtime_ns
    for path in Path().iterdir() if importer else ():
        if path.name.endswith(BESIDE) or path.name.startswith(".") or (path / "__init__.py").exists():
            with suppress(OSError):
                changed[path.name] = path.stat().st_mtime_ns
    return changed


def listed(paths: Iterable[str]) -> dict[str, set[str]]:
    """Return the names in each folder. Relative paths, which are files next to a notebook, are left out."""
    found = {}
    for path in filter(os.path.isabs, paths):
        with suppress(OSError):
            found[path] = {each.name for each in Path(path).iterdir()}
    return found


def changes(began: dict[str, int], names: dict[str, set[str]], now: dict[str, int]) -> str:
    """Return what differs between two results of `installed`; `names` is the earlier result of `listed`."""
    changed = sorted(path for path in {**began, **now} if began.get(path) != now.get(path))
    after = listed(changed)
    entries = {name for path in changed for name in names.get(path, set()) ^ after.get(path, set())}
    packages = {name.rpartition(".")[0] for name in entries if name.endswith((".dist-info", ".egg-info"))}
    neighbours = {path for path in changed if not path.startswith(os.sep)}
    found = sorted((packages or entries) | neighbours) or changed
    more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    return f"{CHANGED}{', '.join(found[:MOST_NAMED])}{more}" if found else ""


def supervise(client: socket.socket, request: Request, descriptors: list[int], importer: Any) -> Become | None:
    """Be the supervisor: fork the kernel and stay with it. Returns only in the kernel's process."""
    processes = beside("processes")
    processes.adopt()
    os.setsid()
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    kernel = 0
    try:
        write(client, "imported", int(importer is not None))
        write(client, "supervisor", os.getpid())
        if client.recv(1):
            # ipykernel ends itself when the process with this id is no longer its parent.
            request["env"]["JPY_PARENT_PID"] = str(os.getpid())
            kernel = os.fork()
            if kernel == 0:
                *streams, memory = descriptors
                leave(client, (woken, wake), streams)
                return partial(be_as_started, request, importer, memory)
            for descriptor in descriptors:
                os.close(descriptor)
            write(client, "pid", kernel)
            code, peak = watch(client, kernel, woken, processes.reap)
            write(client, "peak", peak)
            write(client, "code", code)
            processes.end_after(kernel, code)
            write(client, "ended", 0)
    except OSError:  # the worker has ended, or no process can be created
        if kernel:
            processes.end_all(kernel)
    os._exit(0)


def receive(client: socket.socket) -> tuple[Request, list[int]]:
    """Return a request and its descriptors; raise ConnectionError if it is not complete."""
    head, ancillary, _, _ = client.recvmsg(4, socket.CMSG_SPACE(DESCRIPTORS * struct.calcsize("i")))
    descriptors = [number for _, _, data in ancillary for (number,) in struct.iter_unpack("i", data)]
    if len(head) < struct.calcsize("!I"):
        raise ConnectionResetError
    text, length = b"", struct.unpack("!I", head)[0]
    while len(text) < length:
        piece = client.recv(length - len(text))
        if not piece:
            raise ConnectionResetError
        text += piece
    return json.loads(text.decode("ascii")), descriptors


def leave(client: socket.socket, pipe: tuple[int, int], streams: list[int]) -> None:
    """In the kernel's process: leave the supervisor's session, signals and descriptors."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    threading.main_thread()._set_native_id()  # type: ignore[attr-defined] # noqa: SLF001 - else the supervisor's id
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    for descriptor in (client.detach(), *pipe, *streams):
        os.close(descriptor)


def watch(client: socket.socket, kernel: int, woken: int, reap: Callable[[int], Ended | None]) -> Ended:
    """Pass signals on until the kernel or the worker has ended. Returns the result of `reap`."""
    while True:
        sources: list[Any] = [client, woken]
        ready, _, _ = select.select(sources, [], [])
        if woken in ready:
            os.read(woken, 4096)
            ended = reap(kernel)
            if ended:
                return ended
        if client in ready:
            number = client.recv(1)
            if not number:
                return -signal.SIGKILL, 0
            try:
                os.killpg(kernel, number[0])
            except ProcessLookupError:  # it does not lead a group yet
                os.kill(kernel, number[0])


def be_as_started(request: Request, importer: Any, memory: int) -> None:
    """Do what `python -m ipykernel_launcher ...` does, with what the worker would give to a started kernel."""
    argv, cwd = [text(each) for each in request["argv"]], text(request["cwd"])
    os.chdir(cwd)
    change_environment({raw(name): raw(value) for name, value in request["env"].items()})
    getattr(sys, "orig_argv", [])[:] = argv  # since Python 3.10
    if not getattr(sys.flags, "safe_path", False):
        sys.path.insert(0, cwd)  # ipykernel removes it
    app = with_arguments(argv[3:])
    app.parent_handle = int(request["env"]["JPY_PARENT_PID"])  # ipykernel read the variable on import
    keep_messages(app, memory)
    know_files(app)
    if importer:
        importer.before_start(app)
    spec: Any = importlib.util.find_spec(argv[2])
    module = importlib.util.module_from_spec(spec)
    module.__name__ = "__main__"
    sys.argv[:] = [spec.origin, *argv[3:]]
    for name in MAIN:
        if name in sys.modules:
            sys.modules[name] = module
    try:
        exec(spec.loader.get_code(argv[2]), vars(module))  # noqa: S102 - as `python -m` does
    finally:
        end(sys.exc_info()[1])


def keep_messages(app: Any, memory: int) -> None:
    """Keep the last messages of the kernel: see `last_messages.py`."""
    last_messages = beside("last_messages")
    last_messages.replace_watch(sys.modules["ipykernel.iostream"].OutStream)
    init_iopub = app.init_iopub

    def init_and_keep(context: Any) -> None:
        del app.init_iopub
        init_iopub(context)
        app.iopub_thread.send_multipart = last_messages.keeping(app.iopub_thread.send_multipart, memory)

    app.init_iopub = init_and_keep


class ModulesHidden:
    """Replaces `sys` for ipykernel while it creates the kernel, so that it sees no modules."""

    modules: ClassVar[dict[str, Any]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(sys, name)


def know_files(app: Any) -> None:
    """Tell the kernel in which files no debugger stops: those of the modules that a started kernel would have now.

    ipykernel would list all modules, and so those of the notebook if they are already imported.
    """
    init_kernel = app.init_kernel

    def init_with_files() -> None:
        del app.init_kernel
        ipkernel: Any = sys.modules["ipykernel.ipkernel"]
        files = [*files_at_start(), sys.argv[0]]
        ipkernel.sys = ModulesHidden()
        try:
            init_kernel()
        finally:
            ipkernel.sys = sys
        if hasattr(app.kernel, "_kernel_modules"):
            app.kernel._kernel_modules += files  # noqa: SLF001 - debuggers use this list

    app.init_kernel = init_with_files


def with_arguments(arguments: list[str]) -> Any:
    """Return the kernel's application, which has parsed its arguments, or will do so when it is initialized."""
    kind = importlib.import_module("ipykernel.kernelapp").IPKernelApp
    app = kind.instance()
    index = ARGUMENTS.index(CONNECTION_FILE)
    if (*arguments[:index], CONNECTION_FILE, *arguments[index + 1 :]) != ARGUMENTS:
        kind.clear_instance()
        return kind.instance()
    file = arguments[index]

    def parse_command_line(_: object = None) -> None:
        del app.parse_command_line
        app.argv = arguments
        for config in (app.cli_config, app.config):
            parsed = config.IPKernelApp
            parsed.connection_file = type(parsed.connection_file)(file)
        app.connection_file = file

    app.parse_command_line = parse_command_line
    return app


def files_of_modules() -> list[str]:
    modules = [module for name, module in list(sys.modules.items()) if name not in MAIN]
    return list(filter(None, map(file_of, modules)))


def file_of(module: Any) -> str:
    """Return the file that a module was imported from; empty if it has none."""
    file = names_of(module).get("__file__")
    return file if isinstance(file, str) else ""


def names_of(module: Any) -> dict[str, Any]:
    """Return a module's names, without loading a lazy module."""
    if isinstance(module, ModuleType):
        names: dict[str, Any] = object.__getattribute__(module, "__dict__")
        return names
    # `sys.modules` may hold objects that are not modules.
    return {"__file__": getattr(module, "__file__", None), **getattr(module, "__dict__", {})}


@lru_cache(maxsize=None)
def is_installed(file: str) -> bool:
    """Return whether a file belongs to the interpreter or its packages."""
    is_of_interpreter = os.path.split(file)[0] in library_folders()
    return is_of_interpreter or real_path(file).startswith(installed_folders())


@lru_cache(maxsize=None)
def library_folders() -> frozenset[str]:
    """Return the folders of the standard library. Debian has links to /etc in them."""
    return frozenset(filter(None, map(sysconfig.get_path, ("stdlib", "platstdlib"))))


def real_path(path: str) -> str:
    """Do the same as `os.path.realpath`, but look at each folder only once, not once per file."""
    folder, name = os.path.split(path)
    is_plain = path.startswith(os.sep) and name not in {"", ".", ".."} and not os.path.islink(path)  # noqa: PTH114 - it is text
    return os.path.join(real_folder(folder), name) if is_plain else os.path.realpath(path)  # noqa: PTH118 - it is text


@lru_cache(maxsize=None)
def real_folder(path: str) -> str:
    return real_path(path)


@lru_cache(maxsize=None)
def installed_folders() -> tuple[str, ...]:
    """Return the folders of the interpreter and its packages, each with a final slash."""
    paths = sysconfig.get_paths()
    folders = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    with suppress(AttributeError):  # old versions of virtualenv
        folders += [*site.getsitepackages(), site.getusersitepackages()]
    return tuple(f"{os.path.realpath(folder)}{os.sep}" for folder in folders)


def end(error: BaseException | None) -> None:
    """End the kernel like Python does, but do not destroy the objects of hundreds of installed modules.

    That would take a third of a second after imports of pandas and scikit-learn, and nobody sees it. By then IPython
    has destroyed what the notebook created, in a function of `atexit`. This function flushes files that are still open.
    If an object with a finalizer is left, Python destroys all objects.
    """
    if error is not None and not isinstance(error, SystemExit):
        return  # Python prints it
    if sys.version_info < (3, 10):
        return  # before Python 3.10, `gc.get_objects` does not list SQLite connections
    # The first steps of Py_FinalizeEx.
    threading._shutdown()  # type: ignore[attr-defined] # noqa: SLF001 - nothing else waits for threads
    atexit._run_exitfuncs()  # noqa: SLF001 - nothing else calls them
    objects = [*gc.get_objects(), sys.stdout, sys.stderr]
    if has_an_end(objects):
        return
    for each in objects:
        if FILE in type(each).__mro__:
            with suppress(Exception):  # closed, or full
                each.flush()
    code = error.code if error else 0
    LIBC.exit(code if isinstance(code, int) else int(code is not None))


def has_an_end(objects: Iterable[Any]) -> bool:
    """Return whether some object has a finalizer that does more than free memory, so that Python must destroy it."""
    ends: dict[type, Callable[[Any], bool] | None] = {}
    for each in objects:
        kind = type(each)
        if kind not in ends:
            ends[kind] = end_of(kind)
        end_of_it = ends[kind]
        if end_of_it and end_of_it(each):
            return True
    return False


def end_of(kind: type) -> Callable[[Any], bool] | None:
    """Return a function that tells whether an object of this type has a finalizer; None if no such object has."""
    if kind in {CoroutineType, GeneratorType}:
        return is_under_way
    if issubclass(kind, ModuleType):
        return is_of_a_notebook
    sqlite3 = sys.modules.get("sqlite3")
    if sqlite3 and issubclass(kind, sqlite3.Connection):
        return is_of_a_file
    # The `__del__` of a file calls `close`. For some types this writes more than `flush` does.
    own_end = any("__del__" in vars(each) for each in kind.__mro__)
    return always if own_end and not f"{kind.__module__}.".startswith(CLOSED_BY_THE_SYSTEM) else None


def always(_: Any) -> bool:
    return True


def is_under_way(routine: Any) -> bool:
    """Return whether a generator or coroutine, not of installed code, would still run its `finally`."""
    frame = routine.gi_frame if isinstance(routine, GeneratorType) else routine.cr_frame
    return frame is not None and not is_installed(frame.f_code.co_filename)


def is_of_a_notebook(module: ModuleType) -> bool:
    """Return whether a module, perhaps written in C, belongs neither to the interpreter nor to its packages."""
    file = file_of(module)
    return file != "" and not is_installed(file)


def is_of_a_file(connection: Any) -> bool:
    try:
        return any(file for _, _, file in connection.execute("PRAGMA database_list"))
    except sys.modules["sqlite3"].Error as error:
        return "closed" not in str(error)  # an open connection of another thread: it may have a file


def change_environment(given: dict[bytes, bytes]) -> None:
    """Set the kernel's variables, and keep changes that the interpreter's start and imports made to the server's."""
    first, now = first_environment(), dict(os.environb)
    variables = {name: value for name, value in given.items() if name in now or name not in first}
    variables.update({name: value for name, value in now.items() if first.get(name) != value})
    # Most variables are already set, in this order; programs can see the order.
    same = sum(1 for _ in takewhile(lambda names: names[0] == names[1], zip(now, variables)))
    for name in list(now)[same:]:
        del os.environb[name]
    for name, value in variables.items():
        if os.environb.get(name) != value:
            os.environb[name] = value


@lru_cache(maxsize=None)
def first_environment() -> dict[bytes, bytes]:
    pairs = [pair.partition(b"=") for pair in Path("/proc/self/environ").read_bytes().split(b"\0") if pair]
    return {name: value for name, _, value in pairs}


def raw(encoded: str) -> bytes:
    """Return bytes from a request, where each byte is one character."""
    return encoded.encode("latin-1")


def text(encoded: str) -> str:
    """Return a request's bytes as text, decoded as this process decodes file names."""
    return os.fsdecode(raw(encoded))


def write(client: socket.socket, name: str, value: int | str) -> None:
    client.sendall(json.dumps({name: value}).encode("ascii") + b"\n")
