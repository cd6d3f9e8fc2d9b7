"""Which notebooks run when, and what is kept of them: workers, order, needs, sweeps, bounds, and ends of all kinds."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from integration.suite import ROOT, Done, Workspace, notebook, parameters, private_mount, texts, wait_until

SECONDS = 8  # in which a cancelled stage ends, with other tests beside it
STARTS = ("spawn", "fork")


@pytest.fixture(params=STARTS)
def start(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def statuses(done: Done) -> dict[str, str]:
    return {name: found["status"] for name, found in done.notebooks.items()}


def errors(done: Done) -> list[str]:
    return [error.message for error in done.annotations()]


def stamp(name: str) -> str:
    """Return a cell that writes down that it has begun."""
    return f"import time\nopen('log', 'a').write('{name}\\n')\n"


def begun(workspace: Workspace) -> list[str]:
    return (workspace.folder / "log").read_text().split()


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
    assert ("Only 51 MB of memory are left: the next notebook waits." in done.log) == (first == "failed")


def test_one_worker_runs_them_one_after_the_other(workspace: Workspace, kernel: Path) -> None:
    workspace.write("a.ipynb", notebook(meet("a", "b")))
    workspace.write("b.ipynb", notebook(meet("b", "a")))
    done = workspace.execute(kernel, workers="1", cell_timeout="1.5")
    assert (done.code, statuses(done)) == (1, {"a.ipynb": "failed", "b.ipynb": "passed"}), done.log
    assert done.notebooks["a.ipynb"]["failure"]["kind"] == "cell-timeout"
    assert done.record["workers"] == 1
    assert "at a time" not in done.log


def test_there_are_no_more_workers_than_cpus_that_may_be_used(workspace: Workspace, kernel: Path) -> None:
    for name in "abc":
        workspace.write(f"{name}.ipynb", notebook("1"))
    done = workspace.run("execute-notebook", {"python": str(kernel)}, prefix=["taskset", "-c", "0"])
    assert (done.code, done.record["workers"]) == (0, 1), done.log
    given = workspace.run("execute-notebook", {"python": str(kernel), "workers": "2"}, prefix=["taskset", "-c", "0"])
    assert given.record["workers"] == 2
    many = workspace.execute(kernel, workers="50")
    assert many.record["workers"] == 3, "never more than notebooks"


# Passes when three run at the same time.
THREE = """
import pathlib, time
pathlib.Path("NAME.here").touch()
ends = time.monotonic() + 4
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
    for name in "xyz":
        workspace.write(f"{name}.ipynb", notebook(THREE.replace("NAME", name)))
    inputs = {"python": str(kernel), "workers": workers}
    done = workspace.run("execute-notebook", inputs, prefix=["taskset", "-c", "0,1"])
    assert done.record["workers"] == 2
    assert statuses(done)["x.ipynb"] == expected, done.log


@pytest.mark.parametrize("workers", ["0", "-1", "two", "1.5"])
def test_a_number_of_workers_that_is_none(workspace: Workspace, kernel: Path, workers: str) -> None:
    workspace.write("a.ipynb", notebook("open('ran', 'w')"))
    done = workspace.execute(kernel, workers=workers)
    assert done.code == 2
    assert "workers" in errors(done)[0]
    assert not (workspace.folder / "ran").exists()


# --- Numbers


def numbered(workspace: Workspace, count: int = 4) -> list[str]:
    """Write notebooks of which each reads what the one before it wrote."""
    names = [f"steps/{number:02}-step.ipynb" for number in range(1, count + 1)]
    for number, name in enumerate(names):
        read = f"assert open('made-{number - 1}').read() == 'x'\n" if number else ""
        workspace.write(name, notebook(f"{read}import time; time.sleep(0.1)\nopen('made-{number}', 'w').write('x')"))
    return names


def test_numbered_notebooks_of_a_folder_run_in_their_order(workspace: Workspace, kernel: Path) -> None:
    names = numbered(workspace)
    done = workspace.execute(kernel, workers="4")
    assert (done.code, statuses(done)) == (0, dict.fromkeys(names, "passed")), done.log
    assert f"One after the other: {', '.join(names)}. The input execution-order changes that." in done.log


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


