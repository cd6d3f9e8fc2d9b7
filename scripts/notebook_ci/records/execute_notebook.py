"""The record of execute-notebook."""

from dataclasses import dataclass, field
from typing import Any, Literal

from notebook_ci.records.record import Record

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
    def begun(self) -> list[NotebookResult]:
        return [notebook for notebook in self.notebooks if notebook.status != "skipped"]

    @property
    def failed(self) -> list[NotebookResult]:
        return [notebook for notebook in self.notebooks if notebook.status == "failed"]

    @property
    def headline(self) -> dict[str, str]:
        """The values of `OUTPUTS`."""
        return {"executed": str(len(self.begun)), "failed": str(len(self.failed)), "output-dir": self.output_dir}
