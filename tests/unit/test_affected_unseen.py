"""Changes that only some of the notebooks that use a file name: the others must run, too."""

from pathlib import Path

import pytest

from unit.planned import commit, git, notebook, planned, write


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    return tmp_path


def affected(folder: Path, *changed: str) -> set[str]:
    """Return the notebooks that run if these files change."""
    commit(folder)
    for path in changed:
        with (folder / path).open("a") as file:
            file.write("\n")
    found = planned(folder, "--base", "HEAD", "--parameters-file", "given.yaml")
    assert not [reason for reason in found.reasons.values() if "any may use it" in reason]
    return set(found.reasons)


# A file, a notebook that names it, other files, and code that uses the file.
USES = {
    "module": ("pkg/train.py", "import pkg.train", {}, "!python -m pkg.train"),
    "modules": ("train.py", "import train", {}, "run([sys.executable, '-m', 'train'])"),
    "command": ("train.py", "import train", {}, "!python -c 'import train'"),
    "magic": ("train.py", "import train", {}, "get_ipython().magic('run train')"),
    "aimport": ("train.py", "import train", {}, "%aimport train"),
    "timed": ("train.py", "import train", {}, "%time import train"),
    "cell": ("train.py", "import train", {}, "%%ipytest\nimport train"),
    "notebook": ("tools.ipynb", "open('tools.ipynb')", {}, "import import_ipynb\nimport tools"),
    "alias": ("x.csv", "open('x.csv')", {}, "from glob import glob as find\nfind('*')"),
    "text": ("x.md", "open('x.md')", {}, "glob.glob('*.md')"),
    "f-string": ("x_1.csv", "open('x_1.csv')", {}, "open(f'x_{y}.csv')"),
    "pointer": ("x_1.csv.dvc", "open('x_1.csv')", {}, "open(f'x_{y}.csv')"),
    "format": ("x_1.csv", "open('x_1.csv')", {}, "open('x_%d.csv' % y)"),
    "sum": ("x_1.csv", "open('x_1.csv')", {}, "open('x_' + y + '.csv')"),
    "pattern": ("x_1.csv", "open('x_1.csv')", {}, "duckdb.sql('from \"*.csv\"')"),
    "yaml": ("blue/x.bin", "read('blue')", {"c.yaml": "folder: blue\n"}, "open('c.yaml')"),
    "env": ("red/x.bin", "read('red')", {"c.env": "FOLDER=red\n"}, "load('c.env')"),
    "words": ("y.csv", "open('y.csv')", {"my query.sql": "from 'y.csv'"}, "open('my query.sql')"),
}


@pytest.mark.parametrize("case", USES)
def test_a_file_is_used_without_its_name(repository: Path, case: str) -> None:
    path, names, others, uses = USES[case]
    write(repository, {path: "", **others, "names.ipynb": notebook(names), "uses.ipynb": notebook(uses)})
    write(repository, {"alone.ipynb": notebook("1"), "given.yaml": ""})
    own = {path} if path.endswith(".ipynb") else set()
    assert affected(repository, path) == {"names.ipynb", "uses.ipynb"} | own


def test_parameters_name_a_folder_without_quotes(repository: Path) -> None:
    write(repository, {"given.yaml": "where: blue\n", "blue/x.bin": "", "names.ipynb": notebook("read('blue')")})
    write(repository, {"uses.ipynb": notebook("where = None", tags=["parameters"])})
    assert affected(repository, "blue/x.bin") == {"names.ipynb", "uses.ipynb"}


def test_a_module_beside_the_notebook_comes_before_one_in_a_package(repository: Path) -> None:
    write(repository, {"given.yaml": "", "src/p/__init__.py": "", "src/p/utils.py": "", "src/p/a.py": "import utils\n"})
    uses = notebook("import sys\nsys.path.append('../src')\nimport p.a")
    write(repository, {"n/utils.py": "", "n/names.ipynb": notebook("import utils"), "n/uses.ipynb": uses})
    assert affected(repository, "n/utils.py") == {"n/names.ipynb", "n/uses.ipynb"}


@pytest.mark.parametrize("config", [{}, {"lib/notebook-ci.toml": ""}])
def test_code_around_a_project_is_named_by_its_folder(repository: Path, config: dict[str, str]) -> None:
    write(repository, {"lib/util.py": "import deep\n", "lib/deep.py": "", "project/given.yaml": "", **config})
    uses = notebook("import sys\nsys.path.append('../lib')\nimport util")
    write(repository / "project", {"names.ipynb": notebook("%run ../lib/deep.py"), "uses.ipynb": uses})
    assert affected(repository / "project", "../lib/deep.py") == {"names.ipynb", "uses.ipynb"}


def test_the_folder_of_a_notebook_that_runs_is_no_other_project(repository: Path) -> None:
    inner = {"notebook-ci.toml": "", "x.csv": "", "finds.ipynb": notebook("import os\nos.listdir()")}
    write(repository, {"given.yaml": "", "names.ipynb": notebook("open('inner/x.csv')")})
    write(repository / "inner", inner)
    assert affected(repository, "inner/x.csv") == {"names.ipynb", "inner/finds.ipynb"}
