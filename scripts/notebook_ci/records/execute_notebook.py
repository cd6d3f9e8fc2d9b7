"""The record of execute-notebook."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

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
    "unexpected-pass",
    "changed-output",
    "not-compared",
    "secret",
]
Change = Literal["changed", "new", "gone", "error"]  # of an output
# Why outputs differ between runs. The first three were seen: nothing else was changed. The others are in the code.
Cause = Literal["hash-seed", "threads", "time-zone", "random", "time", "network", "concurrency"]
IGNORED = "ignored"  # the verdict on a cell that is not compared
ALLOW = "allow-failure"  # a setting
# Failures that need no title: their messages name the notebook or the file.
UNTITLED: tuple[FailureKind, ...] = ("invalid-notebook", "surroundings")


@dataclass(kw_only=True)
class Failure:
    """Why a notebook failed, and where."""

    kind: FailureKind
    title: str  # a few words: what, and in which cell
    message: str  # one sentence; of an exception its text
    cell: int | None = None  # the failing cell, counted from 1 among all cells of the notebook
    # The cell that the traceback points to, if that is another one: a function raised there.
    points_to: int | None = None
    line: int | None = None  # the line in the notebook's file, counted from 1
    source: str = ""  # the code of that line
    ename: str = ""  # the exception's name
    evalue: str = ""  # the exception's text
    hint: str = ""  # what to do next
    traceback: str = ""  # without colours; long ones keep the frames in the notebook and the innermost others


@dataclass(kw_only=True)
class Comparison:
    """How the outputs of an execution differ from those stored in the notebook's file, or from those of a baseline."""

    # Number of code cells that are `same`, `within-tolerance`, `changed`, `new` (outputs that were not stored), `gone`,
    # `error` (another error, or none), `ignored`.
    cells: dict[str, int] = field(default_factory=dict)
    not_compared: int = 0  # videos, widgets and similar contents with other bytes, which are not compared
    page: str = ""  # the old and the new outputs of the cells that differ; empty: none differ
    allowed: list[Failure] = field(default_factory=list)  # what differs, if it is only a warning: `compare: warn`
    not_in_baseline: list[int] = field(default_factory=list)  # cells, from 1: new ones, which are not compared

    @property
    def compared(self) -> int:
        return sum(self.cells.values()) - self.cells.get(IGNORED, 0)


@dataclass(kw_only=True)
class Nondeterminism:
    """A cell whose outputs differ between runs of the same notebook: see `determinism`."""

    cell: int  # counted from 1 among all cells of the notebook
    line: int  # the line in the notebook's file where the cell begins, counted from 1
    message: str  # how the outputs of the first run and of a later one differ
    within_tolerance: bool  # only numbers differ, by no more than `rtol` and `atol`
    causes: list[Cause]  # the likely ones; empty: unknown
    is_failure: bool = False  # a repetition failed there


