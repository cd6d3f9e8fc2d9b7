"""Forked kernels: the same as started ones, and nothing of them is left, whoever ends first."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from integration.suite import ROOT, Done, Workspace, notebook, parent, texts, wait_until

SERVER = "kernel_server/start.py"
# All that a process can tell of how it was started. What differs between two kernels anyway is left out: ids, the
# private folder of each (`nci-...`), the ports of ZeroMQ.
STATE = """
import gc, inspect, json, locale, logging, os, re, resource, signal, subprocess, sys, threading, warnings
import asyncio, decimal, socket
from pathlib import Path

ids = rf"\\b(?:{os.getpid()}|{os.getppid()})\\b"  # a process may have a number of three digits

def same(value):
    return re.sub(r"nci-\\w+", "nci-", re.sub(rf"0x\\w+|[0-9a-f]{{8}}-[0-9a-f]{{24}}|\\d{{4,}}|{ids}", "N", str(value)))

def handler(number):
    found = signal.getsignal(number)
    return getattr(found, "__qualname__", str(found))

open_files = [same(os.readlink(path)) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
main, app = sys.modules["__main__"], get_ipython().kernel.parent
print(json.dumps({
    "leads its session": os.getpid() == os.getsid(0) == os.getpgid(0),
    "its parent is who it thinks": os.environ["JPY_PARENT_PID"] == str(os.getppid()),
    "cwd": os.getcwd(),
    "environ": {name: same(value) for name, value in os.environ.items()},
    "order of environ": list(os.environ),
    "environ of others": same(subprocess.run(["env"], stdout=subprocess.PIPE, text=True).stdout),
    "argv": same(sys.argv), "orig_argv": same(getattr(sys, "orig_argv", "")), "path": sys.path, "flags": str(sys.flags),
    "executable": [sys.executable, sys.prefix, sys.base_prefix, sys.warnoptions, sys._xoptions],
    "main": [main.__name__, str(getattr(main, "__spec__", "")), sorted(vars(main)), hasattr(main, "__file__")],
    "signals": {number: handler(number) for number in sorted(signal.valid_signals())},
    "masked": sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, []))),
    "umask": [os.umask(0o22), os.umask(0o22)],
    "streams": [
        (each.fileno(), each.encoding, each.errors, each.line_buffering, each.isatty(), each.mode)
        for each in (sys.__stdin__, sys.__stdout__, sys.__stderr__)
    ],
    "shown": [type(sys.stdin).__name__, type(sys.stdout).__name__, type(sys.stderr).__name__, sys.stdout.encoding],
    # How many sockets and events ZeroMQ holds at a moment is not the same twice, in started kernels neither.
    "descriptors": sorted({re.sub(r":.*", "", name) for name in open_files}),
    "standard": [re.sub(r"\\d+", "N", same(os.readlink(f"/proc/self/fd/{number}"))) for number in range(3)],
    "threads": sorted(re.sub(r"\\d+", "", thread.name) for thread in threading.enumerate()),
    "main thread": threading.current_thread() is threading.main_thread(),
    "its id": threading.main_thread().native_id == os.getpid(),
    "frames": len(inspect.stack()),
    "limits": {
        name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT")
    },
    "nice": os.nice(0), "affinity": sorted(os.sched_getaffinity(0)),
    "oom": Path("/proc/self/oom_score_adj").read_text(),
    "subreaper and the like": re.findall(r"(?:NoNewPrivs|Seccomp|Cap\\w+):.*", Path("/proc/self/status").read_text()),
    "locale": [locale.setlocale(locale.LC_CTYPE), sys.getfilesystemencoding(), locale.getpreferredencoding()],
    "gc": [gc.isenabled(), gc.get_threshold()], "recursion": sys.getrecursionlimit(),
    "warnings": same(warnings.filters), "logging": [len(logging.root.handlers), logging.root.level],
    "decimal": str(decimal.getcontext()), "loop": type(asyncio.get_event_loop()).__name__,
    "timeout": socket.getdefaulttimeout(), "switch": sys.getswitchinterval(),
    "tracing": [sys.gettrace() is None, sys.getprofile() is None], "builtins": sorted(dir(__builtins__)),
    "shell": [get_ipython().execution_count, type(get_ipython()).__module__],
    "application": sorted(vars(app)),
    "its traits": sorted(same(pair) for pair in app._trait_values.items() if pair[0] not in {"context", "poller"}),
    "its arguments": [same(app.argv), same(app.cli_config), str(type(app.cli_config.IPKernelApp.connection_file))],
    "history": same(get_ipython().history_manager.hist_file),
}))
"""
RANDOM = "import random, uuid, secrets\nprint(random.random(), uuid.uuid4(), secrets.token_hex())"


def told(done: Done, name: str) -> str:
    """Return what the first cell of an executed notebook printed."""
    return texts(json.loads(Path(done.outputs["output-dir"], name).read_text(encoding="utf-8"))["cells"][0])


def starts(done: Done) -> list[str]:
    return [found["kernel_start"] for found in done.record["notebooks"]]


def notices(done: Done) -> list[str]:
    return [notice.message for notice in done.annotations("notice")]


@pytest.mark.parametrize(
    "environ",
    [
        dict.fromkeys(("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONPYCACHEPREFIX", "IPYTHONDIR"), ""),
        {"PYTHONSAFEPATH": "1", "LANG": "C", "PYTHONWARNINGS": "error::ImportWarning"},
    ],
    ids=["empty", "set"],
)
def test_it_is_as_fresh_as_a_started_one(workspace: Workspace, kernel: Path, environ: dict[str, str]) -> None:
    workspace.write("deep/state.ipynb", notebook(STATE))
    fresh: list[dict[str, Any]] = []
    for start, preload in (("spawn", "off"), ("fork", "off"), ("fork", "colorsys")):
        done = workspace.execute(kernel, environ, kernel_start=start, preload=preload)
        assert done.code == 0, done.log
        assert starts(done) == [start], notices(done)
        assert done.record["notebooks"][0]["preloaded"] == ([preload] if preload != "off" else [])
        fresh.append(json.loads(told(done, "deep/state.ipynb")))
    for other in fresh[1:]:
        different = {name: (fresh[0][name], told) for name, told in other.items() if told != fresh[0][name]}
        assert other.keys() == fresh[0].keys()
        assert not different, json.dumps(different, indent=1)


def test_one_knows_nothing_of_another(workspace: Workspace, kernel: Path) -> None:
    spoil = (
        "import os, sys, builtins, signal, gc\nbuiltins.left = os.environ['LEFT'] = 'x'\nsys.path.append('/left')\n"
        "os.umask(0)\nsys.setrecursionlimit(99999)\nsignal.signal(signal.SIGUSR1, signal.SIG_IGN)\ngc.disable()"
    )
    workspace.write("1-spoil.ipynb", notebook(spoil))
    workspace.write("2-state.ipynb", notebook(STATE))
    done = workspace.execute(kernel, kernel_start="fork")
    assert starts(done) == ["fork", "fork"]
    after = told(done, "2-state.ipynb")
    shutil.rmtree(workspace.runner_temp / "notebook-ci")
    (workspace.folder / "1-spoil.ipynb").unlink()
    assert told(workspace.execute(kernel, kernel_start="fork"), "2-state.ipynb") == after


BEGIN = """
import os
os.environ["ADDED"] = "by sitecustomize"
os.environ["CHANGED"] = "new"
os.environ.pop("DROPPED")
LOG = open(os.environ["LOG"], "a")
"""
BEGUN = """
import os, sitecustomize
sitecustomize.LOG.write("x")
print(os.environ["ADDED"], os.environ["CHANGED"], "DROPPED" in os.environ, os.fstat(sitecustomize.LOG.fileno()).st_size)
"""


def test_what_the_interpreter_does_when_it_begins_is_kept(workspace: Workspace, kernel: Path) -> None:
    workspace.write("site/sitecustomize.py", BEGIN)
    workspace.write("a.ipynb", notebook(BEGUN))
    environ = {"PYTHONPATH": str(workspace.folder / "site"), "LOG": str(workspace.base / "log"), "DROPPED": "x"}
    done = workspace.execute(kernel, {**environ, "CHANGED": "old"}, kernel_start="fork")
    assert (done.code, starts(done)) == (0, ["fork"]), done.log
    assert told(done, "a.ipynb") == "by sitecustomize new False 0\n"
    assert (workspace.base / "log").read_text() == "x"


PARSED = """
import json, sys
sys.path.insert(0, sys.argv[1])
from kernel_server import server
from ipykernel.kernelapp import IPKernelApp

