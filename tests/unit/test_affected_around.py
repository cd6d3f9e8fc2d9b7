"""Changes around a project in a folder, in what git treats specially, and in what is used without being named."""

import json
from pathlib import Path

import pytest

from unit.planned import commit, git, notebook, planned, write

STAGES = {
    "clean": {"cmd": "sh clean.sh", "deps": ["raw/dirty.csv"], "outs": ["data/clean.csv"]},
    "other": {"cmd": "python other.py", "outs": ["data/other.csv"]},
}
# What changes, other files around the project, code that names the former, and code that uses it.
USES = {
    "data of a stage": ("raw/dirty.csv", {}, "open('../raw/dirty.csv')", "open('../data/clean.csv')"),
    "code of a stage": ("steps/of_clean.py", {}, "%run ../steps/of_clean.py", "open('../data/clean.csv')"),
    "module of a module": (
        "core/deep.py",
        {"lib/util.py": "import deep\n"},
        "%run ../core/deep.py",
        "import sys\nsys.path.append('../lib')\nimport util",
    ),
    "data of a module": ("blue/x.bin", {"lib/util.py": "open('x.bin')\n"}, "open('../blue/x.bin')", "import util"),
    "data in settings": ("blue/x.bin", {"s.yaml": "at: blue\n"}, "open('../blue/x.bin')", "open('../s.yaml')"),
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    write(tmp_path, {"dvc.yaml": json.dumps({"stages": STAGES}), "clean.sh": "python steps/of_clean.py\n"})
    return tmp_path


def affected(project: Path, *flags: str) -> set[str]:
    return {path.removesuffix(".ipynb") for path in planned(project, "--base", "HEAD", *flags).reasons}


@pytest.mark.parametrize("case", USES)
def test_files_around_a_project_are_followed(repository: Path, case: str) -> None:
    path, others, names, uses = USES[case]
    code = {"names": names, "uses": uses, "alone": "1"}
    write(repository, {path: "", **others, **{f"project/{name}.ipynb": notebook(text) for name, text in code.items()}})
    commit(repository)
    assert affected(repository / "project") == set()
    write(repository, {path: "1"})
    assert affected(repository / "project") == {"names", "uses"}


def test_a_stage_around_a_project(repository: Path) -> None:
    code = {"clean": "open('../data/clean.csv')", "other": "open('../data/other.csv')", "alone": "1"}
    write(repository, {f"project/{name}.ipynb": notebook(text) for name, text in code.items()})
    commit(repository)
    stages = {**STAGES, "other": {**STAGES["other"], "cmd": "new"}}
    write(repository, {"dvc.yaml": json.dumps({"stages": stages})})
    assert affected(repository / "project") == {"other"}
    write(repository, {"dvc.yaml": json.dumps({"stages": {**stages, "new": {"cmd": "x"}}})})
    assert affected(repository / "project") == {"clean", "other", "alone"}


# What changes, and other files. The notebook `names` names the former, `uses` and `alone` do not.
GENERAL = {
    "named by a workflow": ("project/prepare.py", {".github/workflows/ci.yml": "run: python project/prepare.py\n"}),
    "its config file": ("ci.toml", {"project/ci.toml": ""}),
    "packages of setup-env": (
        "project/packages.txt",
        {"project/ci.toml": "[setup-env]\nrequirements = 'packages.txt'"},
    ),
    "a list in a list": ("project/more.txt", {"requirements.txt": "-r project/more.txt\n"}),
    "a wheel in a list": ("own-1.whl", {"requirements.txt": "./own-1.whl\n"}),
    "how git writes files": ("data/.gitattributes", {}),
    "variables": (".env", {}),
}


@pytest.mark.parametrize("case", GENERAL)
def test_all_run_though_a_notebook_names_it(repository: Path, case: str) -> None:
    path, others = GENERAL[case]
    path = "project/ci.toml" if path == "ci.toml" else path
    write(repository, {"project/ci.toml": "", path: "", **others})
    names = notebook(f"open('../{path}')\nopen(f'../data/{{x}}')")
    write(repository, {"project/names.ipynb": names, "project/alone.ipynb": notebook("1")})
    commit(repository)
    with (repository / path).open("a") as file:
        file.write("\n")
    assert affected(repository / "project", "--config", "./ci.toml") == {"names", "alone"}


@pytest.mark.parametrize("is_link", [True, False], ids=["link", "submodule"])
def test_a_folder_that_leads_elsewhere_affects_all(repository: Path, tmp_path: Path, *, is_link: bool) -> None:
    """What is in it may be imported without its name. A job may not have the files of a submodule."""
    vendor = repository / "vendor"
    write(repository, {"v1/tool.py": "", "v2/tool.py": "", "names.ipynb": notebook("open('vendor/x.csv')")})
    write(repository, {"uses.ipynb": notebook("import tool"), ".gitignore": "inner\n"})
    if is_link:
        vendor.symlink_to("v1")
    else:
        write(inner := tmp_path / "inner", {"tool.py": ""})
        git(inner, "init", "--quiet")
        commit(inner)
        git(repository, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "vendor")
    commit(repository)
    if is_link:
        vendor.unlink()
        vendor.symlink_to("v2")
    else:
        commit(vendor)
        git(repository, "add", "vendor")
        git(repository, "commit", "--quiet", "--message", "moved")
        git(repository, "submodule", "--quiet", "deinit", "--force", "vendor")
    found = planned(repository, "--base", "HEAD" if is_link else "HEAD~1").reasons
    assert set(found) == {"names.ipynb", "uses.ipynb"}


# A file that changes, code that names it, other files, and code that uses it.
UNNAMED = {
    "shell": ("data/x.csv", "open('data/x.csv')", {}, "!cp -r data out"),
    "assigned": ("data/x.csv", "open('data/x.csv')", {}, "found = !ls data"),
    "cell": ("data/x.csv", "open('data/x.csv')", {}, "%%bash\ncp -r data out"),
    "system": ("data/x.csv", "open('data/x.csv')", {}, "import os\nos.system('cp -r data out')"),
    "extension": ("train.py", "import train", {}, "%load_ext train"),
    "make": ("steps/x.py", "%run steps/x.py", {"Makefile": "all:\n\tpython steps/x.py\n"}, "!make all"),
    "making": ("steps/x.py", "%run steps/x.py", {"Makefile": "all:\n\tpython steps/x.py\n"}, "run(['make', 'all'])"),
    "Makefile": ("Makefile", "open('Makefile')", {}, "!make all"),
    "given": ("blue/x.csv", "open('blue/x.csv')", {}, ""),
}


@pytest.mark.parametrize("case", UNNAMED)
def test_a_file_is_used_without_its_name(tmp_path: Path, case: str) -> None:
    path, names, others, uses = UNNAMED[case]
    git(tmp_path, "init", "--quiet")
    with_parameters = notebook("where = ''", tags=["parameters"])
    write(tmp_path, {path: "", **others, "names.ipynb": notebook(names), "alone.ipynb": notebook("data = run = 1")})
    write(tmp_path, {"uses.ipynb": notebook(uses) if uses else with_parameters})
    commit(tmp_path)
    write(tmp_path, {path: "1"})
    assert affected(tmp_path, "--parameters", "where: blue") == {"names", "uses"}


def test_a_notebook_that_tests_import_affects_all(repository: Path) -> None:
    """Without a notebook that runs, there would be no job that tests."""
    write(repository, {"lib/analysis.ipynb": notebook("1"), "lib/other.ipynb": notebook("1")})
    write(repository, {"a.ipynb": notebook("1"), "tests/test_a.py": "import analysis\n"})
    commit(repository)
    write(repository, {"lib/other.ipynb": notebook("2")})
    assert affected(repository, "--exclude", "lib") == set()
    write(repository, {"lib/analysis.ipynb": notebook("2")})
    assert affected(repository, "--exclude", "lib") == {"a"}
