"""Two real environments, of packages from a channel of conda and an index on loopback, and notebooks that differ."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration.index_server import IndexServer, make_wheel, serve
from integration.suite import ROOT, Done, Workspace, line_of, notebook
from servers.conda import Channel
from servers.conda_fixtures import channel, channel_folder  # noqa: F401 - fixtures

NOTEBOOKS = {
    "same": "import delta\nprint('same')",
    "differs": "import greet\ngreet.main()",
    "broken": "import random\nprint(random.random())\nimport beta",
    "together": "import gamma\nprint(gamma.VERSION)",
    "fixed": "import eta",
    "both": "1 / 0",
    "random": "import random\nprint(random.random())",
    "ignored": "import greet\ngreet.main()",
    "long": "import gamma\nprint(gamma.VERSION.center(200_000))",
}
BASE = "beta==1.0\ngamma==1.0\ndelta==1.0\n"
HEAD = "beta==2.0\ngamma==2.0\ndelta==2.0\neta==1.0\n"
SECONDS = 300  # a comparison of all notebooks takes 40 s on a quiet machine
# What `needs-old` requires does not fit the new `greet`.
CONDA = {"": "kernel, greet=1, needs-old", ".new": "kernel, greet=2"}
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
        make_wheel(folder, "delta", version)
        make_wheel(folder, "gamma", version, f"Requires-Dist: delta=={version}\n")
    make_wheel(folder, "beta", "1.0")
    make_wheel(folder, "beta", "2.0", more={"beta.py": "raise RuntimeError('beta 2 is broken')\n"})
    make_wheel(folder, "eta", "1.0")
    with serve(IndexServer(folder)) as server:
        yield server


def test_two_environments(workspace: Workspace, index: IndexServer, channel: Channel, kernel: Path) -> None:  # noqa: F811 - a fixture
    """One comparison, which takes long, and what it shows."""
    for name, source in NOTEBOOKS.items():
        workspace.write(f"{name}.ipynb", notebook(source))
    for name, packages in (("requirements.txt", BASE), ("requirements.new.txt", HEAD)):
        workspace.write(name, f"--extra-index-url {index.url()}\n{packages}")
    for name, listed in CONDA.items():
        pip = f"{{pip: ['-r requirements{name}.txt']}}"
        text = f"channels: ['{channel.url}']\ndependencies: [python, {listed.replace('=', ' =')}, {pip}]\n"
        workspace.write(f"environment{name}.yml", text)
    workspace.write("notebook-ci.toml", TOML)
    process = workspace.start("compare-environments", {"base": "environment.yml", "head": "environment.new.yml"})
    done = workspace.end(process, timeout=SECONDS)
    each_notebook_has_a_verdict_and_a_culprit(done)
    annotations_and_table_show_them(workspace, done)
    all_runs_are_kept(workspace, done)
    the_command_prints_the_table(workspace, kernel)
    the_same_packages_need_no_run(workspace)


def by_name(done: Done) -> dict[str, dict[str, Any]]:
    return {each["name"].removesuffix(".ipynb"): each for each in done.record["notebooks"]}


def packages(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(each["name"], each["before"], each["after"]) for each in found["packages"]]


def each_notebook_has_a_verdict_and_a_culprit(done: Done) -> None:
    assert (done.code, done.outputs["status"]) == (1, "failed"), done.log
    assert (done.outputs["differing"], done.outputs["broken"]) == ("2", "1")
    found = by_name(done)
    assert {name: each["verdict"] for name, each in found.items()} == {
        "same": "same",
        "differs": "differs",
        "broken": "broken",
        "together": "differs",
        "fixed": "fixed",
        "both": "fails in both",
        "random": "nondeterministic",
        "ignored": "not compared",
        "long": "not compared",
    }
    assert packages(found["differs"]) == [("greet", "1.0 0", "2.0 0"), ("needs-old", "1.0 0", "")]
    assert packages(found["broken"]) == [("beta", "1.0", "2.0")]
    assert sorted(packages(found["together"])) == [("delta", "1.0", "2.0"), ("gamma", "1.0", "2.0")]
    assert not any(found[name]["packages"] for name in ("same", "fixed", "both", "random", "ignored", "long"))


def annotations_and_table_show_them(workspace: Workspace, done: Done) -> None:
    errors = {each.place[0]: each for each in done.annotations()}
    assert errors.keys() == {each["path"] for each in by_name(done).values() if each["packages"]} | {"long.ipynb"}
    assert errors["long.ipynb"].message == "Outputs were left out: more than `max-output`."
    broken = errors["broken.ipynb"]
    assert broken.properties["title"] == "Broken by beta 1.0 -> 2.0"
    assert "beta 2 is broken" in broken.message
    assert broken.place[1] == line_of(workspace.folder / "broken.ipynb", "import beta")
    assert "Cell 1: `stdout`: `hello 1.0` became `hello 2.0`" in errors["differs.ipynb"].message
    assert "differs by greet 1.0 0 -> 2.0 0, removed needs-old 1.0 0" in done.summary


def all_runs_are_kept(workspace: Workspace, done: Done) -> None:
    run = Path(done.outputs["record"]).parent
    assert done.record["trials"] <= 4
    assert len(done.record["changes"]) == 6
    assert len(list(run.glob("execute-notebook-trial-*.json"))) == done.record["trials"]
    for name in ("base", "head", "base-again"):
        assert (run / "compare-environments" / name / "differs.ipynb").is_file()
    page = (run / "compare-environments" / "head" / "differs.changes.html").read_text()
    assert "<del>-hello 1.0</del>\n<ins>+hello 2.0</ins>" in page
    # uv keeps its locks of environments of conda there.
    assert not [each for each in workspace.leftovers() if not each.startswith("uv-")]


def the_command_prints_the_table(workspace: Workspace, kernel: Path) -> None:
    """As in a terminal: `notebook-ci compare-environments`. A package is only removed."""
    # Both have what the kernel's environment has, whatever is published meanwhile; its byte-code is in uv's cache.
    listing = "import importlib.metadata as m; [print(f'{each.name}=={each.version}') for each in m.distributions()]"
    installed = subprocess.run([kernel, "-c", listing], capture_output=True, text=True, check=True).stdout
    assert "ipykernel==" in installed
    base = (workspace.folder / "requirements.txt").read_text() + installed
    workspace.write("base.txt", base)
    workspace.write("removed.txt", base.replace("beta==1.0\n", ""))
    arguments = "compare-environments --base base.txt --head removed.txt --notebooks same.ipynb broken.ipynb both.ipynb"
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, ROOT / "scripts", *arguments.split()],
        cwd=workspace.folder,
        env=workspace.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    table = ["both.ipynb    fails in both", "broken.ipynb  broken by removed beta 1.0", "same.ipynb    same"]
    line, *shown = done.stdout.splitlines()
    assert re.fullmatch(r"✗ compare-environments .+  1 failure", line)
    assert shown == [f"  {each}" for each in table]


def the_same_packages_need_no_run(workspace: Workspace) -> None:
    workspace.write("copy.txt", (workspace.folder / "base.txt").read_text() + "# the same\n")
    inputs = {"base": "base.txt", "head": "copy.txt"}
    done = workspace.run("compare-environments", inputs, environ={"RUNNER_TEMP": None})  # reuses an environment
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
