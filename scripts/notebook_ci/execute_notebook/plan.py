"""Plans which notebooks are executed, with which parameters, in which order, and where the outputs go. Runs nothing."""

import functools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from notebook_ci.base import yaml12
from notebook_ci.base.errors import InputError, NotebookCiError
from notebook_ci.base.files import exists, read_text
from notebook_ci.base.plan import Plan
from notebook_ci.base.problems import Problem
from notebook_ci.base.texts import did_you_mean, listed, quote
from notebook_ci.base.workspace import Workspace
from notebook_ci.base.yaml12 import Values
from notebook_ci.execute_notebook.model import ExecuteInputs
from notebook_ci.execute_notebook.schedule import Order, chains, ordered
from notebook_ci.execute_notebook.selection import SUFFIX, everything, matching, select
from notebook_ci.notebooks import document, parameters, positions
from notebook_ci.notebooks.document import Document
from notebook_ci.records.run_directory import RunDirectory

if TYPE_CHECKING:  # importing jupyter_client is slow
    from notebook_ci.execute_notebook.kernel_specs import Kernel

MOST_LISTED = 10
HOW_TO_TAG = (
    "No notebook assigns a name in a cell tagged `parameters`. Tag the cell that holds the defaults: in JupyterLab, "
    "the gear icon on the right; in VS Code, `Mark Cell as Parameters` in the cell's menu."
)


@dataclass(frozen=True)
class Task:
    """One execution: a notebook, once or with one set of a sweep."""

    path: str  # relative to the workspace
    name: str  # of the execution, and of the executed notebook in the output folder
    content: Document | NotebookCiError  # the error: why it cannot be executed
    declared: tuple[str, ...] = ()  # names of the notebook's parameters
    parameters: Values = field(default_factory=dict)  # the declared ones that are set
    kernel: "Kernel | None" = None  # None: ipykernel


@dataclass(frozen=True, kw_only=True)
class ExecutionPlan(Plan):
    tasks: tuple[Task, ...]  # sorted; each comes after those that it needs
    needs: Mapping[str, Collection[str]]  # per notebook, those that must pass first
    unmet: Sequence[str]  # patterns in `needs` that match no executed notebook
    chains: Sequence[Sequence[str]]  # notebooks that run one after the other
    parameters: Values  # all that are given
    output_dir: Path | None  # None: in the run directory
    missing: str  # the parameters file that dvc-pull has yet to bring; empty: none

    def lines(self) -> Iterator[str]:
        names = [task.name for task in self.tasks]
        yield f"execute {len(names)} notebook{'s' if len(names) > 1 else ''}: {listed(names, MOST_LISTED)}"
        if used := sorted({name for task in self.tasks for name in task.parameters}):
            yield f"set parameters: {listed(used, MOST_LISTED)}"
        if self.missing:
            yield f"not known before dvc-pull has run: the parameters in {self.missing}"
        for task in self.tasks:
            if isinstance(task.content, NotebookCiError):
                yield f"fail {task.path}: {task.content.message}"


def make(inputs: ExecuteInputs, workspace: Workspace) -> ExecutionPlan:
    cwd = workspace.folder
    is_late = workspace.awaits_data and not exists(cwd / inputs.parameters_file)
    shared = {} if is_late else _parameters_file(inputs.parameters_file, cwd)
    own, sets = inputs.parameters, inputs.sweep
    output_dir = cwd / inputs.output_dir if inputs.output_dir else None
    outputs = [RunDirectory.location(inputs.run_dir, workspace.environ, cwd), *([output_dir] if output_dir else [])]
    if output_dir:
        _keep_apart(output_dir, cwd)
    chosen = select(inputs.notebooks, inputs.exclude, cwd, never=outputs)
    all_notebooks = _Listing(lambda: everything(cwd, outputs))
    needs, unmet = _needs(inputs.needs, chosen, all_notebooks)
    paths = ordered(chosen, needs)
    tasks = _tasks(paths, shared | own, sets)
    _refuse_equal_names(tasks)
    if output_dir:
        _keep_sources(tasks, cwd, output_dir)
    swept = {name: value for values in sets.values() for name, value in values.items()}
    # A table in `notebook-ci.toml` is for every run, like the parameters file; text is given for this run only.
    strict = (own if "parameters" in inputs.texts else {}) | (swept if "sweep" in inputs.texts else {})
    _refuse_unknown(strict, shared | own | swept, tasks, all_notebooks)
    order = cast("Order", inputs.execution_order)
    return ExecutionPlan(
        tasks=tasks,
        needs=needs,
        unmet=unmet,
        chains=chains(paths, order),
        parameters=shared | own,
        output_dir=output_dir,
        missing=inputs.parameters_file if is_late else "",
        problems=tuple(_second_cells(tasks)),
    )


def _keep_apart(output_dir: Path, cwd: Path) -> None:
    """Refuse an output folder that contains the workspace: a later run would treat outputs as notebooks."""
    if cwd.resolve().is_relative_to(output_dir.resolve()):
        raise InputError(
            f"`output-dir` is {quote(str(output_dir))}, which contains the notebooks.",
            hint="Set `output-dir` to a folder of its own.",
        )


def _keep_sources(tasks: Sequence[Task], cwd: Path, output_dir: Path) -> None:
    """Refuse outputs that would overwrite their sources: a link in the folder can lead there."""
    for task in tasks:
        source, output = cwd / task.path, output_dir / task.name
        if output.parent.resolve() / output.name == source.parent.resolve() / source.name:
            raise InputError(
                f"{task.path} would be overwritten by its executed copy.",
                hint="Set `output-dir` to another folder.",
            )


