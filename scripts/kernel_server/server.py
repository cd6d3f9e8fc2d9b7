"""Forks kernels. Runs in the user's interpreter: Python 3.8 and later, the standard library and ipykernel alone.

    python start.py <descriptor> <folder>

The descriptor is that of a listening Unix socket, and the folder one that is removed when the driver has been killed.
Each message has a connection of its own: the first four bytes are the length of the JSON that follows, and with them
come descriptors. The server has imported what ipykernel needs, and forks:

    server ── keeper ── kernel
      └────── server ── keeper ── kernel        one that has imported more

For a kernel the JSON has `argv`, `cwd` and `env`, and the descriptors are its standard streams and memory for its last
messages. The connection is the keeper's from then on. It writes whether its server has imported what notebooks do, and
its process id. It forks the kernel when it reads a zero byte, and writes that process id. Each further byte that it
reads is a signal for the kernel's process group. When the kernel has ended, it writes its peak memory in bytes and its
exit code, and then a last line when it has ended all that the kernel had started. The connection is closed when the
driver ends, however that comes: then the keeper ends all of it.

For a further server the JSON has `preload`, what it imports, and `cwd`, and the descriptor is that of its listening
socket. It writes its process id and then what it imports at the moment; if one is refused (see `importing.py`), it says
why and ends. It ends when the connection is closed, as the first one does when its standard input is.

A server that cannot fork says why. Linux only.
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

LIBC = ctypes.PyDLL(None)  # keeps Python's lock, so that no thread goes on meanwhile
PR_SET_PDEATHSIG = 1  # linux/prctl.h
STDIN = 0
DESCRIPTORS = 4  # of a kernel: three streams, and memory
# Files beside a notebook that an import may look at, and that another notebook may have written since.
BESIDE = (".py", ".so", ".toml", ".cfg", ".ini", ".yaml", ".yml", ".env", "rc")
CHANGED = "packages or files changed: "  # before their names
MOST_NAMED = 10
READY = "-ready"  # behind the socket's name: a file that is there when all is imported
GRACE_SECONDS = 1.0
END_SECONDS = 5.0
REFUSAL_SECONDS = 1.0
LOOK_SECONDS = 0.01
CONNECTION_FILE = "the connection file"
# Of every kernel, with another connection file: the specification's and nbclient's.
ARGUMENTS = ("-f", CONNECTION_FILE, "--HistoryManager.hist_file=:memory:")
MAIN = ("__main__", "__mp_main__")  # the latter is multiprocessing's name for it
FILE: Any = io.IOBase.__base__  # what all files are; `io.IOBase` would ask all of its subclasses
# What kernels have of these at their end only closes what the system closes, or warns.
CLOSED_BY_THE_SYSTEM = (
    *("IPython.", "_asyncio.", "_io.", "asyncio.", "builtins.", "ipykernel.", "socket.", "zmq."),
    *("joblib.externals.loky.backend.resource_tracker.", "multiprocessing.resource_tracker."),
)
# What a kernel imports before its first cell; not all of it is there in all versions.
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
    """Serve.

    Args:
        descriptor: That of a listening Unix socket.
        folder: What is removed when the driver has been killed.

    Returns:
        In the process of a kernel: what it does.
    """
    for path in [sys.argv[0]] if getattr(sys.flags, "safe_path", False) else [sys.argv[0], sys.path.pop(0)]:
        sys.path_importer_cache.pop(path, None)  # Python has looked there
    listener = socket.socket(fileno=descriptor)
    gc.disable()  # until all is imported: nothing of it is garbage
    for name in MODULES:
        with suppress(ImportError):
            importlib.import_module(name)
    gc.enable()
    # Once here, and not in each kernel or keeper; and before a notebook could change these files.
    for name in ("importing", "last_messages", "processes"):
        beside(name)
    parse_arguments()
    compile_tokenizer()
    files_at_start()
    first_environment()
    threads = len(list(Path("/proc/self/task").iterdir())) > 1  # of site or sitecustomize; a fork would not have them
    refusal = "this Python starts threads when it begins" if threads else ""
    become = serve(listener, STDIN, refusal, None)
    if not become:
        remove(Path(folder))
    return become


def parse_arguments() -> Any:
    """Make the kernel's application, and have it parse the arguments of a kernel.

    traitlets looks at each option that a kernel has, which is a good part of what happens before the first cell. What
    comes of it is the same for all kernels, but for the connection file.

    Returns:
        The application, in which that stands as `CONNECTION_FILE`.
    """
    app = importlib.import_module("ipykernel.kernelapp").IPKernelApp.instance()
    app.parse_command_line(list(ARGUMENTS))
    return app


def compile_tokenizer() -> None:
    """Have Python's tokenizer compile its regular expressions, which takes as long as many a cell."""
    manager = importlib.import_module("IPython.core.inputtransformer2").TransformerManager()
    manager.transform_cell("0\n")


