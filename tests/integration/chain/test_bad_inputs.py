"""Wrong inputs: each ends in one sentence with file, place and next step, before any work begins."""

import json
import os
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from integration.index_server import Gate, IndexServer, make_wheel, serve
from integration.suite import (
    NO_ROOT,
    PROJECT,
    PYTHON,
    READ_ONLY,
    Done,
    Workspace,
    code,
    notebook,
    only_tools,
    parameters,
    private_mount,
)
from notebook_ci.base.records import RUN_MARKER

RAN = notebook(parameters("alpha = 1"), "open('ran', 'w').close()")
YAML_HINT = "Write `name: value`, one per line."
Content = str | bytes | Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """A wrong input.

    Attributes:
        inputs: The inputs of the action, or text in their place.
        message: What the error begins with; `{cwd}` is the workspace.
        files: What stands in the workspace, beside a notebook and a lock.
        place: File and line of the annotation.
        code: The exit code.
        environ: Variables of the step.
    """

    inputs: Mapping[str, str] | str
    message: str
    files: Mapping[str, Content] = field(default_factory=dict)
    place: tuple[str, int] = ("", 0)
    code: int = 2
    environ: Mapping[str, str] = field(default_factory=dict)


def config(text: str) -> dict[str, Content]:
    return {"notebook-ci.toml": text}


SECONDS = "Accepted is a number of seconds above 0, at most ten days (864000)."
PYTHON_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
SLUG = "Accepted is up to 64 letters, digits, `.`, `_` and `-`, not beginning with `.` or `-`."
VERSION = "Accepted is a version such as `3.12` or `3.12.4` (in quotes, or 3.10 is read as 3.1)."
BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)

