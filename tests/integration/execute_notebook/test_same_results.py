"""However a kernel is started, its notebook gives the same: the corpus, run by each kind, compared cell by cell."""

import copy
import difflib
import itertools
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dev.bench.same import failures, without_imports
from integration.suite import ROOT, Done, Workspace, notebook, uncompiled_environment
from servers.shared import made_once

CORPUS = ROOT / "tests" / "corpus"
NOTEBOOKS = sorted(str(path.relative_to(CORPUS).with_suffix("")) for path in CORPUS.rglob("*.ipynb"))
FAILING = json.loads((CORPUS / "failing.json").read_text(encoding="utf-8"))
REQUIREMENTS = (
    "numpy pandas matplotlib seaborn plotly nbformat ipywidgets scikit-learn joblib scipy tqdm jinja2 ipykernel"
)
# Of these, what several notebooks of the corpus begin with, and what may be imported before.
EXPECTED = {"numpy", "pandas", "matplotlib", "seaborn", "plotly", "sklearn", "ipywidgets", "joblib"}
# The fonts are looked for once: that takes seconds, and prints a line. What is imported is compiled.
WARM_UP = (
    "import matplotlib.font_manager, matplotlib.pyplot, plotly.express, seaborn, sklearn.ensemble, sklearn.pipeline\n"
    "import ipykernel.kernelapp, ipykernel.ipkernel, ipykernel.zmqshell, ipywidgets, joblib, nbformat, tqdm"
)
TIMEOUT = 600
CELL_TIMEOUT = "60"  # what hangs by one kind of kernel alone is a difference, too
# What the others are compared with, and the inputs of execute-notebook for each kind of kernel.
BASE = "spawn"
MODES = {
    BASE: {"kernel-start": "spawn"},
    "fork": {"kernel-start": "fork", "preload": "off"},
    "preload": {"kernel-start": "fork", "preload": "auto"},
}
# What differs between two runs by the same kind of kernel.
RULES = {
    "address": r"\b0x[0-9a-f]{8,}\b",
    "uuid": r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b",
    "id": r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])",  # of widgets, and of animations of matplotlib
    "styler": r"\bT_[0-9a-f]{5}",
    "process": r"(?<=\bpid=)\d+|(?<=\bparent=)\d+|(?<=/ipykernel_)\d+",
    "temporary": r"\b(?:tmp|nci-|t-)[a-z0-9_]{8}\b",
    "seconds": r"\b\d+\.\d+s\b",
}


@dataclass(frozen=True)
class Outcome:
    """What came of a notebook.

    Attributes:
        verdict: How it went, as the record has it.
        cells: Of each code cell, its count and its outputs.
        widgets: The states of its widgets.
    """

    verdict: dict[str, Any]
    cells: list[Any]
    widgets: list[Any]


def outcome(done: Done, name: str) -> Outcome:
    """Return what came of a notebook of the corpus."""
    result, executed = done.notebooks[f"{name}.ipynb"], done.executed(f"{name}.ipynb")
    failure = result["failure"] or {}
    cells = [[cell["execution_count"], joined(cell["outputs"])] for cell in executed["cells"] if "outputs" in cell]
    states = executed["metadata"].get("widgets", {}).values()
    return Outcome(
        {"status": result["status"], **{key: failure.get(key) for key in ("kind", "ename", "evalue", "cell", "line")}},
        cells,
        # nbclient writes them sorted by their ids.
        sorted((normalised(state) for each in states for state in each["state"].values()), key=json.dumps),
    )