@lru_cache(maxsize=None)
def files_at_start() -> list[str]:
    """Return the files of the modules that were there before a notebook's were imported."""
    return files_of_modules()


def remove(folder: Path) -> None:
    """Remove a folder, in which others may still write for a moment."""
    ends = time.monotonic() + END_SECONDS
    while folder.exists() and time.monotonic() < ends:
        shutil.rmtree(str(folder), ignore_errors=True)
        time.sleep(LOOK_SECONDS)


def serve(listener: socket.socket, life: int, refusal: str, importer: Any) -> Become | None:
    """Fork for each connection, or say why not.

    Args:
        listener: Where they come.
        life: A descriptor that can be read when there is nothing to serve any more.
        refusal: Why it does not fork.
        importer: Has imported what this server has more than the first one; None: nothing.

    Returns:
        In the process of a kernel, what it does there; None at the end.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody asks how children end
    began = installed(importer)
    names = listed(began)
    # Of the modules those count that can be imported; not this one and those beside it.
    has_no_end = all(map(is_installed, files_of_modules())) and not has_an_end(
        each for each in gc.get_objects() if not isinstance(each, ModuleType)
    )
    beside("pages").settle(frozen=has_no_end)
    Path(listener.getsockname() + READY).touch()
    while True:
        ready, _, _ = select.select([listener.fileno(), life], [], [])
        if life in ready:
            return None
        driver, _ = listener.accept()
        refusal = refusal or changes(began, names, installed(importer))
        # What Python does after a fork is done when the kernel is forked. Of what a keeper writes it would be the most,
        # and servers have no threads of Python's.
        child = -1 if refusal else LIBC.fork()
        if child == 0:
            listener.close()
            if life != STDIN:
                os.close(life)  # else the driver would not see that this server has ended
            return answer(driver, importer)
        if child < 0:
            refuse(driver, refusal or "the server cannot fork")
        driver.close()


def answer(driver: socket.socket, importer: Any) -> Become | None:
    """Be what is asked for: a keeper, or another server."""
    try:
        request, descriptors = receive(driver)
    except OSError:
        os._exit(0)
    if "preload" in request:
        return grow(driver, request, socket.socket(fileno=descriptors[0]), importer)
    return keep(driver, request, descriptors, importer)


def grow(driver: socket.socket, request: Request, listener: socket.socket, importer: Any) -> Become:
    """Be a server that has imported more than the one it comes from. Returns in the process of a kernel alone."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # an import may never end
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    become: Become | None = None
    with suppress(OSError):  # the driver has ended
        tell(driver, "server", os.getpid())
        os.chdir(text(request["cwd"]))
        folder = Path(listener.getsockname()).parent
        with tempfile.TemporaryFile(dir=folder) as printed:
            os.dup2(printed.fileno(), 1)
            os.dup2(printed.fileno(), 2)
        items = request["preload"]
        if items and importer is None:
            importer = new_importer(folder)
        refusal = refused(driver, items, importer)
        if refusal:
            tell(driver, "failed", refusal)
        else:
            tell(driver, "imported", len(items))
            become = serve(listener, driver.detach(), "", importer)
    if become:
        return become
    os.killpg(0, signal.SIGKILL)  # what an import has started, and this process
    raise AssertionError


def refused(driver: socket.socket, items: list[str], importer: Any) -> str:
    """Import modules. Returns why the one that the driver was told of last may not be; nothing where all may."""
    if items and importer is None:
        return "the kernel runs code of its own before the first cell, or does not start"
    for item in items:
        tell(driver, "imports", item)
        refusal = importer.refusal(item)
        if refusal:
            return str(refusal)
    return ""


def new_importer(folder: Path) -> Any:
    """Return an `Importer`; None: nothing can be imported."""
    importing = beside("importing")
    kernel = importing.probe(folder)
    return importing.Importer(kernel, is_installed, real_path, names_of) if kernel else None


