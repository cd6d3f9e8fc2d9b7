"""Imports that are made once for several notebooks: what may be, and each way in which it would be seen."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from integration.suite import Done, Workspace, copied_environment, fresh_workspace, notebook, wait_until
from servers.shared import made_once

Install = Callable[[str, str], None]

ANY_PORT = "import socket\nwith socket.socket() as free: free.bind(('127.0.0.1', 0))\n"
GOOD = f"import json\n{ANY_PORT}VALUE = 1\ndef tell(): return 'told'\n"
# Names a thread as jemalloc does, which Python does not list either.
MEMORY = """
import _thread, ctypes, time
def name():
    ctypes.CDLL(None).prctl(15, b"jemalloc_bg_thd", 0, 0, 0)
    time.sleep(5)
_thread.start_new_thread(name, ())
time.sleep(0.2)
"""
# Each is a module that must not be imported before the fork, and why.
BAD = {
    "prints": ("print('imported')", "prints or warns"),
    "prints_past_python": ("import os\nos.write(1, b'imported')", "prints or warns"),
    "warns": ("import warnings\nwarnings.warn('old')", "prints or warns"),
    "warns_its_importer": (
        "from warnings import warn\nwarn('old', DeprecationWarning, stacklevel=2)",
        "prints or warns",
    ),
    "opens_a_port": ("import socket\nsocket.socket().bind(('127.0.0.1', 8989))", "the network"),
    "asks_for_the_shell": (
        "from IPython import get_ipython\nVALUE = get_ipython().user_ns is not None",
        "uses the shell",
    ),
    "keeps_the_shell": ("from IPython import get_ipython\nVALUE = get_ipython()", "uses the shell"),
    "asks_whether_there_is_one": (
        "from IPython.core.interactiveshell import InteractiveShell\nVALUE = InteractiveShell.initialized()",
        "uses the shell",
    ),
    "starts_a_thread": (
        "import threading, time\nthreading.Thread(target=time.sleep, args=(5,), daemon=True).start()",
        "threads",
    ),
    "starts_a_process": ("import subprocess\nVALUE = subprocess.Popen(['sleep', '3'])", "processes"),
    "makes_a_folder": (
        "import atexit, shutil, tempfile\nVALUE = tempfile.mkdtemp()\natexit.register(shutil.rmtree, VALUE)",
        "temporary folder",
    ),
    "looks_at_its_arguments": ("import sys\nVALUE = sys.argv[0]", "sys.argv"),
    "looks_for_an_argument": ("import sys\nVALUE = '-f' in sys.argv", "sys.argv"),
    "copies_its_arguments": ("import sys\nVALUE = sys.argv.copy()", "sys.argv"),
    "replaces_the_arguments": ("import sys\nsys.argv = ['own']", "sys.argv"),
    "removes_the_arguments": ("import sys\ndel sys.argv", "sys.argv"),
    "has_random_numbers": ("import random\nVALUE = random.Random()", "random numbers"),
    "turns_off_the_collector": ("import gc\ngc.disable()", "garbage collector"),
    "sets_a_timer": ("import signal\nsignal.setitimer(signal.ITIMER_VIRTUAL, 1000)", "timers"),
    "opens_a_file": ("VALUE = open(__file__)", "open files"),
    "changes_the_path": ("import sys\nsys.path.append('/nowhere')", "sys.path"),
    "handles_a_signal": ("import signal\nsignal.signal(signal.SIGUSR1, signal.SIG_IGN)", "signal handlers"),
    "hooks_in": ("import sys\nsys.excepthook = lambda *_: None", "hooks of sys"),
    "changes_folder": ("import os\nos.chdir('/')", "working directory"),
    "adds_a_builtin": ("import builtins\nbuiltins.added = 1", "builtins"),
    "fails": ("raise RuntimeError('not today')", "RuntimeError"),
    "ends_python": ("import os\nos._exit(0)", "ended the server"),
    "crashes": ("import ctypes\nctypes.string_at(0)", "ended the server"),
}
# Of these, those that fail their notebook, and the exception. The others pass.
FAILING = {"fails": "RuntimeError", "ends_python": "", "crashes": ""}


@pytest.fixture(scope="module")
def kernel(kernel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied_environment(kernel, tmp_path_factory.mktemp("kernel") / "copy")


@pytest.fixture
def install(kernel: Path) -> Iterator[Install]:
    """Puts modules into the environment of the kernels, for one test."""
    made: list[Path] = []

    def put(name: str, text: str) -> None:
        made.append(module_in(kernel, name))
        made[-1].write_text(text, encoding="utf-8")

    yield put
    for path in made:
        path.unlink()


def module_in(kernel: Path, name: str) -> Path:
    """Return the path of a module in the environment of the kernels."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return kernel.parents[1] / "lib" / version / "site-packages" / f"{name}.py"


