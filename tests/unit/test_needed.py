"""What notebooks import that no file of the workspace provides."""

from pathlib import Path

import pytest

from notebook_ci.notebooks.distributions import distribution
from notebook_ci.notebooks.document import Document
from notebook_ci.notebooks.needed import LocalModules
from unit.test_imports_read import made


def write(folder: Path, *files: str) -> None:
    """Create files: `name`, or `name: its text`."""
    for file in files:
        name, _, text = file.partition(": ")
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def needed(folder: Path, document: Document) -> list[tuple[str, str, str]]:
    """Return path, guard, and the local module that imports it."""
    return [
        (each.path, each.imported.guard, each.file.relative_to(folder).as_posix() if each.file else "")
        for each in LocalModules(folder).needed(document)
    ]


def paths(folder: Path, *cells: str, path: str = "sub/n.ipynb") -> list[str]:
    return [each for each, _, _ in needed(folder, made(*cells, path=path))]


LOCAL = [
    ("sub/helpers.py", "import helpers"),
    ("sub/helpers.py", "from helpers import *"),
    ("sub/helpers/__init__.py", "import helpers.io"),
    ("sub/helpers/io.py", "import helpers.io"),
    ("sub/helpers/io.py", "from helpers import io"),
    ("sub/helpers/io/deep.py", "from helpers.io import deep as d"),
    ("sub/helpers.cpython-312-x86_64-linux-gnu.so", "import helpers"),
    ("sub/helpers.abi3.so", "import helpers"),
    ("sub/helpers.pyd", "import helpers"),
    ("helpers.py", "import sys\nsys.path.append('..')\nimport helpers"),
    ("src/helpers/io.py", "sys.path.insert(0, str(ROOT / 'src'))\nfrom helpers import io"),
    ("src/io.py", "%cd ..\nfrom src.io import read"),
    ("sub/helpers.ipynb", "import import_ipynb\nimport helpers"),
]
NOT_LOCAL = [
    ("helpers.py", "import helpers"),  # in another folder than the notebook
    ("sub/helpers/a.csv", "import helpers"),
    ("sub/helpers/a.py", "import helpers"),  # Python would import an empty namespace
    ("sub/helpers/a.ipynb", "from helpers import b"),
    ("sub/helpers.ipynb", "import helpers"),
    ("sub/helpers.txt", "import helpers"),
    ("venv/pyvenv.cfg", "sys.path.append('..')\nimport helpers"),
    ("venv/lib/helpers.py", "sys.path.append('..')\nimport pyvenv, helpers"),
    (".hidden/helpers.py", "sys.path.append('..')\nimport helpers"),
]


@pytest.mark.parametrize(("file", "source"), LOCAL)
def test_local_modules_are_not_needed(tmp_path: Path, file: str, source: str) -> None:
    write(tmp_path, file)
    assert not {each for each in paths(tmp_path, source) if not each.startswith(("sys", "import_ipynb"))}


@pytest.mark.parametrize(("file", "source"), NOT_LOCAL)
def test_other_files_are_not_modules(tmp_path: Path, file: str, source: str) -> None:
    write(tmp_path, file, "venv/pyvenv.cfg")
    assert paths(tmp_path, source)[-1].startswith("helpers")


def test_what_local_modules_import_is_needed(tmp_path: Path) -> None:
    write(
        tmp_path,
        "a.py: import numpy, b\nfrom p import q\nfrom __future__ import annotations",
        "b.py: import a\ndef f():\n    import h5py",
        "p/__init__.py: import pandas\nfrom . import r\nfrom .missing import x",
        "p/q.py: from ..a import z\nfrom .r import y",
        "p/r.py: try:\n    import cupy\nexcept ImportError:\n    import numba",
        "broken.py: import (",
        "unused.py: import torch",
    )
    assert needed(tmp_path, made("import a, scipy\nimport broken")) == [
        ("scipy", "", ""),
        ("numpy", "", "a.py"),
        ("h5py", "function", "b.py"),
        ("pandas", "", "p/__init__.py"),
        ("cupy", "try", "p/r.py"),
    ]
    guarded = made("if x:\n    import b")
    assert needed(tmp_path, guarded) == [("h5py", "function", "b.py"), ("numpy", "condition", "a.py"), *(
        (name, "condition" if name == "pandas" else "try", file) for name, file in
        [("pandas", "p/__init__.py"), ("cupy", "p/r.py")]
    )]  # fmt: skip


def test_a_relative_import_in_a_notebook_is_not_looked_for(tmp_path: Path) -> None:
    assert paths(tmp_path, "from . import a\nfrom .b import c") == []


def test_the_folder_of_a_module_elsewhere_is_known(tmp_path: Path) -> None:
    write(tmp_path, "src/helpers/io.py", "lib/deep/tools.py")
    modules = LocalModules(tmp_path)
    assert modules.elsewhere("helpers.io") == tmp_path / "src"
    assert modules.elsewhere("tools") == tmp_path / "lib" / "deep"
    assert modules.elsewhere("helpers") is None
    assert modules.elsewhere("numpy") is None


@pytest.mark.parametrize("module", ["sklearn.svm", "PIL.Image", "mpl_toolkits.mplot3d", "google.protobuf.message"])
def test_the_best_known_distributions_need_no_table(module: str) -> None:
    expected = {"sklearn": "scikit-learn", "PIL": "pillow", "mpl_toolkits": "matplotlib", "google": "protobuf"}
    assert distribution(module) == expected[module.partition(".")[0]]
    assert distribution("nowhere.at.all") == ""