EXECUTE = {
    # Names and values
    "unknown input": Case(
        {"notebook": "a.ipynb"},
        "The action has no input `notebook`. Did you mean `notebooks`? Known are notebooks, exclude,",
    ),
    "nothing like any input": Case({"zzz": "1"}, "The action has no input `zzz`. Known are notebooks, exclude,"),
    "boolean yes": Case({"html": "yes"}, "`html` is `yes`. Accepted is `true` or `false`."),
    "boolean True": Case({"HTML": "True"}, "`html` is `True`. Accepted is `true` or `false`."),
    "timeout in words": Case({"cell-timeout": "ten"}, f"`cell-timeout` is `ten`. {SECONDS}"),
    "timeout with unit": Case({"cell-timeout": "10s"}, f"`cell-timeout` is `10s`. {SECONDS}"),
    "timeout 0": Case({"notebook-timeout": "0"}, f"`notebook-timeout` is `0`. {SECONDS}"),
    "timeout below 0": Case({"notebook-timeout": "-1"}, f"`notebook-timeout` is `-1`. {SECONDS}"),
    "timeout nan": Case({"cell-timeout": "nan"}, f"`cell-timeout` is `nan`. {SECONDS}"),
    "timeout inf": Case({"cell-timeout": "1e999"}, f"`cell-timeout` is `1e999`. {SECONDS}"),
    "slug with a path": Case({"slug": "../x"}, f"`slug` is `../x`. {SLUG}"),
    "slug with an expression": Case({"slug": "${{ matrix.x }}"}, f"`slug` is `${{{{ matrix.x }}}}`. {SLUG}"),
    "value of two lines": Case({"slug": "a\n::error::b"}, f"`slug` is `a\\n::error::b`. {SLUG}"),
    "NUL": Case({"notebooks": "a\0.ipynb"}, "`notebooks` has a NUL character in it."),
    "inputs that are no JSON": Case("{'a': 1}", "The inputs of the step are not JSON: Expecting property name"),
    "inputs that are a list": Case("[1]", "The inputs of the step are `[1]`, not a JSON object."),
    # notebook-ci.toml
    "config: no TOML": Case(
        {}, "notebook-ci.toml is not TOML: ", config("[execute-notebook]\nhtml = yes\n"), ("notebook-ci.toml", 2)
    ),
    "config: unknown table": Case(
        {},
        "notebook-ci.toml has an unknown table `execute`. Did you mean `execute-notebook`?",
        config("\n[execute]\nhtml = true\n"),
        ("notebook-ci.toml", 2),
    ),
    "config: no table": Case(
        {},
        "`notebooks` must stand under [execute-notebook]. Write [execute-notebook] on a line above.",
        config('notebooks = ["a.ipynb"]\n'),
        ("notebook-ci.toml", 1),
    ),
    "config: unknown key": Case(
        {},
        "[execute-notebook] has an unknown key `celltimeout`. Did you mean `cell-timeout`?",
        config("[execute-notebook]\nhtml = true\ncelltimeout = 5\n"),
        ("notebook-ci.toml", 3),
    ),
    "config: wrong value": Case(
        {},
        f"`cell-timeout` in [execute-notebook] is `[5]`. {SECONDS}",
        config("[execute-notebook]\ncell-timeout = [5]\n"),
        ("notebook-ci.toml", 2),
    ),
    "config: a value for a table": Case(
        {},
        "execute-notebook must be a table: [execute-notebook] on a line of its own.",
        config("execute-notebook = 3\n"),
        ("notebook-ci.toml", 1),
    ),
    "config: Latin-1": Case(
        {},
        "notebook-ci.toml is not UTF-8 text. Save it as UTF-8.",
        {"notebook-ci.toml": "# \xfcber\n".encode("latin-1")},
        ("notebook-ci.toml", 0),
    ),
    "config: a folder": Case({}, "notebook-ci.toml is a folder.", {"notebook-ci.toml/x": ""}, ("notebook-ci.toml", 0)),
    # Parameters
    "YAML: tab": Case({"parameters": "a:\n\tb: 1"}, "`parameters` is not valid YAML (line 2): "),
    "YAML: list": Case({"parameters": "- a\n- b"}, f"`parameters` is a list, not a map. {YAML_HINT}"),
    "YAML: text": Case({"parameters": "alpha=1"}, f"`parameters` is `alpha=1`, not a map. {YAML_HINT}"),
    "YAML: duplicate key": Case(
        {"parameters": "alpha: 1\nalpha: 2"}, "`parameters` is not valid YAML (line 2): while constructing a mapping"
    ),
    "YAML: tag": Case(
        {"parameters": "alpha: !!python/object/apply:os.system ['touch ran']"},
        "`parameters` is not valid YAML (line 1): could not determine a constructor for the tag",
    ),
    "YAML: bomb": Case({"parameters": BOMB}, "`parameters` holds more than 100000 values."),
    "YAML: holds itself": Case({"parameters": "alpha: &a [*a]"}, "`parameters` "),
    "YAML: binary": Case({"parameters": "alpha: !!binary aGVsbG8="}, "`parameters` holds `b'hello'`, a bytes."),
    "YAML: a number for a name": Case(
        {"parameters": "1: alpha"}, "`parameters` has the name `1`, which is not text. Quote it."
    ),
    "YAML: two documents": Case({"parameters": "alpha: 1\n---\nalpha: 2"}, "`parameters` is not valid YAML (line 2): "),
    "YAML: not closed": Case({"parameters": "alpha: [1, 2"}, "`parameters` is not valid YAML (line 1): "),
    "nobody declares it": Case(
        {"parameters": "beta: 1"},
        "No notebook declares the parameter `beta`. Parameters are the names assigned in the cell tagged `parameters`; "
        "here: alpha.",
    ),
    "nearly declared": Case(
        {"parameters": "alhpa: 1"}, "No notebook declares the parameter `alhpa`. Did you mean `alpha`?"
    ),
    "another tag": Case(
        {"parameters": "beta: 1", "notebooks": "b.ipynb"},
        "No notebook declares the parameter `beta`. b.ipynb has a cell tagged `Parameters`: the tag is `parameters`,",
        {"b.ipynb": json.dumps(notebook(code("beta = 1", "Parameters")))},
    ),
    "parameters-file: none": Case(
        {"parameters-file": "no.yaml"},
        "There is no file no.yaml. The input parameters-file takes the path of a YAML file.",
        {},
        ("no.yaml", 0),
    ),
    "parameters-file: a folder": Case(
        {"parameters-file": "p"}, "p is a folder. The input parameters-file takes", {"p/x": ""}, ("p", 0)
    ),
    "parameters-file: Latin-1": Case(
        {"parameters-file": "p.yaml"},
        "p.yaml is not UTF-8 text. Save it as UTF-8.",
        {"p.yaml": "a: \xfc".encode("latin-1")},
        ("p.yaml", 0),
    ),
    "parameters-file: no YAML": Case(
        {"parameters-file": "sub/p.yaml"},
        "sub/p.yaml is not valid YAML: ",
        {"sub/p.yaml": "alpha: 1\n\nbeta: {\n"},
        ("sub/p.yaml", 4),
    ),
    "parameters-file: a list": Case(
        {"parameters-file": "p.yaml"}, f"p.yaml is a list, not a map. {YAML_HINT}", {"p.yaml": "- 1\n"}, ("p.yaml", 0)
    ),
    # Which notebooks
    "no match": Case({"notebooks": "nb/*.ipynb"}, "No notebook matches `nb/*.ipynb` in {cwd}."),
    "one line without match": Case({"notebooks": "a.ipynb\nb.ipynb"}, "No notebook matches `b.ipynb` in {cwd}."),
    "an empty folder": Case({"notebooks": "empty"}, "No notebook matches `empty", {"empty/x.txt": ""}),
    "outside": Case({"notebooks": "../other.ipynb"}, "No notebook matches `../other.ipynb` in {cwd}."),
    "outside, and there": Case(
        {"notebooks": "../other.ipynb"}, "`../other.ipynb` lies outside the workspace {cwd}.", {"../other.ipynb": "{}"}
    ),
    "no notebook": Case(
        {"notebooks": "a.md"}, "`a.md` is not a notebook. Notebooks are files that end in .ipynb.", {"a.md": ""}
    ),
    "all left out": Case({"exclude": "**/*.ipynb"}, "Every notebook that matches is left out by the input exclude."),
    # Which Python and which folders
    "python: none": Case({"python": "py/no"}, "The Python {cwd}/py/no (input python) cannot be run: "),
    "python: a folder": Case({"python": "{cwd}"}, "The Python {cwd} (input python) cannot be run: "),
    "python: a text": Case(
        {"python": "./a.txt"}, "The Python {cwd}/a.txt (input python) cannot be run: ", {"a.txt": "x"}
    ),
    "python: another program": Case(
        {"python": "true"}, "The Python /usr/bin/true (input python) does not behave as a Python: "
    ),
    "run-dir: a file": Case({"run-dir": "a.txt"}, "The run directory cannot be made: ", {"a.txt": "x"}),
    "run-dir: below a file": Case({"run-dir": "a.txt/b"}, "The run directory cannot be made: ", {"a.txt": "x"}),
    "output-dir: a file": Case(
        {"output-dir": "a.txt"}, "The folder {cwd}/a.txt cannot be made: a file stands in the way.", {"a.txt": "x"}
    ),
    "run-dir: with somebody's JSON": Case(
        {"run-dir": "runs", "python": ""},
        "{cwd}/runs/other.json is no record of notebook-ci: ",
        {"runs/other.json": "[]"},
    ),
}

