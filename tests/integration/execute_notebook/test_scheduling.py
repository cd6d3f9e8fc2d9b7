"""Which notebooks run when: workers, order, and what is shown meanwhile."""

import contextlib
import json
import os
import pty
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from execute_notebook import STAGE
from integration.execute_notebook.scheduled import begun, errors, stamp, statuses
from integration.refusals import run_here
from integration.suite import ROOT, Workspace, notebook, private_mount


def meet(own: str, other: str, seconds: float = 30) -> str:
    """Return a cell that passes when another one runs at the same time."""
    return (
        f"import pathlib, time\npathlib.Path('{own}.here').touch()\nends = time.monotonic() + {seconds}\n"
        f"while not pathlib.Path('{other}.here').exists():\n"
        f"    assert time.monotonic() < ends, 'alone'\n    time.sleep(0.02)"
    )


# --- At the same time


def test_two_notebooks_run_at_the_same_time(workspace: Workspace, kernel: Path, start: str) -> None:
    workspace.write("a.ipynb", notebook(meet("a", "b")))
    workspace.write("b.ipynb", notebook(meet("b", "a")))
    done = workspace.execute(kernel, workers="2", kernel_start=start)
    assert (done.code, statuses(done)) == (0, {"a.ipynb": "passed", "b.ipynb": "passed"}), done.log
    assert done.record["workers"] == 2
    assert "Executing 2 notebooks, 2 at a time with Python" in done.log
    assert not workspace.leftovers()


@pytest.mark.parametrize(("available", "first"), [("50000", "failed"), ("4000000", "passed")])
def test_the_next_one_waits_while_memory_is_short(
    workspace: Workspace, kernel: Path, available: str, first: str
) -> None:
    workspace.write("a.ipynb", notebook(meet("a", "b")))
    workspace.write("b.ipynb", notebook(meet("b", "a")))
    told = workspace.base / "meminfo"
    told.write_text(f"MemTotal: 8000000 kB\nMemAvailable: {available} kB\n")
    done = workspace.run(
        "execute-notebook",
        {"python": str(kernel), "workers": "2", "cell-timeout": "1.5" if first == "failed" else "30"},
        environ={"D": str(told)},
        prefix=private_mount('mount --bind "$D" /proc/meminfo'),
    )
    assert statuses(done) == {"a.ipynb": first, "b.ipynb": "passed"}, done.log
    assert ("Only 51 MB of memory are free: the next notebook waits." in done.log) == (first == "failed")


def test_one_worker_runs_them_one_after_the_other(workspace: Workspace, kernel: Path) -> None:
    workspace.write("a.ipynb", notebook(meet("a", "b")))
    workspace.write("b.ipynb", notebook(meet("b", "a")))
    done = workspace.execute(kernel, workers="1", cell_timeout="1.5")
    assert (done.code, statuses(done)) == (1, {"a.ipynb": "failed", "b.ipynb": "passed"}), done.log
    assert done.notebooks["a.ipynb"]["failure"]["kind"] == "cell-timeout"
    assert done.record["workers"] == 1
    assert "at a time" not in done.log


def test_there_are_no_more_workers_than_cpus_that_may_be_used(workspace: Workspace, kernel: Path) -> None:
    """Notebooks that cannot be executed show it as well: no kernel has to start."""
    for name in "abc":
        workspace.write(f"{name}.ipynb", "{")
    inputs = {"python": str(kernel), "kernel-start": "spawn"}
    done = workspace.run("execute-notebook", inputs, prefix=["taskset", "-c", "0"])
    assert (done.code, done.record["workers"]) == (1, 1), done.log
    given = workspace.run("execute-notebook", {**inputs, "workers": "2"}, prefix=["taskset", "-c", "0"])
    assert given.record["workers"] == 2
    many = workspace.run("execute-notebook", {**inputs, "workers": "50"})
    assert many.record["workers"] == 3, "never more than notebooks"


