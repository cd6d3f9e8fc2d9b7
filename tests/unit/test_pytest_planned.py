"""What test-notebook plans: which tests, which notebooks, and what it refuses before anything runs."""

import io
import json
from pathlib import Path

import pytest

from notebook_ci.base.errors import InputError
from notebook_ci.base.load_inputs import load
from notebook_ci.base.plan import Nothing
from notebook_ci.base.workspace import Workspace
from notebook_ci.compare.cells import HOW_TO_STORE
from notebook_ci.test_notebook.model import PytestInputs
from notebook_ci.test_notebook.plan import PytestPlan, make
from unit.planned import notebook, write


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Notebooks are read from the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plan(folder: Path, *flags: str) -> PytestPlan | Nothing:
    inputs, workspace = load(PytestInputs, "test-notebook", flags, io.StringIO(), Workspace(folder, {}))
    return make(inputs, workspace)


def planned(folder: Path, *flags: str) -> PytestPlan:
    found = plan(folder, *flags)
    assert isinstance(found, PytestPlan)
    return found


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("pytest.ini", "[pytest]\ntestpaths = a 'b c'"),
        ("tox.ini", "[pytest]\ntestpaths =\n    a\n    'b c'"),
        ("setup.cfg", "[tool:pytest]\ntestpaths = a 'b c'"),
        ("pyproject.toml", "[tool.pytest.ini_options]\ntestpaths = ['a', 'b c']"),
        ("pyproject.toml", "[tool.pytest]\ntestpaths = ['?', 'b*']"),
        ("pytest.toml", "[pytest]\ntestpaths = ['a', 'b c']"),
    ],
)
def test_pytests_own_configuration_names_the_tests(folder: Path, file: str, text: str) -> None:
    write(folder, {file: text, "a/test_a.py": "", "b c/test_b.py": "", "tests/test_c.py": ""})
    found = planned(folder)
    assert (found.tests, found.is_named) == (("a", "b c"), False)


@pytest.mark.parametrize(
    "files",
    [
        {"pytest.ini": "", "tox.ini": "[pytest]\ntestpaths = a"},
        {"pyproject.toml": "[tool.ruff]", "setup.cfg": "[metadata]\nname = x"},
    ],
)
def test_without_testpaths_the_folder_of_tests_is_used(folder: Path, files: dict[str, str]) -> None:
    assert isinstance(plan(folder), Nothing)
    write(folder, {**files, "tests/test_a.py": "", "a/b": ""})
    assert planned(folder).tests == ("tests",)


def test_inputs_come_before_the_configuration(folder: Path) -> None:
    write(folder, {"pytest.ini": "[pytest]\ntestpaths = a", "b/test_b.py": "", "tests/test_c.py": ""})
    found = planned(folder, "--tests", "b/test_b.py::test_x", "tests")
    assert (found.tests, found.is_named) == (("b/test_b.py::test_x", "tests"), True)
    assert list(found.lines()) == ["run the tests in `b/test_b.py::test_x`, `tests`"]


@pytest.mark.parametrize(
    "stored",
    ['"outputs": [{"output_type": "stream", "name": "stdout", "text": "1"}]', '"outputs": [], "execution_count": 1'],
    ids=["outputs", "count"],
)
def test_nbval_gets_the_notebooks_that_are_executed(folder: Path, stored: str) -> None:
    text = notebook("print(1)").replace('"cell_type"', f'{stored}, "cell_type"')
    write(folder, {"a.ipynb": text, "b.ipynb": text, "c.ipynb": text})
    write(folder, {"notebook-ci.toml": "[execute-notebook]\nexclude = ['b.ipynb']\n"})
    found = planned(folder, "--nbval", "strict")
    assert (found.notebooks, found.tests, found.is_named) == (("a.ipynb", "c.ipynb"), (), True)
    assert planned(folder, "--nbval=lax", "--notebooks=b.ipynb", "--exclude=x.ipynb").notebooks == ("b.ipynb",)


def test_tests_can_be_left_out(folder: Path) -> None:
    """As in all shards but the first one: what nbval checks is not left out."""
    outputs = '"outputs": [{"output_type": "stream", "name": "stdout", "text": "1"}]'
    text = notebook("print(1)").replace('"cell_type"', f'{outputs}, "cell_type"')
    write(folder, {"a.ipynb": text, "tests/test_a.py": ""})
    nothing = plan(folder, "--tests", "none")
    assert isinstance(nothing, Nothing)
    assert nothing.reason == "`tests` is `none`, and `nbval` is off."
    found = planned(folder, "--tests", "none", "--nbval", "strict")
    assert (found.notebooks, found.tests) == (("a.ipynb",), ())