# --- Needs


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
    assert "- train.ipynb · skipped: it needs data.ipynb, which did not pass" in done.log
    assert "- report.ipynb · skipped: it needs train.ipynb, which did not pass" in done.log
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


@pytest.mark.parametrize(
    ("needs", "said"),
    [
        ("train.ipynb: [dat.ipynb]", "names `dat.ipynb`, and no notebook matches that. Did you mean `data.ipynb`?"),
        ("trian.ipynb: [data.ipynb]", "`trian.ipynb`, and no notebook matches that. Did you mean `train.ipynb`?"),
        ("'x/*.ipynb': [data.ipynb]", "The input needs names `x/*.ipynb`, and no notebook matches that."),
        (
            "{train.ipynb: [data.ipynb], data.ipynb: [train.ipynb]}",
            "No notebook can begin: data.ipynb needs train.ipynb needs data.ipynb. Correct the input needs.",
        ),
        ("train.ipynb: [train.ipynb]", "No notebook can begin: train.ipynb needs train.ipynb."),
        ("train.ipynb: 5", "`needs` has `5` for `train.ipynb`, which is not a list of notebooks."),
        ("train.ipynb: [[data.ipynb]]", "which is not a list of notebooks."),
        ("train.ipynb: {data.ipynb: x}", "which is not a list of notebooks."),
        ("train.ipynb:", "`needs` has `null` for `train.ipynb`"),
        ("[train.ipynb]", "`needs` is a list, not a map."),
        ("train.ipynb: [data.ipynb", "`needs` is not valid YAML"),
    ],
)
def test_needs_that_cannot_be_met(workspace: Workspace, kernel: Path, needs: str, said: str) -> None:
    for name in ("data", "train"):
        workspace.write(f"{name}.ipynb", notebook("open('ran', 'w')"))
    done = workspace.execute(kernel, needs=needs)
    [error] = errors(done)
    assert said in error or _circle(error) == _circle(said) != [], error
    assert (done.code, done.outputs["status"]) == (2, "error")
    assert not (workspace.folder / "ran").exists()


def _circle(message: str) -> list[str]:
    """Return the notebooks of a circle that a message tells of, wherever it is said to begin."""
    found = re.search(r"No notebook can begin: (.*?\.ipynb)\. ", message)
    return sorted(found[1].split(" needs ")[1:]) if found else []


# --- Sweeps

TRAIN = parameters("alpha = 0\nname = 'none'\nepochs = 1")
TELL = "import json\nprint(json.dumps({'alpha': alpha, 'name': name, 'epochs': epochs}))"
REPORT_ALPHA = (
    "from IPython.display import display\n"
    "display({'application/vnd.notebook-ci.metrics+json': {'loss': alpha * 2}}, raw=True)"
)


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory, kernel: Path) -> tuple[Workspace, Done]:
    workspace = Workspace(tmp_path_factory.mktemp("swept"))
    workspace.write("deep/train.ipynb", notebook(TRAIN, REPORT_ALPHA, TELL))
    workspace.write("plain.ipynb", notebook("print('once')"))
    workspace.write("report.ipynb", notebook("print('last')"))
    done = workspace.execute(
        kernel,
        sweep="- {alpha: 0.1, name: one}\n- {alpha: 0.2}\n- {alpha: 1, name: a/b}",
        parameters="epochs: 7\nname: shared",
        needs="report.ipynb: [deep/train.ipynb]",
        run_dir="run",
    )
    return workspace, done


def test_a_sweep_executes_a_notebook_once_for_each_set(swept: tuple[Workspace, Done]) -> None:
    _, done = swept
    assert done.code == 0, done.log
    names = ["deep/train@alpha=0.1,name=one.ipynb", "deep/train@alpha=0.2.ipynb", "deep/train@set-3.ipynb"]
    assert list(done.notebooks) == [*names, "plain.ipynb", "report.ipynb"]
    assert [found["path"] for found in done.record["notebooks"]][:3] == ["deep/train.ipynb"] * 3
    assert [done.values(name) for name in names] == [
        {"alpha": 0.1, "name": "one", "epochs": 7},
        {"alpha": 0.2, "name": "shared", "epochs": 7},
        {"alpha": 1, "name": "a/b", "epochs": 7},
    ]
    assert done.notebooks[names[1]]["parameters"] == {"alpha": 0.2, "name": "shared", "epochs": 7}
    assert done.outputs["executed"] == "5"
    for name in names:
        assert f"✓ {name} · " in done.log