def results(done: Done) -> list[dict[str, Any]]:
    return list(done.record["notebooks"])


def pair(workspace: Workspace, *cells: str) -> None:
    """Write two notebooks of the same cells: what one alone imports is not imported before."""
    for name in ("a", "b"):
        workspace.write(f"{name}.ipynb", notebook(*cells))


def test_what_two_import_is_imported_once(workspace: Workspace, kernel: Path, install: Install) -> None:
    install("nci_good", f"{GOOD}import os\nopen(os.environ['TOLD'], 'a').write('x')\n")
    pair(workspace, "import nci_good\nprint(nci_good.tell())")
    told = workspace.base / "told"
    done = workspace.execute(kernel, {"TOLD": str(told)})
    assert done.code == 0, done.log
    assert [found["preloaded"] for found in results(done)] == [["nci_good"]] * 2
    assert [done.printed(f"{name}.ipynb") for name in "ab"] == ["told\n"] * 2
    assert told.read_text() == "x"
    told.unlink()
    done = workspace.execute(kernel, {"TOLD": str(told)}, preload="off")
    assert [found["preloaded"] for found in results(done)] == [[], []]
    assert told.read_text() == "xx"


def test_modules_that_are_named_are_imported_for_all(workspace: Workspace, kernel: Path, install: Install) -> None:
    install("nci_good", GOOD)
    pair(workspace, "import sys\nprint('nci_good' in sys.modules)")
    done = workspace.execute(kernel, preload="nci_good")
    assert [done.printed(f"{name}.ipynb") for name in "ab"] == ["True\n"] * 2


# --- Notebooks of several folders, which share nothing


MODULES = {
    "nci_good": GOOD,
    "nci_plugins": "import own",
    "nci_looks": "import os\nVALUE = os.path.basename(os.path.abspath('.')), os.path.exists('settings.toml')",
    "nci_reads": "import os\nVALUE = open('cfg.txt').read() if os.path.exists('cfg.txt') else None",
    "nci_filters": "import warnings\nwarnings.filterwarnings('ignore', category=DeprecationWarning)",
    "nci_memory": MEMORY,
    "nci_unnamed": MEMORY.replace("jemalloc", "other"),
    "nci_keeps": "import logging, sys\n"
    "handler = logging.StreamHandler(sys.stdout)\nlog = logging.getLogger('nci')\nlog.addHandler(handler)\n"
    "def tell(stream=sys.stdout): print('by default', file=stream)\n",
    **{f"nci_{name}": text for name, (text, _) in BAD.items()},
}
WARN = "import warnings\nwarnings.warn('old', DeprecationWarning)"
LOG = "import sys\nnci_keeps.log.warning('logged')\nnci_keeps.tell()"
# Folders of two notebooks with the same cells: what one alone imports is not imported before.
PAIRS = {
    "missing": ["import nci_good\nprint(nci_good.VALUE)"],
    "own": ["import own\nprint(own.VALUE)"],
    "plugins": ["import nci_plugins\nprint(nci_plugins.own.VALUE)"],
    "one": ["import nci_looks\nprint(nci_looks.VALUE)"],
    "two": ["import nci_looks\nprint(nci_looks.VALUE)"],
    "filters": [
        "import nci_filters",
        f"{WARN}\nprint([(each[0], each[2].__name__) for each in warnings.filters])",
    ],
    "memory": ["import nci_memory"],
    "unnamed": ["import nci_unnamed"],
    "keeps": [
        "import nci_keeps",
        f"{LOG}\nprint(nci_keeps.handler.stream is sys.stdout, type(sys.stdout).__module__)",
    ],
    **{name: [f"import nci_good\nimport nci_{name}", "print(nci_good.tell())"] for name in BAD},
}
OTHERS: dict[str, str | dict[str, Any]] = {
    "missing/c.ipynb": notebook("print(nci_good.VALUE)"),
    "missing/d.ipynb": notebook("import sys\nprint('nci_good' in sys.modules)"),
    "own/own.py": "VALUE = 1",
    "plugins/own.py": "VALUE = 1",
    "one/settings.toml": "",
    "reads/cfg.txt": "old",
    "reads/01.ipynb": notebook("import nci_reads\nopen('cfg.txt', 'w').write('new')"),
    "reads/02.ipynb": notebook("import nci_reads\nprint(nci_reads.VALUE)"),
    "shadow/01-write.ipynb": notebook("import nci_good\nopen('nci_good.py', 'w').write('VALUE = 2')"),
    "shadow/02-read.ipynb": notebook("import nci_good\nprint(nci_good.VALUE)"),
}