# Passes when three run at the same time.
THREE = """
import pathlib, time
pathlib.Path("NAME.here").touch()
ends = time.monotonic() + SECONDS
while len(list(pathlib.Path().glob("*.here"))) < 3:
    assert time.monotonic() < ends, "alone"
    time.sleep(0.02)
"""


@pytest.mark.parametrize(
    ("workers", "seconds", "expected"), [("auto", 0, "passed"), ("2", 0, "failed"), ("auto", 1, "failed")]
)
def test_one_more_runs_while_they_are_short(
    workspace: Workspace, kernel: Path, workers: str, seconds: int, expected: str
) -> None:
    for number in range(6):
        workspace.write(f"before-{number}.ipynb", notebook(f"import time\ntime.sleep({seconds})"))
    patience = "30" if expected == "passed" else "4"
    for name in "xyz":
        workspace.write(f"{name}.ipynb", notebook(THREE.replace("NAME", name).replace("SECONDS", patience)))
    inputs = {"python": str(kernel), "workers": workers}
    done = workspace.run("execute-notebook", inputs, prefix=["taskset", "-c", "0,1"])
    assert done.record["workers"] == 2
    assert statuses(done)["x.ipynb"] == expected, done.log


@pytest.mark.parametrize("workers", ["0", "-1", "two", "1.5"])
def test_a_number_of_workers_that_is_none(workspace: Workspace, workers: str) -> None:
    workspace.write("a.ipynb", notebook("open('ran', 'w')"))
    done = run_here(workspace, STAGE, {"workers": workers})
    assert done.code == 2
    assert "workers" in errors(done)[0]
    assert not (workspace.folder / "ran").exists()


# --- Numbers


def numbered(workspace: Workspace, count: int = 4) -> list[str]:
    """Write notebooks that each read what the one before wrote."""
    names = [f"steps/{number:02}-step.ipynb" for number in range(1, count + 1)]
    for number, name in enumerate(names):
        read = f"assert open('made-{number - 1}').read() == 'x'\n" if number else ""
        workspace.write(name, notebook(f"{read}import time; time.sleep(0.1)\nopen('made-{number}', 'w').write('x')"))
    return names


def test_numbered_notebooks_of_a_folder_run_in_their_order(workspace: Workspace, kernel: Path) -> None:
    names = numbered(workspace)
    done = workspace.execute(kernel, workers="4")
    assert (done.code, statuses(done)) == (0, dict.fromkeys(names, "passed")), done.log
    assert f"One after the other: {', '.join(names)}. `execution-order` changes that." in done.log


def test_in_parallel_numbers_mean_nothing(workspace: Workspace, kernel: Path) -> None:
    workspace.write("01-a.ipynb", notebook(meet("a", "b")))
    workspace.write("02-b.ipynb", notebook(meet("b", "a")))
    done = workspace.execute(kernel, workers="2", execution_order="parallel")
    assert done.code == 0, done.log
    assert "One after the other" not in done.log


def test_sorted_runs_all_one_after_the_other(workspace: Workspace, kernel: Path) -> None:
    for name in ("10-b", "2-a", "x/a", "a"):
        workspace.write(f"{name}.ipynb", notebook(f"open({str(workspace.folder / 'log')!r}, 'a').write('{name}\\n')"))
    done = workspace.execute(kernel, workers="4", execution_order="sorted")
    assert done.code == 0, done.log
    assert begun(workspace) == ["2-a", "10-b", "a", "x/a"] == [name.removesuffix(".ipynb") for name in done.notebooks]


def test_a_numbered_notebook_that_fails_skips_nothing(workspace: Workspace, kernel: Path) -> None:
    workspace.write("01-a.ipynb", notebook("1 / 0"))
    workspace.write("02-b.ipynb", notebook("print('ran')"))
    done = workspace.execute(kernel, workers="2")
    assert (done.code, statuses(done)) == (1, {"01-a.ipynb": "failed", "02-b.ipynb": "passed"}), done.log


# --- What is shown meanwhile