def _refuse_equal_names(tasks: Sequence[Task]) -> None:
    [(name, times)] = Counter(task.name for task in tasks).most_common(1)
    if times > 1:
        raise InputError(
            f"Two executions would be named {quote(name)}: one of a notebook, and one of `sweep`.",
            hint="Rename the set in `sweep`.",
        )


def _second_cells(tasks: Sequence[Task]) -> Iterator[Problem]:
    """Warn about cells tagged `parameters` after the first one: papermill does not set their names."""
    for path, content in {task.path: task.content for task in tasks}.items():
        if isinstance(content, Document) and len(cells := parameters.tagged(content)) > 1:
            yield Problem(
                severity="warning",
                message=f"{len(cells)} cells are tagged `{parameters.TAG}`; only the first, cell {cells[0].index + 1}, "
                "is used. Move all parameters into it.",
                file=path,
                line=positions.cell_line(content.text, cells[1].index),
            )


def _needs(
    given: Mapping[str, Sequence[str]], chosen: Sequence[str], all_notebooks: "_Listing"
) -> tuple[dict[str, set[str]], list[str]]:
    """Return which executed notebooks need which, and the patterns in `needs` that match no executed notebook."""
    needs: dict[str, set[str]] = {}
    unmet: list[str] = []
    for pattern, others in given.items():
        found = {other: _matches(other, chosen, all_notebooks) for other in others}
        wanted = {path for paths in found.values() for path in paths}
        needing = _matches(pattern, chosen, all_notebooks)
        for path in needing:
            needs.setdefault(path, set()).update(wanted - ({path} if pattern != path or path not in others else set()))
        unmet += [other for other, paths in found.items() if needing and not paths]
    return needs, unmet


def _matches(pattern: str, chosen: Sequence[str], all_notebooks: "_Listing") -> list[str]:
    """Return the executed notebooks that a pattern matches; raise InputError if it matches none of the workspace."""
    if found := matching(pattern, chosen):
        return found
    if not matching(pattern, all_notebooks.paths):
        raise InputError(
            f"`needs` lists {quote(pattern)}, which matches no notebook.",
            hint=f"{did_you_mean(all_notebooks.paths, pattern)} Patterns are relative to the workspace.",
        )
    return []


class _Listing:
    """The notebooks of a workspace, searched only on demand."""

    def __init__(self, find: Callable[[], Iterable[str]]) -> None:
        self._find = find

    @functools.cached_property
    def paths(self) -> list[str]:
        return sorted(self._find())


def _parameters_file(name: str, cwd: Path) -> Values:
    if not name:
        return {}
    text = read_text(cwd / name, name, hint="`parameters-file` is the path of a YAML file.")
    return yaml12.mapping(text, origin=name, file=name)


def _tasks(paths: Iterable[str], given: Values, sets: Mapping[str, Values]) -> tuple[Task, ...]:
    return tuple(task for path in paths for task in _of_notebook(path, given, sets))


def _of_notebook(path: str, given: Values, sets: Mapping[str, Values]) -> Iterator[Task]:
    try:
        content = document.read(Path(path))
        names = parameters.declared(content)
    except NotebookCiError as fault:
        yield Task(path, path, fault)
        return
    swept = {label: values for label, values in sets.items() if not values.keys().isdisjoint(names)}
    for label, values in (swept or {"": {}}).items():
        name = f"{path.removesuffix(SUFFIX)}@{label}{SUFFIX}" if label else path
        wanted = {**given, **values}
        yield Task(path, name, content, names, {each: wanted[each] for each in wanted if each in names})


def _refuse_unknown(own: Values, given: Values, tasks: Sequence[Task], all_notebooks: _Listing) -> None:
    """Refuse a parameter that no notebook declares: it is probably misspelt.

    A parameters file is shared by all notebooks, so one of its parameters (in `given` but not in `own`) may be declared
    by a notebook that is not executed now. If a notebook cannot be read, nothing is refused: it may declare the
    parameter.
    """
    declared = {name for task in tasks for name in task.declared}
    unknown = [name for name in [*own, *given] if name not in declared]
    if not unknown or any(isinstance(task.content, NotebookCiError) for task in tasks):
        return
    if unknown[0] not in own:
        elsewhere = {name for task in _tasks(all_notebooks.paths, {}, {}) for name in task.declared}
        unknown = [name for name in unknown if name not in elsewhere]
    if unknown:
        what = f"No notebook declares the parameter {quote(unknown[0])}."
        raise InputError(what, hint=_how_to_declare(unknown[0], declared, tasks))


def _how_to_declare(unknown: str, declared: Collection[str], tasks: Sequence[Task]) -> str:
    if second := next(_second_cells(tasks), None):
        return f"{second.file}: {second.message}"
    foreign = ""
    for task in tasks:
        if not isinstance(task.content, Document):
            continue
        if tag := parameters.mistagged(task.content):
            return f"{task.path} has a cell tagged {quote(tag)}; the tag must be `{parameters.TAG}`, in lower case."
        if parameters.cannot_be_set(task.content):
            foreign = (
                f"{task.path} has parameters in {quote(document.language(task.content))}, which papermill cannot set."
            )
    meant = did_you_mean(declared, unknown)
    if foreign and not meant:
        return foreign
    if not declared:
        return HOW_TO_TAG
    names = listed([f"`{name}`" for name in sorted(declared)], MOST_LISTED)
    return f"{meant} Parameters are the names assigned in the cell tagged `parameters`: {names}."
