"""Two real environments, whose packages come from an index on loopback, and notebooks that differ between them."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.index_server import IndexServer, make_wheel, serve
from integration.suite import ROOT, Done, Workspace, line_of, notebook

NOTEBOOKS = {
    "same": "import alpha\nprint('same')",
    "differs": "import alpha\nprint(alpha.VERSION)",
    "broken": "import random\nprint(random.random())\nimport beta",
    "together": "import gamma\nprint(gamma.VERSION)",
    "removed": "import zeta",
    "fixed": "import eta",
    "both": "1 / 0",
    "random": "import random\nprint(random.random())",
    "ignored": "import alpha\nalpha.VERSION",
    "long": "import alpha\nprint(alpha.VERSION.center(200_000))",
}
BASE = "alpha==1.0\nbeta==1.0\ngamma==1.0\ndelta==1.0\nzeta==1.0\n"
HEAD = "alpha==2.0\nbeta==2.0\ngamma==2.0\ndelta==2.0\neta==1.0\n"
COMMAND = "import sys; sys.path.insert(0, sys.argv.pop(1)); from notebook_ci.command import main; main()"
TOML = """
[execute-notebook]
check-imports = "off"
max-output = "100 kB"
[[execute-notebook.for]]
notebooks = "ignored.ipynb"
compare = "off"
"""


@pytest.fixture
def index(tmp_path: Path) -> Iterator[IndexServer]:
    folder = tmp_path / "wheels"
    folder.mkdir()
    for version in ("1.0", "2.0"):
        make_wheel(folder, "alpha", version)
        make_wheel(folder, "delta", version)
        make_wheel(folder, "gamma", version, f"Requires-Dist: delta=={version}\n")
    make_wheel(folder, "beta", "1.0")
    make_wheel(folder, "beta", "2.0", more={"beta.py": "raise RuntimeError('beta 2 is broken')\n"})
    make_wheel(folder, "zeta", "1.0")
    make_wheel(folder, "eta", "1.0")
    with serve(IndexServer(folder)) as server:
        yield server


def test_two_environments(workspace: Workspace, index: IndexServer, kernel: Path) -> None:
    """One comparison, which takes long, and what it shows."""
    # Both have what the kernel's environment has, whatever is published meanwhile; its byte-code is in uv's cache.
    listing = "import importlib.metadata as m; [print(f'{each.name}=={each.version}') for each in m.distributions()]"
    installed = subprocess.run([kernel, "-c", listing], capture_output=True, text=True, check=True).stdout
    assert "ipykernel==" in installed
    for name, source in NOTEBOOKS.items():
        workspace.write(f"{name}.ipynb", notebook(source))
    for name, packages in (("requirements.txt", BASE), ("requirements.new.txt", HEAD)):
        workspace.write(name, f"--extra-index-url {index.url()}\n{packages}{installed}")
    workspace.write("notebook-ci.toml", TOML)
    done = workspace.run("compare-environments", {"head": "requirements.new.txt"})
    each_notebook_has_a_verdict_and_a_culprit(done)
    annotations_and_table_show_them(workspace, done)
    all_runs_are_kept(workspace, done)
    the_command_prints_the_table(workspace)
    the_same_packages_need_no_run(workspace)


def by_name(done: Done) -> dict[str, dict[str, Any]]:
    return {each["name"].removesuffix(".ipynb"): each for each in done.record["notebooks"]}


def packages(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(each["name"], each["before"], each["after"]) for each in found["packages"]]


def each_notebook_has_a_verdict_and_a_culprit(done: Done) -> None:
    assert (done.code, done.outputs["status"]) == (1, "failed"), done.log
    assert (done.outputs["differing"], done.outputs["broken"]) == ("2", "2")
    found = by_name(done)
    assert {name: each["verdict"] for name, each in found.items()} == {
        "same": "same",
        "differs": "differs",
        "broken": "broken",
        "together": "differs",
        "removed": "broken",
        "fixed": "fixed",
        "both": "fails in both",
        "random": "nondeterministic",
        "ignored": "not compared",
        "long": "not compared",
    }
    assert packages(found["differs"]) == [("alpha", "1.0", "2.0")]
    assert packages(found["broken"]) == [("beta", "1.0", "2.0")]
    assert sorted(packages(found["together"])) == [("delta", "1.0", "2.0"), ("gamma", "1.0", "2.0")]
    assert packages(found["removed"]) == [("zeta", "1.0", "")]
    assert not any(found[name]["packages"] for name in ("same", "fixed", "both", "random"))


def annotations_and_table_show_them(workspace: Workspace, done: Done) -> None:
    errors = {each.place[0]: each for each in done.annotations()}
    assert errors.keys() == {"differs.ipynb", "broken.ipynb", "together.ipynb", "removed.ipynb", "long.ipynb"}
    assert errors["long.ipynb"].message == "Outputs were left out: more than `max-output`."
    broken = errors["broken.ipynb"]
    assert broken.properties["title"] == "Broken by beta 1.0 -> 2.0"
    assert "beta 2 is broken" in broken.message
    assert broken.place[1] == line_of(workspace.folder / "broken.ipynb", "import beta")
    assert "Cell 1: `stdout`: `1.0` became `2.0`" in errors["differs.ipynb"].message
    assert "differs by alpha 1.0 -> 2.0" in done.summary
    assert "broken by removed zeta 1.0" in done.summary


def all_runs_are_kept(workspace: Workspace, done: Done) -> None:
    run = Path(done.outputs["record"]).parent
    assert done.record["trials"] <= 6
    assert len(done.record["changes"]) == 6
    assert len(list(run.glob("execute-notebook-trial-*.json"))) == done.record["trials"]
    for name in ("base", "head", "base-again"):
        assert (run / "compare-environments" / name / "differs.ipynb").is_file()
    page = (run / "compare-environments" / "head" / "differs.changes.html").read_text()
    assert "<del>-1.0</del>\n<ins>+2.0</ins>" in page
    assert not workspace.leftovers()


def the_command_prints_the_table(workspace: Workspace) -> None:
    """As in a terminal: `notebook-ci compare-environments`."""
    base = (workspace.folder / "requirements.txt").read_text()
    workspace.write("beta.txt", base.replace("beta==1.0", "beta==2.0"))
    arguments = (
        "compare-environments --base requirements.txt --head beta.txt --notebooks same.ipynb broken.ipynb both.ipynb"
    )
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, ROOT / "scripts", *arguments.split()],
        cwd=workspace.folder,
        env=workspace.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    table = ["both.ipynb    fails in both", "broken.ipynb  broken by beta 1.0 -> 2.0", "same.ipynb    same"]
    line, *shown = done.stdout.splitlines()
    assert re.fullmatch(r"✗ compare-environments .+  1 failure", line)
    assert shown == [f"  {each}" for each in table]


def the_same_packages_need_no_run(workspace: Workspace) -> None:
    workspace.write("copy.txt", (workspace.folder / "requirements.txt").read_text() + "# the same\n")
    done = workspace.run("compare-environments", {"head": "copy.txt"})
    assert (done.code, done.outputs["status"]) == (0, "passed"), done.log
    [notice] = done.annotations("notice")
    assert notice.message == "Both files give the same environment, so no notebook was run."
    assert done.record["notebooks"] == []


def test_a_lock_that_cannot_be_installed(workspace: Workspace, index: IndexServer) -> None:
    workspace.write("a.ipynb", notebook("1"))
    workspace.write("requirements.new.txt", "ipykernel\n")
    workspace.write("wrong.txt", f"--extra-index-url {index.url()}\ngamma==2.0\ndelta<2\n")
    done = workspace.run("compare-environments", {"base": "wrong.txt", "head": "requirements.new.txt"})
    assert (done.code, done.outputs["status"]) == (2, "error")
    [error] = done.annotations()
    assert error.message.startswith("`wrong.txt` contradicts itself: `gamma>=2.0` needs `delta==2.0`")
    assert error.place == ("wrong.txt", 3)
