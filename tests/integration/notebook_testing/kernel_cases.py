"""What the fixture `notebook` does. Run by `test_notebook_testing.py`, in an environment with IPython.

The names of most tests are those of testbook's documented features and of its own tests.
"""

import contextlib
import json
import signal
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from notebook_testing.fixture import CellError, NotebookKernel, Reference

Open = Callable[..., NotebookKernel]
FOO = """
class Foo:
    def __init__(self, value):
        self.value = value

    def __repr__(self):
        return f"<Foo {self.value!r}>"

    def shout(self):
        return self.value.upper()


class FooError(Exception): ...


foo = Foo("bar")
"""
FUNCTIONS = """
def branch():
    return os.popen("git branch").read()


def fail(kind):
    raise kind("this")


def fail_own():
    raise FooError("own")
"""
CELLS: list[tuple[str, str]] = [
    ("%precision 3\nimport json, os, sys, time", "imports"),
    ("def hello(name='you'):\n    print(f'hello {name}')\n    return name * 2\n\n\ndef nothing(): ...", "hello"),
    ("numbers = [1, 2, 3]\nalso = [1, 2, 3]\nword = 'text'\nanswer = 42", "values"),
    ("print('hello world')\nprint('again', file=sys.stderr)\nnumbers", "shows"),
    (FOO, "classes"),
    (FUNCTIONS, "functions"),
    ("import asyncio\nawait asyncio.sleep(0, 'awaited')", "awaits"),
    ("!echo from the shell\n%time 1", "shell"),
]


def write(path: Path, *cells: tuple[str, str]) -> str:
    made: list[dict[str, Any]] = [{"cell_type": "markdown", "source": ["# Title"], "metadata": {}}]
    made += [
        {"cell_type": "code", "source": source.splitlines(keepends=True), "metadata": {"tags": tag.split()}}
        for source, tag in cells
    ]
    path.write_text(json.dumps({"cells": made, "nbformat": 4}, indent=1))
    return str(path)


def line_of(path: str, text: str) -> int:
    return Path(path).read_text().split(text)[0].count("\n") + 1


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write(tmp_path_factory.mktemp("project") / "all.ipynb", *CELLS)


@pytest.fixture
def kernel(path: str, notebook: Open) -> NotebookKernel:
    return notebook(path)


@pytest.mark.parametrize(
    ("cells", "ran"),
    [
        ([], ""),
        (1, "json"),
        (-7, "hello"),
        ("values", "answer"),
        (["imports", 3], "json answer"),
        (range(1, 3), "json hello"),
        (slice("imports", "values"), "json hello answer"),
        (slice(2, 3), "hello answer"),
        (slice(None, "hello"), "json hello"),
        (slice("awaits", None), "asyncio"),
        (0, ""),
    ],
)
def test_which_cells_run(cells: Any, ran: str, path: str, notebook: Open) -> None:
    names = {"json", "hello", "answer", "foo", "asyncio"}
    found = notebook(path, cells=cells).value("sorted(globals())")
    assert names & set(found) == set(ran.split())


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("numbers", [1, 2, 3]),
        ("numbers + [4]", [1, 2, 3, 4]),
        ("answer * 2", 84),
        ("word + ' foo'", "text foo"),
        ("{'a': {1}, 'b': (None, float('inf'))}", {"a": {1}, "b": (None, float("inf"))}),
    ],
)
def test_value(expression: str, value: object, kernel: NotebookKernel) -> None:
    assert kernel.value(expression) == value


@pytest.mark.parametrize("expression", ["answer *= 2", "", "print("])
def test_value_of_what_has_none(expression: str, kernel: NotebookKernel) -> None:
    with pytest.raises(SyntaxError):
        kernel.value(expression)


def test_call_a_function(kernel: NotebookKernel) -> None:
    hello = kernel.ref("hello")
    assert hello("x") == "xx"
    assert hello(name=[1]) == [1, 1]
    assert hello(kernel.ref("word")) == "texttext"
    assert kernel.ref("nothing")() is None


def test_a_class_of_the_notebook(kernel: NotebookKernel) -> None:
    made = kernel.ref("Foo")("bar")
    assert isinstance(made, Reference)
    assert repr(made) == "<Foo 'bar'>"
    assert made.shout() == "BAR"
    assert made.value == "bar"
    assert made.value.resolve() == "bar"
    with pytest.raises(AttributeError, match="no attribute 'missing'"):
        made.missing  # noqa: B018 - it raises


def test_a_list(kernel: NotebookKernel) -> None:
    numbers = kernel.ref("numbers")
    assert numbers == kernel.ref("also") == [1, 2, 3]
    numbers.append(4)
    numbers[0] = 9
    assert list(numbers) == [9, 2, 3, 4]
    assert (len(numbers), numbers[-1], numbers[1:3]) == (4, 4, [2, 3])
    assert 9 in numbers
    assert 1 not in numbers
    assert numbers != kernel.ref("also")
    assert numbers.resolve() == kernel.value("numbers")
    assert not kernel.ref("[]")
    assert [each.shout() for each in kernel.ref("[foo, foo]")] == ["BAR", "BAR"]
    for key in (100, "x"):
        with pytest.raises((IndexError, TypeError), match="list ind"):
            numbers[key]
        with pytest.raises((IndexError, TypeError), match=r"list (assignment )?ind"):
            numbers[key] = 1