def told(app):
    return [app.argv, repr(app.cli_config), repr(app.config), app.connection_file, app.extra_args, app.log_level]

arguments = json.loads(sys.argv[2])
parsed_then = IPKernelApp()
parsed_then.parse_command_line(arguments)
before = server.parse_arguments()
app = server.with_arguments(arguments)
app.parse_command_line(arguments)
print(json.dumps([told(app), told(parsed_then), app is before]))
"""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-f", "/x/kernel.json", "--HistoryManager.hist_file=:memory:"], True),
        (["-f", "/x/kernel.json"], False),
        (["-f", "/x/kernel.json", "--HistoryManager.hist_file=other"], False),
        (["-f", "/x/kernel.json", "--HistoryManager.hist_file=:memory:", "--debug"], False),
        (["--debug"], False),
        ([], False),
    ],
)
def test_arguments_that_were_parsed_before(kernel: Path, arguments: list[str], *, expected: bool) -> None:
    """What was parsed before is used for the arguments that it was made for, and it is the same."""
    command: list[str | Path] = [kernel, "-c", PARSED, ROOT / "scripts", json.dumps(arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    ours, theirs, was_used = json.loads(done.stdout)
    assert ours == theirs
    assert was_used == expected


@pytest.mark.parametrize(("start", "expected"), [("fork", "True"), ("spawn", "False")])
def test_kernels_use_what_was_parsed_before(workspace: Workspace, kernel: Path, start: str, expected: str) -> None:
    """It is among what the collector does not look at."""
    used = "import gc\napp = get_ipython().kernel.parent\nprint(all(each is not app for each in gc.get_objects()))"
    workspace.write("a.ipynb", notebook(used))
    assert told(workspace.execute(kernel, kernel_start=start), "a.ipynb") == f"{expected}\n"


# The thread that is told to end the kernel wants something of the thread that publishes, when that is told to stop.
SLOW = """
import os, sys, time
kernel = get_ipython().kernel
shut_down = kernel.control_handlers["shutdown_request"]
loop = kernel.parent.iopub_thread.io_loop

