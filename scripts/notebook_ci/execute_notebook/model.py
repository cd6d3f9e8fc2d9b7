"""What execute-notebook takes, gives and records."""

from dataclasses import dataclass, field
from typing import Any, Literal

from notebook_ci.base import yaml12
from notebook_ci.base.errors import InputError
from notebook_ci.base.inputs import StageInputs, given
from notebook_ci.base.records import Record
from notebook_ci.base.texts import quote
from notebook_ci.base.values import BOOLEAN, GLOBS, PATH, PRELOAD, SECONDS, SIZE, WORKERS, YAML_MAP, YamlKind, choice
from notebook_ci.base.yaml12 import Value, Values
from notebook_ci.execute_notebook.sweep import SETS

FailureKind = Literal[
    "cell-error",
    "cell-timeout",
    "notebook-timeout",
    "kernel-died",
    "kernel-not-started",
    "invalid-notebook",
    "broken-execution",
    "surroundings",
    "cancelled",
]


def _needs(value: Value, origin: str) -> dict[str, tuple[str, ...]]:
    found = {}
    for pattern, needed in yaml12.as_map(value, origin).items():
        given = needed if isinstance(needed, list) else [needed]
        others = [other for other in given if isinstance(other, str)]
        if len(others) < len(given):
            raise InputError(
                f"{origin} has {quote(needed)} for {quote(pattern)}, which is not a list of notebooks.",
                hint="Write `report.ipynb: [train.ipynb]`.",
            )
        found[pattern] = tuple(others)
    return found


NEEDS = YamlKind("YAML: `notebook: [notebooks]`, one per line", _needs, "YAML")

OUTPUTS = {
    "executed": "Number of notebooks that were attempted, failed ones included.",
    "failed": "Number of notebooks that failed.",
    "output-dir": "Folder of the executed notebooks.",
}


@dataclass(frozen=True, kw_only=True)
class ExecuteInputs(StageInputs):
    """Execute notebooks and say precisely what failed."""

    notebooks: tuple[str, ...] = given(
        GLOBS,
        "Notebooks to execute: files, folders or globs (`**` for any folders), one a line, relative to the workspace. "
        "Hidden folders and virtual environments are left out. A line that matches nothing is an error.",
        default=("**/*.ipynb",),
        shown_default="`**/*.ipynb`",
    )
    exclude: tuple[str, ...] = given(
        GLOBS, "Notebooks to leave out, written as in `notebooks`.", default=(), shown_default="none"
    )
    parameters: Values = given(
        YAML_MAP,
        "Parameters for the notebooks, as YAML 1.2. Each notebook gets those that its cell tagged `parameters` "
        "declares; one that no notebook declares is an error. They stand in the executed notebooks: give no secrets.",
        default={},
        shown_default="none",
    )
    parameters_file: str = given(
        PATH, "YAML file of parameters. `parameters` wins, name by name.", default="", shown_default="none"
    )
    sweep: dict[str, Values] = given(
        SETS,
        "Sets of parameters. A notebook is executed once for each set with a parameter that it declares; its "
        "values win over `parameters`. Each execution has the name of its set, or what is in it: `train@a=0.1.ipynb`.",
        default={},
        shown_default="none",
    )
    needs: dict[str, tuple[str, ...]] = given(
        NEEDS,
        "Which notebooks must have passed before another begins: `report.ipynb: [train.ipynb]`. Both sides may be "
        "globs. Where one of them has failed, the other is skipped.",
        default={},
        shown_default="none",
    )
    execution_order: str = given(
        choice("auto", "sorted", "parallel"),
        "Which notebooks run one after the other: `auto`: the numbered ones of each folder (`01-`, `02_`), in their "
        "order, whether or not one fails; `sorted`: all; `parallel`: none. `needs` holds in any case.",
        default="auto",
        shown_default="`auto`",
    )
    workers: int | None = given(
        WORKERS,
        "How many notebooks run at a time.",
        default=None,
        shown_default="`auto`: one a CPU that the process may use, one more while they take less than a second",
    )
    python: str = given(
        PATH,
        "Python interpreter to run the kernels; it must have ipykernel. Notebooks of another language are run by the "
        "kernel that they name, where Jupyter finds it: in this environment, the user's home or the system.",
        default="",
        shown_default="that of setup-env in this run, on a laptop also of an earlier one, else `VIRTUAL_ENV`, "
        "`pythonLocation`, `python` on PATH",
    )
    output_dir: str = given(
        PATH,
        "Folder for the executed notebooks, laid out as the originals are.",
        default="",
        shown_default="a folder in the run directory",
    )
    cell_timeout: float | None = given(
        SECONDS,
        "Seconds a cell may run. Then it is interrupted, and the notebook fails.",
        default=None,
        shown_default="none",
    )
    notebook_timeout: float | None = given(
        SECONDS, "Seconds a notebook may run, from the start of its kernel.", default=None, shown_default="none"
    )
    shell_errors: str = given(
        choice("warn", "fail", "ignore"),
        "What happens when a shell command of a notebook (`!command`, `x = !command`, `%pip`) fails: `warn` names the "
        "cell and the command, `fail` fails the cell, `ignore` does nothing.",
        default="warn",
        shown_default="`warn`",
    )
    kernel_start: str = given(
        choice("auto", "fork", "spawn"),
        "How kernels come to be: `fork`: from a process that has imported ipykernel, which is much faster, and is "
        "Linux alone; one that cannot be forked is started. `spawn`: each is started anew. `auto`: forked on Linux.",
        default="auto",
        shown_default="`auto`",
    )
    preload: tuple[str, ...] | None = given(
        PRELOAD,
        "Imports that are made once for several notebooks, before their kernels are forked. `auto`: what at least two "
        "notebooks of a folder import at their beginning, and only for those, and only where it is shown to make no "
        "difference. Module names: these, for all notebooks: one that lacks an import of them is not found out.",
        default=None,
        shown_default="`auto`",
    )
    preload_max_memory: int | None = given(
        SIZE,
        "Memory that such imports may take, beside that of the notebooks.",
        default=None,
        shown_default="a quarter of what there is",
    )
    max_output: int = given(
        SIZE,
        "How much of a notebook's outputs is kept. Of more text the beginning and the end stay, with a notice between "
        "them; other outputs that do not fit are left out, with a notice in their place.",
        default=25_000_000,
        shown_default="`25 MB`",
    )
    html: bool = given(
        BOOLEAN,
        "Write each executed notebook as an HTML page too. The page runs no scripts and loads nothing.",
        default=False,
        shown_default="`false`",
    )