def test_inject(kernel: NotebookKernel) -> None:
    assert kernel.inject("1 + 1") == "2"
    shown = kernel.inject("""
        def shout(text):
            print(text.upper())
        shout('loud')
    """)
    assert shown == "LOUD"
    assert kernel.inject("assert answer == 42") == ""
    with pytest.raises(AssertionError):
        kernel.inject("assert answer == 43")
    with pytest.raises(ZeroDivisionError):
        kernel.inject("1 / 0")


def test_outputs(kernel: NotebookKernel) -> None:
    assert kernel.output("shows") == "hello world\nagain\n[1, 2, 3]"
    assert kernel.output(7) == "'awaited'"
    assert kernel.output("shell").startswith("from the shell")
    assert kernel.output("imports") == ""
    kernel.inject("numbers.append(4)")
    kernel.execute("shows")
    assert kernel.output(4).endswith("[1, 2, 3, 4]")


def test_displays(kernel: NotebookKernel) -> None:
    assert kernel.inject("display('a', 'b')\nprint('c')\n'd';\n'e'") == "'a''b'c\n'e'"


def test_patch(kernel: NotebookKernel) -> None:
    popen = kernel.patch("os.popen")
    kernel.ref("branch")()
    popen.assert_called_once_with("git branch")
    with pytest.raises(AssertionError):
        popen.assert_not_called()
    kernel.patch("__main__.hello", return_value=["a"])
    assert kernel.ref("hello")() == ["a"]
    with pytest.raises(AttributeError):
        kernel.patch("os.nothing")


def test_a_patch_ends_with_its_test(kernel: NotebookKernel) -> None:
    assert kernel.ref("hello")("x") == "xx"


@pytest.mark.parametrize("round_", [1, 2])
def test_no_test_sees_another(round_: int, kernel: NotebookKernel, notebook: Open, path: str) -> None:
    assert round_
    assert kernel.value("numbers") == [1, 2, 3]
    kernel.inject("numbers.append(4)\nos.environ['SEEN'] = '1'\nsys.modules['seen'] = None")
    other = notebook(path)
    assert other.value("numbers, 'SEEN' in os.environ, 'seen' in sys.modules") == ([1, 2, 3], False, False)


def test_a_kernel_is_like_jupyters(kernel: NotebookKernel, path: str) -> None:
    assert kernel.value("os.getcwd(), sys.path[0]") == (str(Path(path).parent), "")
    assert kernel.value("__name__, 'get_ipython' in globals(), len(sys.argv)") == ("__main__", True, 1)
    assert kernel.value("any('layer' in path for path in sys.path)") is False
    assert kernel.value("'pytest' in sys.modules") is False
    with pytest.raises(EOFError):
        kernel.inject("input()")