async def shut_down_late(*arguments):
    await shut_down(*arguments)
    time.sleep(0.2)

def stop_late(stop=loop.stop, sleep=time.sleep):  # what a notebook has named is gone by then
    sleep(0.5)
    stop()

class Kind:
    def __del__(self, make=os.mkdir):
        make("ended")

kernel.control_handlers["shutdown_request"] = shut_down_late
loop.stop = stop_late
sys.kept = Kind()  # until the very end
"""


def test_a_kernel_that_is_slow_to_end_is_not_ended_by_force(workspace: Workspace, kernel: Path) -> None:
    workspace.write("a.ipynb", notebook(SLOW))
    done = workspace.execute(kernel, kernel_start="fork")
    assert (done.code, starts(done)) == (0, ["fork"]), done.log
    assert (workspace.folder / "ended").exists()


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_handlers_of_the_end_find_what_the_notebook_defined(workspace: Workspace, kernel: Path, start: str) -> None:
    pickled = workspace.base / "pickled"
    last = f"open({str(pickled)!r}, 'wb').write(pickle.dumps(Kind()))"
    workspace.write("a.ipynb", notebook(f"import atexit, pickle\nclass Kind: pass\natexit.register(lambda: {last})"))
    done = workspace.execute(kernel, kernel_start=start)
    assert (done.code, starts(done)) == (0, [start]), done.log
    assert b"Kind" in pickled.read_bytes()


HELPER = """
import os, sqlite3

class Kind:
    def __del__(self, open=open, name=__name__):
        open(f"{name}-deleted", "w").close()

def steps():
    try:
        yield
    finally:
        open(f"{__name__}-finished", "w").close()