def test_metrics_of_a_sweep_are_named_by_their_execution(swept: tuple[Workspace, Done]) -> None:
    _, done = swept
    assert done.record["metrics"] == {
        "deep/train@alpha=0.1,name=one.loss": 0.2,
        "deep/train@alpha=0.2.loss": 0.4,
        "deep/train@set-3.loss": 2,
    }


def test_a_sweep_can_be_logged(swept: tuple[Workspace, Done]) -> None:
    workspace, executed = swept
    done = workspace.run("log-run", {"run-dir": "run", "tracking-uri": f"sqlite:///{workspace.base}/m.db"})
    assert done.code == 0, done.log
    assert done.record["logged"]["artifacts"] == len(executed.record["made"]) + 1
    assert done.record["logged"]["parameters"] >= 3


def test_sets_with_names_and_one_that_fails(workspace: Workspace, kernel: Path) -> None:
    workspace.write("train.ipynb", notebook(parameters("alpha = 0"), "1 / alpha"))
    workspace.write("report.ipynb", notebook("1"))
    done = workspace.execute(kernel, sweep="small: {alpha: 1}\nzero: {alpha: 0}", needs="report.ipynb: [train.ipynb]")
    assert done.code == 1, done.log
    assert statuses(done) == {
        "train@small.ipynb": "passed",
        "train@zero.ipynb": "failed",
        "report.ipynb": "skipped",
    }
    assert done.notebooks["report.ipynb"]["skipped_for"] == "train@zero.ipynb"
    assert (Path(done.outputs["output-dir"]) / "train@zero.ipynb").exists()
    assert "train@zero.ipynb" in done.summary


def test_a_sweep_as_tables_of_the_file_of_inputs(workspace: Workspace, kernel: Path) -> None:
    workspace.write("train.ipynb", notebook(TRAIN, TELL))
    head = "[execute-notebook.sweep]\nsmall = {alpha = 1}\n"
    workspace.write("notebook-ci.toml", f"{head}big = {{alpha = 2, no_name = 1}}\n")
    assert "No notebook declares the parameter `no_name`." in errors(workspace.execute(kernel))[0]
    workspace.write("notebook-ci.toml", head)
    done = workspace.execute(kernel)
    assert (done.code, list(done.notebooks)) == (0, ["train@small.ipynb"]), done.log
    listed = "".join(f"[[execute-notebook.sweep]]\nalpha = {alpha}\n" for alpha in (1, 2))
    workspace.write("notebook-ci.toml", listed)
    done = workspace.execute(kernel)
    assert (done.code, list(done.notebooks)) == (0, ["train@alpha=1.ipynb", "train@alpha=2.ipynb"]), done.log


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        ("- {alfa: 1}\n- {alfa: 2}", "No notebook declares the parameter `alfa`. Did you mean `alpha`?"),
        ("- {alpha: 1, beta: 2}", "No notebook declares the parameter `beta`."),
        ("5", "`sweep` is `5`: neither a list nor a map. Write a list of sets"),
        ("alpha: [1, 2]", "`sweep` has `[1, 2]`, which is not a set of parameters."),
        ("a/b: {alpha: 1}", "`sweep` has the name `a/b`, which cannot be part of a file name."),
        ("- {alpha: 1", "`sweep` is not valid YAML"),
    ],
)
def test_a_sweep_that_is_none(workspace: Workspace, kernel: Path, sweep: str, said: str) -> None:
    workspace.write("train.ipynb", notebook(TRAIN, "open('ran', 'w')"))
    done = workspace.execute(kernel, sweep=sweep)
    assert done.code == 2
    assert said in errors(done)[0]
    assert not (workspace.folder / "ran").exists()