HASH = "0" * 64
SETUP = {
    "unknown input": Case({"requirement": "x"}, "The action has no input `requirement`. Did you mean `requirements`?"),
    "python-version: latest": Case({"python-version": "latest"}, f"`python-version` is `latest`. {VERSION}"),
    "python-version: 3.x": Case({"python-version": "3.x"}, f"`python-version` is `3.x`. {VERSION}"),
    "python-version: a range": Case({"python-version": ">=3.11"}, f"`python-version` is `>=3.11`. {VERSION}"),
    "python-version: 2.7": Case({"python-version": "2.7"}, f"`python-version` is `2.7`. {VERSION}"),
    "python-version: a flag": Case({"python-version": "--help"}, f"`python-version` is `--help`. {VERSION}"),
    ".python-version: a flag": Case(
        {},
        ".python-version asks for the Python `--help`, which is no version. Write a version such as 3.12.",
        {".python-version": "--help\n"},
        (".python-version", 0),
    ),
    ".python-version: UTF-16": Case(
        {}, ".python-version is not UTF-8 text.", {".python-version": "3.12".encode("utf-16")}, (".python-version", 0)
    ),
    "requires-python: of Poetry": Case(
        {},
        "pyproject.toml asks for the Python `^3.11`, which is no version. Write requires-python such as `>=3.12`.",
        {"pyproject.toml": PROJECT.format("").replace(">=3.11", "^3.11")},
        ("pyproject.toml", 0),
    ),
    "requirements: none": Case({"requirements": "no.txt"}, "requirements is `no.txt`, which is not there."),
    "requirements: a folder": Case({"requirements": "sub"}, "requirements is `sub`, a folder.", {"sub/x": ""}),
    "requirements: another kind": Case(
        {"requirements": "setup.py"},
        "requirements is `setup.py`, which is none of the files that setup-env can install from. These are",
        {"setup.py": ""},
    ),
    "requirements: UTF-16": Case(
        {},
        "`requirements.txt` is not UTF-8 text. Save it as UTF-8.",
        {"requirements.txt": "numpy\n".encode("utf-16")},
        ("requirements.txt", 0),
    ),
    "several": Case(
        {},
        "There are several requirements files: requirements-a.txt, requirements-b.txt. Name one",
        {"requirements.txt": b"", "requirements-a.txt": "", "requirements-b.txt": ""},
    ),
    "nothing": Case(
        {}, "No file says what to install (uv.lock, pylock.toml, requirements*.txt", {"requirements.txt": b""}
    ),
    "Poetry": Case(
        {},
        "`poetry.lock` is a file of Poetry, which setup-env cannot install from yet.",
        {"requirements.txt": b"", "poetry.lock": "", "pyproject.toml": "[tool.poetry]\n"},
        ("poetry.lock", 0),
    ),
    "Poetry, without lock": Case(
        {"requirements": "pyproject.toml"},
        "`pyproject.toml` is a file of Poetry, which setup-env cannot install from yet.",
        {"pyproject.toml": "[tool.poetry]\nname = 'x'\n"},
        ("pyproject.toml", 0),
    ),
    "conda": Case(
        {"requirements": "envs/environment.yml"},
        "`envs/environment.yml` is a file of conda, which setup-env cannot install from yet. Until then, in that "
        "environment run `pip list --format=freeze > requirements.txt`, commit that file, and name it with",
        {"envs/environment.yml": "name: x\n"},
        ("envs/environment.yml", 0),
    ),
    "no project": Case(
        {"requirements": "pyproject.toml"},
        "`pyproject.toml` has no table [project], so it does not say what to install.",
        {"pyproject.toml": "[tool.ruff]\nline-length = 100\n"},
        ("pyproject.toml", 0),
    ),
    "pyproject.toml: no TOML": Case(
        {"requirements": "pyproject.toml"},
        "`pyproject.toml` is not TOML: ",
        {"pyproject.toml": "[project]\nname = x\n"},
        ("pyproject.toml", 2),
    ),
    "uv.lock: conflict": Case(
        {},
        "`uv.lock` is not TOML: ",
        {"uv.lock": "version = 1\n<<<<<<< HEAD\n", "pyproject.toml": PROJECT.format("")},
        ("uv.lock", 2),
    ),
    "uv.lock: no project": Case(
        {}, "`uv.lock` has no pyproject.toml beside it.", {"uv.lock": "version = 1\n"}, ("uv.lock", 0)
    ),
    "pylock.toml: no TOML": Case({}, "`pylock.toml` is not TOML: ", {"pylock.toml": "\n\nx ="}, ("pylock.toml", 3)),
    "venv: below a file": Case(
        {"venv": "a.txt/venv"}, "venv is {cwd}/a.txt/venv, but {cwd}/a.txt is a file.", {"a.txt": "x"}
    ),
    "an include that is not there": Case(
        {},
        "{cwd}/base.txt cannot be read: No such file or directory.",
        {"requirements.txt": "-r base.txt\n"},
        ("requirements.txt", 0),
    ),
}