@pytest.mark.parametrize("value", ["a", "b"])
def test_variables_of_a_test_are_in_its_kernel(
    value: str, path: str, notebook: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OF_A_TEST", value)
    assert notebook(path, cells=1).value("os.environ['OF_A_TEST']") == value


def test_a_notebook_that_was_changed(tmp_path: Path, notebook: Open) -> None:
    for number in (1, 2):
        assert notebook(write(tmp_path / "a.ipynb", (f"a = {number}", ""))).value("a") == number


def test_tags_of_execution(tmp_path: Path, notebook: Open) -> None:
    cells = [("1 / 0", "raises-exception"), ("1 / 0", "skip-execution"), ("a = 1", "")]
    assert notebook(write(tmp_path / "a.ipynb", *cells)).value("a") == 1


def test_the_cells_run_once(tmp_path: Path, notebook: Open) -> None:
    path = write(tmp_path / "a.ipynb", ("open('ran', 'a').write('x')", ""))
    for _ in range(3):
        notebook(path)
    assert (tmp_path / "ran").read_text() == "x"


def test_where_a_thread_would_be_missing_the_cells_run_again(tmp_path: Path, notebook: Open) -> None:
    wait = "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
    path = write(tmp_path / "a.ipynb", ("open('ran', 'a').write('x')", ""), (wait, ""))
    for _ in range(3):
        assert notebook(path).value("threading.active_count()") == 2
    assert (tmp_path / "ran").read_text() == "xxx"


# --- What fails


def raised_at(path: str, act: Callable[[], object], error: type[Exception]) -> tuple[Exception, int]:
    """Return what is raised, and the line of the notebook where its traceback ends."""
    with pytest.raises(error) as raised:
        act()
    last = traceback.extract_tb(raised.value.__traceback__)[-1]
    assert last.filename == path
    return raised.value, last.lineno or 0


def test_a_function_that_fails(kernel: NotebookKernel, path: str) -> None:
    error, line = raised_at(path, lambda: kernel.ref("fail")(KeyError), KeyError)
    assert line == line_of(path, "raise kind")
    assert "In the kernel:" in str(error.__cause__)
    assert f'File "{path}", line {line}, in fail' in str(error.__cause__)
    assert "IPython" not in str(error.__cause__)


def test_an_exception_of_the_notebook(kernel: NotebookKernel, path: str) -> None:
    error, line = raised_at(path, kernel.ref("fail_own"), CellError)
    assert (str(error), line) == ("FooError: own", line_of(path, "raise FooError"))


def test_what_would_end_pytest_is_an_error(kernel: NotebookKernel) -> None:
    for kind in (SystemExit, KeyboardInterrupt):
        with pytest.raises(CellError, match=f"{kind.__name__}: this"):
            kernel.ref("fail")(kind)


@pytest.mark.parametrize(
    ("source", "text", "error"),
    [
        ("a = 1\nb = a / 0", "b = a", ZeroDivisionError),
        ("\n\n%%capture\na = 1\nb = a / 0", "b = a", ZeroDivisionError),
        ("%precision 3\nb = a", "b = a", NameError),
        ("a = 1\nb = a b", "b = a", SyntaxError),
        ("\ndef f():\n    return b\n\n\nf()", "return b", NameError),
    ],
)
def test_a_cell_that_fails(source: str, text: str, error: type[Exception], tmp_path: Path, notebook: Open) -> None:
    path = write(tmp_path / "a.ipynb", ("c = 1", ""), (source, ""))
    for _ in range(2):  # also for the second test
        assert raised_at(path, lambda: notebook(path), error)[1] == line_of(path, text)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ("nope", "`all.ipynb` has no cell with the tag `nope`. Its tags: `awaits`, `classes`, `functions`, "),
        (9, "`all.ipynb` has no cell 9: it has 9 cells, counted from 0."),
        ([1, -10], "`all.ipynb` has no cell -10: it has 9 cells, counted from 0."),
        (slice(1, 3, 2), "A slice of cells cannot have a step."),
    ],
)
def test_cells_that_do_not_exist(cells: Any, message: str, path: str, notebook: Open) -> None:
    with pytest.raises((LookupError, ValueError)) as raised:
        notebook(path, cells=cells)
    assert str(raised.value).startswith(message)


def test_a_notebook_that_does_not_exist(notebook: Open) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.ipynb"):
        notebook("nowhere.ipynb")


def test_a_notebook_that_is_not_one(tmp_path: Path, notebook: Open) -> None:
    (tmp_path / "a.ipynb").write_text("{")
    with pytest.raises(ImportError, match=r"`a\.ipynb` is not valid JSON: "):
        notebook(str(tmp_path / "a.ipynb"))


def test_the_output_of_a_cell_that_has_not_run(path: str, notebook: Open) -> None:
    with pytest.raises(LookupError, match=r"Cell 4 of `all\.ipynb` has not run\."):
        notebook(path, cells=1).output("values")


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("foo", "`foo` cannot be copied from the kernel: AttributeError: "),
        ("lambda: 1", "`lambda: 1` cannot be copied from the kernel: .*Error: .*[Cc]an't.* Use `ref`."),
        (
            "(n for n in numbers)",
            r"`\(n for n in numbers\)` cannot be copied from the kernel: TypeError: cannot .* Use",
        ),
    ],
)
def test_a_value_that_cannot_be_copied(expression: str, message: str, kernel: NotebookKernel) -> None:
    with pytest.raises(TypeError, match=message):
        kernel.value(expression)
    with pytest.raises(TypeError, match="this object cannot be copied"):
        kernel.ref(expression).resolve()


def test_a_kernel_that_dies(kernel: NotebookKernel) -> None:
    for _ in range(2):
        with pytest.raises(CellError, match=r"The kernel of `all\.ipynb` has died\."):
            kernel.inject("os._exit(3)")


def test_a_kernel_that_dies_in_its_cells(tmp_path: Path, notebook: Open) -> None:
    path = write(tmp_path / "a.ipynb", ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", ""))
    message = rf"The kernel of `a\.ipynb` died while it ran the cells \(exit code -{int(signal.SIGSEGV)}\)\."
    with pytest.raises(CellError, match=message):
        notebook(path)


# Must be the last ones: each test looks at what the one before left.
left: list[int] = []


def test_a_test_that_hangs_is_interrupted(kernel: NotebookKernel) -> None:
    left.append(kernel.value("os.getpid()"))

    def interrupt(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    with contextlib.suppress(TimeoutError):
        kernel.inject("while True: pass")
    signal.signal(signal.SIGALRM, before)


def test_no_kernel_outlives_its_test() -> None:
    (pid,) = left
    assert is_over(pid)


def is_over(pid: int) -> bool:
    """Whether a process has ended; its parent may not have collected it."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return True
        if state == "Z":
            return True
        time.sleep(0.01)
    return False