@dataclass(kw_only=True)
class NotebookResult:
    """The result of one execution of a notebook."""

    path: str  # the notebook, relative to the workspace
    name: str  # the execution: the path; in a sweep with the parameter set (`train@small.ipynb`)
    output: str = ""  # the executed notebook, relative to the run directory if it is inside; empty if there is none
    html: str = ""  # the executed notebook as an HTML page
    # `allowed`: it failed, and its setting `allow-failure` allows that. `skipped`: it was not begun, because a notebook
    # that it needs did not pass, or because the stage was stopped.
    status: Literal["passed", "failed", "allowed", "skipped"] = "skipped"
    skipped_for: str = ""  # the execution that it needs, and that did not pass
    started: str = ""  # in UTC (ISO 8601); empty if it was not begun
    duration: float = 0.0  # seconds, including the start of the kernel
    kernel: str = ""  # Jupyter's name of the kernel, if its language is not Python
    kernel_start: Literal["", "fork", "spawn"] = ""  # whether its kernel was forked or started; empty if it had none
    # Its imports that the fork had: `a.b`, or `a.b:c` for `c` of `a.b`.
    preloaded: list[str] = field(default_factory=list)
    not_preloaded: dict[str, str] = field(default_factory=dict)  # its other imports -> why they were not preloaded
    parameters: dict[str, object] = field(default_factory=dict)  # the parameters it was given
    settings: dict[str, object] = field(default_factory=dict)  # those that it has instead of the values of the inputs
    own_settings: list[str] = field(default_factory=list)  # names of the settings that its own metadata set
    cells: int = 0  # number of code cells
    executed_cells: int = 0  # number of code cells that ran, including the failing one
    cell_seconds: dict[str, float] = field(default_factory=dict)  # of each, by its number; 0: it did not end
    metrics: dict[str, float] = field(default_factory=dict)  # numbers that it reported
    scraps: dict[str, object] = field(default_factory=dict)  # other values that it reported with scrapbook
    left_out: int = 0  # bytes of outputs that were not kept, because of `max-output`
    comparison: Comparison | None = None  # see `compare`
    nondeterministic: list[Nondeterminism] | None = None  # None: it was not repeated, see `determinism`
    updated: str = ""  # a copy of its file with the new outputs, and with exemptions: see `update`
    failure: Failure | None = None  # of several, the first one
    other_failures: list[Failure] = field(default_factory=list)
    # The first failure of each earlier attempt, if it was executed again: see `retries`. All else is of the last one.
    earlier_failures: list[Failure] = field(default_factory=list)

    @property
    def failures(self) -> list[Failure]:
        return [self.failure, *self.other_failures] if self.failure else []

    @property
    def is_flaky(self) -> bool:
        return self.status == "passed" and bool(self.earlier_failures)

    @property
    def allowance(self) -> str:
        """Where it says that the notebook may fail, until when, and why."""
        where = "in the notebook's own metadata" if ALLOW in self.own_settings else "in `for`"
        return f"`{ALLOW}` {where}: {self.settings.get(ALLOW)}."


@dataclass(kw_only=True)
class NotebooksRecord(Record):
    """What the records of execute-notebook and collect-runs have in common.

    `metrics` are those of all notebooks. If several report the same name, it is `<notebook>.<name>`.
    """

    notebooks: list[NotebookResult] = field(default_factory=list)  # one per execution, each after those that it needs

    @property
    def begun(self) -> list[NotebookResult]:
        return [notebook for notebook in self.notebooks if notebook.status != "skipped"]

    @property
    def failed(self) -> list[NotebookResult]:
        return [notebook for notebook in self.notebooks if notebook.status == "failed"]

    @property
    def allowed(self) -> list[NotebookResult]:
        return [notebook for notebook in self.notebooks if notebook.status == "allowed"]

    @property
    def flaky(self) -> list[NotebookResult]:
        return [notebook for notebook in self.notebooks if notebook.is_flaky]

    @property
    def durations(self) -> dict[str, float]:
        """The seconds of each execution that passed, by name: what later runs expect."""
        return {notebook.name: notebook.duration for notebook in self.notebooks if notebook.status == "passed"}

    @property
    def headline(self) -> dict[str, str]:
        found = {"executed": self.begun, "failed": self.failed, "allowed-failures": self.allowed, "flaky": self.flaky}
        return {name: str(len(each)) for name, each in found.items()}

    @property
    def reported(self) -> dict[str, str]:
        """The execution that reported each metric, by the name of the metric in `metrics`."""
        return {name: notebook.name for name, notebook, _ in self._reports()}

    def merge_metrics(self) -> None:
        """Set `metrics` from the notebooks."""
        self.metrics = {name: value for name, _, value in self._reports()}

    def _reports(self) -> Iterator[tuple[str, NotebookResult, float]]:
        reporters = Counter(name for notebook in self.notebooks for name in notebook.metrics)
        for notebook in self.notebooks:
            for name, value in notebook.metrics.items():
                prefix = "" if reporters[name] == 1 else f"{notebook.name.removesuffix('.ipynb')}."
                yield prefix + name, notebook, value


@dataclass(kw_only=True)
class ExecuteRecord(NotebooksRecord):
    python: str = ""  # the kernels' interpreter
    python_version: str = ""
    ipykernel_version: str = ""
    output_dir: str = ""  # the folder of the executed notebooks
    # The most notebooks that ran at a time, without those whose cells had all run, and without the additional one that
    # `auto` allows while notebooks take under a second.
    workers: int = 1

    @property
    def headline(self) -> dict[str, str]:
        return super().headline | {"output-dir": self.output_dir}