# Known by uv alone, when the environment is being made.
LOCKS = {
    "a requirement that is none": Case(
        {},
        'A requirement cannot be understood: no such comparison operator "=>"',
        {"requirements.txt": "six\n\nnbone=>1.0\n"},
        ("requirements.txt", 3),
    ),
    "a flag of pip's that is none": Case(
        {}, "A line cannot be understood: ", {"requirements.txt": "nbone\n--frobnicate\n"}, ("requirements.txt", 2)
    ),
    "in an included file": Case(
        {},
        "A requirement cannot be understood: ",
        {"requirements.txt": "-r sub/b.txt\n", "sub/b.txt": "\nnbone ==\n"},
        ("sub/b.txt", 2),
    ),
    "contradiction": Case(
        {},
        "requirements.txt contradicts itself: it asks for nbone==1.0 and nbone==2.0.",
        {"requirements.txt": "nbone==1.0\nnbone==2.0\n"},
        ("requirements.txt", 0),
    ),
    "a path that is not there": Case(
        {},
        "requirements.txt names file:///",
        {"requirements.txt": "./wheels/x-1.0-py3-none-any.whl\n"},
        ("requirements.txt", 0),
    ),
    "a path of conda": Case(
        {},
        "requirements.txt names file:///croot/nbone_1/work, which is not there. Such a line comes from `pip freeze` in "
        "a conda environment: write `nbone==<version>` instead, as `pip list --format=freeze` does.",
        {"requirements.txt": "ipykernel\nnbone @ file:///croot/nbone_1/work\n"},
        ("requirements.txt", 2),
    ),
    "pylock.toml: no lock": Case(
        {},
        "pylock.toml cannot be read as a lock: invalid type: integer `3`, expected a string.",
        {"pylock.toml": 'lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = 3\n'},
        ("pylock.toml", 4),
    ),
    "a version that is not there": Case(
        {},
        f"The package index has no `nbone==99` for Python {PYTHON_VERSION} on this platform. Are name and version",
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
        f"The package index has no `nbone>=99` for Python {PYTHON_VERSION} on this platform.",
        {"requirements.txt": "-r sub/b.txt\n", "sub/b.txt": "NBone >= 99\n"},
        ("sub/b.txt", 1),
        code=3,
    ),
    "a package that is not there": Case(
        {},
        "The package index has no package `nbonne`. Is the name right? If you use an index of your own, check that it "
        "has it.",
        {"requirements.txt": "nbone\nnbonne==1.0\n"},
        ("requirements.txt", 2),
        code=3,
    ),
    "a wrong hash": Case(
        {},
        "The packages of requirements.txt could not be installed: a package from the index is not the one that the "
        "lock names (its hash differs).",
        {"requirements.txt": f"nbone==1.0 --hash=sha256:{HASH}\n"},
        code=3,
    ),
}