def test_a_log_has_a_line_a_notebook_and_heartbeats(workspace: Workspace, kernel: Path) -> None:
    for name in ("quick", "other"):
        workspace.write(f"{name}.ipynb", notebook("1"))
    workspace.write("slow.ipynb", notebook("1", "import time\ntime.sleep(32)", "2"))
    workspace.write("bad.ipynb", notebook("1 / 0"))
    done = workspace.execute(kernel, workers="2")
    for name in ("quick", "other", "slow"):
        assert len(re.findall(rf"^✓ {name}\.ipynb · \d+\.\d s$", done.log, re.MULTILINE)) == 1, done.log
    assert len(re.findall(r"^✗ bad\.ipynb · \d\.\d s · ZeroDivisionError in cell 1: ", done.log, re.MULTILINE)) == 1
    [beat] = re.findall(r"^  (\S+) · cell (\d)/(\d) · running (\d+) s$", done.log, re.MULTILINE)
    assert beat[:3] == ("slow.ipynb", "2", "3")
    assert 25 <= int(beat[3]) <= 32
    assert "\x1b" not in done.log


def test_a_terminal_shows_what_runs(workspace: Workspace, kernel: Path) -> None:
    workspace.write("a.ipynb", notebook("1", "import time\ntime.sleep(1.5)", "2"))
    workspace.write("b.ipynb", notebook("1"))
    environ = {**workspace.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    shown = on_terminal(workspace, ["execute-notebook", "--python", str(kernel), "--workers", "2"], environ)
    assert re.search(r"a\.ipynb · cell 2/3 · running \d s", shown), shown
    assert re.search(r"\x1b\[\dF\x1b\[J", shown)
    assert re.search(r"\n[12]/2\r?\n", shown.replace("\x1b[J", "\n")), "how many are done"
    assert re.search(r"✓(\x1b\[0m)? a\.ipynb · \d\.\d s", shown)
    last = shown.rpartition("\x1b[J")[2]
    assert "running" not in last, "nothing of it is left"


def on_terminal(workspace: Workspace, arguments: list[str], environ: Mapping[str, str]) -> str:
    """Run a stage on a terminal. Returns what it wrote."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["/bin/bash", str(ROOT / "scripts" / "launch.sh"), *arguments],
        env=dict(environ),
        cwd=workspace.folder,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    written = b""
    with contextlib.suppress(OSError):  # Linux's way to say that nobody holds the other end any more
        while piece := os.read(ours, 65536):
            written += piece
    os.close(ours)
    assert process.wait(60) == 0, written.decode()
    return written.decode()


# --- The longest first


def test_a_laptop_begins_with_what_took_longest_the_last_time(workspace: Workspace, kernel: Path) -> None:
    for name, seconds in (("a", 1.5), ("b", 0), ("c", 0.7)):  # the first one also waits until all is loaded
        workspace.write(f"{name}.ipynb", notebook(f"{stamp(name)}time.sleep({seconds})"))
    flags = ["--python", str(kernel), "--workers", "1", "--execution-order", "parallel"]
    orders = []
    for _ in range(2):
        done = workspace.run("execute-notebook", flags=flags)
        assert done.code == 0, done.log
        orders.append(begun(workspace))
        (workspace.folder / "log").unlink()
    assert orders == [["a", "b", "c"], ["a", "c", "b"]]
    known = json.loads((workspace.folder / ".notebook-ci" / "durations.json").read_text())
    assert sorted(known, key=lambda name: float(known[name])) == ["b.ipynb", "c.ipynb", "a.ipynb"]
    workspace.write("new.ipynb", notebook(stamp("new")))
    assert workspace.run("execute-notebook", flags=flags).code == 0
    assert begun(workspace) == ["new", "a", "c", "b"], "one that is not known may be a long one"


def test_a_runner_keeps_durations_where_a_cache_can_take_them(workspace: Workspace, kernel: Path) -> None:
    workspace.write("a.ipynb", notebook("1"))
    assert workspace.execute(kernel).code == 0
    assert list(workspace.base.rglob("durations.json")) == [
        workspace.runner_temp / "notebook-ci-durations" / "durations.json"
    ]
