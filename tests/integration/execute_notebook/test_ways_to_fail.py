"""The ways in which a notebook fails, each by a started, a forked and a preloaded kernel: kind, exception, cell, line.

Every case is a notebook of its own whose first cell imports a module, so that the import can be made before the fork.
Started kernels, which are slow to start, run those in which the kernel's hooks or its end matter.
The line that is named ends in `# here`, else it is the first one of the cell.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from integration.suite import Cell, Workspace, code, line_of, markdown, notebook, parameters

IMPORT = "import dateutil"
AFTER = "open('{}.txt', 'w').close()"
HERE = "# here"


@dataclass(frozen=True)
class Way:
    """A way to fail.

    Attributes:
        cells: The cells behind the first one; text is the source of a code cell.
        ename: The exception that is named; nothing: none is.
        kind: The kind of the failure.
        cell: The number of the cell that fails.
        says: What the message has.
        inputs: Inputs that it needs.
    """

    cells: tuple[str | Cell, ...]
    ename: str = ""
    kind: str = "cell-error"
    cell: int = 2
    says: str = ""
    inputs: dict[str, str] = field(default_factory=dict)


def way(*cells: str | Cell, **expected: Any) -> Way:
    """Return a way with the expectations that it names."""
    return Way(cells, **expected)


EXIT = "SystemExit"
TIMEOUT = {"cell-timeout": "3"}
SHELL = {"shell-errors": "fail"}
CLEAR = "from IPython.display import clear_output\nclear_output"

# What Python raises. `test_same_results.py` compares what started kernels say about it.
RAISED = {
    "exception": way("x = 1\n1 / 0 # here", ename="ZeroDivisionError"),
    "in a function": way("def f():\n    return {}['k'] # here", "f()", ename="KeyError", cell=3),
    "in a library": way("import json\n\njson.loads('{') # here", ename="JSONDecodeError"),
    "missing module": way("x = 1\nimport no_such_module # here", ename="ModuleNotFoundError"),
    "missing name": way("x = 1\ny = z # here", ename="NameError"),
    "assertion": way("x = 1\nassert x == 2, 'not two' # here", ename="AssertionError", says="not two"),
    "syntax": way("x = 1\nif x print(x) # here", ename="SyntaxError"),
    "indentation": way("x = 1\n  y = 2 # here", ename="IndentationError"),
    "syntax of eval": way("x = 1\neval('1 +') # here", ename="SyntaxError"),
    "recursion": way("def f():\n    f() # here\n\nf()", ename="RecursionError"),
    "interrupt": way("x = 1\nraise KeyboardInterrupt # here", ename="KeyboardInterrupt"),
    "base exception": way("x = 1\nraise GeneratorExit('gone') # here", ename="GeneratorExit"),
    "own exception": way("class Own(Exception): pass\nraise Own('mine') # here", ename="Own", says="mine"),
    "without a text": way("x = 1\nraise ValueError # here", ename="ValueError"),
    "chained": way("try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise OSError('worse') # here", ename="OSError"),
    "group": way("x = 1\nraise ExceptionGroup('many', [ValueError(1)]) # here", ename="ExceptionGroup"),
    "awaited": way(
        "import asyncio\nasync def f():\n    await asyncio.sleep(0)\n    1 / 0 # here\n\nawait f()",
        ename="ZeroDivisionError",
    ),
    "generator": way("def g():\n    yield 1\n    1 / 0 # here\n", "list(g())", ename="ZeroDivisionError", cell=3),
    "repr": way(
        "class R:\n    def __repr__(self):\n        return 1 / 0 # here", "R()", ename="ZeroDivisionError", cell=3
    ),
    "behind markdown": way(markdown("# Title"), "x = 1\n1 / 0 # here", ename="ZeroDivisionError", cell=3),
    "parameters": way(parameters("alpha = 1 / 0 # here"), ename="ZeroDivisionError"),
}
WAYS = {
    **RAISED,
    # What shows an error though all seems well.
    "run": way("%run fails.py # here", ename="ValueError", says="in a script"),
    "run that exits": way("%run exits.py # here", ename=EXIT, says="3"),
    "cleared": way(f"%run fails.py # here\n{CLEAR}()", ename="ValueError"),
    "cleared by what follows": way(f"%run fails.py # here\n{CLEAR}(wait=True)\nprint('x')", ename="ValueError"),
    "cleared cause": way(f"%run fails.py # here\n{CLEAR}()\nprint(model)", ename="ValueError"),
    "capture": way("%%capture\nx = 1\nimport no_such_module # here", ename="ModuleNotFoundError"),
    "time": way("%%time\nx = 1\n1 / 0 # here", ename="ZeroDivisionError"),
    "within": way("x = 1\nget_ipython().run_cell('1 / 0')", ename="ZeroDivisionError"),
    "after the cell": way(
        "def draw():\n    1 / 0 # here\n\nget_ipython().events.register('post_execute', draw)",
        ename="ZeroDivisionError",
    ),
    "shown by itself": way(
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    get_ipython().showtraceback() # here",
        ename="ZeroDivisionError",
    ),
    "cause before consequence": way("%run fails.py # here\nprint(model)", ename="ValueError"),
    "own display of exceptions": way(
        "from IPython.core.interactiveshell import InteractiveShell as Shell\n"
        "shell = get_ipython()\nshell._showtraceback = lambda *_: print('pretty')\n1 / 0 # here",
        ename="ZeroDivisionError",
    ),
    "post mortem": way("%pdb on", "1 / 0 # here", ename="ZeroDivisionError", cell=3),
    # What leaves.
    "exit": way("x = 1\nexit(1) # here", ename=EXIT, says="1"),
    "quit": way("x = 1\nquit('no data') # here", ename=EXIT, says="no data"),
    "exit by name": way("x = 1\nexit(code=2) # here", ename=EXIT, says="2"),
    "exit in a function": way("def f():\n    exit(2) # here", "f()", ename=EXIT, cell=3, says="2"),
    "exit in a module": way("import leaves\nleaves.now() # here", ename=EXIT, says="4"),
    "exit in a script": way("x = 1", "%run leaves_too.py # here", ename=EXIT, cell=3, says="5"),
    "sys.exit": way("import sys\n\nsys.exit('why') # here", ename=EXIT, says="why"),
    "sys.exit of nothing to say": way("import sys\nsys.exit('') # here", ename=EXIT, says="''"),
    "raised exit": way("if True:\n    raise SystemExit(5) # here", ename=EXIT, says="5"),
    # What the shell does.
    "command": way("x = 1\n!exit 3 # here", ename="CalledProcessError", says="3", inputs=SHELL),
    "command with output": way("x = 1\ny = !exit 3 # here", ename="CalledProcessError", inputs=SHELL),
    "pip": way("%pip --no-such-flag # here", ename="CalledProcessError", inputs=SHELL),
    "bash": way("%%bash\nexit 3", ename="CalledProcessError"),
    "magic": way("x = 1\n%no_such_magic # here", ename="UsageError"),
    "input": way("x = 1\ninput('name? ') # here", ename="StdinNotImplementedError"),
    # What ends the kernel, or takes too long.
    "killed": way("import os\nos.kill(os.getpid(), 9)", kind="kernel-died", says="SIGKILL"),
    "aborted": way("import os\nos.abort() # here", kind="kernel-died", says="SIGABRT"),
    "segmentation fault": way("import ctypes\nctypes.string_at(0) # here", kind="kernel-died", says="SIGSEGV"),
    "ended": way("import os\nos._exit(0)", kind="kernel-died", says="exit code 0"),
    "too long": way("import time\ntime.sleep(60) # here", kind="cell-timeout", inputs=TIMEOUT),
}
FILES = {
    "fails.py": "x = 1\nraise ValueError('in a script')\n",
    "exits.py": "import sys\nsys.exit(3)\n",
    "leaves.py": "def now():\n    exit(4)\n",
    "leaves_too.py": "x = 1\nquit(5)\n",
}
KERNELS = {
    "started": ("spawn", "off", WAYS.keys() - RAISED.keys()),
    "forked": ("fork", "off", WAYS.keys()),
    "preloaded": ("fork", "dateutil", WAYS.keys()),
}
assert len(WAYS) >= 40


def executed(
    workspace: Workspace, kernel: Path, start: str, preload: str, ways: Collection[str]
) -> dict[str, dict[str, Any]]:
    """Execute ways to fail by one kind of kernel, and return the results by name."""
    for name, text in FILES.items():
        workspace.write(name, text)
    for name, each in WAYS.items():
        workspace.write(f"{name}.ipynb", notebook(IMPORT, *each.cells, AFTER.format(name)))
    results: dict[str, dict[str, Any]] = {}
    for inputs in ({}, SHELL, TIMEOUT):
        names = [name for name in ways if WAYS[name].inputs == inputs]
        files = "\n".join(f"{name}.ipynb" for name in names)
        given = {"notebooks": files, "kernel-start": start, "preload": preload, "execution-order": "parallel", **inputs}
        done = workspace.run("execute-notebook", {"python": str(kernel), **given})
        assert done.code == 1, done.log
        results |= {name: done.notebooks[f"{name}.ipynb"] for name in names}
    return results


def line_to_name(path: Path, expected: Way) -> int:
    """Return the line that is to be named."""
    if HERE in path.read_text(encoding="utf-8"):
        return line_of(path, HERE)
    cell = expected.cells[expected.cell - 2]
    assert isinstance(cell, str)
    return line_of(path, json.dumps(cell.splitlines()[0])[1:-1])


@pytest.mark.parametrize("kind", KERNELS)
def test_all_ways_to_fail(workspace: Workspace, kernel: Path, kind: str) -> None:
    start, preload, ways = KERNELS[kind]
    results = executed(workspace, kernel, start, preload, ways)
    wrong = {}
    assert results.keys() == ways
    for name, result in results.items():
        way, failure = WAYS[name], result["failure"] or {}
        found = [result["status"], *(failure.get(each) for each in ("kind", "ename", "cell", "line"))]
        line = line_to_name(workspace.folder / f"{name}.ipynb", way)
        if found != ["failed", way.kind, way.ename, way.cell, line] or way.says not in failure["message"]:
            wrong[name] = (found, failure.get("message"))
        assert result["kernel_start"] == start
        assert ("dateutil" in result["preloaded"]) == (kind == "preloaded")
    assert wrong == {}
    assert not list(workspace.folder.glob("*.txt")), "nothing runs after it"


def test_what_is_no_failure(workspace: Workspace, kernel: Path) -> None:
    """The negative: what may fail does, and an exit without an error code ends a notebook or a script well."""
    workspace.write("well.py", "import sys\nsys.exit(0)\n")
    passing = {
        "tagged": code("get_ipython().run_cell('1 / 0')", "raises-exception"),
        "tagged raise": code("1 / 0", "raises-exception"),
        "caught": code("try:\n    exit(1)\nexcept SystemExit:\n    pass"),
        "script": code("%run well.py"),
        "thread": code("import threading\nt = threading.Thread(target=exit, args=(1,))\nt.start()\nt.join()"),
        "command": code("!true\nx = !true"),
    }
    ending = {"exit": "exit", "exit()": "exit()", "quit": "quit(0)", "false": "import sys\nsys.exit(False)"}
    ending["asked"] = "get_ipython().ask_exit()"
    for name, cell in passing.items():
        workspace.write(f"{name}.ipynb", notebook(cell, f"print({name!r})"))
    for name, source in ending.items():
        workspace.write(f"{name}.ipynb", notebook(source, f"open({name + '.txt'!r}, 'w')"))
    done = workspace.execute(kernel)
    assert done.code == 0, done.log
    assert all(done.printed(f"{name}.ipynb").endswith(f"{name}\n") for name in passing)
    warned = {(each.place[0], each.message) for each in done.annotations("warning")}
    assert warned == {
        (f"{name}.ipynb", "1 of 2 code cells did not run: the notebook ended itself with exit code 0.")
        for name in ending
    }
    assert not list(workspace.folder.glob("*.txt"))


def test_failing_commands_are_named(workspace: Workspace, kernel: Path) -> None:
    """Each place once, at the line that called, whatever `%%capture` hides and wherever a function was defined."""
    cells = (
        "x = 1\n!exit 3 # one",
        "def f(code):\n    out = !exit {code} # two\n    return out",
        "f(4)\nf(4)\nf(0)",
        "for _ in range(2):\n    !exit 137 # three",
        "%%capture\n!exit 5",
        "!true\nx = !true",
    )
    path = workspace.write("a.ipynb", notebook(*cells))
    done = workspace.execute(kernel)
    assert (done.code, done.notebooks["a.ipynb"]["status"]) == (0, "passed")
    warned = [(each.place, each.message.partition(". If it may")[0]) for each in done.annotations("warning")]
    assert warned == [
        (("a.ipynb", line_of(path, "# one")), "Cell 1: the shell command `!exit 3 # one` ended with exit code 3"),
        (
            ("a.ipynb", line_of(path, "# two")),
            "Cell 2: the shell command `out = !exit {code} # two` ended with exit code 4.",
        ),
        (("a.ipynb", line_of(path, "# three")), "Cell 4: the shell command `!exit 137 # three` was killed by SIGKILL."),
        (("a.ipynb", line_of(path, "%%capture")), "Cell 5: the shell command `%%capture` ended with exit code 5."),
    ]
    assert done.annotations("warning")[0].message.endswith("set `shell-errors` to `fail`.")
    ignored = workspace.execute(kernel, shell_errors="ignore")
    assert (ignored.code, ignored.annotations("warning")) == (0, [])


def test_a_kernel_whose_hooks_cannot_be_installed(workspace: Workspace, kernel: Path) -> None:
    """It runs all the same, and a warning says what is not noticed."""
    startup = workspace.home / "profile_default" / "startup" / "a.py"
    startup.parent.mkdir(parents=True)
    startup.write_text("type(get_ipython()).exiter = property(lambda _: 1 / 0)\n")
    workspace.write("a.ipynb", notebook("1"))
    done = workspace.execute(kernel, {"IPYTHONDIR": str(workspace.home)})
    assert done.code == 0, done.log
    [warning] = done.annotations("warning")
    assert warning.message.startswith("Failed shell commands and `exit()` will not be noticed: ")
