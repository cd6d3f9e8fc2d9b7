"""Disks that are full while notebooks run: they are named, and no notebook costs another one its results."""

import re
from pathlib import Path

import pytest

from integration.suite import Workspace, code, notebook, private_mount

# The room of its own connection file would be enough for that of the next one.
FILL = """
import ipykernel, os
os.remove(ipykernel.get_connection_file())
with open(os.environ["D"] + "/big", "wb", buffering=0) as big:
    while big.write(bytes(512)):
        pass
"""
SPACE = "Free some disk space, or set `TMPDIR` to another folder."


def small(options: str, *commands: str) -> list[str]:
    return private_mount(f'mount -t tmpfs -o {options} tmpfs "$D"', *commands)


@pytest.mark.parametrize(("start", "files"), [("fork", 2), ("fork", 4), ("fork", 7), ("spawn", 4), ("spawn", 5)])
def test_a_full_temporary_folder(workspace: Workspace, kernel: Path, start: str, files: int) -> None:
    """Wherever it is that nothing can be written any more."""
    workspace.write("a.ipynb", notebook("print('a')"))
    inputs, environ = {"python": str(kernel), "kernel-start": start}, {"D": str(workspace.tmp)}
    done = workspace.run("execute-notebook", inputs, environ=environ, prefix=small(f"nr_inodes={files}"))
    assert done.code == 3, done.log
    assert "Traceback" not in done.log
    [error] = done.annotations()
    said = rf"No space left on device \(`{workspace.tmp}\S* has room for \d+ more files\)\. {SPACE}"
    assert re.search(said, error.message), error.message
    assert (done.outputs["status"], done.record["status"]) == ("error", "error")
    assert not workspace.leftovers()


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_notebook_that_fills_the_temporary_folder(workspace: Workspace, kernel: Path, start: str) -> None:
    workspace.write("a.ipynb", notebook("print('first')"))
    workspace.write("b.ipynb", notebook(code(FILL, "raises-exception"), "print('second')"))
    workspace.write("c.ipynb", notebook("print('third')"))
    inputs = {"python": str(kernel), "kernel-start": start, "workers": "1"}
    done = workspace.run("execute-notebook", inputs, environ={"D": str(workspace.tmp)}, prefix=small("size=1m"))
    assert done.code == 3, done.log
    assert [done.notebooks[f"{name}.ipynb"]["status"] for name in "abc"] == ["passed", "passed", "failed"], done.log
    assert done.notebooks["c.ipynb"]["failure"]["kind"] == "surroundings"
    assert done.printed("b.ipynb").endswith("second\n")
    [error] = done.annotations()
    assert error.place[0] == "c.ipynb"
    assert re.search(rf"No space left on device \(`{workspace.tmp}\S* has [\d.]+ k?B left\)\. {SPACE}", error.message)


def test_a_temporary_folder_with_room_enough(workspace: Workspace, kernel: Path) -> None:
    workspace.write("a.ipynb", notebook("print('a')"))
    prefix = small("size=1m,nr_inodes=60")
    done = workspace.run("execute-notebook", {"python": str(kernel)}, environ={"D": str(workspace.tmp)}, prefix=prefix)
    assert (done.code, done.printed("a.ipynb")) == (0, "a\n"), done.log


def test_one_that_cannot_be_saved_does_not_end_the_others(workspace: Workspace, kernel: Path) -> None:
    out = workspace.folder / "out"
    out.mkdir()
    big = "print('x' * 3_000_000)"
    for name, cells in {
        "a": ["print('small')"],
        "b": [big],
        "c": [big, "1 / 0"],
        "d": ["open('ran', 'w').close()"],
        "e": ["1 / 0"],
    }.items():
        workspace.write(f"{name}.ipynb", notebook(*cells))
    inputs = {"python": str(kernel), "output-dir": "out", "needs": "d.ipynb: a.ipynb\nf.ipynb: b.ipynb"}
    workspace.write("f.ipynb", notebook("open('ran-without-b', 'w').close()"))
    done = workspace.run("execute-notebook", inputs, environ={"D": str(out)}, prefix=small("size=1m"))
    assert done.code == 3, done.log
    assert "notebook_ci/" not in done.log
    results = {name.removesuffix(".ipynb"): result for name, result in done.notebooks.items()}
    assert {name: result["status"] for name, result in results.items()} == {
        "a": "passed",
        "b": "failed",
        "c": "failed",
        "d": "passed",
        "e": "failed",
        "f": "skipped",
    }
    assert [results[name]["failure"]["kind"] for name in "bce"] == ["surroundings", "cell-error", "cell-error"]
    assert (workspace.folder / "ran").exists()
    assert not (workspace.folder / "ran-without-b").exists()
    errors = {name: [each.message for each in done.annotations() if each.place[0] == f"{name}.ipynb"] for name in "bce"}
    for name in "bc":
        said = f"The executed notebook `{out}/{name}.ipynb` cannot be saved: No space left on device (`{out}` has "
        [unsaved] = [message for message in errors[name] if message.startswith(said)]
        assert unsaved.endswith(" left). Free some disk space, or set `output-dir` to another folder.")
    assert [len(errors[name]) for name in "bce"] == [1, 2, 1]
    assert (done.outputs["status"], done.record["status"], done.outputs["failed"]) == ("error", "error", "3")
    assert not workspace.leftovers()
