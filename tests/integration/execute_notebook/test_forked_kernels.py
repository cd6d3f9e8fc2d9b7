"""Forked kernels are the same as started ones, and as fresh."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from integration.execute_notebook.forked import notices, starts
from integration.suite import ROOT, Done, Workspace, copied_environment, notebook, texts


def told(done: Done, name: str) -> str:
    """Return what the first cell of an executed notebook printed."""
    return texts(json.loads(Path(done.outputs["output-dir"], name).read_text(encoding="utf-8"))["cells"][0])


# All that a process can know of how it was started. What differs between two kernels anyway is left out: ids, the
# private folder of each (`nci-...`), the ports of ZeroMQ.
STATE = """
import gc, inspect, json, locale, logging, os, re, resource, signal, subprocess, sys, threading, warnings
import asyncio, decimal, socket
from pathlib import Path

ids = rf"\\b(?:{os.getpid()}|{os.getppid()})\\b"  # a process may have a number of three digits

def same(value):
    value = re.sub(r"execute-notebook-\\d/", "execute-notebook/", str(value))  # the folders of later runs
    return re.sub(r"nci-\\w+", "nci-", re.sub(rf"0x\\w+|[0-9a-f]{{8}}-[0-9a-f]{{24}}|\\d{{4,}}|{ids}", "N", value))

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


def test_it_is_as_fresh_as_a_started_one(workspace: Workspace, kernel: Path) -> None:
    empty = ("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE", "PYTHONPYCACHEPREFIX", "IPYTHONDIR")
    given = {"PYTHONSAFEPATH": "1", "LANG": "C", "PYTHONWARNINGS": "error::ImportWarning"}
    environ = dict.fromkeys(empty, "") | given
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
import json, os, sys
sys.path.insert(0, sys.argv[1])
from kernel_server.inside import server
from ipykernel.kernelapp import IPKernelApp

def told(app):
    return [app.argv, repr(app.cli_config), repr(app.config), app.connection_file, app.extra_args, app.log_level]

for arguments in json.loads(sys.argv[2]):
    if os.fork() == 0:
        parsed_then = IPKernelApp()
        parsed_then.parse_command_line(arguments)
        before = server.parse_arguments()
        app = server.with_arguments(arguments)
        app.parse_command_line(arguments)
        print(json.dumps([told(app), told(parsed_then), app is before]))
        break
    os.wait()
"""


# Arguments, and whether what was parsed before is used for them.
ARGUMENTS = [
    (["-f", "/x/kernel.json", "--HistoryManager.hist_file=:memory:"], True),
    (["-f", "/x/kernel.json"], False),
    (["-f", "/x/kernel.json", "--HistoryManager.hist_file=other"], False),
    (["-f", "/x/kernel.json", "--HistoryManager.hist_file=:memory:", "--debug"], False),
    (["--debug"], False),
    ([], False),
]


@pytest.fixture(scope="module")
def parsed(kernel: Path) -> list[Any]:
    command: list[str | Path] = [kernel, "-c", PARSED, ROOT / "scripts", json.dumps([each for each, _ in ARGUMENTS])]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("arguments", ARGUMENTS)
def test_arguments_that_were_parsed_before(parsed: list[Any], arguments: tuple[list[str], bool]) -> None:
    """What was parsed before is used for the arguments that it was made for, and it is the same."""
    ours, theirs, was_used = parsed[ARGUMENTS.index(arguments)]
    assert ours == theirs
    assert was_used == arguments[1]


@pytest.mark.parametrize(("start", "expected"), [("fork", "True"), ("spawn", "False")])
def test_kernels_use_what_was_parsed_before(workspace: Workspace, kernel: Path, start: str, expected: str) -> None:
    """It is among what the collector does not look at."""
    used = "import gc\napp = get_ipython().kernel.parent\nprint(all(each is not app for each in gc.get_objects()))"
    workspace.write("a.ipynb", notebook(used))
    assert told(workspace.execute(kernel, kernel_start=start), "a.ipynb") == f"{expected}\n"


def test_what_a_notebook_installed_is_there_for_the_next(workspace: Workspace, kernel: Path) -> None:
    """The server has read the folder of packages before: the next kernel is started."""
    kernel = copied_environment(kernel, workspace.base / "environment")
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
    assert notice.message == f"While 1.ipynb ran, {changed}. From now on, kernels are started, not forked."
    assert notice.place[0] == "1.ipynb"


def test_the_notebooks_are_named_that_ran_while_packages_changed(workspace: Workspace, kernel: Path) -> None:
    """Not one that had ended before a fork at which nothing had changed yet, and not the one that was not forked."""
    kernel = copied_environment(kernel, workspace.base / "environment")
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
    assert notice.message == f"{when}. From now on, kernels are started, not forked."
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
        ({"PYTHONPATH": "lib"}, "`PYTHONPATH` has a relative or empty path, so it differs per notebook"),
        ({"PYTHONPATH": "/lib:"}, "`PYTHONPATH` has a relative or empty path, so it differs per notebook"),
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