STRIPPED = "`a.ipynb` has no stored outputs of these cells, so nbval cannot compare them: 1. To store them, "
STRIPPED += f"{HOW_TO_STORE}. Or: Add"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            ["--tests", "test/test_a.py"],
            "`tests` lists `test/test_a.py`, which does not exist. Did you mean `tests/test_",
        ),
        (["--nbval", "strict"], STRIPPED),
        (["--nbval", "strict", "--notebooks", "x.ipynb"], "No notebook matches `x.ipynb`"),
        (
            ["--nbval", "strict", "--notebooks", "b.py"],
            "`b.py` is a text file, which stores no outputs, so nbval cannot",
        ),
        (
            ["--nbval", "strict", "--notebooks", "of_r.ipynb"],
            "`of_r.ipynb` is written in `r`, which nbval would run as Python. Add it to `exclude` in `[test-notebook]`",
        ),
        (
            ["--nbval", "lax", "--nbval-sanitize", "x.cfg", "--exclude", "of_r.ipynb"],
            "`x.cfg` does not exist. Correct `nbval-sanitize`.",
        ),
        (
            ["--nbval-sanitize", "x.cfg"],
            "`nbval-sanitize` is set, but `nbval` is off. Set `nbval` to `strict` or `lax`.",
        ),
        (["--nbval", "yes"], "`--nbval` does not accept `yes`. Use `off` or `strict` or `lax`."),
        (
            ["--pytest-args=-k 'a"],
            "`--pytest-args` does not accept `-k 'a`. Use arguments as in a shell, with quotes in",
        ),
        (["--test-timeout", "0"], "`--test-timeout` does not accept `0`. Use a number of seconds above 0"),
        (["--workers", "0"], "`--workers` does not accept `0`. Use `auto` or a whole number from 1 to"),
    ],
)
def test_wrong_inputs(folder: Path, flags: list[str], said: str) -> None:
    write(folder, {"a.ipynb": notebook("1"), "tests/test_a.py": "", "b.py": "# %%\n1\n"})
    write(folder, {"of_r.ipynb": notebook("1", kernelspec={"language": "R"})})
    with pytest.raises(InputError) as caught:
        plan(folder, *flags)
    assert f"{caught.value.message} {caught.value.hint}".startswith(said)


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("pytest.ini", "[pytest]\ntestpaths = x y", "`testpaths` in `pytest.ini` is `x y`, which does not exist."),
        ("tox.ini", "testpaths = x", "`tox.ini` is not a valid INI file: "),
        ("pyproject.toml", "[tool", "`pyproject.toml` is not valid TOML: "),
    ],
)
def test_a_wrong_configuration(folder: Path, file: str, text: str, said: str) -> None:
    write(folder, {file: text, "tests/test_a.py": ""})
    with pytest.raises(InputError) as caught:
        plan(folder)
    assert caught.value.message.startswith(said)
    assert caught.value.file == file


def test_a_stripped_notebook_is_fine_where_nothing_is_compared(folder: Path) -> None:
    write(folder, {"a.ipynb": notebook("1"), "b.ipynb": notebook("# NBVAL_CHECK_OUTPUT\n1")})
    assert planned(folder, "--nbval", "lax", "--notebooks", "a.ipynb").notebooks == ("a.ipynb",)
    with pytest.raises(InputError, match=r"`b\.ipynb` has no stored outputs"):
        plan(folder, "--nbval", "lax")


def test_a_cell_without_stored_outputs_among_others_is_refused_unless_it_is_not_compared(folder: Path) -> None:
    """nbval would pass it whatever it shows."""
    ran = {"cell_type": "code", "metadata": {}, "source": "1", "execution_count": 1, "outputs": []}
    for other, is_refused in (
        ({"execution_count": None}, True),
        ({"execution_count": None, "source": "# NBVAL_CHECK_OUTPUT\n2"}, True),
        ({"execution_count": None, "source": "  "}, False),
        ({"execution_count": None, "source": "# NBVAL_IGNORE_OUTPUT\n2"}, False),
        ({"execution_count": None, "source": "  # NBVAL_SKIP\n2"}, False),
        ({"execution_count": None, "metadata": {"tags": ["nbval-skip"]}}, False),
        ({"execution_count": 2}, False),
    ):
        write(folder, {"a.ipynb": json.dumps({"nbformat": 4, "metadata": {}, "cells": [ran, ran | other]}, indent=1)})
        if not is_refused:
            plan(folder, "--nbval", "strict")
            continue
        with pytest.raises(InputError) as caught:
            plan(folder, "--nbval", "strict")
        assert (caught.value.message.partition(": ")[2], caught.value.file) == ("2.", "a.ipynb")
        assert caught.value.line == 15


def test_arguments_are_divided_as_in_a_shell_and_lists_are_taken_as_they_are(folder: Path) -> None:
    def arguments(*flags: str) -> tuple[str, ...]:
        return load(PytestInputs, "test-notebook", flags, io.StringIO(), Workspace(folder, {}))[0].pytest_args

    assert arguments("--pytest-args=-x -k 'not slow'") == ("-x", "-k", "not slow")
    write(folder, {"notebook-ci.toml": '[test-notebook]\npytest-args = ["-k", "not slow"]\n'})
    assert arguments() == ("-k", "not slow")
