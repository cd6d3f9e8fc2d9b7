"""How much of what a notebook writes is kept."""

import os
import signal
from pathlib import Path

import pytest

from execute_notebook import STAGE
from integration.execute_notebook.scheduled import errors
from integration.refusals import run_here
from integration.suite import Done, Workspace, notebook, texts, wait_until
from servers.shared import made_once


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
    assert said == f"{left_out / 1e6:.3f} MB of output left out here: more than `max-output`]"
    assert texts(second) == "the next cell\n"
    assert done.notebooks["a.ipynb"]["left_out"] == left_out
    [warning] = done.annotations("warning")
    assert warning.place[0] == "a.ipynb"
    assert warning.message == (
        f"{left_out / 1e6:.1f} MB of outputs were left out: more than `max-output` (100000 bytes). Notices in the "
        "executed notebook show where."
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
        assert "MB of output left out here: more than `max-output`]" in "".join(each["data"]["text/plain"])
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
    "clear": "for n in range(1500):\n    clear_output(wait=True)\n    display(HTML(f'{n:04}' * 5_000))",
    "clear at once": "for n in range(1500):\n    clear_output()\n    display(HTML(f'{n:04}' * 5_000))",
    "update": "shown = display(HTML('first'), display_id=True)\n"
    "for n in range(1500): shown.update(HTML(f'{n:04}' * 5_000))",
}


@pytest.fixture(scope="module")
def in_place(tmp_path_factory: pytest.TempPathFactory, kernel: Path) -> Done:
    return made_once(tmp_path_factory, "in-place", lambda folder: show_in_place(Workspace(folder), kernel))


def show_in_place(workspace: Workspace, kernel: Path) -> Done:
    for way, source in IN_PLACE.items():
        first = f"from IPython.display import HTML, clear_output, display\n{source}"
        workspace.write(f"{way}.ipynb", notebook(first, "print('the next cell')"))
    done = workspace.execute(kernel, max_output="50 kB")
    assert done.code == 0, done.log
    return done


@pytest.mark.parametrize("way", IN_PLACE)
def test_what_is_shown_in_place_loses_nothing(in_place: Done, way: str) -> None:
    assert in_place.notebooks[f"{way}.ipynb"]["left_out"] == 0
    [shown] = in_place.executed(f"{way}.ipynb")["cells"][0]["outputs"]
    assert "".join(shown["data"]["text/html"]) == "1499" * 5_000


def test_no_message_of_a_flood_is_lost(workspace: Workspace, kernel: Path) -> None:
    """Neither by the kernel nor by the worker, when there are more notebooks than CPUs."""
    for number in range(2):
        workspace.write(f"printed{number}.ipynb", notebook("for n in range(4000): print(n, flush=True)"))
        workspace.write(f"shown{number}.ipynb", notebook("for n in range(2500): display(n)"))
    done = workspace.execute(kernel, workers="4")
    assert done.code == 0, done.log
    for number in range(2):
        assert done.printed(f"printed{number}.ipynb").split() == [str(n) for n in range(4000)]
        [cell] = done.executed(f"shown{number}.ipynb")["cells"]
        assert ["".join(each["data"]["text/plain"]) for each in cell["outputs"]] == [str(n) for n in range(2500)]


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_no_message_is_lost_while_the_worker_stands_still(workspace: Workspace, kernel: Path, start: str) -> None:
    begin = "import time\nfrom pathlib import Path\nPath('ready').touch()"
    wait = "while not Path('go').exists(): time.sleep(0.01)"
    flood = "for n in range(4000): print(n, flush=True)"
    workspace.write("a.ipynb", notebook(f"{begin}\n{wait}\n{flood}\nPath('printed').touch()"))
    process = workspace.start("execute-notebook", {"python": str(kernel), "kernel-start": start})
    ready, go, printed = (workspace.folder / name for name in ("ready", "go", "printed"))
    assert wait_until(ready.exists, 60)
    [worker] = workspace.workers()
    os.kill(worker, signal.SIGSTOP)
    try:
        go.touch()
        assert wait_until(printed.exists, 60)
    finally:
        os.kill(worker, signal.SIGCONT)
    done = workspace.end(process, 60)
    assert done.code == 0, done.log
    assert done.notebooks["a.ipynb"]["kernel_start"] == start
    assert done.printed("a.ipynb").split() == [str(n) for n in range(4000)]


def test_an_error_stands_behind_whatever_was_left_out(workspace: Workspace, kernel: Path) -> None:
    workspace.write("a.ipynb", notebook("print('x' * 1_000_000)\nraise ValueError('the reason')"))
    done = workspace.execute(kernel, max_output="1 kB")
    assert done.code == 1
    assert done.notebooks["a.ipynb"]["failure"]["evalue"] == "the reason"
    assert done.executed("a.ipynb")["cells"][0]["outputs"][-1]["evalue"] == "the reason"


@pytest.mark.parametrize("size", ["0", "-1", "much", "1 PB", "1.5 MB"])
def test_a_size_that_is_none(workspace: Workspace, size: str) -> None:
    workspace.write("a.ipynb", notebook("open('ran', 'w')"))
    done = run_here(workspace, STAGE, {"max-output": size})
    assert done.code == 2
    assert "max-output" in errors(done)[0]
    assert not (workspace.folder / "ran").exists()