def joined(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join what a stream got in pieces: where it was cut is a matter of moments."""
    made: list[dict[str, Any]] = []
    for output in copy.deepcopy(outputs):
        if made and output["output_type"] == "stream" and output.get("name") == made[-1].get("name"):
            made[-1]["text"] += output["text"]
        else:
            made.append(output)
    return [{**each, "text": "".join(each["text"])} if "text" in each else each for each in made]


def normalised(value: Any) -> Any:
    """Return an output without ids, addresses and times; images are left as they are."""
    if isinstance(value, dict):
        return {key: each if key == "image/png" else normalised(each) for key, each in value.items()}
    if isinstance(value, list):
        return [normalised(each) for each in value]
    if isinstance(value, str):
        for name, pattern in RULES.items():
            value = re.sub(pattern, f"<{name}>", value)
    return value


def differences(one: Outcome, other: Outcome) -> list[str]:
    """Return what differs between two runs of a notebook."""
    pairs = [("verdict", one.verdict, other.verdict), ("widgets", one.widgets, other.widgets)]
    for number, cells in enumerate(itertools.zip_longest(one.cells, other.cells), 1):
        pairs.append((f"code cell {number}", *cells))
    return [
        f"{what}:\n{unlike(normalised(left), normalised(right))}"
        for what, left, right in pairs
        if normalised(left) != normalised(right)
    ]


def unlike(left: Any, right: Any) -> str:
    """Return the lines in which two values differ, long ones cut."""
    one, other = (json.dumps(value, indent=1, ensure_ascii=False).splitlines() for value in (left, right))
    return "\n".join(line[:400] for line in difflib.unified_diff(one, other, BASE, "other", n=1, lineterm=""))


# --- Running the corpus


@dataclass(frozen=True)
class Run:
    """The corpus, run by one kind of kernel.

    Attributes:
        outcomes: What came of each notebook.
        starts: How each kernel was started.
        preloaded: What each was forked with.
        log: The log of the stage.
        python: The Python of the kernels.
    """

    outcomes: dict[str, Outcome]
    starts: dict[str, str]
    preloaded: dict[str, list[str]]
    log: str
    python: Path


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """The corpus by each kind of kernel; run once, by one of the workers of pytest."""
    return made_once(tmp_path_factory, "corpus", run_all)


def run_all(base: Path) -> dict[str, Run]:
    """Run the corpus by each kind of kernel, in a workspace of the same paths."""
    python = uncompiled_environment(base / "environment", *REQUIREMENTS.split())
    environ = {"MPLCONFIGDIR": str(base / "matplotlib")}
    (base / "matplotlib").mkdir()
    subprocess.run([python, "-c", WARM_UP], env=environ, check=True)
    workspace = base / "workspace"
    runs = {mode: run(workspace, python, mode, environ, NOTEBOOKS) for mode in (BASE, "preload")}
    # Without preloaded modules, kernels are forked in the same way.
    names = [name for name, modules in runs["preload"].preloaded.items() if modules]
    return runs | {"fork": run(workspace, python, "fork", environ, names)}


def run(base: Path, python: Path, mode: str, environ: dict[str, str], names: list[str]) -> Run:
    """Run notebooks of the corpus."""
    base.mkdir()
    workspace = Workspace(base)
    shutil.copytree(CORPUS, workspace.folder, dirs_exist_ok=True)
    notebooks = "\n".join(f"{name}.ipynb" for name in names)
    inputs = {"python": str(python), "notebooks": notebooks, "cell-timeout": CELL_TIMEOUT, **MODES[mode]}
    process = workspace.start("execute-notebook", inputs, environ=environ)
    done = workspace.end(process, TIMEOUT)
    assert done.code in {0, 1}, done.log  # some fail
    left = workspace.processes()
    workspace.kill_all()
    assert not left
    results = {name: done.notebooks[f"{name}.ipynb"] for name in names}
    made = Run(
        {name: outcome(done, name) for name in names},
        {name: result["kernel_start"] for name, result in results.items()},
        {name: result["preloaded"] for name, result in results.items()},
        done.log,
        python,
    )
    shutil.rmtree(base)
    return made


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_gives_the_same(runs: dict[str, Run], name: str) -> None:
    others = {mode: made.outcomes[name] for mode, made in runs.items() if mode != BASE and name in made.outcomes}
    assert "preload" in others
    for mode, other in others.items():
        different = differences(runs[BASE].outcomes[name], other)
        assert not different, "\n".join([mode, *different])


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_does_what_it_is_meant_to(runs: dict[str, Run], name: str) -> None:
    """Otherwise two that cannot be run would be the same."""
    made = runs[BASE].outcomes[name]
    assert made.verdict["ename"] == FAILING.get(name), made
    assert made.verdict["status"] == ("failed" if name in FAILING else "passed")
    assert any(outputs for _, outputs in made.cells)
    cells = json.loads((CORPUS / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    for cell, (_, outputs) in zip(cells, made.cells, strict=True):
        if "raises-exception" in cell["metadata"].get("tags", []):
            assert "error" in [output["output_type"] for output in outputs], cell["source"]


@pytest.mark.parametrize("mode", MODES)
def test_kernels_came_to_be_as_asked_for(runs: dict[str, Run], mode: str) -> None:
    assert set(runs[mode].starts.values()) == {MODES[mode]["kernel-start"]}, runs[mode].log
    preloaded = [modules for modules in runs[mode].preloaded.values() if modules]
    assert len(preloaded) >= 30 if mode == "preload" else not preloaded
    packages = {module.partition(":")[0].partition(".")[0] for modules in preloaded for module in modules}
    assert packages >= EXPECTED or mode != "preload", packages


# --- An import less

# Without an import, some cells fail in another way than by a `NameError`: `xml` does not have `dom` then.
IMPORTING = (
    "%matplotlib inline\nimport xml\nimport xml.dom.minidom",
    "xml.dom.minidom",
    "import numpy\nnumpy.zeros(1)\nfrom numpy import (\n    polynomial as poly,\n)",
    "import scipy\npoly, scipy.special",
    "raise LookupError([name for name in sorted(__import__('sys').modules) if name.startswith('scipy')])",
)


def failures_without_imports(workspace: Workspace, python: Path, preload: str) -> dict[str, list[dict[str, Any]]]:
    """Execute a notebook without each of its imports, all at once, and return how each failed."""
    for number, changed in enumerate(without_imports(notebook(*IMPORTING))):
        workspace.write(f"{number}.ipynb", changed)
    inputs = {"kernel_start": "fork", "preload": preload, "on_cell_error": "continue", "check_imports": "off"}
    done = workspace.execute(python, {}, **inputs)
    return {name: failures(result) for name, result in done.notebooks.items()}


def test_without_an_import_a_notebook_fails_as_ever(runs: dict[str, Run], workspace: Workspace) -> None:
    """The other notebooks of the folder still have that import. A fork without preloaded imports is the cheap model."""
    python = runs[BASE].python
    found = failures_without_imports(workspace, python, "auto")
    assert found == failures_without_imports(workspace, python, "off")
    shown = {(each["ename"], each["evalue"]) for failed in found.values() for each in failed}
    assert {("NameError", "name 'numpy' is not defined"), ("NameError", "name 'poly' is not defined")} <= shown
    assert ("AttributeError", "module 'xml' has no attribute 'dom'") in shown


# A module is imported, as a server does it. All of it counts as installed.
IMPORT = """
import os, sys, tempfile
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import importing
folder = Path(tempfile.mkdtemp(dir=sys.argv[2]))
(folder / "module_of_test.py").write_text(sys.argv[3])
sys.path.insert(0, str(folder))
os.chdir(folder.parent)
printed, shown = open(folder / "printed", "w"), os.dup(1)
os.dup2(printed.fileno(), 1)
inline = sys.argv[4] == "inline"
importer = importing.Importer(importing.probe(folder), lambda _: True, os.path.realpath, vars, inline=inline)
assert not inline or not importer.refusal("matplotlib.pyplot")
refusal = importer.refusal("module_of_test")
os.write(shown, refusal.encode())
os._exit(0)
"""


def refusal(runs: dict[str, Run], folder: Path, source: str, inline: str = "") -> str:
    """Return why a server refuses to import a module; empty if it does not."""
    command = [runs[BASE].python, "-c", IMPORT, ROOT / "scripts" / "kernel_server" / "inside", folder, source, inline]
    return subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, text=True, check=True, timeout=60).stdout


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import numpy", ""),
        ("import numpy\nnumpy.random.seed()", ""),
        ("import numpy\nGENERATOR = numpy.random", ""),
        ("import numpy\nnumpy.random.seed(0)", "it changes random numbers"),
        ("import numpy\nVALUE = numpy.random.rand()", "it changes random numbers"),
        ("import numpy\nVALUE = numpy.random.default_rng(1)", "module_of_test has random numbers of its own"),
        ("import random\nVALUE = random.random()", "it changes random numbers"),
    ],
)
def test_random_numbers_that_forks_would_share(
    runs: dict[str, Run], tmp_path: Path, source: str, expected: str
) -> None:
    assert refusal(runs, tmp_path, source) == expected


@pytest.mark.parametrize(
    "source",
    [
        "import matplotlib as mpl",
        "from matplotlib import rcParams\nSIZE = rcParams['figure.figsize']",
        "from matplotlib.pyplot import plot",
        "from mpl_toolkits.mplot3d import Axes3D",
        "import matplotlib\nMAP = matplotlib.colormaps['viridis']\ndel matplotlib",
        "def choose():\n    import matplotlib\n    matplotlib.rcParams['lines.linewidth'] = 9\nchoose()",
    ],
)
def test_what_may_read_settings_comes_after_the_command_that_changes_them(
    runs: dict[str, Run], tmp_path: Path, source: str
) -> None:
    why = "it uses Matplotlib, and `%matplotlib inline` comes before it"
    assert refusal(runs, tmp_path, source, "inline") == why
    assert refusal(runs, tmp_path, source) == ""
    assert refusal(runs, tmp_path, "import multiprocessing", "inline") == "", "its name for the notebook is no user"


def test_names_that_other_modules_get_come_too_early(runs: dict[str, Run], tmp_path: Path) -> None:
    """`sklearn.experimental.enable_iterative_imputer` does this: before it, `sklearn.impute` lacks a name."""
    assert refusal(runs, tmp_path, "import IPython\nIPython.found_too_early = 1") == "it adds names to IPython"
    assert refusal(runs, tmp_path, "import string\nstring.found_too_early = 1") == "it adds names to string"
    assert refusal(runs, tmp_path, "import IPython\nimport IPython.lib.deepreload") == ""


def test_a_command_for_plots_does_not_end_the_list(runs: dict[str, Run]) -> None:
    preloaded = {name: set(found) for name, found in runs["preload"].preloaded.items() if "matplotlib-inline-" in name}
    assert any("matplotlib.pyplot" in found for found in preloaded.values())
    assert not any("seaborn" in found for found in preloaded.values())


def test_only_notebooks_that_exist_are_named_as_failing() -> None:
    assert set(FAILING) < set(NOTEBOOKS)


# --- The comparison itself


def test_each_rule_is_needed(runs: dict[str, Run]) -> None:
    shown = json.dumps([[made.cells, made.widgets] for made in runs[BASE].outcomes.values()])
    assert {name for name, pattern in RULES.items() if re.search(pattern, shown)} == set(RULES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<function f at 0x7f00deadbeef>", "<function f at <address>>"),
        ("0x10, 0xffff", "0x10, 0xffff"),
        ("plotly 12345678-90ab-cdef-1234-567890abcdef", "plotly <uuid>"),
        ("IPY_MODEL_" + "0f" * 16, "IPY_MODEL_<id>"),
        ("0f" * 32, "0f" * 32),  # a SHA-256
        ("#T_0a1b2_row0", "#<styler>_row0"),
        (
            "pid=4711 parent=4710 at /t/ipykernel_4711/1.py:1",
            "pid=<process> parent=<process> at /t/ipykernel_<process>/1.py:1",
        ),
        ("/t/tmpab_c1234/x /t/nci-ab_c1234/y", "/t/<temporary>/x /t/<temporary>/y"),
        ("Ran 2 tests in 0.001s; 0.5 of 3", "Ran 2 tests in <seconds>; 0.5 of 3"),
    ],
)
def test_what_is_normalised(text: str, expected: str) -> None:
    assert normalised([{"text": text}]) == [{"text": expected}]
    assert normalised({"data": {"image/png": text}}) == {"data": {"image/png": text}}


def test_different_notebooks_differ(runs: dict[str, Run]) -> None:
    outcomes = list(runs[BASE].outcomes.values())
    for one, other in itertools.pairwise(outcomes):
        assert differences(one, other)


def test_a_piece_that_differs_is_found(runs: dict[str, Run]) -> None:
    """Another image, a missing or additional output, another order, count, stream or verdict."""
    made = runs[BASE].outcomes["plain/matplotlib-several"]
    assert [each["output_type"] for each in made.cells[0][1]].count("display_data") == 3

    def differs(change: str) -> list[str]:
        other = copy.deepcopy(made)
        outputs = other.cells[0][1]
        exec(change, {"outputs": outputs, "other": other})  # noqa: S102 - the text of this test
        return differences(made, other)

    for change in (
        "outputs[1]['data']['image/png'] = outputs[2]['data']['image/png']",
        "outputs.pop()",
        "outputs.append(outputs[0])",
        "outputs.reverse()",
        "outputs[0]['name'] = 'stderr'",
        "outputs[0]['text'] += ' '",
        "outputs[1]['data']['text/plain'] += 'x'",
        "outputs[1]['metadata']['needs_background'] = 'light'",
        "other.cells[0][0] = 9",
        "other.cells.pop()",
        "other.verdict['status'] = 'failed'",
        "other.verdict['line'] = 1",
        "other.widgets.append({})",
    ):
        [difference] = differs(change)
        assert difference.startswith(("code cell", "verdict", "widgets"))
    assert not differs("")


def test_streams_are_joined_where_nothing_stands_between() -> None:
    def stream(name: str, text: str | list[str]) -> dict[str, Any]:
        return {"output_type": "stream", "name": name, "text": text}

    given = [stream("stdout", ["a\n", "b"]), stream("stdout", ["c"]), stream("stderr", ["d"]), stream("stdout", ["e"])]
    assert joined(given) == [stream("stdout", "a\nbc"), stream("stderr", "d"), stream("stdout", "e")]