def prepare(workspace: Workspace, case: Case, files: Mapping[str, Content]) -> tuple[Mapping[str, str] | str, str]:
    """Write the files; return inputs and message with the workspace filled in."""
    for name, content in {**files, **case.files}.items():
        if content == b"":
            (workspace.folder / name).unlink(missing_ok=True)
        else:
            workspace.write(name, content)
    cwd = str(workspace.folder)
    inputs = case.inputs
    if not isinstance(inputs, str):
        inputs = {name: value.replace("{cwd}", cwd) for name, value in inputs.items()}
    return inputs, case.message.replace("{cwd}", cwd)


def assert_refused(done: Done, case: Case, message: str) -> None:
    assert done.code == case.code, done.log
    errors = done.annotations()
    assert errors[0].message[: len(message)] == message
    assert errors[0].place == case.place
    assert errors[0].message.rstrip().endswith((".", "`", ">")), "a sentence"
    assert len(errors) == 1
    assert "Traceback" not in done.log
    assert done.outputs["status"] == "error"


def assert_nothing_was_done(workspace: Workspace, stage: str) -> None:
    """A record at most is in the run directory, and no environment was made."""
    files = {str(path.relative_to(workspace.runner_temp)) for path in workspace.runner_temp.rglob("*")}
    assert files <= {"notebook-ci", f"notebook-ci/{RUN_MARKER}", f"notebook-ci/{stage}.json"}
    assert not list(workspace.folder.rglob("ran"))
    assert not workspace.leftovers()


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in EXECUTE.items()])
def test_execute_notebook_refuses(workspace: Workspace, kernel: Path, case: Case) -> None:
    inputs, message = prepare(workspace, case, {"a.ipynb": RAN})
    if not isinstance(inputs, str):
        inputs = {"python": str(kernel), **inputs}
    done = workspace.run("execute-notebook", inputs, environ=case.environ)
    assert_refused(done, case, message)
    assert_nothing_was_done(workspace, "execute-notebook")


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in SETUP.items()])
def test_setup_env_refuses(workspace: Workspace, case: Case) -> None:
    inputs, message = prepare(workspace, case, {"requirements.txt": "ipykernel\n"})
    # With an index that cannot be reached: whoever tried to install would fail in another way.
    done = workspace.run("setup-env", inputs, environ={"UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple"})
    assert_refused(done, case, message)
    assert_nothing_was_done(workspace, "setup-env")


def test_a_wrong_value_costs_less_than_a_second(workspace: Workspace) -> None:
    workspace.write("a.ipynb", RAN)
    for stage in ("execute-notebook", "setup-env"):
        assert min(workspace.run(stage, {"slug": "/"}).seconds for _ in range(3)) < 1


# --- Locks and indexes


@pytest.fixture
def index(tmp_path: Path) -> Iterator[IndexServer]:
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name, version in (("nbone", "1.0"), ("nbone", "2.0"), ("ipykernel", "1.0")):
        make_wheel(folder, name, version)
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


WHAT = "The packages of requirements.txt could not be installed: "


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "the package index or the proxy asks for credentials, or refuses those it got."),
        (403, "the package index forbids the access."),
        (500, ""),
    ],
)
def test_an_index_that_refuses(workspace: Workspace, index: IndexServer, status: int, message: str) -> None:
    index.status = status
    workspace.write("requirements.txt", "nbone\n")
    done = workspace.run("setup-env", {}, environ=at(workspace, index.url()))
    assert_refused(done, Case({}, WHAT + message, code=3), WHAT + message)
    assert done.seconds < 30