KEPT, STEPS = Kind(), steps()
next(STEPS)
"""
# Each leaves something behind that has an end of its own, out of the reach of what IPython takes apart.
ENDS = {
    "a file loaded by its path": "import importlib.util\n"
    "spec = importlib.util.spec_from_file_location('byspec', 'helper.py')\n"
    "module = importlib.util.module_from_spec(spec)\nspec.loader.exec_module(module)",
    "a file run": "import runpy\nresult = runpy.run_path('helper.py', run_name='byrunpy')",
    "a module taken away": "import helper, sys\ndel sys.modules['helper']",
    "a name of its own": "import json\ntext = open('helper.py').read()\njson.kept = {'__name__': 'plugin'}\n"
    "exec(text, json.kept)",
    "a generator": "import json\ndef steps():\n    try: yield\n    finally: open('finished', 'w').close()\n"
    "json.kept = steps()\nnext(json.kept)",
    "a shelf": "import json, shelve\njson.kept = shelve.open('shelf', writeback=True)\njson.kept['a'] = [1]\n"
    "json.kept['a'].append(2)",
    "a dumb database": "import dbm.dumb, json\njson.kept = dbm.dumb.open('dumb', 'c')\njson.kept[b'a'] = b'b'\n"
    "json.kept[b'a'] = b'c' * 1000",
    "a connection": "import json, sqlite3\njson.kept = sqlite3.connect('a.db')\n"
    "json.kept.execute('pragma journal_mode=wal')\njson.kept.execute('create table t (x)')",
    "a connection of another kind": "import json, sqlite3\nclass Kind(sqlite3.Connection): pass\n"
    "json.kept = sqlite3.connect('a.db', factory=Kind)\njson.kept.execute('create table t (x)')\n"
    "json.kept.execute('insert into t values (1)')",
    "a connection of another thread": "import json, sqlite3, threading\ndef connect():\n"
    "    json.kept = sqlite3.connect('a.db')\n    json.kept.execute('pragma journal_mode=wal')\n"
    "    json.kept.execute('create table t (x)')\n"
    "thread = threading.Thread(target=connect)\nthread.start()\nthread.join()",
    "a coroutine": "import json, types\n@types.coroutine\ndef pause(): yield\nasync def steps():\n"
    "    try: await pause()\n    finally: open('finished', 'w').close()\njson.kept = steps()\njson.kept.send(None)",
    "a compressed file": "import bz2, json\njson.kept = bz2.open('packed', 'w')\njson.kept.write(b'all')",
    "a file of its own kind": "import io, json\nclass Own(io.RawIOBase):\n    def close(self, make=open):\n"
    "        make('closed', 'w').close()\njson.kept = Own()",
    "a class that is asked": "import json\nclass Kind(type):\n    def __getattr__(self, name): raise ValueError(name)\n"
    "class Asked(metaclass=Kind): pass\njson.kept = Asked()\nopen('told', 'w').close()",
    "a temporary file": "import json, tempfile\njson.kept = tempfile.NamedTemporaryFile(dir='.', prefix='made-')",
    "an open file": "import json\njson.kept = open('written', 'w')\njson.kept.write('all')",
}


# How often in a row a started kernel may hang in its end and be killed (`let_reply` of the server says why).
ENDED_BY_FORCE = 2


@pytest.mark.parametrize("source", ENDS.values(), ids=ENDS)
def test_what_ends_with_python_ends_as_ever(workspace: Workspace, kernel: Path, source: str) -> None:
    workspace.write("a.ipynb", notebook(source))
    workspace.write("helper.py", HELPER)
    forked = left_behind(workspace, kernel, "fork")
    assert forked or "tempfile" in source
    started = left_behind(workspace, kernel, "spawn")
    for _ in range(ENDED_BY_FORCE):
        if started != forked:
            started = left_behind(workspace, kernel, "spawn")
    assert started == forked


def left_behind(workspace: Workspace, kernel: Path, start: str) -> dict[str, bytes]:
    """Return the files that a kernel's end leaves in the workspace, and take them away."""
    before = {path.name for path in workspace.folder.iterdir()}
    done = workspace.execute(kernel, kernel_start=start)
    assert (done.code, starts(done)) == (0, [start]), done.log
    made = [path for path in workspace.folder.iterdir() if path.name not in {*before, "__pycache__"}]
    left = {path.name: b"" if path.suffix == ".db" else path.read_bytes() for path in made}
    for path in made:
        path.unlink()
    return left


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_shared_memory_is_cleaned_up(workspace: Workspace, kernel: Path, start: str) -> None:
    name = f"nci-{workspace.mark[:12]}"
    shared = f"from multiprocessing import shared_memory\nshared_memory.SharedMemory({name!r}, create=True, size=10)"
    workspace.write("a.ipynb", notebook(shared))
    assert starts(workspace.execute(kernel, kernel_start=start)) == [start]
    assert not Path("/dev/shm", name).exists()  # noqa: S108 - where the system keeps it