@dataclass(frozen=True)
class Ran:
    """What came of all folders by forked kernels, and of those that are compared by started ones."""

    forked: Done
    started: Done

    def of(self, *names: str) -> list[dict[str, Any]]:
        return [self.forked.notebooks[f"{name}.ipynb"] for name in names]

    def printed(self, *names: str) -> list[str]:
        return [self.forked.printed(f"{name}.ipynb") for name in names]


@pytest.fixture(scope="module")
def ran(kernel: Path, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return made_once(tmp_path_factory, "preload", lambda folder: run_folders(folder, kernel))


def run_folders(folder: Path, kernel: Path) -> Ran:
    python = copied_environment(kernel, folder / "kernel")
    for name, text in MODULES.items():
        module_in(python, name).write_text(text, encoding="utf-8")
    with fresh_workspace(folder / "workspace") as workspace:
        for name, cells in PAIRS.items():
            for letter in "ab":
                workspace.write(f"{name}/{letter}.ipynb", notebook(*cells))
        for name, content in OTHERS.items():
            workspace.write(name, content)
        forked = workspace.execute(python)
        (workspace.folder / "shadow" / "nci_good.py").unlink()
        started = workspace.execute(python, kernel_start="spawn", notebooks="filters/a.ipynb\nshadow/*.ipynb")
    return Ran(forked, started)


@pytest.mark.parametrize("name", BAD)
def test_what_would_be_seen_is_left_to_the_notebook(ran: Ran, name: str) -> None:
    _, why = BAD[name]
    forked = ran.of(f"{name}/a", f"{name}/b")
    assert [found["kernel_start"] for found in forked] == ["fork"] * 2
    # The first ones may have waited for the server that failed.
    assert all(found["preloaded"] in ([], ["nci_good"]) for found in forked)
    assert all(why in found["not_preloaded"][f"nci_{name}"] for found in forked), forked
    expected = ("failed", FAILING[name]) if name in FAILING else ("passed", None)
    assert [outcome(found) for found in forked] == [expected] * 2


def outcome(found: dict[str, Any]) -> tuple[str, str | None]:
    return found["status"], (found["failure"] or {}).get("ename")


def test_a_missing_import_is_not_hidden(ran: Ran) -> None:
    expected = [("passed", None), ("passed", None), ("failed", "NameError"), ("passed", None)]
    assert [outcome(found) for found in ran.of(*(f"missing/{letter}" for letter in "abcd"))] == expected
    assert ran.printed("missing/d") == ["False\n"]


def test_the_users_own_code_is_never_imported_before(ran: Ran) -> None:
    for found in ran.of("own/a", "own/b"):
        assert found["status"] == "passed"
        assert "not from the installed environment" in found["not_preloaded"]["own"]


def test_own_code_that_a_package_imports_is_seen(ran: Ran) -> None:
    found = ran.of("plugins/a", "plugins/b")
    assert [(each["status"], each["preloaded"]) for each in found] == [("passed", [])] * 2


def test_folders_share_nothing(ran: Ran) -> None:
    """What a module finds in the working directory is another thing in each."""
    assert ran.printed("one/b", "two/b") == ["('one', True)\n", "('two', False)\n"]
    found = ran.of("one/a", "one/b", "two/a", "two/b")
    assert [(each["status"], each["preloaded"]) for each in found] == [("passed", ["nci_looks"])] * 4


def test_what_came_beside_since_counts(ran: Ran) -> None:
    """The first notebook writes a module that shadows an installed one: the second must see it."""
    assert [found["status"] for found in ran.of("shadow/01-write", "shadow/02-read")] == ["passed"] * 2
    assert ran.started.notebooks["shadow/02-read.ipynb"]["status"] == "passed"
    assert ran.printed("shadow/02-read") == [ran.started.printed("shadow/02-read.ipynb")]


def test_what_is_read_beside_the_notebook_is_its_own(ran: Ran) -> None:
    assert ran.printed("reads/02") == ["new\n"]
    [found] = ran.of("reads/02")
    assert "next to the notebook" in found["not_preloaded"]["nci_reads"]


def test_threads_that_only_give_memory_back_may_be_lost(ran: Ran) -> None:
    assert [found["preloaded"] for found in ran.of("memory/a", "memory/b")] == [["nci_memory"]] * 2
    for found in ran.of("unnamed/a", "unnamed/b"):
        assert "threads" in found["not_preloaded"]["nci_unnamed"]


def test_streams_that_a_module_keeps_are_the_kernels(ran: Ran) -> None:
    found = ran.of("keeps/a", "keeps/b")
    assert [(each["status"], each["preloaded"]) for each in found] == [("passed", ["nci_keeps"])] * 2
    assert ran.printed("keeps/a") == ["logged\nby default\nTrue ipykernel.iostream\n"]


def test_filters_of_warnings_are_as_if_imported_there(ran: Ran) -> None:
    found = ran.of("filters/a", "filters/b")
    assert [(each["status"], each["preloaded"]) for each in found] == [("passed", ["nci_filters"])] * 2
    assert ran.started.notebooks["filters/a.ipynb"]["status"] == "passed"
    shown = [done.executed("filters/a.ipynb")["cells"][1]["outputs"] for done in (ran.forked, ran.started)]
    assert shown[0]
    assert shown[0] == shown[1]


# --- Runs of their own


def test_a_module_that_sets_a_variable_is_as_ever(workspace: Workspace, kernel: Path, install: Install) -> None:
    install("nci_sets", "import os\nos.environ['NCI_SET'] = os.environ.get('NCI_GIVEN', '') + 'x'")
    pair(workspace, "import nci_sets, os, subprocess", "print(os.environ['NCI_SET'], os.getenv('MPLBACKEND'))\n!env")
    told = []
    for start in ("fork", "spawn"):
        done = workspace.execute(kernel, {"NCI_GIVEN": "y", "NCI_SET": "old"}, kernel_start=start)
        assert done.code == 0, done.log
        assert [found["preloaded"] for found in results(done)] == [["nci_sets"] if start == "fork" else []] * 2
        told.append(done.printed("a.ipynb").splitlines()[0])
    assert told == ["yx module://matplotlib_inline.backend_inline"] * 2


def test_each_import_that_was_not_made_before_is_told_of(workspace: Workspace, kernel: Path, install: Install) -> None:
    for name in ("nci_one", "nci_two", "nci_three"):
        install(name, GOOD)
    install("nci_noisy", "print('noise')")
    for name in "abcd":
        workspace.write(f"{name}.ipynb", notebook("import nci_one, nci_noisy, nci_two\nprint(1)\nimport nci_three"))
    workspace.write("e.ipynb", notebook("import nci_one, nci_three, nci_two"))
    done = workspace.execute(kernel, workers="1")
    assert done.code == 0, done.log
    assert done.notebooks["d.ipynb"]["preloaded"] == ["nci_one"]
    assert done.notebooks["d.ipynb"]["not_preloaded"] == {
        "nci_noisy": "its import prints or warns",
        "nci_two": "comes after `nci_noisy`",
        "nci_three": "comes after `print(1)` in cell 1",
    }
    assert done.notebooks["e.ipynb"]["not_preloaded"] == {
        "nci_three": "no other notebook of the folder can share it",
        "nci_two": "comes after `nci_three`",
    }


def test_a_name_that_cannot_be_imported_is_told_of(workspace: Workspace, kernel: Path, install: Install) -> None:
    install("nci_good", GOOD)
    workspace.write("a.ipynb", notebook("1"))
    done = workspace.execute(kernel, preload="nci_godo\nnci_good")
    [notice] = done.annotations("notice")
    assert "`nci_godo`, which was not preloaded: its import failed here: ModuleNotFoundError" in notice.message
    [notice] = workspace.execute(kernel, preload="nci_good", kernel_start="spawn").annotations("notice")
    assert "no effect" in notice.message


def test_a_server_that_no_notebook_needs_any_more_ends(workspace: Workspace, kernel: Path, install: Install) -> None:
    install("nci_one", GOOD)
    gate = workspace.base / "gate"
    pair(workspace, "import nci_one")
    wait = f"import time, pathlib\nwhile not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.05)"
    workspace.write("c.ipynb", notebook(wait))
    inputs = {"python": str(kernel), "kernel-start": "fork", "workers": "2", "execution-order": "parallel"}
    process = workspace.start("execute-notebook", inputs)
    try:
        outputs = workspace.runner_temp / "notebook-ci" / "execute-notebook"
        assert wait_until(lambda: all((outputs / f"{name}.ipynb").exists() for name in "ab"), 60)

        def servers() -> int:
            """The first server, c's supervisor and c's kernel are left."""
            return sum("kernel_server/inside/start.py" in command for command in workspace.processes().values())

        assert wait_until(lambda: servers() == 3, 60), workspace.processes()
    finally:
        gate.touch()
        done = workspace.end(process)
    assert done.code == 0, done.log
    assert [done.notebooks[f"{name}.ipynb"]["preloaded"] for name in "ab"] == [["nci_one"]] * 2


def test_a_debugger_stops_in_what_it_stops_in_ever(workspace: Workspace, kernel: Path, install: Install) -> None:
    """Not in the modules that the kernel had before its first cell."""
    install("package_of_test", "")
    source = "import package_of_test\nprint(*get_ipython().kernel._kernel_modules, sep='\\n')"
    workspace.write("a.ipynb", notebook(source))
    files = []
    for start, preload in (("spawn", "off"), ("fork", "off"), ("fork", "package_of_test")):
        done = workspace.execute(kernel, kernel_start=start, preload=preload)
        assert done.record["notebooks"][0]["preloaded"] == ([preload] if preload != "off" else [])
        files.append(set(done.printed("a.ipynb").split("\n")))
    assert len(files[0]) > 100
    assert files[0] <= files[1] == files[2]
    assert not any("package_of_test" in file for file in files[2])


ENDS = """
class Kind:
    def __del__(self, make=open):
        make("ended", "w").close()
KEPT = Kind()
"""


def test_what_was_imported_before_ends_as_ever(workspace: Workspace, kernel: Path, install: Install) -> None:
    install("package_of_test", ENDS)
    workspace.write("a.ipynb", notebook("import package_of_test"))
    for start, preload in (("spawn", "off"), ("fork", "package_of_test")):
        done = workspace.execute(kernel, kernel_start=start, preload=preload)
        assert done.record["notebooks"][0]["preloaded"] == ([preload] if preload != "off" else [])
        (workspace.folder / "ended").unlink()


def test_kernels_share_what_was_imported_before(workspace: Workspace, kernel: Path, install: Install) -> None:
    """Their collector does not look at it, which would copy it."""
    install("package_of_test", "KEPT = [[] for _ in range(1000)]")
    workspace.write("a.ipynb", notebook("import package_of_test, gc\nprint(gc.get_freeze_count())"))
    frozen = []
    for preload in ("off", "package_of_test"):
        done = workspace.execute(kernel, kernel_start="fork", preload=preload)
        frozen.append(int(done.printed("a.ipynb")))
    assert frozen[1] > frozen[0] + 1000


def test_an_import_that_hangs_is_the_notebooks_own(workspace: Workspace, kernel: Path, install: Install) -> None:
    """It hangs in the server, and in the kernels not at all: they wait for the server, and are started then."""
    install("nci_hangs", "import threading, time\nif threading.active_count() == 1: time.sleep(600)")
    pair(workspace, "import nci_hangs\nprint('done')")
    done = workspace.execute(kernel)
    assert done.code == 0, done.log
    assert all("takes too long" in found["not_preloaded"]["nci_hangs"] for found in results(done))
    assert [done.printed(f"{name}.ipynb") for name in "ab"] == ["done\n"] * 2
    assert wait_until(lambda: not workspace.processes())


def test_memory_that_it_takes_is_bounded(workspace: Workspace, kernel: Path, install: Install) -> None:
    """The first kernel is forked as soon as all is imported, which is when it is seen to be too much."""
    told = workspace.base / "told"
    install("nci_large", "import os\nVALUE = bytearray(60_000_000)\nopen(os.environ['TOLD'], 'a').write('x')")
    for name in "abcd":
        workspace.write(f"{name}.ipynb", notebook("import nci_large\nprint(len(nci_large.VALUE))"))
    done = workspace.execute(kernel, {"TOLD": str(told)}, preload_max_memory="20 MB", workers="1")
    assert done.code == 0, done.log
    assert [found["preloaded"] for found in results(done)][1:] == [[]] * 3
    assert "preload-max-memory" in results(done)[3]["not_preloaded"]["nci_large"]
    assert told.read_text() in {"x" * 4, "x" * 5}
    done = workspace.execute(kernel, {"TOLD": str(told)}, preload_max_memory="500 MB", workers="1")
    assert [found["preloaded"] for found in results(done)] == [["nci_large"]] * 4


def test_a_notebook_meant_for_it_gets_a_server_of_its_own_imports(
    workspace: Workspace, kernel: Path, install: Install
) -> None:
    """A tree: what all import, and on it what two of them do."""
    for name in ("nci_one", "nci_two"):
        install(name, GOOD)
    for name in "ab":
        workspace.write(f"{name}.ipynb", notebook("import nci_one"))
    for name in "cd":
        workspace.write(f"{name}.ipynb", notebook("import nci_one, nci_two"))
    done = workspace.execute(kernel, workers="1")
    assert [found["preloaded"] for found in results(done)] == [["nci_one"]] * 2 + [["nci_one", "nci_two"]] * 2
