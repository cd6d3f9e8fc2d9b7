"""What an image's environment is installed from, and by which commands."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from notebook_ci.base.conda import this_platform
from notebook_ci.base.errors import InputError
from notebook_ci.base.files import sha256
from notebook_ci.base.locks import FORMATS
from notebook_ci.base.workspace import Workspace
from notebook_ci.build_image import channels, dockerfile, packages
from notebook_ci.build_image.run import default_base
from notebook_ci.exporting.export import Exported
from notebook_ci.records.setup_env import SetupEnvRecord

UV = "uv"
PIP = f"pip install --python {packages.PYTHON}"
INSTALL = f"uv {PIP}"


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def setup_env(folder: Path, name: str, **more: Any) -> SetupEnvRecord:
    more = {"packages": {"ipykernel": "6", "six": "1"}, "read": {name: sha256(folder / name)}, **more}
    return SetupEnvRecord(stage="setup-env", lock_file=name, python_version="3.12.1", **more)


def test_hashed(tmp_path: Path) -> None:
    write(tmp_path, requirements_txt="six==1 --hash=sha256:0\n")
    found = packages.find("", setup_env(tmp_path, "requirements.txt"), tmp_path)
    assert found.commands(UV, "/p", "/f") == [f"{INSTALL} --require-hashes --requirements /p/requirements.txt"]


def test_plain_is_held_to_what_was_tested_and_gets_what_was_added(tmp_path: Path) -> None:
    write(tmp_path, env__a_txt="-r b.txt\n-c c.txt\n", env__b_txt="six\n", env__c_txt="-r https://host/x.txt\n")
    record = setup_env(tmp_path, "env/a.txt", added={"ipykernel": "6"})
    found = packages.find("", record, tmp_path)
    assert found.commands(UV, "/p", "/f") == [
        f"{INSTALL} --requirements /p/env/a.txt --constraints /p/{packages.TESTED}",
        f"{INSTALL} --no-deps --requirements /p/{packages.ADDED}",
    ]
    texts = found.texts()
    assert texts.keys() == {"env/a.txt", "env/b.txt", "env/c.txt", packages.ADDED, packages.TESTED}
    assert texts[packages.TESTED] == "ipykernel==6\nsix==1\n"


def test_what_setup_env_installed_as_listed_is_not_resolved(tmp_path: Path) -> None:
    write(tmp_path, requirements_txt="six==1\nipykernel==6\n")
    found = packages.find("", setup_env(tmp_path, "requirements.txt", as_listed=True), tmp_path)
    assert found.commands(UV, "/p", "/f") == [
        f"{INSTALL} --no-deps --requirements /p/requirements.txt --constraints /p/{packages.TESTED}",
    ]


def test_without_setup_env_the_kernel_is_added(tmp_path: Path) -> None:
    write(tmp_path, requirements_txt="six\n", pyproject_toml="[project]\n")
    found = packages.find("", None, tmp_path)
    assert found.lock.name == "requirements.txt"
    assert found.commands(UV, "/p", "/f")[-1].endswith(" --constraints /build/frozen.txt ipykernel")


@pytest.mark.parametrize(
    ("name", "text", "local"),
    [
        ("uv.lock", '[[package]]\nname = "x"\nsource = { editable = "." }\n', True),
        ("uv.lock", '[[package]]\nname = "x"\nsource = { directory = "lib" }\n', True),
        ("uv.lock", '[[package]]\nname = "x"\nsource = { virtual = "." }\n', False),
        ("pylock.toml", '[[packages]]\nname = "x"\ndirectory = { path = "lib" }\n', True),
        ("pylock.toml", '[[packages]]\nname = "x"\nversion = "1"\n', False),
        ("pyproject.toml", '[project]\n[build-system]\nrequires = ["x"]\n', True),
        ("pyproject.toml", "[project]\n", False),
        ("requirements.txt", "six\n-e .\n", True),
        ("requirements.txt", "./lib\n", True),
        ("requirements.txt", "x @ file:./lib\n", True),
        ("requirements.txt", "six\n.\n", True),
        ("requirements.txt", ".[dev]\n", True),
        ("requirements.txt", "lib/x\n", True),
        ("requirements.txt", "six==1 \\\n    --hash=sha256:0 # of a/b\n", False),
        ("requirements.txt", "--index-url https://host/simple\n", False),
        ("requirements.txt", "x@https://host/x.whl\nhttps://host/x.whl\n", False),
        ("requirements.txt", "six # file: ./x\n", False),
        ("requirements.txt", "x @ https://host/x.whl\n", False),
    ],
)
def test_what_needs_the_repository(tmp_path: Path, name: str, text: str, *, local: bool) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / name).write_text(text)
    assert packages.find(name, None, tmp_path).lock.builds_local_code == local


def test_a_uv_lock_is_checked_unless_setup_env_has_done_it(tmp_path: Path) -> None:
    lock = '[[package]]\nname = "lib"\nsource = { virtual = "lib" }\n'
    write(tmp_path, uv_lock=lock, pyproject_toml="[project]\n", lib__pyproject_toml="[project]\n")
    for record, check in ((None, "--locked"), (setup_env(tmp_path, "uv.lock"), "--frozen")):
        found = packages.find("", record, tmp_path)
        assert f" {check} " in found.commands(UV, "/p", "/f")[0]
        # Without the project files of the workspace, uv calls each lock stale.
        assert found.texts().keys() >= {"uv.lock", "pyproject.toml", "lib/pyproject.toml"}


@pytest.mark.parametrize("is_installed", [True, False])
def test_a_project_is_in_the_image_where_setup_env_installed_it(tmp_path: Path, *, is_installed: bool) -> None:
    write(
        tmp_path,
        pyproject_toml="[project]\nname = 'study'\n[build-system]\nrequires = ['setuptools']\n",
        study__x_py="",
    )
    record = setup_env(
        tmp_path, "pyproject.toml", packages={"ipykernel": "6", **({"study": "1"} if is_installed else {})}
    )
    (tmp_path / "results").mkdir()  # by a notebook: setuptools could not choose a folder any more
    [install, *_] = packages.find("", record, tmp_path).commands(UV, "/p", "/f")
    assert ("--editable" in install) == is_installed


def test_a_lock_that_was_changed_is_refused(tmp_path: Path) -> None:
    write(tmp_path, requirements_txt="six\n")
    record = setup_env(tmp_path, "requirements.txt")
    write(tmp_path, requirements_txt="six\nseven\n")
    with pytest.raises(InputError, match=r"^`requirements.txt` has changed since"):
        packages.find("", record, tmp_path)


def test_a_name_with_a_blank_is_one_word_of_the_shell(tmp_path: Path) -> None:
    (tmp_path / "my packages.txt").write_text("six\n")
    [install, *_] = packages.find("my packages.txt", None, tmp_path).commands(UV, "/p", "/f")
    assert install.endswith(" --requirements '/p/my packages.txt'")


def test_a_name_that_would_add_a_line_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a\nRUN x.txt").write_text("six\n")
    with pytest.raises(InputError, match="a name that a Dockerfile cannot contain"):
        packages.find("a\nRUN x.txt", None, tmp_path)


def test_what_lies_outside_is_refused(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    write(tmp_path, inside__requirements_txt="-r ../base.txt\n")
    with pytest.raises(InputError, match="is outside the workspace"):
        packages.find("", None, inside)


def test_without_setup_env_that_is_taken_which_it_would_find(tmp_path: Path) -> None:
    write(tmp_path, pyproject_toml="[project]\n")
    (tmp_path / "requirements-ci.txt").write_text("six\n")
    assert packages.find("", None, tmp_path).lock.name == "requirements-ci.txt"
    (tmp_path / "requirements-gpu.txt").touch()
    with pytest.raises(InputError, match="Several files could say what to install"):
        packages.find("", None, tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("pyproject.toml", "[tool.x]\n", r"^`pyproject.toml` has no `\[project\]` table"),
        ("sub/requirements.txt", "-r base.txt\n", r"^`sub/base.txt` does not exist"),
        ("uv.lock", "version = 1\n", r"^`uv.lock` has no `pyproject.toml` next to it"),
        ("pylock.toml", "a = = 1\n", r"^`pylock.toml` is not valid TOML: "),
    ],
)
def test_what_cannot_be_installed_from_is_refused_before_the_build(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        packages.find(name, None, tmp_path)


@dataclass(frozen=True)
class Sample:
    """A lock of one kind, and a command of the Dockerfile that installs it."""

    files: Mapping[str, str]  # the lock is the first one
    installs: str
    exported: Exported | None = None


_UV, _PINS = "/build/uv/bin/uv", "/build/requirements"
_PROJECT = {"pyproject.toml": "[project]\nname = 'study'\n"}
_HASHED = Exported("six==1 --hash=sha256:0\n", "")
_PIP = f"{PIP} --no-deps --require-hashes --requirements {_PINS}/exported.txt"
_WORKER = f"|| {{ cat /build/reply.json; exit 1; }} \\\n && chmod -R a+rX {packages.ENVIRONMENT}"
_URL = f"https://host/{this_platform()}/python-3.12.1-0.conda"
_OF_CONDA = Exported("six==1 --hash=sha256:0\n", "", [_URL])
SAMPLES = {
    "uv.lock": Sample({"uv.lock": "version = 1\n", **_PROJECT}, f"sync --python {packages.PYTHON}"),
    "pylock": Sample({"pylock.toml": ""}, f"pip sync --python {packages.PYTHON}"),
    "poetry": Sample({"poetry.lock": "", **_PROJECT}, _PIP, _HASHED),
    "pdm": Sample({"pdm.lock": "", **_PROJECT}, _PIP, _HASHED),
    "pipenv": Sample({"Pipfile.lock": "{}", "Pipfile": ""}, _PIP, _HASHED),
    "pixi": Sample(
        {"pixi.lock": f"- {this_platform()}\n", "pixi.toml": ""}, f"{_WORKER} \\\n && {_UV} {_PIP}", _OF_CONDA
    ),
    "conda-lock": Sample({"conda-lock.yml": f"metadata:\n  platforms: [{this_platform()}]\n"}, _WORKER, _OF_CONDA),
    "conda": Sample(
        {"environment.yml": "dependencies:\n- python\n- pip:\n  - six\n"},
        f"{_WORKER} \\\n && {_UV} {PIP} --requirements {_PINS}/environment.yml.txt",
    ),
    "explicit": Sample({"list.txt": f"@EXPLICIT\n{_URL}\n"}, f"{_WORKER} \\\n && {_UV} pip list"),
    "pyproject": Sample(_PROJECT, f"{PIP} --requirements {_PINS}/pyproject.toml"),
    "setup": Sample({"setup.py": ""}, f"{PIP} --editable /home/notebook/work"),
    "hashed": Sample({"a.txt": "six==1 --hash=sha256:0\n"}, f"{PIP} --require-hashes --requirements {_PINS}/a.txt"),
    "plain": Sample({"a.txt": "six\n"}, f"{PIP} --requirements {_PINS}/a.txt"),
}


@pytest.mark.parametrize("kind", FORMATS)
def test_an_image_is_built_from_each_kind_of_lock(tmp_path: Path, kind: str) -> None:
    sample = SAMPLES[kind]
    for name, text in sample.files.items():
        (tmp_path / name).write_text(text)
    found = replace(packages.find(next(iter(sample.files)), None, tmp_path), exported=sample.exported)
    assert (found.lock.kind, found.exported is None) == (kind, not FORMATS[kind].tool)
    written = dockerfile.text("base", "base", found, [], {}, certificates=False)
    assert f"{sample.installs} " in written
    assert ("AS installed\n" in written) == FORMATS[kind].is_conda
    if FORMATS[kind].is_conda:
        order = channels.plan(found, Workspace(tmp_path, {"HOME": str(tmp_path)})).installation
        assert [order.packages, order.urls] == ([["python"] * 2, []] if kind == "conda" else [[], [_URL]])


def test_packages_of_conda_are_held_to_what_was_tested(tmp_path: Path) -> None:
    write(tmp_path, environment_yml="channels: [https://me:pass@host/c]\ndependencies:\n- python\n- pip:\n  - six\n")
    found = packages.find("", setup_env(tmp_path, "environment.yml", conda_packages={"python": "3.12.1 0"}), tmp_path)
    assert found.commands(UV, "/p", "/f") == [
        f"{INSTALL} --requirements /p/environment.yml.txt --constraints /p/{packages.TESTED}"
    ]
    workspace = Workspace(tmp_path, {"HOME": str(tmp_path), "CONDA_OVERRIDE_CUDA": "12.4", "SSL_CERT_FILE": "/x"})
    planned = channels.plan(found, workspace)
    order = planned.installation
    assert (order.constraints, order.channels) == (["python ==3.12.1 0"], ["https://host/c"])
    assert order.credentials == {"host": {"BasicHTTP": {"username": "me", "password": "pass"}}}
    assert planned.variables == {"CONDA_OVERRIDE_CUDA": "12.4", "SSL_CERT_FILE": "/x"}
    assert default_base(found, tmp_path) == f"python:{sys.version_info.major}.{sys.version_info.minor}-slim"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("https://host/win-32/python-3.12.1-0.conda", "^`list.txt` is for win-32, but this machine is"),
        (
            f"file:///opt/{this_platform()}/python-3.12.1-0.conda",
            "^`list.txt` needs `file:///opt/.*`, a folder that the",
        ),
        (f"https://host/{this_platform()}/numpy-2.1-0.conda", "^`list.txt` cannot be installed: it lists no Python"),
    ],
)
def test_packages_of_conda_that_a_build_cannot_install_are_refused(tmp_path: Path, url: str, message: str) -> None:
    (tmp_path / "list.txt").write_text(f"@EXPLICIT\n{url}\n")
    found = packages.find("list.txt", None, tmp_path)
    with pytest.raises(InputError, match=message):
        channels.plan(found, Workspace(tmp_path, {"HOME": str(tmp_path)}))


def test_a_list_that_setup_env_inferred_is_installed(tmp_path: Path) -> None:
    name = ".notebook-ci/from-notebooks.txt"
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_text("six==1 --hash=sha256:0\n")
    found = packages.find("", setup_env(tmp_path, name), tmp_path)
    assert found.commands(UV, "/p", "/f") == [f"{INSTALL} --require-hashes --requirements /p/{name}"]
    assert found.texts()[name] == "six==1 --hash=sha256:0\n"


def test_activated_variables_are_quoted(tmp_path: Path) -> None:
    write(tmp_path, environment_yml="dependencies: [python]\n")
    written = dockerfile.text("b", "b", packages.find("", None, tmp_path), [], {"A": 'x"y$z\\'}, certificates=False)
    assert '\nENV A="x\\"y\\$z\\\\"\n' in written


@pytest.mark.parametrize(
    ("failing", "code"),
    [("", 0), ("build/rattler/bin/python", 1), ("build/uv/bin/uv", 5), ("environment/bin/python", 0)],
)
def test_the_shell_stops_at_the_first_failure(tmp_path: Path, failing: str, code: int) -> None:
    """Only code that cannot be byte-compiled, by the Python of the environment, is no failure."""
    write(tmp_path, environment_yml="dependencies: [python, {pip: [six]}]\n")
    written = dockerfile.text("b", "b", packages.find("", None, tmp_path), [], {}, certificates=False)
    command = written.partition(f"RUN --mount=type=secret,id={dockerfile.CHANNELS} ")[2].partition("\nFROM")[0]
    for name in ("build/rattler/bin/python", "build/uv/bin/uv", "environment/bin/python"):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(f"#!/bin/sh\necho it is {name}\nexit {5 * (name == failing)}\n")
        path.chmod(0o755)
    write(tmp_path / "build/requirements", conda_json="{}")
    command = command.replace("/opt/environment", f"{tmp_path}/environment").replace("/build/", f"{tmp_path}/build/")
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert ("it is build/rattler" in done.stdout) == (code == 1), "its reply is shown only if it fails"