@lru_cache(maxsize=None)
def beside(name: str) -> Any:
    """Return a module that lies beside this one. It is not among those that a notebook finds."""
    spec: Any = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def refuse(driver: socket.socket, why: str) -> None:
    """Say why there is no kernel."""
    driver.settimeout(REFUSAL_SECONDS)
    with suppress(OSError):
        _, descriptors = receive(driver)  # a connection that is closed with something unread loses what was written
        for descriptor in descriptors:
            os.close(descriptor)
        tell(driver, "refused", why)


def installed(importer: Any) -> dict[str, int]:
    """Return when packages were last added or taken away: what is imported here would be of before.

    Of a server that has imported what a notebook does, what lies beside the notebook counts too: it comes first.
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
    """Return the names in each folder. Relative paths, of files beside a notebook, are left out."""
    found = {}
    for path in filter(os.path.isabs, paths):
        with suppress(OSError):
            found[path] = {each.name for each in Path(path).iterdir()}
    return found


def changes(began: dict[str, int], names: dict[str, set[str]], now: dict[str, int]) -> str:
    """Return what differs between two results of `installed`; `names` is what was `listed` at first."""
    changed = sorted(path for path in {**began, **now} if began.get(path) != now.get(path))
    after = listed(changed)
    entries = {name for path in changed for name in names.get(path, set()) ^ after.get(path, set())}
    packages = {name.rpartition(".")[0] for name in entries if name.endswith((".dist-info", ".egg-info"))}
    beside = {path for path in changed if not path.startswith(os.sep)}
    found = sorted((packages or entries) | beside) or changed
    more = f" and {len(found) - MOST_NAMED} more" if len(found) > MOST_NAMED else ""
    return f"{CHANGED}{', '.join(found[:MOST_NAMED])}{more}" if found else ""


def keep(driver: socket.socket, request: Request, descriptors: list[int], importer: Any) -> Become | None:
    """Fork the kernel and stay with it. Returns in the kernel's process, and never in the keeper."""
    processes = beside("processes")
    processes.adopt()
    os.setsid()
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    kernel = 0
    try:
        tell(driver, "imported", int(importer is not None))
        tell(driver, "keeper", os.getpid())
        if driver.recv(1):
            # ipykernel ends itself when the process with this id is not its parent any more.
            request["env"]["JPY_PARENT_PID"] = str(os.getpid())
            kernel = os.fork()
            if kernel == 0:
                *streams, memory = descriptors
                leave(driver, (woken, wake), streams)
                return partial(be_as_started, request, importer, memory)
            for descriptor in descriptors:
                os.close(descriptor)
            tell(driver, "pid", kernel)
            code, peak = watch(driver, kernel, woken, processes.reap)
            tell(driver, "peak", peak)
            tell(driver, "code", code)
            processes.end_after(kernel, code)
            tell(driver, "ended", 0)
    except OSError:  # the driver has ended, or there is no process to be had
        if kernel:
            processes.end_all(kernel)
    os._exit(0)


def receive(driver: socket.socket) -> tuple[Request, list[int]]:
    """Return a request and its descriptors.

    Raises:
        ConnectionError: It does not come whole.
    """
    head, ancillary, _, _ = driver.recvmsg(4, socket.CMSG_SPACE(DESCRIPTORS * struct.calcsize("i")))
    descriptors = [number for _, _, data in ancillary for (number,) in struct.iter_unpack("i", data)]
    if len(head) < struct.calcsize("!I"):
        raise ConnectionResetError
    text, length = b"", struct.unpack("!I", head)[0]
    while len(text) < length:
        piece = driver.recv(length - len(text))
        if not piece:
            raise ConnectionResetError
        text += piece
    return json.loads(text.decode("ascii")), descriptors


