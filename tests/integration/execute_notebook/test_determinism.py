"""Outputs that differ between runs, and the likely cause, with real kernels."""

import json
from pathlib import Path

import pytest

from integration.suite import Done, Workspace, code, line_of, notebook, parameters

THREADS = "import os\nprint(os.environ.get('OMP_NUM_THREADS'))"
FAILS_LATER = "from pathlib import Path\nPath('seen').touch(exist_ok=False)"
EVERYTHING = notebook(
    parameters("scale = 1"),
    "import random, time\nprint(random.random() * scale)",
    "time.time()",
    "print(*{'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'})",
    THREADS,
    "print(time.timezone)",
    "os.getpid()",
    "random.seed(1)\nprint(random.random())",
    code("print(os.getpid())", "compare-ignore"),
    code("time.time_ns()", "skip-execution"),
    FAILS_LATER,
)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, kernel: Path) -> tuple[Path, Done]:
    workspace = Workspace(tmp_path_factory.mktemp("determinism"))
    workspace.write("everything.ipynb", EVERYTHING)
    workspace.write("broken.ipynb", notebook("1 / 0"))
    inputs = {
        "python": str(kernel),
        "determinism": "2",
        "parameters": "scale: 2",
        "kernel-start": "fork",
        "update": "true",
    }
    return workspace.folder, workspace.run("execute-notebook", inputs)


def test_each_cell_that_differs_has_its_likely_cause(ran: tuple[Path, Done]) -> None:
    _, done = ran
    found = done.notebooks["everything.ipynb"]["nondeterministic"]
    assert {each["cell"]: each["causes"] for each in found} == {
        2: ["random"],
        3: ["time"],
        4: ["hash-seed"],
        5: ["threads"],
        6: ["time-zone"],
        7: [],
        11: [],
    }, done.log
    assert done.notebooks["everything.ipynb"]["kernel_start"] == "spawn"
    assert "Kernels are started, not forked: `determinism` gives them different hash seeds." in done.log


def test_they_are_warnings_on_the_lines_of_their_cells(ran: tuple[Path, Done]) -> None:
    folder, done = ran
    assert (done.code, done.outputs["failed"]) == (1, "1"), "only the broken notebook fails"
    drawn, *others = [each for each in done.annotations("warning") if "title" in each.properties]
    assert drawn.properties["title"] == "Output differs between runs in cell 2"
    assert "Likely cause: random numbers without a seed. Set a seed. If the outputs must differ, " in drawn.message
    assert drawn.place[1] == line_of(folder / "everything.ipynb", "import random, time")
    assert len(others) == 6
    copied = "If the outputs must differ, commit the copy `execute-notebook/updated/everything.ipynb` of the run, which"
    assert [copied in each.message for each in [drawn, *others]] == [True, False] + [True] * 4 + [False]
    assert "| 4    | hash-seed" in done.summary


def test_a_notebook_that_fails_when_it_is_repeated(ran: tuple[Path, Done]) -> None:
    _, done = ran
    result = done.notebooks["everything.ipynb"]
    assert (result["status"], result["executed_cells"]) == ("passed", 10)
    message = result["nondeterministic"][-1]["message"]
    assert message.startswith("a repetition failed: FileExistsError in cell 11: ")
    assert done.notebooks["broken.ipynb"]["nondeterministic"] is None, "a failed notebook is not repeated"


def test_a_copy_exempts_the_cells_that_differ(ran: tuple[Path, Done]) -> None:
    folder, done = ran
    updated = Path(done.outputs["record"]).parent / done.notebooks["everything.ipynb"]["updated"]
    copy, source = (json.loads(path.read_text()) for path in (updated, folder / "everything.ipynb"))
    tagged = [
        number for number, cell in enumerate(copy["cells"], 1) if cell["metadata"].get("tags") == ["compare-ignore"]
    ]
    assert tagged == [2, 4, 5, 6, 7, 9], "and not the time of the third, whose seconds are within the tolerance"
    for number in tagged:
        copy["cells"][number - 1]["metadata"] = source["cells"][number - 1]["metadata"]
    assert copy == source, "nothing else has changed"
    assert done.notebooks["broken.ipynb"]["updated"] == "", "a failed notebook has no results"