def test_an_execution_of_a_sweep_with_the_name_of_a_notebook(workspace: Workspace, kernel: Path) -> None:
    workspace.write("train.ipynb", notebook(TRAIN, "open('ran', 'w')"))
    workspace.write("train@small.ipynb", notebook("open('ran', 'w')"))
    done = workspace.execute(kernel, sweep="small: {alpha: 1}")
    assert done.code == 2
    assert "Two executions would have the name train@small.ipynb" in errors(done)[0]
    assert not (workspace.folder / "ran").exists()


# --- How much is kept


def bound(kernel: Path, workspace: Workspace, *cells: str, limit: str = "100 kB") -> Done:
    workspace.write("a.ipynb", notebook(*cells))
    done = workspace.execute(kernel, max_output=limit)
    assert done.code == 0, done.log
    return done


def test_of_much_text_the_begin_and_the_end_are_kept(workspace: Workspace, kernel: Path) -> None:
    done = bound(kernel, workspace, "for number in range(50_000): print(f'{number:099}')", "print('the next cell')")
    whole = "".join(f"{number:099}\n" for number in range(50_000))
    first, second = done.executed("a.ipynb")["cells"]
    begin, _, rest = texts(first).partition("\n[notebook-ci: ")
    said, _, end = rest.partition("\n")
    assert whole.startswith(begin)
    assert whole.endswith(end)
    assert min(len(begin), len(end)) > 10_000
    left_out = len(whole) - len(begin) - len(end)
    assert said == f"{left_out / 1e6:.3f} MB of output left out here: more than the input max-output]"
    assert texts(second) == "the next cell\n"
    assert done.notebooks["a.ipynb"]["left_out"] == left_out
    [warning] = done.annotations("warning")
    assert warning.place[0] == "a.ipynb"
    assert warning.message == (
        f"{left_out / 1e6:.1f} MB of the outputs were left out: more than max-output (100000 bytes). Notices in the "
        "executed notebook say where."
    )
    assert (Path(done.outputs["output-dir"]) / "a.ipynb").stat().st_size < 150_000


def test_a_display_that_does_not_fit_is_a_notice(workspace: Workspace, kernel: Path) -> None:
    show = (
        "from IPython.display import HTML, Image, display\ndisplay(HTML('x' * 300_000))\n"
        "display(Image(b'\\x89PNG\\r\\n\\x1a\\n' + bytes(300_000), width=1, height=1, format='png'))\n"
        "print('behind')\nHTML('<b>')"
    )
    done = bound(kernel, workspace, show)
    page, image, stream, result = done.executed("a.ipynb")["cells"][0]["outputs"]
    for each in (page, image):
        assert list(each["data"]) == ["text/plain"]
        assert "MB of output left out here: more than the input max-output]" in "".join(each["data"]["text/plain"])
    assert "".join(stream["text"]) == "behind\n"
    assert "".join(result["data"]["text/html"]) == "<b>"
    assert done.notebooks["a.ipynb"]["left_out"] > 600_000


def test_below_the_limit_nothing_changes(workspace: Workspace, kernel: Path) -> None:
    show = "from IPython.display import HTML, display\nprint('x' * 40_000)\ndisplay(HTML('y' * 40_000))\nprint('end')"
    cells = []
    for limit in ("100 kB", "1 GB"):
        done = bound(kernel, workspace, show, limit=limit)
        assert not done.annotations("warning")
        assert done.notebooks["a.ipynb"]["left_out"] == 0
        cells.append([cell["outputs"] for cell in done.executed("a.ipynb")["cells"]])
    assert cells[0] == cells[1]


IN_PLACE = {
    "clear": "for n in range(1500):\n    clear_output(wait=True)\n    display(HTML(f'{n:04}' * 25_000))",
    "clear at once": "for n in range(1500):\n    clear_output()\n    display(HTML(f'{n:04}' * 25_000))",
    "update": "shown = display(HTML('first'), display_id=True)\n"
    "for n in range(1500): shown.update(HTML(f'{n:04}' * 25_000))",
}


@pytest.mark.parametrize("way", IN_PLACE)
def test_what_is_shown_in_place_loses_nothing(workspace: Workspace, kernel: Path, way: str) -> None:
    source = f"from IPython.display import HTML, clear_output, display\n{IN_PLACE[way]}"
    done = bound(kernel, workspace, source, "print('the next cell')", limit="250 kB")
    assert done.notebooks["a.ipynb"]["left_out"] == 0
    [shown] = done.executed("a.ipynb")["cells"][0]["outputs"]
    assert "".join(shown["data"]["text/html"]) == "1499" * 25_000