def leave(driver: socket.socket, pipe: tuple[int, int], streams: list[int]) -> None:
    """In the kernel's process: leave the keeper's session, signals and descriptors."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.setsid()
    threading.main_thread()._set_native_id()  # type: ignore[attr-defined] # noqa: SLF001 - else the keeper's
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    for descriptor in (driver.detach(), *pipe, *streams):
        os.close(descriptor)


def watch(driver: socket.socket, kernel: int, woken: int, reap: Callable[[int], Ended | None]) -> Ended:
    """Pass on signals until the kernel has ended, or the driver. Returns what `reap` does."""
    while True:
        sources: list[Any] = [driver, woken]
        ready, _, _ = select.select(sources, [], [])
        if woken in ready:
            os.read(woken, 4096)
            ended = reap(kernel)
            if ended:
                return ended
        if driver in ready:
            number = driver.recv(1)
            if not number:
                return -signal.SIGKILL, 0
            try:
                os.killpg(kernel, number[0])
            except ProcessLookupError:  # it does not lead a group yet
                os.kill(kernel, number[0])


def be_as_started(request: Request, importer: Any, memory: int) -> None:
    """Be what `python -m ipykernel_launcher ...` is, with what a started kernel gets from its driver."""
    argv, cwd = [text(each) for each in request["argv"]], text(request["cwd"])
    os.chdir(cwd)
    change_environment({raw(name): raw(value) for name, value in request["env"].items()})
    if hasattr(sys, "orig_argv"):
        sys.orig_argv[:] = argv
    if not getattr(sys.flags, "safe_path", False):
        sys.path.insert(0, cwd)  # ipykernel takes it away
    app = with_arguments(argv[3:])
    app.parent_handle = int(request["env"]["JPY_PARENT_PID"])  # ipykernel has read it when it was imported
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
        exec(spec.loader.get_code(argv[2]), vars(module))  # noqa: S102 - it is what `python -m` does
    finally:
        let_reply(app)
        end(sys.exc_info()[1])


def keep_messages(app: Any, memory: int) -> None:
    """Have outputs wait until the driver has time for them: ZeroMQ drops those beyond a thousand that wait.

    See `last_messages.py` for those that still wait when the kernel dies.
    """
    last_messages = beside("last_messages")
    last_messages.replace_watch(sys.modules["ipykernel.iostream"].OutStream)
    init_iopub = app.init_iopub

    def init_with_room(context: Any) -> None:
        del app.init_iopub
        context.sndhwm = 0
        init_iopub(context)
        del context.sndhwm
        app.iopub_thread.send_multipart = last_messages.keeping(app.iopub_thread.send_multipart, memory)

    app.init_iopub = init_with_room


class ModulesHidden:
    """What ipykernel takes for `sys` while it makes the kernel."""

    modules: ClassVar[dict[str, Any]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(sys, name)


def know_files(app: Any) -> None:
    """Tell the kernel the files of modules that no debugger stops in: those that a started kernel has at this moment.

    It would go through all modules, and through those of the notebook if they are imported already.
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
            app.kernel._kernel_modules += files  # noqa: SLF001 - a debugger has this list, too

    app.init_kernel = init_with_files


def let_reply(app: Any) -> None:
    """Let the thread end that is told to end the kernel, if it was.

    ipykernel (7.4) closes its sockets at its end while that thread may still say that it is idle, on one of them: then
    both wait for ever. Started kernels are in that race, too; they are ended by force after some seconds.
    """
    control = getattr(app, "control_thread", None)
    if control is not None and control.is_alive():
        control.join(GRACE_SECONDS)


def with_arguments(arguments: list[str]) -> Any:
    """Return the kernel's application, which has parsed its arguments, or will when it is initialized."""
    kind = importlib.import_module("ipykernel.kernelapp").IPKernelApp
    app = kind.instance()
    place = ARGUMENTS.index(CONNECTION_FILE)
    if (*arguments[:place], CONNECTION_FILE, *arguments[place + 1 :]) != ARGUMENTS:
        kind.clear_instance()
        return kind.instance()
    file = arguments[place]

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
    """Return the files that modules were imported from."""
    modules = [module for name, module in list(sys.modules.items()) if name not in MAIN]
    return list(filter(None, map(file_of, modules)))


def file_of(module: Any) -> str:
    """Return the file that a module was imported from; nothing: there is none."""
    file = names_of(module).get("__file__")
    return file if isinstance(file, str) else ""


def names_of(module: Any) -> dict[str, Any]:
    """Return what a module has. A lazy one is not loaded by that."""
    if isinstance(module, ModuleType):
        names: dict[str, Any] = object.__getattribute__(module, "__dict__")
        return names
    # Anything may stand among the modules.
    return {"__file__": getattr(module, "__file__", None), **getattr(module, "__dict__", {})}


@lru_cache(maxsize=None)
def is_installed(file: str) -> bool:
    """Return whether a file is of the interpreter or of its packages."""
    is_of_interpreter = os.path.split(file)[0] in library_folders()
    return is_of_interpreter or real_path(file).startswith(installed_folders())


@lru_cache(maxsize=None)
def library_folders() -> frozenset[str]:
    """Return the folders of the standard library. Debian has a link to /etc there."""
    return frozenset(filter(None, map(sysconfig.get_path, ("stdlib", "platstdlib"))))


