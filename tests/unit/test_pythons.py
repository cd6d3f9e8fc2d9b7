import json
import os
from pathlib import Path

import pytest

from notebook_ci.base.errors import InputError, SurroundingsError
from notebook_ci.base.locks import Lock
from notebook_ci.base.workspace import Workspace
from notebook_ci.environments.uv import Uv
from notebook_ci.setup_env import pythons
from notebook_ci.setup_env.pythons import RequiredPython
from unit.consoles import Written


def refused(terminal: Written, folder: Path, required: RequiredPython, **environ: str) -> SurroundingsError:
    """Have the real uv look for a Python."""
    cache = str(folder / "cache")
    base = {"PATH": str(folder), "HOME": str(folder), "UV_CACHE_DIR": cache, "UV_PYTHON_DOWNLOADS": "never"}
    uv = Uv(Workspace(folder, {**base, **environ}), terminal.console, Path(os.devnull))
    with pytest.raises(SurroundingsError) as caught:
        pythons.find_or_download(uv, required, [])
    return caught.value


@pytest.mark.parametrize(("origin", "said"), [("", ""), (".python-version", " (required by `.python-version`)")])
def test_off_a_runner_a_version_is_to_be_installed(terminal: Written, tmp_path: Path, origin: str, said: str) -> None:
    error = refused(terminal, tmp_path, RequiredPython("3.99", origin), UV_PYTHON_DOWNLOADS="automatic")
    about, _, reason = error.message.partition(" uv says: ")
    assert about == f"Python 3.99{said} is not installed, and could not be downloaded."
    assert reason.startswith("No download found for request: cpython-3.99")
    assert reason.endswith(".")
    assert "\n" not in reason
    assert error.hint == "Install Python 3.99, or set `python-version` to another one."


def test_off_a_runner_any_python_is_to_be_installed(terminal: Written, tmp_path: Path) -> None:
    error = refused(terminal, tmp_path, RequiredPython(""), UV_PYTHON_INSTALL_DIR=str(tmp_path))
    assert error.message == "No Python was found to create the environment from."
    assert error.hint == "Install one, and put it on PATH."


def test_on_a_runner_an_action_installs_it(terminal: Written, tmp_path: Path) -> None:
    for version in ("3.99", ""):
        environ = {"GITHUB_ACTIONS": "true", "UV_PYTHON_INSTALL_DIR": str(tmp_path)}
        error = refused(terminal, tmp_path, RequiredPython(version), **environ)
        assert error.hint == "Run `actions/setup-python` first, with the `python-version` that you need."


def test_of_a_download_that_fails_the_first_cause_is_told(terminal: Written, tmp_path: Path) -> None:
    nowhere = {"UV_PYTHON_DOWNLOADS": "automatic", "UV_OFFLINE": "1", "UV_PYTHON_INSTALL_DIR": str(tmp_path)}
    error = refused(terminal, tmp_path, RequiredPython("3.13"), **nowhere)
    assert " uv says: Network connectivity is disabled, but " in error.message
    assert "Failed to install" not in error.message


@pytest.mark.parametrize(
    ("name", "text", "version"),
    [
        ("pyproject.toml", '[tool.poetry.dependencies]\npython = "^3.11"\n', ">=3.11,<4"),
        ("pyproject.toml", '[tool.poetry.dependencies]\npython = "~3.11"\n', ">=3.11,<3.12"),
        ("pyproject.toml", '[tool.poetry.dependencies]\npython = ">=3.11, <3.13"\n', ">=3.11,<3.13"),
        ("pyproject.toml", '[tool.poetry.dependencies]\npython = "3.11.*"\n', "==3.11.*"),
        ("pyproject.toml", '[tool.poetry.dependencies]\npython = "^3.9 || ^3.12"\n', ""),
        (
            "pyproject.toml",
            '[project]\nrequires-python = ">=3.12"\n[tool.poetry.dependencies]\npython = "^3.11"\n',
            ">=3.12",
        ),
        ("pyproject.toml", '[tool.poetry.dependencies]\npython = ">= 3.9 <4.0"\n', ">=3.9,<4.0"),
        ("pyproject.toml", "[tool]\npoetry = 1\n", ""),
        ("Pipfile", '[requires]\npython_version = ">=3.9"\n', ">=3.9"),
        ("Pipfile", '[requires]\npython_version = "3.11"\n', "==3.11.*"),
        ("Pipfile", '[requires]\npython_full_version = "3.11.4"\n', "==3.11.4"),
        ("Pipfile", "[requires]\n", ""),
    ],
)
def test_each_tool_says_which_python(tmp_path: Path, name: str, text: str, version: str) -> None:
    (tmp_path / name).write_text(text)
    assert pythons.required("", tmp_path / name, tmp_path) == RequiredPython(version, name if version else "")


@pytest.mark.parametrize(
    ("text", "version"), [("3.11.5", "==3.11.5"), ("^3.11", ">=3.11,<4"), (">=3.11", ">=3.11"), ("(>=3)", "")]
)
def test_poetry_has_its_own_constraints_in_requires_python(tmp_path: Path, text: str, version: str) -> None:
    project = tmp_path / "pyproject.toml"
    project.write_text(f'[project]\nrequires-python = "{text}"\n')
    if text[0].isdigit() or text[0] == "^":
        with pytest.raises(InputError, match="which is not a version"):
            pythons.required("", project, tmp_path)
    (tmp_path / "poetry.lock").touch()
    if version:
        assert pythons.required("", project, tmp_path).version == version
    else:
        with pytest.raises(InputError, match="which is not a version"):
            pythons.required("", project, tmp_path)


def saved_with(*versions: str, language: str = "python") -> dict[str, str]:
    """Return notebooks, by name, that were saved with these versions of a language."""
    return {
        f"n{number}.ipynb": json.dumps({
            "nbformat": 4, "cells": [], "metadata": {"language_info": {"name": language, "version": version}},
        })
        for number, version in enumerate(versions)
    }  # fmt: skip


HEADER = "#\n# This file is autogenerated by pip-compile with Python 3.10\n# by the following command:\n"
WISHES = [
    (saved_with("3.9.1", "3.11.2", "3.11.4"), "3.11", "n1.ipynb"),
    (saved_with("3.9.1", "3.10.2"), "3.10", "n1.ipynb"),  # the newest, as a number
    (saved_with("3.9.1") | {"requirements.txt": HEADER}, "3.10", "requirements.txt"),
    (saved_with("4.1.2", language="R") | saved_with("2.7.1") | {"broken.ipynb": "{"}, "", ""),
    (saved_with("3", "3.x", "three"), "", ""),
    ({}, "", ""),
]


@pytest.mark.parametrize(("files", "version", "origin"), WISHES)
def test_the_python_that_files_were_created_with(
    tmp_path: Path, files: dict[str, str], version: str, origin: str
) -> None:
    for name, text in {"requirements.txt": "", **files}.items():
        (tmp_path / name).write_text(text)
    wished = pythons.wished(Lock(tmp_path, tmp_path / "requirements.txt", "plain"), tmp_path)
    assert wished == RequiredPython(version, origin, is_wish=bool(version))
    if origin:
        assert str(wished) == f"Python {version} (`{origin}` was created with it)"