def test_no_message_of_a_flood_is_lost(workspace: Workspace, kernel: Path) -> None:
    """Neither by the kernel nor by the driver, when there are more notebooks than CPUs."""
    for number in range(4):
        workspace.write(f"printed{number}.ipynb", notebook("for n in range(4000): print(n, flush=True)"))
        workspace.write(f"shown{number}.ipynb", notebook("for n in range(2500): display(n)"))
    done = workspace.execute(kernel, workers="4")
    assert done.code == 0, done.log
    for number in range(4):
        assert done.printed(f"printed{number}.ipynb").split() == [str(n) for n in range(4000)]
        [cell] = done.executed(f"shown{number}.ipynb")["cells"]
        assert ["".join(each["data"]["text/plain"]) for each in cell["outputs"]] == [str(n) for n in range(2500)]


def test_an_error_stands_behind_whatever_was_left_out(workspace: Workspace, kernel: Path) -> None:
    workspace.write("a.ipynb", notebook("print('x' * 1_000_000)\nraise ValueError('the reason')"))
    done = workspace.execute(kernel, max_output="1 kB")
    assert done.code == 1
    assert done.notebooks["a.ipynb"]["failure"]["evalue"] == "the reason"
    assert done.executed("a.ipynb")["cells"][0]["outputs"][-1]["evalue"] == "the reason"


@pytest.mark.parametrize("size", ["0", "-1", "much", "1 PB", "1.5 MB"])
def test_a_size_that_is_none(workspace: Workspace, kernel: Path, size: str) -> None:
    workspace.write("a.ipynb", notebook("open('ran', 'w')"))
    done = workspace.execute(kernel, max_output=size)
    assert done.code == 2
    assert "max-output" in errors(done)[0]
    assert not (workspace.folder / "ran").exists()


# --- Ends

SLEEP = """
import os, time
print('kept')
time.sleep(0.5)  # a kernel sends what is printed after a while
open(f'running-{os.getpid()}', 'w').close()
time.sleep(120)
"""


def running(workspace: Workspace, count: int) -> bool:
    return wait_until(lambda: len(list(workspace.folder.glob("running-*"))) == count, 40)


def test_a_worker_that_is_killed_costs_its_own_notebook_alone(workspace: Workspace, kernel: Path, start: str) -> None:
    workspace.write("a.ipynb", notebook(SLEEP))
    process = workspace.start(
        "execute-notebook", {"python": str(kernel), "workers": "2", "kernel-start": start, "notebooks": "**/*.ipynb"}
    )
    with ended(workspace, process):
        assert running(workspace, 1)
        [worker] = workspace.workers()
        os.kill(worker, signal.SIGKILL)
        done = workspace.end(process, 30)
    failure = done.notebooks["a.ipynb"]["failure"]
    assert (done.code, failure["kind"]) == (1, "broken-execution"), done.log
    assert failure["message"] == (
        "The process that executed the notebook was killed by SIGKILL. The system counted no out-of-memory kill."
    )
    assert any(error.place[0] == "a.ipynb" for error in done.annotations())
    assert not workspace.processes()


