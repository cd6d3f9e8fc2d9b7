"""What the server of kernels does that needs no kernel."""

import ctypes
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

import pytest

from kernel_server.inside import pages, server


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "real" / "file.py").touch()
    (tmp_path / "folder").symlink_to("real")
    (tmp_path / "real" / "link.py").symlink_to("deep")
    (tmp_path / "real" / "loop.py").symlink_to("loop.py")
    monkeypatch.chdir(tmp_path / "real")
    return tmp_path


@pytest.mark.parametrize(
    "path",
    [
        "{tree}/real/file.py", "{tree}/folder/file.py", "{tree}/folder/link.py", "{tree}/folder/link.py/../file.py",
        "{tree}/folder/missing.py", "{tree}/missing/file.py", "{tree}/real/loop.py", "{tree}/folder/..",
        "{tree}/folder/.", "{tree}/folder/", "{tree}//folder//file.py", "/file.py", "/", "file.py", "../folder/file.py",
        ".", "",
    ],
)  # fmt: skip
def test_a_real_path_is_what_python_says(tree: Path, path: str) -> None:
    given = path.format(tree=tree)
    for _ in range(2):  # the folder is known the second time
        assert server.real_path(given) == os.path.realpath(given)


def test_a_link_among_the_files_of_the_interpreter_is_installed(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian's `sitecustomize.py` leads to /etc. Packages are linked to their sources while one works on them."""
    monkeypatch.setattr(server, "library_folders", lambda: frozenset({str(tree / "real")}))
    server.is_installed.cache_clear()
    assert server.is_installed(str(tree / "real" / "link.py"))
    assert not server.is_installed(str(tree / "folder" / "link.py"))


class Ends:
    def __del__(self) -> None:
        pass


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("joblib.externals.loky.backend.resource_tracker", False),
        ("multiprocessing.resource_tracker", False),
        ("multiprocessing.resource_tracker_of_mine", True),
        ("zmqueue", True),
    ],
)
def test_what_is_left_to_the_system(module: str, monkeypatch: pytest.MonkeyPatch, *, expected: bool) -> None:
    monkeypatch.setattr(Ends, "__module__", module)
    assert bool(server.end_of(Ends)) == expected


def test_holes_are_filled() -> None:
    size = 20 * pages.STEP

    def made() -> bytes:
        return bytes(size - pages.EMPTY)

    row = [made() for _ in range(1000)]
    holes = {id(each) for each in row[::7]}
    del row[::7]
    assert id(made()) in holes
    kept = pages.small_objects(pages.MOST_BYTES)
    first, second = made(), made()
    assert id(second) == id(first) + size
    assert holes <= {id(each) for each in kept}


def test_holes_of_the_c_library_are_filled() -> None:
    libc = pages.LIBC
    libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    row = [libc.malloc(2000) for _ in range(100)]
    holes = set(row[::2])
    for hole in holes:
        libc.free(hole)
    pages.fill_holes(0)
    assert libc.malloc(2000) in holes
    pages.fill_holes(pages.MOST_BYTES)
    assert libc.malloc(2000) not in holes


def test_modules_of_a_notebook_are_taken_apart(tmp_path: Path) -> None:
    """What is written in C may have an end that nobody sees."""
    module = ModuleType("own")
    ends = server.end_of(ModuleType)
    assert ends
    assert not ends(module)
    assert not ends(pytest)
    vars(module)["__file__"] = str(tmp_path / "own.so")
    assert ends(module)


def test_a_lazy_module_stays_lazy() -> None:
    name = "this"  # prints when it is loaded
    spec = importlib.util.find_spec(name)
    assert spec
    assert spec.loader
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert server.file_of(module) == spec.origin
    assert type(module).__name__ == "_LazyModule"
    assert "s" not in server.names_of(module)


def test_there_is_an_end_to_filling_holes() -> None:
    assert not pages.small_objects(0)
    assert sum(map(sys.getsizeof, pages.small_objects(100_000))) <= 100_000 + pages.LARGEST_SMALL
