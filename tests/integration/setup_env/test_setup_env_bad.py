"""Wrong inputs of setup-env, wrong locks and ill indexes: each ends in one sentence with the next step."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.index_server import Gate, IndexServer, make_wheel, serve
from integration.refusals import Case, assert_nothing_was_done, assert_refused, prepare
from integration.suite import NO_ROOT, PROJECT, Workspace, private_mount

PYTHON_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"

VERSION = "Use a version such as `3.12` or `3.12.4` (in quotes, or 3.10 is read as 3.1)."
HASH = "0" * 64
SETUP = {
    "unknown input": Case({"requirement": "x"}, "The action has no input `requirement`. Did you mean `requirements`?"),
    "python-version: latest": Case(
        {"python-version": "latest"}, f"`python-version` does not accept `latest`. {VERSION}"
    ),
    "python-version: 3.x": Case({"python-version": "3.x"}, f"`python-version` does not accept `3.x`. {VERSION}"),
    "python-version: a range": Case(
        {"python-version": ">=3.11"}, f"`python-version` does not accept `>=3.11`. {VERSION}"
    ),
    "python-version: 2.7": Case({"python-version": "2.7"}, f"`python-version` does not accept `2.7`. {VERSION}"),
    "python-version: a flag": Case(
        {"python-version": "--help"}, f"`python-version` does not accept `--help`. {VERSION}"
    ),
    ".python-version: a flag": Case(
        {},
        "`.python-version` requires Python `--help`, which is not a version. Write a version such as `3.12`.",
        {".python-version": "--help\n"},
        (".python-version", 0),
    ),
    ".python-version: UTF-16": Case(
        {}, "`.python-version` is not UTF-8 text.", {".python-version": "3.12".encode("utf-16")}, (".python-version", 0)
    ),
    "requires-python: of Poetry": Case(
        {},
        "`pyproject.toml` requires Python `^3.11`, which is not a version. Write `requires-python` such as `>=3.12`.",
        {"pyproject.toml": PROJECT.format("").replace(">=3.11", "^3.11")},
        ("pyproject.toml", 0),
    ),
    "requirements: none": Case(
        {"requirements": "no.txt"}, "`requirements` is `no.txt`, which does not exist. Correct it.", place=("no.txt", 0)
    ),
    "requirements: a folder": Case(
        {"requirements": "s"}, "`s` is a folder. Correct `requirements`.", {"s/x": ""}, ("s", 0)
    ),
    "requirements: another kind": Case(
        {"requirements": "setup.cfg"},
        "`requirements` is `setup.cfg`, which setup-env cannot install from. Set it to a `setup.py` next to it;",
        {"setup.cfg": ""},
    ),
    "requirements: UTF-16": Case(
        {},
        "`requirements.txt` is not UTF-8 text, and not UTF-16 with a byte order mark. Save it as UTF-8.",
        {"requirements.txt": "numpy\n".encode("utf-16-le")},
        ("requirements.txt", 0),
    ),
    "several": Case(
        {},
        "Several files could say what to install: `requirements-a.txt`, `requirements-b.txt`. Set `requirements`",
        {"requirements.txt": b"", "requirements-a.txt": "", "requirements-b.txt": ""},
    ),
    "nothing": Case(
        {}, "No file says what to install (`uv.lock`, `pylock.toml`, `poetry.lock`", {"requirements.txt": b""}
    ),
    "Poetry, without lock": Case(
        {"requirements": "pyproject.toml"},
        "`pyproject.toml` needs its lock, `poetry.lock`, which does not exist. Run `poetry lock`,",
        {"pyproject.toml": "[tool.poetry]\nname = 'x'\n"},
        ("pyproject.toml", 0),
    ),
    "conda": Case(
        {"requirements": "envs/environment.yml"},
        "`dependencies` of `envs/environment.yml` is not a list. Write it as `conda env export --from-history` does.",
        {"envs/environment.yml": "name: x\ndependencies:\n  numpy: 2\n"},
        ("envs/environment.yml", 3),
    ),
    "no project": Case(
        {"requirements": "pyproject.toml"},
        "`pyproject.toml` has no `[project]` table, so it does not say what to install.",
        {"pyproject.toml": "[tool.ruff]\nline-length = 100\n"},
        ("pyproject.toml", 0),
    ),
    "pyproject.toml: no TOML": Case(
        {"requirements": "pyproject.toml"},
        "`pyproject.toml` is not valid TOML: ",
        {"pyproject.toml": "[project]\nname = x\n"},
        ("pyproject.toml", 2),
    ),
    "uv.lock: conflict": Case(
        {},
        "`uv.lock` has an unresolved merge conflict. Resolve it, and commit the file.",
        {"uv.lock": "version = 1\n<<<<<<< HEAD\n", "pyproject.toml": PROJECT.format("")},
        ("uv.lock", 2),
    ),
    "uv.lock: no project": Case(
        {}, "`uv.lock` has no `pyproject.toml` next to it.", {"uv.lock": "version = 1\n"}, ("uv.lock", 0)
    ),
    "pylock.toml: no TOML": Case(
        {}, "`pylock.toml` is not valid TOML: ", {"pylock.toml": "\n\nx ="}, ("pylock.toml", 3)
    ),
    "venv: below a file": Case(
        {"venv": "a.txt/venv"}, "`venv` is `{cwd}/a.txt/venv`, but `{cwd}/a.txt` is a file.", {"a.txt": "x"}
    ),
    "an include that is not there": Case(
        {},
        "`base.txt` does not exist.",
        {"requirements.txt": "six\n-r base.txt\n"},
        ("requirements.txt", 2),
    ),
}

# Known by uv alone, when the environment is being made.
LOCKS = {
    "a requirement that is none": Case(
        {},
        'A requirement is not valid: no such comparison operator "=>"',
        {"requirements.txt": "six\n\nnbone=>1.0\n"},
        ("requirements.txt", 3),
    ),
    "a flag of pip's that is none": Case(
        {}, "A line is not valid: ", {"requirements.txt": "nbone\n--frobnicate\n"}, ("requirements.txt", 2)
    ),
    "in an included file": Case(
        {},
        "A requirement is not valid: ",
        {"requirements.txt": "-r sub/b.txt\n", "sub/b.txt": "\nnbone ==\n"},
        ("sub/b.txt", 2),
    ),
    "contradiction": Case(
        {},
        "`requirements.txt` contradicts itself: it requires nbone==1.0 and nbone==2.0. Change `nbone==1.0` "
        "(requirements.txt:1) or `nbone==2.0` (requirements.txt:2).",
        {"requirements.txt": "nbone==1.0\nnbone==2.0\n"},
        ("requirements.txt", 2),
    ),
    "contradiction through another package": Case(
        {},
        "`requirements.txt` contradicts itself: `nbneeds` needs `nbone<2`, but `nbone==2.0` is required. Change "
        "`nbneeds` (requirements.txt:1) or `nbone==2.0` (sub/b.txt:2).",
        {"requirements.txt": "NBneeds\n-r sub/b.txt\n", "sub/b.txt": "\nnbone==2.0\n"},
        ("sub/b.txt", 2),
    ),
    "a contradiction of pins that lack packages": Case(
        {},
        "`requirements.txt` contradicts itself: `nbneeds` needs `nbone<2`, but `nbone==2.0` is required. It cannot be "
        "installed as it is, because it also lacks `ipykernel`. Change `nbneeds==1.0` (requirements.txt:1) or",
        {"requirements.txt": "nbneeds==1.0\nnbone==2.0\nnbmore==1.0\n"},
        ("requirements.txt", 2),
    ),
    "a contradiction of pins of which one is for Windows": Case(
        {},
        f"`nbwin==1.0` has wheels only for `win_amd64`, not for Python {PYTHON_VERSION} on this platform. Write "
        "`nbwin==1.0; sys_platform == 'win32'`, or remove the line.",
        {"requirements.txt": "nbneeds==1.0\nnbone==2.0\nnbwin==1.0\n"},
        ("requirements.txt", 3),
    ),
    "a contradiction of pins that lack packages here": Case(
        {},
        "`requirements.txt` contradicts itself, and is not complete. The package `nbmore` requires `ipykernel`, but "
        "it's not installed. List what the notebooks import in `requirements.in`, run",
        {"requirements.txt": "nbneeds==1.0\nnbone==2.0\nnbmore==1.0\nipykernel==1.0; sys_platform == 'x'\n"},
        ("requirements.txt", 0),
    ),
    "another Python": Case(
        {},
        f"`nbnew==1.0` needs Python>=3.99, but this environment has Python {PYTHON_VERSION}. Set `python-version`, or",
        {"requirements.txt": "nbone\nnbnew==1.0\n"},
        ("requirements.txt", 2),
    ),
    "wheels for Windows": Case(
        {},
        f"`nbwin==1.0` has wheels only for `win_amd64`, not for Python {PYTHON_VERSION} on this platform. Write "
        "`nbwin==1.0; sys_platform == 'win32'`, or remove the line.",
        {"requirements.txt": "nbone\nnbwin==1.0\n"},
        ("requirements.txt", 2),
    ),
    "a build that fails": Case(
        {},
        "`local` must be built from source, and the build failed: error: GDAL is needed.",
        {
            "requirements.txt": "nbone\nlocal @ ./pkg\n",
            "pkg/pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "b"\nbackend-path = ["."]\n',
            "pkg/b.py": "raise SystemExit('error: GDAL is needed')\n",
        },
        ("requirements.txt", 2),
        code=3,
    ),
    "a marker that is none": Case(
        {},
        "A requirement is not valid: Expected a quoted string or a valid marker name, found `python_versoin`.",
        {"requirements.txt": "nbone\nnbone; python_versoin < '3'\n"},
        ("requirements.txt", 2),
    ),
    "a path that is not there": Case(
        {},
        "`requirements.txt` names `file:///",
        {"requirements.txt": "./wheels/x-1.0-py3-none-any.whl\n"},
        ("requirements.txt", 0),
    ),
    "a path of conda": Case(
        {},
        "`requirements.txt` names `file:///croot/nbone_1/work`, which does not exist. Such a line comes from `pip "
        "freeze` in a conda environment: write `nbone==<version>` instead, as `pip list --format=freeze` does.",
        {"requirements.txt": "ipykernel\nnbone @ file:///croot/nbone_1/work\n"},
        ("requirements.txt", 2),
    ),
    "pylock.toml: no lock": Case(
        {},
        "`pylock.toml` is not a valid lock: invalid type: integer `3`, expected a string.",
        {"pylock.toml": 'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = 3\n'},
        ("pylock.toml", 4),
    ),
    "a version that is not there": Case(
        {},
        f"The package index has no `nbone==99` for Python {PYTHON_VERSION} on this platform. Check name and version",
        {"requirements.txt": "ipykernel\nnbone==99\n"},
        ("requirements.txt", 2),
        code=3,
    ),
    "a hashed version that is not there": Case(
        {},
        f"The package index has no `nbone==99` for Python {PYTHON_VERSION} on this platform.",
        {"requirements.txt": f"nbone==99 --hash=sha256:{HASH}\n"},
        ("requirements.txt", 1),
        code=3,
    ),
    "a version beyond all that are there": Case(
        {},
        f"The package index has no `nbone>=99` for Python {PYTHON_VERSION} on this platform, only `nbone<=2.0`.",
        {"requirements.txt": "-r sub/b.txt\n", "sub/b.txt": "NBone >= 99\n"},
        ("sub/b.txt", 1),
        code=3,
    ),
    "a package that is not there": Case(
        {},
        "The package index has no package `nbonne`. Check the name. If you use your own index, check that it has",
        {"requirements.txt": "nbone\nnbonne==1.0\n"},
        ("requirements.txt", 2),
        code=3,
    ),
    "a wrong hash": Case(
        {},
        "The package `nbone==1.0` from the index differs from the one in the lock (by its hash).",
        {"requirements.txt": f"nbone==1.0 --hash=sha256:{HASH}\n"},
        ("requirements.txt", 1),
        code=3,
    ),
}


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in SETUP.items()])
def test_setup_env_refuses(workspace: Workspace, case: Case) -> None:
    inputs, message = prepare(workspace, case, {"requirements.txt": "ipykernel\n"})
    # With an index that cannot be reached: whoever tried to install would fail in another way.
    done = workspace.run("setup-env", inputs, environ={"UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple"})
    assert_refused(done, case, message)
    assert_nothing_was_done(workspace, "setup-env")


# --- Locks and indexes


@pytest.fixture
def index(tmp_path: Path) -> Iterator[IndexServer]:
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name, version in (("nbone", "1.0"), ("nbone", "2.0"), ("ipykernel", "1.0")):
        make_wheel(folder, name, version)
    make_wheel(folder, "nbneeds", metadata="Requires-Dist: nbone<2\n")
    make_wheel(folder, "nbmore", metadata="Requires-Dist: ipykernel\n")
    make_wheel(folder, "nbnew", metadata="Requires-Python: >=3.99\n")
    make_wheel(folder, "nbwin", tag="py3-none-win_amd64")
    with serve(IndexServer(folder)) as server:
        yield server


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in LOCKS.items()])
def test_setup_env_says_what_is_wrong_with_a_lock(workspace: Workspace, index: IndexServer, case: Case) -> None:
    inputs, message = prepare(workspace, case, {})
    done = workspace.run("setup-env", inputs, environ=at(workspace, index.url()))
    assert_refused(done, case, message)
    assert done.outputs["python"] == ""


def at(workspace: Workspace, url: str) -> dict[str, str]:
    return {"UV_DEFAULT_INDEX": url, "UV_CACHE_DIR": str(workspace.base / "uv"), "UV_HTTP_TIMEOUT": "1"}


WHAT = "The packages of `requirements.txt` could not be installed: "


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "the package index `{url}` or the proxy requires credentials, or rejects yours."),
        (403, "the package index `{url}` denies access."),
        (500, "the package index answers with an error (500 Internal Server Error)."),
    ],
)
def test_an_index_that_refuses(workspace: Workspace, index: IndexServer, status: int, message: str) -> None:
    index.status = status
    workspace.write("requirements.txt", "nbone\n")
    done = workspace.run("setup-env", {}, environ=at(workspace, index.url()))
    message = WHAT + message.format(url=index.url())
    assert_refused(done, Case({}, message, code=3), message)
    assert done.seconds < 60


def test_an_index_that_stays_silent(workspace: Workspace, index: IndexServer) -> None:
    index.gate = Gate("/")
    workspace.write("requirements.txt", "nbone\n")
    done = workspace.run("setup-env", {}, environ=at(workspace, index.url()))
    message = f"{WHAT}the package index does not answer in time."
    assert_refused(done, Case({}, message, code=3), message)
    assert done.seconds < 60


def test_no_network(workspace: Workspace) -> None:
    workspace.write("requirements.txt", "nbone\n")
    done = workspace.run("setup-env", {}, environ=at(workspace, "http://127.0.0.1:9/simple"))
    message = f"{WHAT}the package index cannot be reached."
    assert_refused(done, Case({}, message, code=3), message)
    assert done.seconds < 60


# --- Disks and rights


def test_a_full_disk_while_packages_are_installed(workspace: Workspace) -> None:
    (workspace.folder / "small").mkdir()
    workspace.write("requirements.txt", "ipykernel\n")
    prefix = private_mount('mount -t tmpfs -o size=4m tmpfs "$D"')
    environ = {"D": str(workspace.folder / "small"), "UV_LINK_MODE": "copy"}
    done = workspace.run("setup-env", {"venv": "small/venv"}, environ=environ, prefix=prefix)
    message = (
        "The packages of `requirements.txt` could not be installed: the disk is full. "
        "Free some space, or set `venv` or `UV_CACHE_DIR` to another folder."
    )
    assert_refused(done, Case({}, message, code=3), message)


def test_a_read_only_place_for_the_environment(workspace: Workspace) -> None:
    workspace.write("requirements.txt", "ipykernel\n")
    (workspace.folder / "ro").mkdir(mode=0o555)
    done = workspace.run("setup-env", {"venv": "ro/venv"}, prefix=NO_ROOT)
    message = f"The environment `{workspace.folder}/ro/venv` cannot be created: Permission denied. Set these inputs "
    assert_refused(done, Case({}, message, code=3), message)