def test_an_index_that_stays_silent(workspace: Workspace, index: IndexServer) -> None:
    index.gate = Gate("/")
    workspace.write("requirements.txt", "nbone\n")
    done = workspace.run("setup-env", {}, environ=at(workspace, index.url()))
    message = f"{WHAT}the package index does not answer in time."
    assert_refused(done, Case({}, message, code=3), message)
    assert done.seconds < 30


def test_no_network(workspace: Workspace) -> None:
    workspace.write("requirements.txt", "nbone\n")
    done = workspace.run("setup-env", {}, environ=at(workspace, "http://127.0.0.1:9/simple"))
    message = f"{WHAT}the package index cannot be reached."
    assert_refused(done, Case({}, message, code=3), message)
    assert done.seconds < 30


@pytest.mark.parametrize("stage", ["execute-notebook", "setup-env"])
def test_no_python_anywhere(workspace: Workspace, stage: str) -> None:
    environ = {"PATH": only_tools(workspace.base / "path")}
    done = workspace.run(stage, {}, environ=environ)
    assert done.code == 3
    assert done.commands[0].message.startswith("No Python to run the tools with was found on PATH or in the tool cache")
    assert "Traceback" not in done.log


def test_no_python_for_the_kernel(workspace: Workspace) -> None:
    workspace.write("a.ipynb", RAN)
    programs = workspace.base / "tools" / "Python" / "3.11.0" / "x64" / "bin"
    programs.mkdir(parents=True)
    (programs / "python3").symlink_to(os.path.realpath(PYTHON))
    environ = {"PATH": only_tools(workspace.base / "path"), "RUNNER_TOOL_CACHE": str(workspace.base / "tools")}
    done = workspace.run("execute-notebook", {}, environ=environ)
    message = "No Python was found to run the notebooks. Run setup-env before, or name an interpreter"
    assert_refused(done, Case({}, message, code=3), message)


# --- Notebooks that are none

GOOD = json.dumps(notebook("print('good')"))
INVALID: dict[str, tuple[Content, int, str]] = {
    # name: content, line, message
    "bom": (
        b"\xef\xbb\xbf" + GOOD.encode(),
        1,
        "bom.ipynb starts with a byte order mark (BOM), which Jupyter refuses.",
    ),
    "conflict": (
        json.dumps(notebook("x = 1"), indent=1).replace('"source"', '\n<<<<<<< HEAD\n"source"'),
        10,
        "conflict.ipynb has unresolved merge conflict markers, line 10.",
    ),
    "cut": (GOOD[:-20], 1, "cut.ipynb is not valid JSON: "),
    "empty": (" \n", 0, "empty.ipynb is empty."),
    "html": ("<!DOCTYPE html>\n<html>", 1, "html.ipynb is a web page (HTML or XML), not a notebook."),
    "latin-1": (
        GOOD.replace("good", "\xfc").encode("latin-1").replace(b"\\u00fc", b"\xfc"),
        1,
        "latin-1.ipynb is not UTF-8 text",
    ),
    "lfs": ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", 1, "lfs.ipynb is a Git LFS pointer"),
    "list": ("[]", 1, "list.ipynb is not a notebook: its JSON is a list, not an object."),
    "no-cells": ('{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}', 0, "no-cells.ipynb has no `cells`."),
    "no-format": ('{"cells": []}', 0, "no-format.ipynb is not a notebook: it does not say its format (`nbformat`)."),
    "no-source": (
        '{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [\n{"cell_type": "code"}]}',
        2,
        "Cell 1 of no-source.ipynb has no `source`.",
    ),
    "parameters": (
        notebook(parameters("a = 1\nb = = 2")),
        15,
        "The parameters cell of parameters.ipynb is not valid Python",
    ),
    "three": ('{"nbformat": 3, "worksheets": []}', 0, "three.ipynb is in the old notebook format 3; needed is 4."),
    "utf-16": (GOOD.encode("utf-16"), 0, "utf-16.ipynb is written in UTF-16."),
}


@pytest.fixture(scope="module")
def invalid(tmp_path_factory: pytest.TempPathFactory, kernel: Path) -> Done:
    workspace = Workspace(tmp_path_factory.mktemp("invalid"))
    for name, (content, _, _) in INVALID.items():
        workspace.write(f"{name}.ipynb", content)
    workspace.write("good.ipynb", notebook("print('good')"))
    return workspace.execute(kernel)


