"""Which file of a repository says what to install: one table of layouts."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from notebook_ci.base.conda import this_platform
from notebook_ci.base.errors import InputError
from notebook_ci.base.plan import Nothing
from notebook_ci.base.workspace import Workspace
from notebook_ci.setup_env.model import SetupEnvInputs
from notebook_ci.setup_env.run import EnvironmentPlan, plan

ELSEWHERE = "because no file in the root of the workspace says what to install"
MAIN = "the only main requirements file"
NAMED = "the only file with such a name"
ONLY = "the only file that says what to install"
PIP = "the usual file of pip"
CONDA = "the environment of conda"
FIXED = "which fixes all versions"
PROJECT = "which lists the dependencies of the project"
TEXTS = {
    "pyproject.toml": '[project]\nname = "x"\nversion = "1"\ndependencies = ["numpy"]\n',
    "uv.lock": '[[package]]\nname = "x"\nsource = { registry = "x" }\n',
    "pylock.toml": '[[packages]]\nname = "x"\n',
    "poetry.lock": '[[package]]\nname = "x"\n',
    "pdm.lock": '[[package]]\nname = "x"\n',
    "Pipfile": '[packages]\nx = "*"\n',
    "conda-lock.yml": f"version: 1\nmetadata: {{platforms: [{this_platform()}]}}\npackage: []\n",
    "pixi.lock": f"environments: {{default: {{packages: {{{this_platform()}: []}}}}}}\n",
    "pixi.toml": "[dependencies]\n",
    "Pipfile.lock": '{"default": {"x": {"version": "==1"}}}',
    **dict.fromkeys(("environment.yml", "conda.yaml", "env.yml"), "dependencies: [numpy]\n"),
    f"conda-{this_platform()}.lock": f"@EXPLICIT\nhttps://host/{this_platform()}/python-3-0.conda\n",
}
SETTINGS = "[tool.ruff]\n"


@dataclass(frozen=True)
class Layout:
    files: str  # names, separated by blanks; `name=text` for a file with its own text
    chosen: str = ""
    why: str = ""  # of the notice; empty: none
    unused: str = ""  # the files that the notice names
    refused: str = ""  # the message of the error


def several(*names: str) -> str:
    return f"Several files could say what to install: {', '.join(f'`{name}`' for name in names)}."


NOTHING = (
    "No file says what to install (`uv.lock`, `pylock.toml`, `poetry.lock`, `pdm.lock`, `Pipfile.lock`, "
    "`requirements*.txt`, `environment.yml`, `pyproject.toml`)."
)
SPELLINGS = """
requirement.txt Requirements.txt REQUIREMENTS.TXT requirments.txt reqs.txt req.txt requirements.in requirements.lock
requirements.pip pip-requirements.txt pip_requirements.txt pip-freeze.txt dependencies.txt
"""
NEVER = """
examples/requirements.txt tests/requirements.txt docs/requirements.txt .cache/requirements.txt a/b/requirements.txt
venv/requirements.txt env/requirements.txt node_modules/requirements.txt app/requirements-dev.txt
data.csv README.txt packages.txt setup.cfg apt-requirements.txt system-requirements.txt r-requirements.txt
requirements-apt.txt requirements.conda.txt requirements/functional.txt requirements/constraints.txt
requirements/base-apt.txt requirements/apt-requirements.txt requirements-constraints.txt
"""
LAYOUTS = [
    # The usual ones
    Layout("requirements.txt", "requirements.txt"),
    Layout("uv.lock pyproject.toml", "uv.lock"),
    Layout("pylock.toml", "pylock.toml"),
    Layout("pyproject.toml", "pyproject.toml"),
    Layout("pyproject.toml setup.py setup.cfg", "pyproject.toml"),
    Layout("requirements-gpu.txt", "requirements-gpu.txt"),
    Layout("requirements.in requirements.txt", "requirements.txt"),
    Layout("setup.py setup.cfg", "setup.py"),
    # Side by side
    Layout("requirements.txt pyproject.toml", "requirements.txt", PIP, "pyproject.toml"),
    Layout("requirements.txt setup.py", "requirements.txt", PIP, "setup.py"),
    Layout("requirements.txt environment.yml", "requirements.txt", PIP, "environment.yml"),
    Layout("requirements.txt Pipfile Pipfile.lock", "Pipfile.lock", FIXED, "requirements.txt"),
    Layout("requirements.txt Pipfile", "requirements.txt", PIP, "Pipfile"),
    Layout("uv.lock pyproject.toml pixi.lock", "uv.lock", FIXED, "pixi.lock"),
    Layout("uv.lock pyproject.toml poetry.lock pdm.lock", "uv.lock", FIXED, "poetry.lock, pdm.lock"),
    Layout("pdm.lock poetry.lock pyproject.toml", "poetry.lock", FIXED, "pdm.lock"),
    Layout("app/poetry.lock app/pyproject.toml", "app/poetry.lock", ELSEWHERE),
    Layout("uv.lock pyproject.toml pylock.toml", "uv.lock", FIXED, "pylock.toml"),
    Layout("requirements.txt binder/environment.yml", "requirements.txt", PIP, "binder/environment.yml"),
    Layout("requirements.txt=-r~requirements/base.txt requirements/base.txt", "requirements.txt"),
    Layout("requirements.txt app/requirements.txt", "requirements.txt"),
    Layout(f"setup.py pyproject.toml={SETTINGS}", "setup.py"),
    Layout("environment.yml pyproject.toml", "environment.yml", CONDA, "pyproject.toml"),
    Layout("environment.yml requirement.txt", "environment.yml", CONDA, "requirement.txt"),
    Layout("environment.yml=dependencies:~[pip:~[-r~r.txt]] r.txt", "environment.yml"),
    Layout(
        "environment.yml=#~-r~requirements.txt\ndependencies:~[a] requirements.txt",
        "requirements.txt",
        PIP,
        "environment.yml",
    ),
    Layout("environment.yml=dependencies:~[pip:~[-r~requirements.txt]] requirements.txt", "environment.yml"),
    Layout("environment.yml conda-lock.yml", "conda-lock.yml", FIXED, "environment.yml"),
    Layout(
        f"conda-lock.yml=metadata:~{{platforms:~[{this_platform()}],sources:~[environment.yml]}} environment.yml",
        "conda-lock.yml",
    ),
    Layout("pixi.lock pixi.toml environment.yml", "pixi.lock", FIXED, "environment.yml"),
    Layout("pixi.lock pyproject.toml", "pixi.lock"),
    Layout("environment.yml pixi.toml", "environment.yml", CONDA, "pixi.toml"),
    Layout(f"environment.yml conda-{this_platform()}.lock", f"conda-{this_platform()}.lock", FIXED, "environment.yml"),
    Layout("environment.yml conda-other-64.lock", "environment.yml"),
    Layout("environment.yml env.yml", "environment.yml", CONDA, "env.yml"),
    Layout("environment.yml conda.yaml", refused=several("conda.yaml", "environment.yml")),
    # Lists that complete another one
    Layout("requirements.txt requirements-dev.txt", "requirements.txt", PIP, "requirements-dev.txt"),
    Layout("requirements-dev.txt requirements-gpu.txt", "requirements-gpu.txt", MAIN, "requirements-dev.txt"),
    Layout("requirements-dev.txt pyproject.toml", "pyproject.toml", PROJECT, "requirements-dev.txt"),
    Layout("requirements_docs.txt environment.yml", "environment.yml", CONDA, "requirements_docs.txt"),
    Layout("environment-dev.yml requirements-gpu.txt", "requirements-gpu.txt", MAIN, "environment-dev.yml"),
    Layout("requirements-test.txt setup.py", "setup.py", PROJECT, "requirements-test.txt"),
    Layout(
        "requirements-dev.txt binder/requirements.txt", "binder/requirements.txt", ELSEWHERE, "requirements-dev.txt"
    ),
    Layout("dev-requirements.txt app/requirements.txt", "app/requirements.txt", ELSEWHERE, "dev-requirements.txt"),
    Layout("requirements-dev.txt", "requirements-dev.txt", ONLY),
    Layout(
        "requirements-dev.txt requirements-docs.txt", refused=several("requirements-dev.txt", "requirements-docs.txt")
    ),
    Layout("requirements/dev.txt", "requirements/dev.txt", ONLY),
    Layout("requirements/base-gpu.txt", "requirements/base-gpu.txt", ELSEWHERE),
    Layout("requirements/requirements-x.txt", "requirements/requirements-x.txt", ELSEWHERE),
    # Other names
    *(Layout(name, name, NAMED) for name in SPELLINGS.split()),
    Layout("requirements.in requirements.lock", "requirements.lock", NAMED),
    Layout("reqs.txt requirement.txt", refused=several("reqs.txt", "requirement.txt")),
    Layout("requirements-a.txt requirements-b.txt", refused=several("requirements-a.txt", "requirements-b.txt")),
    # Nothing at the root
    Layout("binder/requirements.txt", "binder/requirements.txt", ELSEWHERE),
    Layout(".binder/requirements.txt", ".binder/requirements.txt", ELSEWHERE),
    Layout(".devcontainer/requirements.txt", ".devcontainer/requirements.txt", ELSEWHERE),
    Layout("requirements/base.txt requirements/dev.txt", "requirements/base.txt", ELSEWHERE, "requirements/dev.txt"),
    Layout("requirements/base.in requirements/base.txt", "requirements/base.txt", ELSEWHERE),
    Layout(
        "requirements/base.txt requirements/prod.txt", refused=several("requirements/base.txt", "requirements/prod.txt")
    ),
    Layout("binder/environment.yml", "binder/environment.yml", ELSEWHERE),
    Layout("app/env.yml", "app/env.yml", ELSEWHERE),
    Layout(
        "binder/requirements.txt .devcontainer/requirements.txt",
        refused=several("binder/requirements.txt", ".devcontainer/requirements.txt"),
    ),
    Layout("binder/requirements.txt app/requirements.txt", "binder/requirements.txt", ELSEWHERE),
    Layout("app/requirements.txt data/x.csv", "app/requirements.txt", ELSEWHERE),
    Layout("app/pyproject.toml", "app/pyproject.toml", ELSEWHERE),
    Layout("a/requirements.txt b/setup.py", refused=several("a/requirements.txt", "b/setup.py")),
    Layout("a/requirements.txt tests/requirements.txt", "a/requirements.txt", ELSEWHERE),
    Layout(f"app/requirements.txt pyproject.toml={SETTINGS}", "app/requirements.txt", ELSEWHERE),
    # Nothing that counts
    *(Layout(name, refused=NOTHING) for name in NEVER.split()),
    Layout("mine/pyvenv.cfg mine/requirements.txt", refused=NOTHING),
    Layout(f"pyproject.toml={SETTINGS}", refused=NOTHING),
]


def put(folder: Path, files: str) -> None:
    for each in files.split(" "):
        name, _, text = each.partition("=")
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("~", " ") or TEXTS.get(path.name, "numpy\n"))


def planned(folder: Path, requirements: str = "") -> EnvironmentPlan | Nothing:
    return plan(SetupEnvInputs(requirements=requirements), Workspace(folder, {}))


@pytest.mark.parametrize("layout", [pytest.param(each, id=each.files) for each in LAYOUTS if each.chosen])
def test_chosen(tmp_path: Path, layout: Layout) -> None:
    put(tmp_path, layout.files)
    found = planned(tmp_path)
    assert isinstance(found, EnvironmentPlan)
    assert found.lock.name == layout.chosen
    assert f"`{layout.chosen}`" in next(iter(found.lines()))
    unused = ", ".join(f"`{name}`" for name in layout.unused.split(", "))
    reason = f", {layout.why}" if layout.why else ""
    message = f"Packages come from `{layout.chosen}`{reason}." + (f" Not used: {unused}." if layout.unused else "")
    assert [each.message for each in found.problems] == ([message] if layout.why else [])
    assert all(each.severity == "notice" for each in found.problems)


@pytest.mark.parametrize("layout", [pytest.param(each, id=each.files) for each in LAYOUTS if each.refused])
def test_refused(tmp_path: Path, layout: Layout) -> None:
    put(tmp_path, layout.files)
    if layout.refused == NOTHING:
        found = planned(tmp_path)
        assert isinstance(found, Nothing)
        assert found.reason.startswith(f"{NOTHING} Searched: `{tmp_path}`.")
        assert "`requirements`" in found.hint
        return
    with pytest.raises(InputError) as caught:
        planned(tmp_path)
    assert caught.value.message == layout.refused
    assert "`requirements`" in caught.value.hint


def test_a_file_in_a_folder_that_never_wins_is_named(tmp_path: Path) -> None:
    put(tmp_path, "examples/requirements.txt")
    found = planned(tmp_path)
    assert isinstance(found, Nothing)
    infer = "Or set `infer: true` to install what the notebooks import."
    assert found.hint == f"Set `requirements` to a file, for example to `examples/requirements.txt`. {infer}"
    chosen = planned(tmp_path, "examples/requirements.txt")
    assert isinstance(chosen, EnvironmentPlan)
    assert not chosen.problems, "it was named"


@pytest.mark.parametrize("name", ["link", "requirements", "binder"])
def test_a_folder_behind_a_link_is_not_searched(tmp_path: Path, name: str) -> None:
    put(tmp_path, "outside/requirements.txt")
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / name).symlink_to(tmp_path / "outside")
    assert isinstance(planned(tmp_path / "inside"), Nothing)


@pytest.mark.parametrize("files", ["requirements.txt", "app/requirements.txt"])
def test_a_folder_that_may_not_be_read_is_skipped(tmp_path: Path, files: str) -> None:
    put(tmp_path, files)
    (tmp_path / "closed").mkdir(mode=0)
    code = (
        "import pathlib, sys; from notebook_ci.base import locks; print(locks.find('', pathlib.Path(sys.argv[1])).name)"
    )
    no_root = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    called = [*no_root, sys.executable, "-c", code, str(tmp_path)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(called, env=env, capture_output=True, text=True, check=False)
    assert done.stdout == f"{files}\n", done.stderr


@pytest.mark.parametrize(
    "files",
    [
        "requirements.txt=#~numpy",
        "requirements.txt=--index-url~https://host/simple\n-c~c.txt c.txt",
        "requirements.txt=-r~more.txt more.txt=#",
        'pyproject.toml=[project]\nname="x"\ndependencies=[]',
        'uv.lock=[[package]]\nname="x"\nsource={virtual="."} pyproject.toml',
        "pylock.toml=packages=[]",
        "environment.yml=#",
        "environment.yml=dependencies:~[pip:~[]]",
    ],
)
def test_a_file_that_installs_nothing_is_a_warning(tmp_path: Path, files: str) -> None:
    put(tmp_path, files)
    found = planned(tmp_path)
    assert isinstance(found, EnvironmentPlan)
    [warning] = [each for each in found.problems if each.severity == "warning"]
    assert warning.message == f"`{found.lock.name}` lists no packages: it installs nothing."
    assert warning.file == found.lock.name


@pytest.mark.parametrize(
    ("files", "line"),
    [
        ("requirements.txt", "the packages of `requirements.txt`"),
        (
            "requirements.txt=-r~a.txt a.txt=-c~b.txt\nnumpy b.txt",
            "the packages of `requirements.txt`, with `a.txt`, `b.txt`,",
        ),
        ("pyproject.toml", "the dependencies in `pyproject.toml`"),
        ("setup.py", "the project of `setup.py`, editable, and its dependencies"),
        ("environment.yml", "the packages of `environment.yml` with py-rattler"),
        (
            "environment.yml=dependencies:~[x,~pip:~[y]]",
            "the packages of `environment.yml` with py-rattler, and its part `pip` with uv,",
        ),
    ],
)
def test_the_plan_says_what_is_installed(tmp_path: Path, files: str, line: str) -> None:
    put(tmp_path, files)
    found = planned(tmp_path)
    assert isinstance(found, EnvironmentPlan)
    assert next(iter(found.lines())) == f"install {line} into `{found.venv.path}`"
