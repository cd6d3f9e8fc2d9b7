"""Parameters reach the notebooks that declare them, with the types that YAML gives them."""

import re
from pathlib import Path
from typing import Any

import pytest

from execute_notebook import STAGE
from integration.refusals import run_here
from integration.suite import Done, Workspace, notebook, parameters
from servers.shared import made_once

TELL = 'import json\nprint(json.dumps({name: globals().get(name, "missing") for name in NAMES.split()}))'
SHOW = "print([repr(value) for value in (yes, no, none, whole, small, octal, text, items, table, day)])"


@pytest.fixture(scope="module")
def with_parameters(tmp_path_factory: pytest.TempPathFactory, kernel: Path) -> tuple[Workspace, Done]:
    return made_once(tmp_path_factory, "parameters", lambda folder: execute_all(Workspace(folder), kernel))


def execute_all(workspace: Workspace, kernel: Path) -> tuple[Workspace, Done]:
    workspace.write("params.yaml", "alpha: 1\nbeta: from file\n")
    workspace.write("one.ipynb", notebook(parameters("alpha = 0\nbeta = ''"), "NAMES = 'alpha beta gamma'\n" + TELL))
    workspace.write(
        "sub/two.ipynb", notebook(parameters("beta = ''\ngamma: int = 0"), "NAMES = 'alpha beta gamma'\n" + TELL)
    )
    workspace.write("three.ipynb", notebook("NAMES = 'alpha beta gamma'\n" + TELL))
    names = "yes no none whole small octal text items table day"
    workspace.write("types.ipynb", notebook(parameters("\n".join(f"{name} = 0" for name in names.split())), SHOW))
    done = workspace.execute(
        kernel,
        parameters_file="params.yaml",
        parameters="beta: from input\ngamma: 3\nyes: true\nno: no\nnone: null\nwhole: 12\nsmall: 1e-3\noctal: 01234\n"
        'text: "it\'s\\n\\"ü\\" 🐧 ${HOME} `x`"\nitems: [1, [2.5, x], ~]\ntable: {a: {b: true}}\nday: 2024-02-29\n',
    )
    return workspace, done


def test_each_notebook_gets_what_it_declares(with_parameters: tuple[Workspace, Done]) -> None:
    _, done = with_parameters
    assert (done.code, done.outputs["executed"], done.outputs["failed"]) == (0, "4", "0"), done.log
    assert done.values("one.ipynb") == {"alpha": 1, "beta": "from input", "gamma": "missing"}
    assert done.values("sub/two.ipynb") == {"alpha": "missing", "beta": "from input", "gamma": 3}
    assert done.values("three.ipynb") == {"alpha": "missing", "beta": "missing", "gamma": "missing"}
    assert done.notebooks["one.ipynb"]["parameters"] == {"alpha": 1, "beta": "from input"}
    assert done.notebooks["three.ipynb"]["parameters"] == {}
    assert done.record["inputs"]["parameters"]["alpha"] == 1
    assert "params.yaml" in done.record["read"]


def test_types_arrive_as_yaml_1_2_has_them(with_parameters: tuple[Workspace, Done]) -> None:
    _, done = with_parameters
    text = 'it\'s\n"ü" 🐧 ${HOME} `x`'
    items, table = [1, [2.5, "x"], None], {"a": {"b": True}}
    shown = (True, "no", None, 12, 0.001, 1234, text, items, table, "2024-02-29")
    assert done.printed("types.ipynb").strip() == str([repr(value) for value in shown])


def test_the_injected_cell_stands_behind_the_defaults_and_is_no_cell_of_the_author(
    with_parameters: tuple[Workspace, Done],
) -> None:
    _, done = with_parameters
    tags = [cell["metadata"]["tags"] for cell in done.executed("one.ipynb")["cells"]]
    assert tags == [["parameters"], ["injected-parameters"], []]
    assert [done.notebooks["one.ipynb"][name] for name in ("cells", "executed_cells")] == [2, 2]


def test_notebooks_stand_in_sorted_order(with_parameters: tuple[Workspace, Done]) -> None:
    _, done = with_parameters
    order = ["one.ipynb", "sub/two.ipynb", "three.ipynb", "types.ipynb"]
    assert list(done.notebooks) == order
    told = re.findall(r"^✓ (.*) · \d+\.\d s$", done.log, re.MULTILINE)
    assert sorted(told) == order, "one line a notebook"


@pytest.mark.parametrize("others", [{}, {"second.ipynb": parameters("beta = 1")}], ids=["one", "two notebooks"])
def test_a_parameter_that_no_notebook_declares(workspace: Workspace, others: dict[str, Any]) -> None:
    workspace.write("first.ipynb", notebook(parameters("alpha = 1"), "open('ran', 'w')"))
    for name, cell in others.items():
        workspace.write(name, notebook(cell, "open('ran', 'w')"))
    done = run_here(workspace, STAGE, {"parameters": "alpha: 2\nalfa: 2"})
    names = "`alpha`, `beta`" if others else "`alpha`"
    [error] = done.annotations()
    assert error.message == (
        f"No notebook declares the parameter `alfa`. Did you mean `alpha`? Parameters are the names assigned in the "
        f"cell tagged `parameters`: {names}."
    )
    assert (done.code, done.outputs["status"], done.outputs["executed"]) == (2, "error", "0")
    assert not (workspace.folder / "ran").exists()
