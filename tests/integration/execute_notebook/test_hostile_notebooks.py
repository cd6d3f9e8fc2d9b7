"""Whatever a notebook prints or is called, the runner does not obey it."""

import re
from pathlib import Path

import pytest

from integration.suite import Done, Workspace, notebook, parameters
from servers.shared import made_once

ATTACKS = (
    "::error::obeyed",
    "  ::set-output name=status::obeyed",
    "x ##[error]obeyed",
    "::add-mask::passed",
    "::stop-commands::obeyed",
    "\r::error file=x,line=1::obeyed",
)
ATTACK = "\n".join(ATTACKS)
HOSTILE = {
    "attack.ipynb": notebook(
        f"ATTACK = {ATTACK!r}\nprint(ATTACK)",
        "import sys\nprint(ATTACK, file=sys.stderr)",
        "import os\nfor n in (1, 2): os.write(n, ATTACK.encode())",
        "import subprocess\nsubprocess.run(['printf', '%s', ATTACK])",
        "from IPython.display import display\n"
        "metrics = {ATTACK: 1, '::error::obeyed': 2, 'x ##[error]obeyed': 'x'}\n"
        "display({'application/vnd.notebook-ci.metrics+json': metrics}, raw=True)",
        "display({'application/scrapbook.scrap.json+json': {'name': 'a', 'data': ATTACK}}, raw=True)",
        "class Odd(Exception): pass\nOdd.__name__ = Odd.__qualname__ = '::error::obeyed'\n"
        "raise Odd(ATTACK)  # ##[error]obeyed",
    ),
    "return.ipynb": notebook("raise ValueError('a\\r::error::obeyed')"),
    "dies.ipynb": notebook(f"import os\nos.write(2, {ATTACK!r}.encode())\nos._exit(1)"),
    "::error::obeyed.ipynb": notebook("1 / 0"),
    "x\n::error::obeyed.ipynb": notebook("1"),
    "x\r::error::obeyed\n##[error]obeyed.ipynb": notebook(
        "1 / 0", metadata={"kernelspec": {"name": "\r::error::obeyed"}}
    ),
    "z##[error]obeyed.ipynb": notebook(
        "1", metadata={"kernelspec": {"name": "x ##[error]obeyed", "language": "::error::obeyed"}}
    ),
}


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory, kernel: Path) -> Done:
    return made_once(tmp_path_factory, "attacked", lambda folder: attack(Workspace(folder), kernel))


def attack(workspace: Workspace, kernel: Path) -> Done:
    for name, content in HOSTILE.items():
        workspace.write(name, content)
    return workspace.execute(kernel)


def test_nothing_a_notebook_prints_is_obeyed(attacked: Done) -> None:
    assert attacked.outputs["executed"] == "7"
    for command in attacked.commands:
        assert command.name in {"error", "notice", "warning"}, command
        assert not re.fullmatch(r"\W*obeyed(\.ipynb)?.*", command.message), command
    assert attacked.outputs["status"] == "failed"
    # The attacks did reach the log, where it is fenced: the check above can fail.
    assert "::set-output name=status::obeyed" in attacked.log


def test_annotations_of_odd_names_are_still_in_place(attacked: Done) -> None:
    files = [error.place[0] for error in attacked.annotations()]
    assert "::error::obeyed.ipynb" in files
    assert "x\r::error::obeyed\n##[error]obeyed.ipynb" in files


def test_a_subprocess_prints_not_into_the_log(workspace: Workspace, kernel: Path) -> None:
    workspace.write(
        "a.ipynb",
        notebook("import os, subprocess\nos.write(1, b'written to 1')\nsubprocess.run(['echo', 'by a child'])"),
    )
    done = workspace.execute(kernel)
    assert done.code == 0
    assert "written to 1" not in "\n".join(command.message for command in done.commands)
    assert "by a child" not in done.log


LOOK = """
import json, os
found, pid = {}, os.getpid()
while pid > 1:
    with open(f'/proc/{pid}/environ', 'rb') as file:
        found[pid] = file.read().decode(errors='replace')
    with open(f'/proc/{pid}/stat') as file:
        pid = int(file.read().rpartition(')')[2].split()[1])
print(json.dumps({'names': sorted(os.environ), 'ancestors': list(found.values())}))
"""


def test_a_notebook_finds_no_inputs_and_no_way_to_speak_for_the_step(workspace: Workspace, kernel: Path) -> None:
    workspace.write("a.ipynb", notebook(parameters("secret = 0"), LOOK))
    tokens = {"ACTIONS_RUNTIME_TOKEN": "t0ken", "INPUT_SECRET": "t0ken"}
    done = workspace.execute(kernel, tokens, parameters="secret: hidden-value")
    told = done.values("a.ipynb")
    assert not {"GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_PATH", "GITHUB_STATE", "GITHUB_STEP_SUMMARY"} & set(
        told["names"]
    )
    assert not {"INPUTS", *tokens} & set(told["names"])
    assert {"PATH", "HOME", "GITHUB_ACTIONS"} <= set(told["names"])
    # The script is among the ancestors; it was handed its inputs by standard input.
    assert any("GITHUB_OUTPUT=" in environ for environ in told["ancestors"])
    for environ in told["ancestors"]:
        assert "\0INPUTS=" not in "\0" + environ
        assert "hidden-value" not in environ