def test_what_a_notebook_installed_is_there_for_the_next(workspace: Workspace, kernel: Path) -> None:
    """The server has read the folder of packages before: the next kernel is started."""
    site = Path(str(kernel.parents[1])) / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    link = site / "site-packages" / f"{workspace.mark}.pth"
    workspace.write("lib/installed.py", "NAME = 'new'")
    workspace.write("1.ipynb", notebook(f"open({str(link)!r}, 'w').write({str(workspace.folder / 'lib')!r})"))
    workspace.write("2.ipynb", notebook("import installed\nprint(installed.NAME)"))
    try:
        done = workspace.execute(kernel, kernel_start="fork")
    finally:
        link.unlink()
    assert (done.code, starts(done)) == (0, ["fork", "spawn"]), done.log
    assert told(done, "2.ipynb") == "new\n"
    [notice] = done.annotations("notice")
    changed = f"packages or files changed: {link.name}"
    assert notice.message == f"While 1.ipynb ran, {changed}. From here on kernels are started, not forked."
    assert notice.place[0] == "1.ipynb"


def test_the_notebooks_are_named_that_ran_while_packages_changed(workspace: Workspace, kernel: Path) -> None:
    """Not one that had ended before a fork at which nothing had changed yet, and not the one that was not forked."""
    site = Path(str(kernel.parents[1])) / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}"
    package = site / "site-packages" / f"p{workspace.mark[:8]}-1.2.dist-info"
    wait = "import time\nfrom pathlib import Path\nwhile not Path({!r}).exists():\n    time.sleep(0.01)\n"
    touch = "Path({!r}).touch()\n"
    workspace.write("before.ipynb", notebook("import os"))
    install = f"Path({str(package)!r}).mkdir()\nPath({str(package.with_suffix('.py'))!r}).touch()"
    workspace.write("installs.ipynb", notebook(wait.format("runs") + install))
    workspace.write("runs.ipynb", notebook("from pathlib import Path\n" + touch.format("runs") + wait.format("ends")))
    workspace.write("after.ipynb", notebook("from pathlib import Path\n" + touch.format("ends")))
    needs = "{installs.ipynb: before.ipynb, after.ipynb: installs.ipynb}"
    try:
        done = workspace.execute(kernel, kernel_start="fork", workers="2", needs=needs, preload="off")
    finally:
        package.rmdir()
        package.with_suffix(".py").unlink()
    assert done.code == 0, done.log
    [notice] = done.annotations("notice")
    when = f"While one of installs.ipynb, runs.ipynb ran, packages or files changed: {package.stem}"
    assert notice.message == f"{when}. From here on kernels are started, not forked."
    assert notice.place[0] == ""


def test_the_notebook_is_named_that_changed_what_another_had_imported(workspace: Workspace, kernel: Path) -> None:
    workspace.write("settings.py", "VALUE = 1")
    imports = "import dateutil\n"
    workspace.write("1.ipynb", notebook(imports + "open('settings.py', 'a').write(' ')\nopen('more.py', 'w')"))
    workspace.write("2.ipynb", notebook(imports + "print(1)"))
    workspace.write("3.ipynb", notebook(imports + "print(1)"))
    done = workspace.execute(kernel, kernel_start="fork", preload="dateutil")
    assert (done.code, starts(done)) == (0, ["fork", "spawn", "fork"]), done.log
    [notice] = done.annotations("notice")
    assert notice.place[0] == "1.ipynb"
    changed = "packages or files changed: more.py, settings.py"
    assert notice.message == f"While 1.ipynb ran, {changed}. The kernel of 2.ipynb was started, not forked."