@pytest.mark.parametrize("name", INVALID)
def test_a_file_that_is_no_notebook(invalid: Done, name: str) -> None:
    _, line, message = INVALID[name]
    path = f"{name}.ipynb"
    [problem] = [problem for problem in invalid.record["problems"] if problem["file"] == path]
    assert problem["message"].startswith(message)
    assert (problem["severity"], problem["line"] or 0) == ("error", line)
    assert problem["hint"]
    result = invalid.notebooks[path]
    assert (result["status"], result["failure"]["kind"], result["output"]) == ("failed", "invalid-notebook", "")


def test_the_others_are_executed(invalid: Done) -> None:
    assert (invalid.code, invalid.outputs["failed"]) == (1, str(len(INVALID)))
    assert invalid.printed("good.ipynb") == "good\n"
    assert "Traceback" not in invalid.log
    assert invalid.annotations()[0].place == ("bom.ipynb", 1)


def bounded(gigabytes: int) -> list[str]:
    """Return a command that runs another one with so much address space."""
    return ["prlimit", f"--as={gigabytes << 30}"]


def test_huge_files(workspace: Workspace, kernel: Path) -> None:
    """200 MB: zeros, and a notebook whose old outputs weigh that much."""
    with workspace.write("a-zeros.ipynb", "").open("r+b") as file:
        file.truncate(200 << 20)
    huge = notebook("print('ran')")
    huge["cells"][0]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x" * (200 << 20)}]
    workspace.write("b-valid.ipynb", huge)
    began = time.monotonic()
    process = workspace.start("execute-notebook", {"python": str(kernel)}, prefix=bounded(6))
    done = workspace.end(process)
    assert time.monotonic() - began < 60
    zeros, valid = done.record["notebooks"]
    assert zeros["failure"]["message"].startswith("a-zeros.ipynb ")
    assert zeros["failure"]["kind"] == "invalid-notebook"
    assert valid["status"] == "passed"
    assert done.printed("b-valid.ipynb") == "ran\n"
    assert done.code == 1


# --- Disks and rights


def test_a_full_disk_while_packages_are_installed(workspace: Workspace) -> None:
    (workspace.folder / "small").mkdir()
    workspace.write("requirements.txt", "ipykernel\n")
    prefix = private_mount('mount -t tmpfs -o size=4m tmpfs "$D"')
    environ = {"D": str(workspace.folder / "small"), "UV_LINK_MODE": "copy"}
    done = workspace.run("setup-env", {"venv": "small/venv"}, environ=environ, prefix=prefix)
    message = (
        "The packages of requirements.txt could not be installed: the disk is full. "
        "Free some space, or name another folder with the input venv, or in UV_CACHE_DIR."
    )
    assert_refused(done, Case({}, message, code=3), message)


@pytest.mark.parametrize("stage", ["execute-notebook", "setup-env"])
def test_a_full_run_directory(workspace: Workspace, kernel: Path, stage: str) -> None:
    """Nothing at all can be written: the exit code and the log say it."""
    workspace.write("a.ipynb", notebook("print('x' * 100_000)"))
    workspace.write("requirements.txt", "ipykernel\n")
    prefix = private_mount('mount -t tmpfs -o size=64k tmpfs "$D"', 'head -c 60000 /dev/zero > "$D/full" || true')
    inputs = {"python": str(kernel)} if stage == "execute-notebook" else {}
    done = workspace.run(stage, inputs, environ={"D": str(workspace.runner_temp)}, prefix=prefix)
    assert done.code == 3
    assert "Traceback" not in done.log
    assert any(
        "No space left on device" in error.message or "disk is full" in error.message for error in done.annotations()
    )
    assert "NOTEBOOK_CI_CACHE" not in done.log
    assert done.outputs["status"] == "error"
    assert not workspace.leftovers()


def test_a_read_only_checkout_on_a_runner_is_enough(workspace: Workspace, kernel: Path) -> None:
    workspace.write("sub/a.ipynb", notebook("print('read', open('data.txt').read())"))
    workspace.write("sub/data.txt", "it")
    environ = {"D": str(workspace.folder)}
    done = workspace.run("execute-notebook", {"python": str(kernel)}, environ=environ, prefix=private_mount(*READ_ONLY))
    assert (done.code, done.printed("sub/a.ipynb")) == (0, "read it\n"), done.log
    local = workspace.run("execute-notebook", environ=environ, prefix=private_mount(*READ_ONLY))
    assert local.code == 2
    assert "error: The run directory cannot be made: " in local.log
    assert "Name folders that can be written, with these inputs: `run-dir`, " in local.log
    for inputs, message in (
        ({"output-dir": "out"}, f"The folder {workspace.folder}/out cannot be made: Read-only file system."),
        ({"run-dir": "runs"}, "The run directory cannot be made: "),
    ):
        refused = workspace.run(
            "execute-notebook", {"python": str(kernel), **inputs}, environ=environ, prefix=private_mount(*READ_ONLY)
        )
        assert refused.code in {2, 3}
        assert refused.annotations()[0].message.startswith(message)
        assert "Traceback" not in refused.log


