"""How a forked kernel ends: all that it started ends with it, whoever ends first."""

import signal
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import pytest

from integration.execute_notebook.forked import starts
from integration.suite import Done, Workspace, fresh_workspace, notebook, wait_until
from servers.shared import made_once

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


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_kernel_that_is_slow_to_end_is_not_ended_by_force(workspace: Workspace, kernel: Path, start: str) -> None:
    workspace.write("a.ipynb", notebook(SLOW))
    done = workspace.execute(kernel, kernel_start=start)
    assert (done.code, starts(done)) == (0, [start]), done.log
    assert (workspace.folder / "ended").exists()


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
    "a handler": "import atexit, pickle\nclass Kind: pass\n"
    "atexit.register(lambda: open('pickled', 'wb').write(pickle.dumps(Kind())))",
    "an open file": "import json\njson.kept = open('written', 'w')\njson.kept.write('all')",
}

WRITTEN = {"a.ipynb", "helper.py", "__pycache__"}


Files = dict[str, bytes]


@pytest.fixture(scope="module")
def left(kernel: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Files]]:
    """The files that each end leaves, by how the kernel was started."""
    return made_once(tmp_path_factory, "ends", lambda folder: end_all(folder, kernel))


def end_all(folder: Path, kernel: Path) -> dict[str, dict[str, Files]]:
    with fresh_workspace(folder) as workspace:
        for name, source in ENDS.items():
            workspace.write(f"{name}/a.ipynb", notebook(source))
            workspace.write(f"{name}/helper.py", HELPER)
        forked = left_behind(workspace, kernel, "fork", ENDS)
        started = left_behind(workspace, kernel, "spawn", ENDS)
    return {"fork": forked, "spawn": started}


def left_behind(workspace: Workspace, kernel: Path, start: str, names: Collection[str]) -> dict[str, Files]:
    """Return the files that the ends of kernels leave beside their notebooks, and take them away."""
    done = workspace.execute(kernel, notebooks="\n".join(names), kernel_start=start)
    assert (done.code, starts(done)) == (0, [start] * len(names)), done.log
    left = {}
    for name in names:
        files = [path for path in (workspace.folder / name).iterdir() if path.name not in WRITTEN]
        left[name] = {path.name: b"" if path.suffix == ".db" else path.read_bytes() for path in files}
        for path in files:
            path.unlink()
    return left


@pytest.mark.parametrize("name", ENDS)
def test_what_ends_with_python_ends_as_ever(left: dict[str, dict[str, Files]], name: str) -> None:
    assert left["fork"][name] or "tempfile" in ENDS[name]
    assert left["spawn"][name] == left["fork"][name]


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_handlers_of_the_end_find_what_the_notebook_defined(left: dict[str, dict[str, Files]], start: str) -> None:
    assert b"Kind" in left[start]["a handler"]["pickled"]


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_shared_memory_is_cleaned_up(workspace: Workspace, kernel: Path, start: str) -> None:
    name = f"nci-{workspace.mark[:12]}"
    shared = f"from multiprocessing import shared_memory\nshared_memory.SharedMemory({name!r}, create=True, size=10)"
    workspace.write("a.ipynb", notebook(shared))
    assert starts(workspace.execute(kernel, kernel_start=start)) == [start]
    assert not Path("/dev/shm", name).exists()  # noqa: S108 - where the system keeps it


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


@dataclass(frozen=True)
class Ended:
    """A notebook per ending, each with a family: what came of them, and the processes and files that they left."""

    done: Done
    processes: list[str]
    files: list[str]


@pytest.fixture(scope="module")
def ended(kernel: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ended]:
    """By how the kernels were started."""
    return made_once(tmp_path_factory, "endings", lambda folder: end_families(folder, kernel))


def end_families(folder: Path, kernel: Path) -> dict[str, Ended]:
    made = {}
    for start in ("fork", "spawn"):
        (folder / start).mkdir()
        workspace = Workspace(folder / start)
        for number, (name, source) in enumerate(ENDINGS.items()):
            workspace.write(f"{name}.ipynb", notebook(FAMILY.replace(".25", f".{number}5"), source))
        done = workspace.execute(kernel, kernel_start=start, cell_timeout="2")
        made[start] = Ended(done, list(workspace.processes().values()), workspace.leftovers())
        workspace.kill_all()
    return made


def sleeping(workspace: Workspace) -> list[str]:
    return [command for command in workspace.processes().values() if command.startswith("sleep ")]


@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_its_whole_family_ends_with_it(ended: dict[str, Ended], ending: str, start: str) -> None:
    found = ended[start].done.notebooks[f"{ending}.ipynb"]
    assert found["status"] == ("passed" if ending == "well" else "failed"), found
    assert found["kernel_start"] == start
    assert not ended[start].processes
    assert not ended[start].files


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
    assert wait_until(lambda: not workspace.processes()), workspace.processes()
    assert not workspace.leftovers()


@pytest.mark.parametrize(("start", "kind"), [("fork", "kernel-died"), ("spawn", "broken-execution")])
def test_a_notebook_that_ends_its_supervisor_or_worker_ends_itself(
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


def test_a_notebook_that_stops_its_supervisor_ends_all_the_same(workspace: Workspace, kernel: Path) -> None:
    stop_it = "import os, subprocess, time\nsubprocess.Popen(['sleep', '85.25'], start_new_session=True)\n"
    workspace.write("a.ipynb", notebook(f"{stop_it}os.kill(os.getppid(), 19)\ntime.sleep(60)"))
    done = workspace.execute(kernel, kernel_start="fork", cell_timeout="1")
    assert done.record["notebooks"][0]["failure"]["kind"] == "cell-timeout", done.log
    assert wait_until(lambda: not workspace.processes()), workspace.processes()


def test_exit_codes_are_those_of_a_started_one(ended: dict[str, Ended]) -> None:
    for name in ("by its death.ipynb", "by itself.ipynb"):
        assert ended["fork"].done.notebooks[name]["failure"] == ended["spawn"].done.notebooks[name]["failure"]


@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_when_the_stage_is_killed_nothing_is_left(workspace: Workspace, kernel: Path, number: int, start: str) -> None:
    workspace.write("a.ipynb", notebook(FAMILY, "import time; time.sleep(60)"))
    process = workspace.start("execute-notebook", {"python": str(kernel), "kernel-start": start})
    assert wait_until(lambda: len(sleeping(workspace)) == 4), workspace.processes()
    assert workspace.leftovers()
    process.send_signal(number)
    workspace.end(process)
    assert wait_until(lambda: not workspace.processes()), workspace.processes()
    assert wait_until(lambda: not workspace.leftovers()), workspace.leftovers()
