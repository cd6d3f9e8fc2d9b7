"""Notebooks that need others."""

import re
from pathlib import Path

import pytest

from execute_notebook import STAGE
from integration.execute_notebook.scheduled import begun, errors, stamp, statuses
from integration.refusals import run_here
from integration.suite import Workspace, notebook


def test_what_is_needed_runs_before(workspace: Workspace, kernel: Path) -> None:
    for name in ("a-report", "b-train", "c-data"):
        workspace.write(f"{name}.ipynb", notebook(f"import time\ntime.sleep(0.2)\n{stamp(name)}"))
    done = workspace.execute(kernel, workers="3", needs="a-report.ipynb: [b-train.ipynb]\nb-train.ipynb: c-data.ipynb")
    assert done.code == 0, done.log
    assert begun(workspace) == ["c-data", "b-train", "a-report"]
    assert list(done.notebooks) == ["c-data.ipynb", "b-train.ipynb", "a-report.ipynb"]


def test_what_needs_one_that_failed_is_skipped_and_what_needs_that(workspace: Workspace, kernel: Path) -> None:
    workspace.write("data.ipynb", notebook("1 / 0"))
    workspace.write("train.ipynb", notebook("open('ran-train', 'w')"))
    workspace.write("report.ipynb", notebook("open('ran-report', 'w')"))
    workspace.write("other.ipynb", notebook("print('ran')"))
    done = workspace.execute(kernel, needs="{train.ipynb: [data.ipynb], report.ipynb: [train.ipynb, other.ipynb]}")
    assert done.code == 1, done.log
    assert statuses(done) == {
        "data.ipynb": "failed",
        "other.ipynb": "passed",
        "train.ipynb": "skipped",
        "report.ipynb": "skipped",
    }
    assert {name: found["skipped_for"] for name, found in done.notebooks.items()} == {
        "data.ipynb": "",
        "other.ipynb": "",
        "train.ipynb": "data.ipynb",
        "report.ipynb": "train.ipynb",
    }
    assert not list(workspace.folder.glob("ran-*"))
    assert not (Path(done.outputs["output-dir"]) / "train.ipynb").exists()
    assert "- train.ipynb · skipped: data.ipynb, which it needs, did not pass" in done.log
    assert "- report.ipynb · skipped: train.ipynb, which it needs, did not pass" in done.log
    assert re.search(r"report\.ipynb.*needs `train\.ipynb`", done.summary), done.summary
    assert (done.outputs["executed"], done.outputs["failed"]) == ("2", "1")


def test_an_invalid_notebook_that_is_needed(workspace: Workspace, kernel: Path) -> None:
    workspace.write("data.ipynb", "{")
    workspace.write("train.ipynb", notebook("1"))
    done = workspace.execute(kernel, needs="train.ipynb: [data.ipynb]")
    assert (done.code, statuses(done)) == (1, {"data.ipynb": "failed", "train.ipynb": "skipped"}), done.log


def test_needs_as_a_table_of_the_file_of_inputs(workspace: Workspace, kernel: Path) -> None:
    workspace.write("a.ipynb", notebook(stamp("a")))
    workspace.write("z.ipynb", notebook(stamp("z")))
    workspace.write("notebook-ci.toml", "[execute-notebook.needs]\n'a.ipynb' = ['z.ipynb']\n")
    done = workspace.execute(kernel, workers="2")
    assert (done.code, begun(workspace)) == (0, ["z", "a"]), done.log


def test_globs_on_both_sides(workspace: Workspace, kernel: Path) -> None:
    names = ("prepare/1", "prepare/2", "report/1", "report/2")
    log = str(workspace.folder / "log")
    for name in names:
        workspace.write(
            f"{name}.ipynb", notebook(f"import time; time.sleep(0.2)\nopen({log!r}, 'a').write('{name}\\n')")
        )
    done = workspace.execute(
        kernel, workers="4", execution_order="parallel", needs="'report/*.ipynb': ['prepare/*.ipynb']"
    )
    assert done.code == 0, done.log
    assert {name.split("/")[0] for name in begun(workspace)[:2]} == {"prepare"}
    assert sorted(begun(workspace)) == sorted(names)


def test_a_glob_that_matches_the_notebook_itself(workspace: Workspace, kernel: Path) -> None:
    for name in "abc":
        workspace.write(f"{name}.ipynb", notebook(stamp(name)))
    done = workspace.execute(kernel, workers="3", needs="{b.ipynb: ['*.ipynb'], '[bc].ipynb': [c.ipynb]}")
    assert done.code == 0, done.log
    assert begun(workspace)[-1] == "b", "it needs all the others"


def test_a_needed_notebook_that_is_not_chosen_is_not_waited_for(workspace: Workspace, kernel: Path) -> None:
    workspace.write("data.ipynb", notebook("open('ran', 'w')"))
    workspace.write("train.ipynb", notebook("1"))
    done = workspace.execute(kernel, notebooks="train.ipynb", needs="train.ipynb: [data.ipynb]")
    assert (done.code, statuses(done)) == (0, {"train.ipynb": "passed"}), done.log
    assert not (workspace.folder / "ran").exists()
    [notice] = done.annotations("notice")
    assert notice.message == "`needs` lists `data.ipynb`, which is not run this time; dependents start without it."


@pytest.mark.parametrize(
    ("needs", "said"),
    [
        ("train.ipynb: [dat.ipynb]", "lists `dat.ipynb`, which matches no notebook. Did you mean `data.ipynb`?"),
        ("trian.ipynb: [data.ipynb]", "`trian.ipynb`, which matches no notebook. Did you mean `train.ipynb`?"),
        ("'x/*.ipynb': [data.ipynb]", "`needs` lists `x/*.ipynb`, which matches no notebook."),
        (
            "{train.ipynb: [data.ipynb], data.ipynb: [train.ipynb]}",
            "Notebooks need each other in a circle: data.ipynb needs train.ipynb needs data.ipynb. Correct `needs`.",
        ),
        ("train.ipynb: [train.ipynb]", "Notebooks need each other in a circle: train.ipynb needs train.ipynb."),
        ("train.ipynb: 5", "`needs` has `5` for `train.ipynb`, not a name or a list of names."),
        ("train.ipynb: [[data.ipynb]]", "not a name or a list of names."),
        ("train.ipynb: {data.ipynb: x}", "not a name or a list of names."),
        ("train.ipynb:", "`needs` has `null` for `train.ipynb`"),
        ("[train.ipynb]", "`needs` is a list, not a map."),
        ("train.ipynb: [data.ipynb", "`needs` is not valid YAML"),
    ],
)
def test_needs_that_cannot_be_met(workspace: Workspace, needs: str, said: str) -> None:
    for name in ("data", "train"):
        workspace.write(f"{name}.ipynb", notebook("open('ran', 'w')"))
    done = run_here(workspace, STAGE, {"needs": needs})
    [error] = errors(done)
    assert said in error or _circle(error) == _circle(said) != [], error
    assert (done.code, done.outputs["status"]) == (2, "error")
    assert not (workspace.folder / "ran").exists()


def _circle(message: str) -> list[str]:
    """Return the notebooks of the circle in a message, wherever it begins."""
    found = re.search(r"Notebooks need each other in a circle: (.*?\.ipynb)\. ", message)
    return sorted(found[1].split(" needs ")[1:]) if found else []