def test_a_read_only_place_for_the_environment(workspace: Workspace) -> None:
    workspace.write("requirements.txt", "ipykernel\n")
    (workspace.folder / "ro").mkdir(mode=0o555)
    done = workspace.run("setup-env", {"venv": "ro/venv"}, prefix=NO_ROOT)
    message = f"The environment {workspace.folder}/ro/venv cannot be made: Permission denied. Name folders that "
    assert_refused(done, Case({}, message, code=3), message)


@pytest.mark.parametrize(
    ("name", "message", "code"),
    [
        ("notebook-ci.toml", "notebook-ci.toml cannot be read: Permission denied.", 2),
        ("a.ipynb", "a.ipynb may not be read: permission denied.", 1),
        ("p.yaml", "p.yaml cannot be read: Permission denied.", 2),
        ("requirements.txt", "`requirements.txt` cannot be read: Permission denied.", 2),
        (".python-version", ".python-version cannot be read: ", 2),
    ],
)
def test_a_file_that_may_not_be_read(workspace: Workspace, kernel: Path, name: str, message: str, code: int) -> None:
    stage = "setup-env" if name in {"requirements.txt", ".python-version"} else "execute-notebook"
    files: dict[str, Content] = {"a.ipynb": RAN, "p.yaml": "alpha: 1\n", "requirements.txt": "ipykernel\n"}
    for file, content in {**files, name: files.get(name, "x")}.items():
        workspace.write(file, content)
    (workspace.folder / name).chmod(0)
    inputs = {"python": str(kernel), "parameters-file": "p.yaml"} if stage == "execute-notebook" else {}
    done = workspace.run(stage, inputs, prefix=NO_ROOT)
    assert done.code == code, done.log
    assert done.annotations()[0].message.startswith(message)
    assert "Traceback" not in done.log
    assert not list(workspace.folder.rglob("ran"))


# --- Locales


@pytest.mark.parametrize("locale", ["C", "POSIX", "xx_XX.ISO-8859-1"])
def test_a_locale_that_is_not_utf8(workspace: Workspace, kernel: Path, locale: str) -> None:
    workspace.write(
        "ü b/ß 🐧.ipynb", notebook(parameters("text = ''"), "print(text, open('ö.txt', encoding='utf-8').read())")
    )
    workspace.write("ü b/ö.txt", "gelesen")
    environ = {"LC_ALL": locale, "LANG": locale}
    done = workspace.execute(kernel, environ, notebooks="ü b/*.ipynb", parameters="text: Grüße 🐧")
    assert (done.code, done.printed("ü b/ß 🐧.ipynb")) == (0, "Grüße 🐧 gelesen\n"), done.log
    wrong = workspace.execute(kernel, environ, notebooks="ü/ß 🐧.ipynb")
    assert wrong.annotations()[0].message.startswith(f"No notebook matches `ü/ß 🐧.ipynb` in {workspace.folder}.")
    flags = ["--python", str(kernel), "--notebooks", "ü/ß.ipynb"]
    local = workspace.run("execute-notebook", flags=flags, environ=environ)
    assert (local.code, "No notebook matches `ü/ß.ipynb`" in local.log) == (2, True), local.log


def test_flags_that_are_wrong(workspace: Workspace) -> None:
    """On a command line the same is said, without the runner's commands."""
    for flags, message in (
        (["--notebook", "x"], "unknown argument `--notebook`. Did you mean `--notebooks`? Known are --notebooks,"),
        (["x.ipynb"], "unknown argument `x.ipynb`."),
        (["--cell-timeout", "soon"], f"error: `--cell-timeout` is `soon`. {SECONDS}"),
        (["--html", "maybe"], "error: `--html` is `maybe`. Accepted is `true` or `false`."),
        (["--slug"], "error: The command line was not understood: argument --slug: expected one argument. See "),
    ):
        done = workspace.run("execute-notebook", flags=flags)
        assert (done.code, message in done.log) == (2, True), done.log
        assert "See `launch.sh execute-notebook --help`.\n" in done.log
        assert "Traceback" not in done.log
        assert not (workspace.folder / ".notebook-ci").exists()


def test_there_are_enough_of_them() -> None:
    assert len(EXECUTE) + len(SETUP) + len(LOCKS) + len(INVALID) >= 45