@pytest.mark.parametrize(
    ("environ", "why"),
    [
        ({"PYTHONPATH": "lib"}, "PYTHONPATH has a relative or empty path, which is another one for each notebook"),
        ({"PYTHONPATH": "/lib:"}, "PYTHONPATH has a relative or empty path, which is another one for each notebook"),
        ({"PYTHONPATH": "{folder}/threads"}, "this Python starts threads when it begins"),
    ],
)
def test_where_a_fork_would_not_be_the_same_kernels_are_started(
    workspace: Workspace, kernel: Path, environ: dict[str, str], why: str
) -> None:
    threads = "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()\n"
    workspace.write("threads/sitecustomize.py", threads)
    workspace.write("lib/beside.py", "NAME = 'beside'")
    workspace.write("a.ipynb", notebook("import beside" if environ == {"PYTHONPATH": "lib"} else "print(1)"))
    given = {name: value.format(folder=workspace.folder) for name, value in environ.items()}
    done = workspace.execute(kernel, given, kernel_start="fork")
    assert (done.code, starts(done)) == (0, ["spawn"]), done.log
    assert why in notices(done)[0]


def test_names_that_are_no_text_in_the_locale(workspace: Workspace, kernel: Path) -> None:
    environ = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "NAME": "\u00e9"}
    workspace.write("a.ipynb", notebook("import os\nprint(os.environb[b'NAME'])"))
    done = workspace.execute(kernel, environ, kernel_start="fork")
    assert (done.code, starts(done)) == (0, ["fork"]), done.log
    assert told(done, "a.ipynb") == "b'\\xc3\\xa9'\n"


def test_random_numbers_are_each_notebooks_own(workspace: Workspace, kernel: Path) -> None:
    for name in "abc":
        workspace.write(f"{name}.ipynb", notebook(RANDOM))
    done = workspace.execute(kernel, kernel_start="fork")
    assert starts(done) == ["fork"] * 3
    numbers = [number for name in "abc" for number in told(done, f"{name}.ipynb").split()]
    assert len(set(numbers)) == 9


def test_imports_of_the_user_are_not_shadowed_and_shadow_nothing(workspace: Workspace, kernel: Path) -> None:
    """A module beside a notebook that has the name of one which ipykernel imports: as with a started kernel."""
    workspace.write("pages.py", "NAME = 'mine'")
    workspace.write("struct.py", "raise SystemExit('imported')")
    workspace.write("a.ipynb", notebook("import pages, struct\nprint(pages.NAME, struct.calcsize('i'))"))
    for start in ("fork", "spawn"):
        done = workspace.execute(kernel, kernel_start=start)
        assert done.code == 0, done.log
        assert told(done, "a.ipynb") == "mine 4\n"


# --- The end of a notebook


FAMILY = """
import os, subprocess, sys
session = dict(start_new_session=True, stdin=subprocess.DEVNULL)
subprocess.Popen(["sleep", "81.25"], **session)
subprocess.Popen(["sh", "-c", "setsid sleep 82.25 & exec sleep 83.25"], **session)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp("sleep", ["sleep", "84.25"])
    os._exit(0)
"""
ENDINGS = {
    "well": "",
    "by an error": "1/0",
    "by its death": "os.kill(os.getpid(), 9)",
    "by itself": "os._exit(3)",
    "by its time": "import time; time.sleep(60)",
    "in the middle": "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: time.sleep(1)",
}


def sleeping(workspace: Workspace) -> list[str]:
    return [command for command in workspace.processes().values() if command.startswith("sleep ")]