def real_path(path: str) -> str:
    """Return what `os.path.realpath` does, but look at the folders of a folder's files once, not again for each."""
    folder, name = os.path.split(path)
    is_plain = path.startswith(os.sep) and name not in {"", ".", ".."} and not os.path.islink(path)  # noqa: PTH114 - it is text
    return os.path.join(real_folder(folder), name) if is_plain else os.path.realpath(path)  # noqa: PTH118 - it is text


@lru_cache(maxsize=None)
def real_folder(path: str) -> str:
    """Return the real path of a folder."""
    return real_path(path)


@lru_cache(maxsize=None)
def installed_folders() -> tuple[str, ...]:
    """Return the folders of the interpreter and its packages, each with a slash behind it."""
    paths = sysconfig.get_paths()
    folders = [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    with suppress(AttributeError):  # virtualenv of old
        folders += [*site.getsitepackages(), site.getusersitepackages()]
    return tuple(f"{os.path.realpath(folder)}{os.sep}" for folder in folders)


def end(error: BaseException | None) -> None:
    """End the kernel as Python does, and leave out what nobody sees: taking hundreds of installed modules apart.

    That takes a third of a second after pandas and scikit-learn were imported. IPython has taken apart what the
    notebook has made by then, in one of the functions of `atexit`; files that are still open are written here. Where
    something is left that has an end of its own, Python does take all apart.

    Args:
        error: What has ended it; None: nothing.
    """
    if error is not None and not isinstance(error, SystemExit):
        return  # Python shows it
    if sys.version_info < (3, 10):
        return  # connections to SQLite are not among the objects below
    # What Py_FinalizeEx begins with.
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
    """Return whether some object does more at its end than to give back memory: Python has to take it apart."""
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
    """Return what tells whether an object of a type has an end of its own; None: none has."""
    if kind in {CoroutineType, GeneratorType}:
        return is_under_way
    if issubclass(kind, ModuleType):
        return is_of_a_notebook
    sqlite3 = sys.modules.get("sqlite3")
    if sqlite3 and issubclass(kind, sqlite3.Connection):
        return is_of_a_file
    # All files have Python's `__del__`, which is their `close`. That of some has more to write than `flush` has.
    own_end = any("__del__" in vars(each) for each in kind.__mro__)
    return always if own_end and not f"{kind.__module__}.".startswith(CLOSED_BY_THE_SYSTEM) else None


def always(_: Any) -> bool:
    """Return that it has an end of its own."""
    return True


def is_under_way(routine: Any) -> bool:
    """Return whether a generator or coroutine of other than installed code would go on to its `finally`."""
    frame = routine.gi_frame if isinstance(routine, GeneratorType) else routine.cr_frame
    return frame is not None and not is_installed(frame.f_code.co_filename)


def is_of_a_notebook(module: ModuleType) -> bool:
    """Return whether a module is not of the interpreter or its packages: it may be written in C."""
    file = file_of(module)
    return file != "" and not is_installed(file)


def is_of_a_file(connection: Any) -> bool:
    """Return whether a connection of SQLite has, or may have, a file open."""
    try:
        return any(file for _, _, file in connection.execute("PRAGMA database_list"))
    except sys.modules["sqlite3"].Error as error:
        return "closed" not in str(error)  # but of another thread


def change_environment(given: dict[bytes, bytes]) -> None:
    """Have the kernel's environment, with the changes that the interpreter's start and imports have made to ours."""
    first, now = first_environment(), dict(os.environb)
    wanted = {name: value for name, value in given.items() if name in now or name not in first}
    wanted.update({name: value for name, value in now.items() if first.get(name) != value})
    # Most of it is there already, in this order, which programs see.
    there = sum(1 for _ in takewhile(lambda names: names[0] == names[1], zip(now, wanted)))
    for name in list(now)[there:]:
        del os.environb[name]
    for name, value in wanted.items():
        if os.environb.get(name) != value:
            os.environb[name] = value


@lru_cache(maxsize=None)
def first_environment() -> dict[bytes, bytes]:
    """Return the environment that the first server began with."""
    pairs = [pair.partition(b"=") for pair in Path("/proc/self/environ").read_bytes().split(b"\0") if pair]
    return {name: value for name, _, value in pairs}


def raw(told: str) -> bytes:
    """Return the bytes that stand in a request, each as a character."""
    return told.encode("latin-1")


def text(told: str) -> str:
    """Return text that stands in a request as bytes, as this process understands them."""
    return os.fsdecode(raw(told))


def tell(driver: socket.socket, name: str, value: int | str) -> None:
    """Write a line to the driver."""
    driver.sendall(json.dumps({name: value}).encode("ascii") + b"\n")
