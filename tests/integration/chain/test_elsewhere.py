"""What Linux alone has is not needed: a copy of the suite that takes this machine for another one, as macOS is."""

import shutil
import signal
from pathlib import Path

import pytest

from integration.suite import ROOT, Workspace, line_of, notebook, parameters, wait_until

IS_LINUX = 'LINUX = sys.platform == "linux"\n'


@pytest.fixture
def elsewhere(workspace: Workspace) -> Workspace:
    """A workspace whose stages know nothing of Linux."""
    workspace.suite = workspace.base / "suite"
    shutil.copytree(ROOT / "scripts", workspace.suite / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    (workspace.suite / "requirements").symlink_to(ROOT / "requirements")
    file = workspace.suite / "scripts" / "notebook_ci" / "base" / "process.py"
    text = file.read_text(encoding="utf-8")
    assert IS_LINUX in text
    file.write_text(text.replace(IS_LINUX, "LINUX = False\n"), encoding="utf-8")
    return workspace


def test_kernels_are_started(elsewhere: Workspace, kernel: Path) -> None:
    elsewhere.write("a.ipynb", notebook(parameters("n = 1"), "print(n)"))
    failing = elsewhere.write("b.ipynb", notebook("print('b')", "\n1 / 0"))
    elsewhere.write("c.ipynb", "{")
    done = elsewhere.execute(kernel, parameters="n: 2", workers="2", preload="json")
    assert (done.code, done.outputs["executed"], done.outputs["failed"]) == (1, "3", "2"), done.log
    assert done.printed("a.ipynb") == "2\n"
    assert [found["kernel_start"] for found in done.record["notebooks"]] == ["spawn", "spawn", ""]
    assert [error.place for error in done.annotations()] == [("b.ipynb", line_of(failing, "1 / 0")), ("c.ipynb", 1)]
    assert [notice.message for notice in done.annotations("notice")] == [
        "`preload` has no effect: kernels are started, not forked."
    ]
    assert not elsewhere.processes()
    assert not elsewhere.leftovers()


def test_who_asks_for_forked_ones_is_told(elsewhere: Workspace, kernel: Path) -> None:
    elsewhere.write("a.ipynb", notebook("1"))
    done = elsewhere.execute(kernel, kernel_start="fork", html="true")
    assert done.code == 0, done.log
    assert done.notebooks["a.ipynb"]["html"], "workers load what pages need themselves"
    assert [notice.message for notice in done.annotations("notice")] == [
        "Kernels are started, not forked: only Linux can fork them."
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_runs_on(elsewhere: Workspace, kernel: Path, number: int) -> None:
    for name in "ab":
        busy = f"import subprocess, time\nsubprocess.Popen(['sleep', '88.25'])\nopen('{name}', 'w')\ntime.sleep(60)"
        elsewhere.write(f"{name}.ipynb", notebook(busy))
    process = elsewhere.start("execute-notebook", {"python": str(kernel), "workers": "2"})
    assert wait_until(lambda: all((elsewhere.folder / name).exists() for name in "ab"))
    process.send_signal(number)
    done = elsewhere.end(process)
    assert wait_until(lambda: not elsewhere.processes()), elsewhere.processes()
    assert wait_until(lambda: not elsewhere.leftovers()), elsewhere.leftovers()
    if number == signal.SIGTERM:
        assert done.code == 128 + number
        assert {found["failure"]["kind"] for found in done.record["notebooks"]} == {"cancelled"}
