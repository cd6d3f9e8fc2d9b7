"""The check of imports: what a real Python lacks, and what a person is told about it."""

import json
import os
import sys
from pathlib import Path

import pytest

from integration.suite import line_of, notebook
from notebook_ci.base.errors import Problem
from notebook_ci.environments.interpreter import Candidate, tried
from notebook_ci.execute_notebook.missing import CREATED, GUARDED, NAMED, ImportCheck
from notebook_ci.notebooks import document
from notebook_ci.records.setup_env import SetupEnvRecord
from unit.test_needed import write


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of packages of the Python that runs this."""
    folder = tmp_path / "installed"
    monkeypatch.setenv("PYTHONPATH", str(folder))
    write(
        folder,
        "regular/__init__.py: raise SystemExit('imported')",
        "shared/one/__init__.py: raise SystemExit('imported')",
        "shared/deep/two.py",
        "compiled.abi3.so",
        "pip/__init__.py",
    )
    return folder


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def problems(work: Path, lock: str = "requirements.txt", **cells: list[str]) -> list[Problem]:
    """Check notebooks, given as their cells."""
    documents = []
    for name, sources in cells.items():
        path = Path("sub", f"{name}.ipynb")
        write(work, f"{path}: {json.dumps(notebook(*sources), indent=1)}")
        documents.append(document.read(path))
    check = ImportCheck(documents, work)
    setup = (
        SetupEnvRecord(stage="setup-env", lock_file=lock, packages={"own-name": "1", "pytest": "1"}) if lock else None
    )
    return list(check.problems(tried(Candidate(Path(sys.executable), "x"), check.modules), setup))


PROVIDED = [
    "import os, sys, json.decoder, zlib, _thread, __main__",
    "import regular, regular.anything\nfrom regular import whatever",
    "import compiled, shared, shared.one.anything, shared.deep.two",
    "from shared import one, deep\nfrom shared.deep import *\nfrom shared.deep.two import x",
    "import pytest\nfrom packaging.version import Version",
]
LACKED = {
    "import nowhere": "nowhere",
    "import nowhere.deeper as n": "nowhere",
    "from nowhere.deeper import x": "nowhere",
    "import shared.three": "shared.three",
    "from shared import one, three": "shared.three",
    "from shared.deep import three": "shared.deep.three",
    "import shared.four.five": "shared.four",
    "from own_name import x": "own_name",
}


@pytest.mark.usefixtures("installed")
def test_what_is_installed_is_not_reported(work: Path) -> None:
    assert problems(work, a=PROVIDED) == []


@pytest.mark.usefixtures("installed")
def test_what_is_not_installed_is_reported_at_its_line(work: Path) -> None:
    notebooks = {f"n{number}": ["import os", f"x = 1\n{source}"] for number, source in enumerate(LACKED)}
    found = problems(work, "requirements.txt", **notebooks)
    assert [each.message for each in found] == [
        f"Cell 2 of `sub/n{number}.ipynb` imports `{name}`, which is not installed."
        for number, name in enumerate(LACKED.values())
    ]
    for number, (problem, source) in enumerate(zip(found, LACKED, strict=True)):
        path = f"sub/n{number}.ipynb"
        assert (problem.severity, problem.file, problem.line) == ("warning", path, line_of(work / path, source))


def test_a_module_of_a_module_is_reported_in_its_file(work: Path) -> None:
    write(work, "sub/helpers.py: import os\nimport nowhere")
    [found] = problems(work, a=["1", "import helpers"])
    assert (found.file, found.line) == ("sub/helpers.py", 2)
    expected = "Cell 2 of `sub/a.ipynb` imports `sub/helpers.py`, which imports `nowhere`, which is not installed."
    assert found.message == expected


@pytest.mark.parametrize(
    ("source", "lock", "hint"),
    [
        ("import sklearn", "requirements.txt", "Add `scikit-learn` to `requirements.txt`."),
        ("import sklearn", "", "Add `scikit-learn` to the list of packages of the environment."),
        ("from PIL import Image", "uv.lock", "Run `uv add pillow`, and commit the lock."),
        ("import shapefile", "poetry.lock", "Run `poetry add pyshp`, and commit the lock."),
        ("import a_b.c", "r.txt", "Add the package that provides it (perhaps `a-b`) to `r.txt`."),
        ("import _own", "r.txt", "Add the package that provides it to `r.txt`."),
        ("from google.cloud import x_y", "r.txt",
         "Add the package that provides it (perhaps `google-cloud-x-y`) to `r.txt`."),
        ("from google.colab import drive", "r.txt",
         "It exists only on Colab. Import it under `try`, or tag the cell `skip-execution`."),
        ("import sklearn", ".notebook-ci/from-notebooks.txt",
         "Run `notebook-ci infer-requirements`, add `scikit-learn` if it is not in the list, and commit the list."),
        ("import tools", "r.txt",
         "The folder `src/lib` has such a module: run `sys.path.append('../src/lib')` before, or install it."),
        ("import pack", "r.txt",
         "The folder `.` has such a module: run `sys.path.append('..')` before, or install it."),
    ],
)  # fmt: skip
def test_how_to_get_a_module(work: Path, monkeypatch: pytest.MonkeyPatch, source: str, lock: str, hint: str) -> None:
    monkeypatch.setattr(sys, "executable", os.path.realpath(sys.executable))  # without the packages of these tests
    monkeypatch.setenv("PYTHONNOUSERSITE", "1")
    write(work, "src/lib/tools.py", "pack/__init__.py", "pack/pack.py")
    assert [problem.hint for problem in problems(work, lock, a=[source])] == [hint]


@pytest.mark.usefixtures("installed")
def test_what_may_not_be_needed_or_is_made_by_the_notebook_is_one_notice_each(work: Path) -> None:
    found = problems(
        work,
        a=[
            "try:\n    import one_nci\n    import google.colab\nexcept ImportError:\n    one_nci = None",
            "def f():\n    import two_nci",
        ],
        b=["%pip install -q three-nci>=1 own.name pytest", "import three_nci"],
        c=["%%writefile four_nci.py\nx = 1", "import four_nci", "import regular"],
        d=["# /// script\n# dependencies = ['five-nci==2', 'own-name']\n# ///\nimport five_nci"],
    )
    assert [(each.severity, each.message) for each in found] == [
        ("warning", "Cell 1 of `sub/d.ipynb` imports `five_nci`, which is not installed."),
        ("notice", f"{NAMED}: `three-nci>=1` (sub/b.ipynb, cell 1), `five-nci==2` (sub/d.ipynb, cell 1)."),
        ("notice", f"{GUARDED}: `one_nci` (sub/a.ipynb, cell 1), `two_nci` (sub/a.ipynb, cell 2)."),
        ("notice", f"{CREATED}: `three_nci` (sub/b.ipynb, cell 2), `four_nci` (sub/c.ipynb, cell 2)."),
    ]


def test_an_installation_after_the_import_does_not_count(work: Path) -> None:
    found = problems(work, a=["import nowhere", "%pip install nowhere"])
    assert [each.severity for each in found] == ["warning", "notice"]


def test_a_certain_import_wins_over_an_earlier_guarded_one(work: Path) -> None:
    [found] = problems(work, a=["if x:\n    import nowhere", "import nowhere", "import nowhere.deeper"])
    assert found.message.startswith("Cell 2 ")