@dataclass(kw_only=True)
class Failure:
    """Why a notebook failed, and where.

    Attributes:
        kind: The class of the failure.
        title: A few words: what, and in which cell.
        message: One sentence; of an exception its text.
        cell: The failing cell: its place among all cells of the notebook, counted from 1.
        points_to: The cell that the traceback points into: another one, where a function of that cell raised.
        line: The physical line in the `.ipynb` file, in that cell, counted from 1.
        source: The line of code that it points to.
        ename: The name of the exception.
        evalue: The text of the exception.
        hint: What to do next, where that is known.
        traceback: The traceback without colours; of long ones the frames in the notebook, and the innermost others.
    """

    kind: FailureKind
    title: str
    message: str
    cell: int | None = None
    points_to: int | None = None
    line: int | None = None
    source: str = ""
    ename: str = ""
    evalue: str = ""
    hint: str = ""
    traceback: str = ""


@dataclass(kw_only=True)
class NotebookResult:
    """How one execution of a notebook went.

    Attributes:
        path: The notebook, relative to the workspace.
        name: The name of the execution: the path, with a sweep that and the parameter set (`train@small.ipynb`).
        output: The executed notebook, relative to the run directory where it lies in it; empty: there is none.
        html: The same as HTML, where it was asked for.
        status: `skipped` was never begun: a notebook that it needs did not pass, or the stage broke off.
        skipped_for: The execution that it needs and that did not pass.
        duration: Seconds, with the start of the kernel.
        kernel: Which kernel ran it, of those that Jupyter finds, where it is one of another language than Python.
        kernel_start: Whether its kernel was forked or started; empty: it had none.
        preloaded: What its kernel was forked with, of its own imports: `a.b`, or `a.b:c` for `from a.b import c`.
        not_preloaded: Which of its imports were not made before it, and why.
        parameters: The parameters it was given.
        cells: Number of its code cells.
        executed_cells: Number of code cells that ran, the failing one included.
        metrics: Numbers that it reported.
        scraps: Other values that it reported, by scrapbook.
        left_out: Bytes of its outputs that were not kept, because of `max-output`.
        failure: Why it failed.
    """

    path: str
    name: str
    output: str = ""
    html: str = ""
    status: Literal["passed", "failed", "skipped"] = "skipped"
    skipped_for: str = ""
    duration: float = 0.0
    kernel: str = ""
    kernel_start: Literal["", "fork", "spawn"] = ""
    preloaded: list[str] = field(default_factory=list)
    not_preloaded: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    cells: int = 0
    executed_cells: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    scraps: dict[str, Any] = field(default_factory=dict)
    left_out: int = 0
    failure: Failure | None = None


@dataclass(kw_only=True)
class ExecuteRecord(Record):
    """The record of execute-notebook.

    `metrics` are those of all notebooks; a name that several report is written `<notebook>.<name>`, the notebook
    without its suffix.

    Attributes:
        python: The interpreter of the kernels.
        python_version: Its version.
        ipykernel_version: The version of its ipykernel.
        output_dir: The folder of the executed notebooks.
        workers: How many notebooks ran at a time, at most; one whose cells have all run is not counted, nor is
            the one more that `auto` allows while they take less than a second.
        notebooks: One result an execution, sorted, each behind those that it needs.
    """

    python: str = ""
    python_version: str = ""
    ipykernel_version: str = ""
    output_dir: str = ""
    workers: int = 1
    notebooks: list[NotebookResult] = field(default_factory=list)

    @property
    def headline(self) -> dict[str, str]:
        """The values of `OUTPUTS`."""
        begun = [notebook for notebook in self.notebooks if notebook.status != "skipped"]
        failed = [notebook for notebook in begun if notebook.status == "failed"]
        return {"executed": str(len(begun)), "failed": str(len(failed)), "output-dir": self.output_dir}