def test_when_a_worker_is_killed_the_others_go_on(workspace: Workspace, kernel: Path, start: str) -> None:
    gate = workspace.folder / "gate"
    wait = "import os, time\nopen(f'running-{os.getpid()}', 'w').close()\n"
    wait += f"while not os.path.exists({str(gate)!r}): time.sleep(0.05)"
    for name in "abcd":
        workspace.write(f"{name}.ipynb", notebook(wait))
    process = workspace.start("execute-notebook", {"python": str(kernel), "workers": "2", "kernel-start": start})
    with ended(workspace, process):
        assert running(workspace, 2)
        os.kill(workspace.workers()[0], signal.SIGKILL)
        assert running(workspace, 3), "another one has begun in its place"
        gate.touch()
        done = workspace.end(process, 60)
    assert sorted(statuses(done).values()) == ["failed", "passed", "passed", "passed"], done.log
    [failed] = [found for found in done.record["notebooks"] if found["failure"]]
    assert failed["failure"]["kind"] == "broken-execution"
    assert failed["duration"] > 0
    assert not workspace.processes()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_all_that_run_are_saved_when_the_job_is_cancelled(
    workspace: Workspace, kernel: Path, number: signal.Signals, start: str
) -> None:
    for name in "abcd":
        workspace.write(f"{name}.ipynb", notebook("print('first')", SLEEP))
    process = workspace.start("execute-notebook", {"python": str(kernel), "workers": "3", "kernel-start": start})
    with ended(workspace, process):
        assert running(workspace, 3)
        process.send_signal(number)
        began = time.monotonic()
        done = workspace.end(process, 30)
    assert time.monotonic() - began < SECONDS
    assert done.code == 128 + number, done.log
    assert sorted(statuses(done).values()) == ["failed", "failed", "failed", "skipped"]
    for name, found in done.notebooks.items():
        if found["status"] == "failed":
            assert (found["failure"]["kind"], found["failure"]["cell"]) == ("cancelled", 2)
            assert [texts(cell) for cell in done.executed(name)["cells"]] == ["first\n", "kept\n"]
    assert "Traceback" not in done.log
    assert errors(done) == [f"Cancelled ({number.name}). What was done until then is kept."]
    assert not workspace.processes()
    assert not workspace.leftovers()


def test_when_the_stage_is_killed_nothing_runs_on(workspace: Workspace, kernel: Path, start: str) -> None:
    sleeping = "import subprocess\nsubprocess.Popen(['sleep', '301'])\n"
    for name in "abc":
        workspace.write(f"{name}.ipynb", notebook(sleeping + SLEEP))
    process = workspace.start("execute-notebook", {"python": str(kernel), "workers": "3", "kernel-start": start})
    with ended(workspace, process):
        assert running(workspace, 3)
        assert len(workspace.workers()) == 3
        assert workspace.leftovers()
        process.kill()
        process.communicate()
        assert wait_until(lambda: not workspace.processes(), 15), workspace.processes()
        assert wait_until(lambda: not workspace.leftovers(), 15), workspace.leftovers()


@contextlib.contextmanager
def ended(workspace: Workspace, process: "subprocess.Popen[str]") -> Iterator[None]:
    """End a stage where the test fails before it has waited for it."""
    try:
        yield
    except BaseException:
        process.kill()
        workspace.kill_all()
        process.communicate()
        raise


# --- What is told meanwhile


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
    assert re.search(r"✓ a\.ipynb · \d\.\d s", shown)
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
    with contextlib.suppress(OSError):  # so Linux tells that nobody holds the other end any more
        while piece := os.read(ours, 65536):
            written += piece
    os.close(ours)
    assert process.wait(60) == 0, written.decode()
    return written.decode()


# --- The longest first


def test_a_laptop_begins_with_what_took_longest_the_last_time(workspace: Workspace, kernel: Path) -> None:
    for name, seconds in (("a", 0), ("b", 0.6), ("c", 1.2)):
        workspace.write(f"{name}.ipynb", notebook(f"{stamp(name)}time.sleep({seconds})"))
    flags = ["--python", str(kernel), "--workers", "1", "--execution-order", "parallel"]
    orders = []
    for _ in range(2):
        done = workspace.run("execute-notebook", flags=flags)
        assert done.code == 0, done.log
        orders.append(begun(workspace))
        (workspace.folder / "log").unlink()
    assert orders == [["a", "b", "c"], ["c", "b", "a"]]
    known = json.loads((workspace.folder / ".notebook-ci" / "durations.json").read_text())
    assert sorted(known, key=lambda name: float(known[name])) == ["a.ipynb", "b.ipynb", "c.ipynb"]
    workspace.write("new.ipynb", notebook(stamp("new")))
    assert workspace.run("execute-notebook", flags=flags).code == 0
    assert begun(workspace) == ["new", "c", "b", "a"], "one that is not known may be a long one"


def test_a_runner_keeps_no_durations(workspace: Workspace, kernel: Path) -> None:
    workspace.write("a.ipynb", notebook("1"))
    assert workspace.execute(kernel).code == 0
    assert not list(workspace.base.rglob("durations.json"))
