"""Which Python the environment gets."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from integration.setup_env.shops import ONE, Shop, ask, copied_python, installed
from integration.suite import PATH, PROJECT, PYTHON, Command, Done, notebook, only_tools

VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"


def test_the_python_of_the_runner_is_not_touched(shop: Shop) -> None:
    def listing() -> list[str]:
        root = Path(sysconfig.get_path("purelib", vars={"base": sys.base_prefix}))
        return sorted(f"{path} {path.stat().st_mtime_ns}" for path in root.parent.glob("site-packages/*"))

    before = listing()
    shop.workspace.write("requirements.txt", "nbone\nipykernel\n")
    venv = shop.workspace.base / "active"
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", venv], check=True)
    active = sorted(map(str, venv.rglob("*")))
    environ = {
        "pythonLocation": sys.base_prefix,
        "VIRTUAL_ENV": str(venv),
        "UV_SYSTEM_PYTHON": "1",
        "UV_PROJECT_ENVIRONMENT": str(venv),
        "CONDA_PREFIX": str(venv),
        "UV_PYTHON": str(PYTHON),
    }
    done = shop.setup(environ)
    assert (done.code, installed(done)) == (0, ONE), done.log
    assert listing() == before
    assert sorted(map(str, venv.rglob("*"))) == active
    assert (
        ask(done, "import sys; print(any('nbone' in p for p in sys.path), sys.prefix != sys.base_prefix)")
        == "False True"
    )


def test_a_version_from_the_tool_cache(shop: Shop) -> None:
    full = ".".join(map(str, sys.version_info[:3]))
    programs = shop.workspace.base / "tools" / "Python" / full / "x64" / "bin"
    programs.mkdir(parents=True)
    (programs / "python3").symlink_to(os.path.realpath(PYTHON))
    environ = {
        "PATH": only_tools(shop.workspace.base / "path"),
        "RUNNER_TOOL_CACHE": str(shop.workspace.base / "tools"),
        "UV_PYTHON_DOWNLOADS": "never",
    }
    shop.workspace.write("requirements.txt", "ipykernel\n")
    for wanted in (VERSION, full, ""):
        done = shop.setup(environ, python_version=wanted, slug=f"v{wanted}")
        assert (done.code, done.record["python_version"]) == (0, full), done.log


def test_a_version_on_path(shop: Shop) -> None:
    shop.workspace.write("requirements.txt", "ipykernel\n")
    done = shop.setup({"PATH": f"{copied_python(shop.workspace.base / 'other').parent}:{PATH}"}, python_version=VERSION)
    assert done.code == 0, done.log
    assert ask(done, "import sys; print(sys.base_prefix)") == str(shop.workspace.base / "other")


@pytest.mark.parametrize("origin", ["input", ".python-version", "pyproject.toml"])
def test_a_version_that_is_not_to_be_had(shop: Shop, origin: str) -> None:
    shop.workspace.write("requirements.txt", "ipykernel\n")
    given, wanted = "", "3.99"
    match origin:
        case "input":
            given = wanted
        case ".python-version":
            shop.workspace.write(".python-version", "3.99\n")
        case "pyproject.toml":
            wanted = ">=3.99"
            shop.workspace.write("pyproject.toml", PROJECT.format("").replace(">=3.11", wanted))
    done = shop.setup(python_version=given)
    assert (done.code, done.outputs["status"]) == (3, "error")
    said = "" if origin == "input" else f" (required by `{origin}`)"
    about, _, reason = done.annotations()[0].message.partition(" uv says: ")
    assert about == f"Python {wanted}{said} is not installed, and could not be downloaded."
    assert reason.startswith(f"No download found for request: cpython-{wanted}-")
    assert reason.endswith(". Run `actions/setup-python` first, with the `python-version` that you need.")


def test_the_input_wins_over_the_file(shop: Shop) -> None:
    shop.workspace.write("requirements.txt", "ipykernel\n")
    shop.workspace.write(".python-version", "3.99\n")
    assert shop.setup(python_version=VERSION).code == 0


def test_a_file_of_comments_asks_for_nothing(shop: Shop) -> None:
    shop.workspace.write("requirements.txt", "ipykernel\n")
    shop.workspace.write(".python-version", f"# pyenv\n\n  {VERSION}  \n3.99\n")
    assert shop.setup().code == 0


def others_than_exactness(done: Done) -> list[Command]:
    return [each for each in done.annotations("notice") if "does not fix all versions" not in each.message]


def test_without_other_word_the_notebooks_choose_unless_that_fails(shop: Shop) -> None:
    for name, version in (("a", VERSION), ("b", VERSION), ("c", "3.99")):
        info = {"language_info": {"name": "python", "version": f"{version}.1"}}
        shop.workspace.write(f"{name}.ipynb", notebook("1", metadata=info))
    shop.workspace.write("requirements.txt", "ipykernel\n")
    environ = {"UV_PYTHON_DOWNLOADS": "never"}
    done = shop.setup(environ)
    assert (done.code, [each.message for each in others_than_exactness(done)]) == (0, []), done.log

    for name in "ab":
        (shop.workspace.folder / f"{name}.ipynb").unlink()
    done = shop.setup(environ, slug="other")
    assert done.code == 0, done.log
    wanted = "Python 3.99 (`c.ipynb` was created with it)"
    [notice] = others_than_exactness(done)
    assert notice.message == f"{wanted} is not available, so another one is used. `python-version` chooses one."
    planned = shop.workspace.run("setup-env", flags=["--plan"])
    assert f"use {wanted}" in planned.log

    # What fails with that Python is tried with another one, which is the same here.
    shop.workspace.write(
        "requirements.txt", f"# This file is autogenerated by pip-compile with Python {VERSION}\nnowhere\n"
    )
    failed = shop.setup(environ, slug="failed")
    assert (failed.code, len(failed.annotations())) == (3, 1), failed.log
    [notice] = failed.annotations("notice")
    wanted = f"Python {VERSION} (`requirements.txt` was created with it)"
    assert notice.message.startswith(f"{wanted} did not work, so another one is tried. The package index has no")
    shop.workspace.write("requirements.txt", "ipykernel\n")

    of_action = {**environ, "pythonLocation": sys.base_prefix}
    assert not others_than_exactness(shop.setup(of_action, slug="action"))