@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_its_whole_family_ends_with_it(workspace: Workspace, kernel: Path, ending: str, start: str) -> None:
    workspace.write("a.ipynb", notebook(FAMILY, ENDINGS[ending]))
    done = workspace.execute(kernel, kernel_start=start, cell_timeout="2")
    assert done.code == (0 if ending == "well" else 1), done.log
    assert starts(done) == [start]
    assert not workspace.processes()
    assert not workspace.leftovers()


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_job_that_is_cancelled_while_a_kernel_ends_leaves_nothing(
    workspace: Workspace, kernel: Path, start: str
) -> None:
    slow = "import atexit, subprocess, time\nsubprocess.Popen(['sleep', '89.25'], start_new_session=True)\n"
    workspace.write("a.ipynb", notebook(f"{slow}atexit.register(lambda: (open('ending', 'w'), time.sleep(3)))"))
    process = workspace.start("execute-notebook", {"python": str(kernel), "kernel-start": start})
    assert wait_until((workspace.folder / "ending").exists)
    process.terminate()
    assert workspace.end(process).code == 128 + signal.SIGTERM
    assert wait_until(lambda: not workspace.processes(), 15), workspace.processes()
    assert not workspace.leftovers()


@pytest.mark.parametrize(("start", "kind"), [("fork", "kernel-died"), ("spawn", "broken-execution")])
def test_a_notebook_that_ends_its_keeper_or_worker_ends_itself(
    workspace: Workspace, kernel: Path, start: str, kind: str
) -> None:
    workspace.write("a.ipynb", notebook(f"{FAMILY}\nimport time\nos.kill(os.getppid(), 9)\ntime.sleep(60)"))
    done = workspace.execute(kernel, kernel_start=start)
    assert done.code == 1, done.log
    assert done.record["notebooks"][0]["failure"]["kind"] == kind
    assert not workspace.processes()


def test_what_a_shell_has_started_that_became_the_stage_is_left_alone(workspace: Workspace, kernel: Path) -> None:
    workspace.write("a.ipynb", notebook("1"))
    inputs = {"python": str(kernel), "kernel-start": "spawn"}
    shell = ["sh", "-c", 'sleep 90.25 >/dev/null 2>&1 & exec "$@"', "sh"]
    done = workspace.run("execute-notebook", inputs, prefix=shell)
    assert done.code == 0, done.log
    assert sleeping(workspace) == ["sleep 90.25 "]
    workspace.kill_all()
    assert wait_until(lambda: not workspace.processes())


def test_a_notebook_that_stops_its_keeper_ends_all_the_same(workspace: Workspace, kernel: Path) -> None:
    stop_it = "import os, subprocess, time\nsubprocess.Popen(['sleep', '85.25'], start_new_session=True)\n"
    workspace.write("a.ipynb", notebook(f"{stop_it}os.kill(os.getppid(), 19)\ntime.sleep(60)"))
    done = workspace.execute(kernel, kernel_start="fork", cell_timeout="1")
    assert done.record["notebooks"][0]["failure"]["kind"] == "cell-timeout", done.log
    assert wait_until(lambda: not workspace.processes(), 15), workspace.processes()


def test_exit_codes_are_those_of_a_started_one(workspace: Workspace, kernel: Path) -> None:
    workspace.write("a.ipynb", notebook("import os; os.kill(os.getpid(), 9)"))
    workspace.write("b.ipynb", notebook("import os; os._exit(3)"))
    failures = []
    for start in ("fork", "spawn"):
        done = workspace.execute(kernel, kernel_start=start)
        failures.append([found["failure"] for found in done.record["notebooks"]])
    assert failures[0] == failures[1]


@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_when_the_driver_is_killed_nothing_runs_on(workspace: Workspace, kernel: Path, number: int, start: str) -> None:
    workspace.write("a.ipynb", notebook(FAMILY, "import time; time.sleep(60)"))
    process = workspace.start("execute-notebook", {"python": str(kernel), "kernel-start": start})
    assert wait_until(lambda: len(sleeping(workspace)) == 4, 30), workspace.processes()
    assert workspace.leftovers()
    process.send_signal(number)
    workspace.end(process)
    assert wait_until(lambda: not workspace.processes(), 15), workspace.processes()
    assert wait_until(lambda: not workspace.leftovers(), 15), workspace.leftovers()


# --- A server that fails


def server_of(workspace: Workspace) -> int:
    """Return the process id of the server, once it is there."""
    found: list[int] = []

    def look() -> bool:
        found[:] = [pid for pid, command in workspace.processes().items() if SERVER in command and parent_runs(pid)]
        return bool(found)

    assert wait_until(look, 30)
    return min(found)


def parent_runs(pid: int) -> bool:
    """Return whether a process is a child of execute-notebook, and no keeper or kernel."""
    parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
    return SERVER not in Path(f"/proc/{parent}/cmdline").read_bytes().replace(b"\0", b" ").decode()


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def stop(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)


def waiting(workspace: Workspace, kernel: Path, preload: str) -> tuple["subprocess.Popen[str]", Path]:
    """Start three notebooks, one after the other. Each waits for a file: the second that is returned."""
    gate = workspace.base / "gate"
    wait = f"import time, pathlib\nwhile not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.05)\nprint('done')"
    for name in "abc":
        workspace.write(f"{name}.ipynb", notebook(wait))
    inputs = {"python": str(kernel), "kernel-start": "fork", "workers": "1", "preload": preload}
    return workspace.start("execute-notebook", inputs), gate


@pytest.mark.parametrize(("fail", "why"), [(kill, "the server ended"), (stop, "the server does not answer")])
def test_a_server_that_dies_or_hangs_costs_nothing_but_time(
    workspace: Workspace, kernel: Path, fail: Callable[[int], None], why: str
) -> None:
    """It fails while the first notebook runs, which is not touched."""
    process, gate = waiting(workspace, kernel, "off")
    assert wait_until(lambda: sum(SERVER in each for each in workspace.processes().values()) == 3, 30)
    fail(server_of(workspace))
    gate.touch()
    done = workspace.end(process)
    assert done.code == 0, done.log
    assert starts(done) == ["fork", "spawn", "spawn"]
    [notice] = notices(done)
    assert notice.startswith("From here on kernels are started, not forked: ")
    assert why in notice
    assert not workspace.processes()
    assert not workspace.leftovers()


@pytest.mark.parametrize("fail", [kill, stop])
def test_a_server_that_has_imported_something_and_dies_or_hangs(
    workspace: Workspace, kernel: Path, fail: Callable[[int], None]
) -> None:
    """One notebook at the most misses its imports: then there is another."""
    process, gate = waiting(workspace, kernel, "colorsys")
    assert wait_until(lambda: sum(SERVER in each for each in workspace.processes().values()) == 4, 30)
    [grown] = [pid for pid in workspace.processes() if parent(pid) == server_of(workspace)]
    fail(grown)
    gate.touch()
    done = workspace.end(process)
    assert done.code == 0, done.log
    assert [done.printed(f"{name}.ipynb") for name in "abc"] == ["done\n"] * 3
    assert [done.record["notebooks"][place]["preloaded"] for place in (0, 2)] == [["colorsys"]] * 2
    assert not workspace.processes()
    assert not workspace.leftovers()


def test_a_server_that_cannot_fork(workspace: Workspace, kernel: Path) -> None:
    workspace.write(
        "broken/sitecustomize.py",
        "import ctypes, sys\n"
        "class Full(ctypes.PyDLL):\n"
        "    def fork(self): return -1\n"
        "if any('kernel_server' in each for each in sys.orig_argv):\n"
        "    ctypes.PyDLL = Full\n",
    )
    workspace.write("a.ipynb", notebook("print(1)"))
    workspace.write("b.ipynb", notebook("print(1)"))
    done = workspace.execute(kernel, {"PYTHONPATH": str(workspace.folder / "broken")}, kernel_start="fork")
    assert done.code == 0, done.log
    assert starts(done) == ["spawn", "spawn"]
    assert notices(done) == ["From here on kernels are started, not forked: the server cannot fork."]


def test_a_forked_kernel_that_does_not_begin(workspace: Workspace, kernel: Path) -> None:
    workspace.write(
        "broken/sitecustomize.py",
        "import importlib.util, os, sys\n"
        "if any('kernel_server' in each for each in sys.orig_argv):\n"
        "    made = importlib.util.module_from_spec\n"
        "    importlib.util.module_from_spec = lambda spec: os._exit(9) if 'launcher' in spec.name else made(spec)\n",
    )
    workspace.write("a.ipynb", notebook("print(1)"))
    done = workspace.execute(kernel, {"PYTHONPATH": str(workspace.folder / "broken")}, kernel_start="fork")
    assert done.code == 0, done.log
    assert starts(done) == ["spawn"]
    assert notices(done) == ["Its forked kernel did not begin: it was run by a started one."]
