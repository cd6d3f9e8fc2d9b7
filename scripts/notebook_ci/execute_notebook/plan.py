"""What is executed: which notebooks, with which parameters, in which order, and where the results go. Nothing runs."""

import difflib
import functools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from notebook_ci.base import yaml12
from notebook_ci.base.context import Context
from notebook_ci.base.errors import InputError, NotebookCiError
from notebook_ci.base.files import read_text
from notebook_ci.base.inputs import quote
from notebook_ci.base.reporter import Reporter
from notebook_ci.base.texts import listed
from notebook_ci.execute_notebook import sweep
from notebook_ci.execute_notebook.model import ExecuteInputs
from notebook_ci.execute_notebook.schedule import Order, chains, ordered
from notebook_ci.execute_notebook.selection import SUFFIX, everything, matching, select
from notebook_ci.notebooks import document, parameters, positions
from notebook_ci.notebooks.document import Document

if TYPE_CHECKING:  # jupyter_client takes a while
    from notebook_ci.execute_notebook.kernel_specs import Kernel

MOST_LISTED = 10
HOW_TO_TAG = (
    "No notebook assigns a name in a cell tagged `parameters`. Tag the one that does: in JupyterLab by the gear at the "
    "right, in VS Code by the cell's menu, Mark Cell as Parameters."
)


@dataclass(frozen=True)
class Task:
    """A notebook to execute: once, or with one of the sets of a sweep.

    Attributes:
        path: Its path, relative to the workspace.
        name: The name of the execution, and of the executed notebook in the folder of the outputs.
        content: The notebook as it was read, or why it cannot be executed.
        declared: The names of the parameters that it declares.
        parameters: Those of them that are given.
        kernel: What runs it, where that is not ipykernel.
    """

    path: str
    name: str
    content: Document | NotebookCiError
    declared: tuple[str, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    kernel: "Kernel | None" = None


@dataclass(frozen=True)
class Plan:
    """All that is executed.

    Attributes:
        tasks: The executions: sorted, each behind those that it needs.
        needs: By notebook, those that must have passed before.
        unmet: Patterns of notebooks that others need, none of which is executed.
        chains: Notebooks that run one after the other.
        parameters: All parameters that are given.
        output_dir: The folder of the executed notebooks.
    """

    tasks: tuple[Task, ...]
    needs: Mapping[str, Collection[str]]
    unmet: Sequence[str]
    chains: Sequence[Sequence[str]]
    parameters: dict[str, Any]
    output_dir: Path


def make(inputs: ExecuteInputs, context: Context) -> Plan:
    """Decide what is executed.

    Raises:
        InputError: Something in the inputs is wrong.
    """
    shared = _parameters_file(inputs.parameters_file, context.cwd)
    own = _map(inputs.parameters, "The input parameters")
    sets = sweep.sets(inputs.sweep)
    runs = context.run_directory.path
    output_dir = (context.cwd / inputs.output_dir) if inputs.output_dir else context.place.artifacts
    _keep_apart(output_dir, context.cwd)
    chosen = select(inputs.notebooks, inputs.exclude, context.cwd, never=[runs, output_dir])
    all_notebooks = _Listing(lambda: everything(context.cwd, [runs, output_dir]))
    needs, unmet = _needs(inputs.needs, chosen, all_notebooks)
    paths = ordered(chosen, needs)
    tasks = _tasks(paths, shared | own, sets)
    _keep_sources(tasks, context.cwd, output_dir)
    _warn_of_second_cells(tasks, context.reporter)
    swept = {name: value for values in sets.values() for name, value in values.items()}
    # A table of the file of inputs stands for every call, as the parameters-file does; text is given for this one.
    strict = {**(own if isinstance(inputs.parameters, str) else {}), **(swept if isinstance(inputs.sweep, str) else {})}
    _refuse_unknown(strict, shared | own | swept, tasks, all_notebooks)
    order = cast("Order", inputs.execution_order)
    return Plan(tasks, needs, unmet, chains(paths, order), shared | own, output_dir)


def _keep_apart(output_dir: Path, cwd: Path) -> None:
    """Refuse a folder for outputs that is the workspace or above it: a later run would take outputs for notebooks."""
    if cwd.resolve().is_relative_to(output_dir.resolve()):
        raise InputError(
            f"output-dir is {output_dir}, which holds the notebooks themselves.",
            hint="Name a folder of its own with the input output-dir.",
        )


def _keep_sources(tasks: Sequence[Task], cwd: Path, output_dir: Path) -> None:
    """Refuse outputs that would be written over their sources, or over each other.

    A link in the folder of the outputs can lead to a source.
    """
    for task in tasks:
        source, output = cwd / task.path, output_dir / task.name
        if output.parent.resolve() / output.name == source.parent.resolve() / source.name:
            raise InputError(
                f"The executed notebook would be written over its source {task.path}.",
                hint="Name another folder with the input output-dir.",
            )
    [(name, times)] = Counter(task.name for task in tasks).most_common(1)
    if times > 1:
        raise InputError(
            f"Two executions would have the name {name}: a notebook's, and one of the sweep.",
            hint="Give the set of the input sweep another name.",
        )


def _warn_of_second_cells(tasks: Sequence[Task], reporter: Reporter) -> None:
    """Warn of cells tagged `parameters` behind the first one: papermill sets none of their names."""
    for path, content in {task.path: task.content for task in tasks}.items():
        if isinstance(content, Document) and len(cells := parameters.tagged(content)) > 1:
            reporter.warning(
                f"{len(cells)} cells are tagged `{parameters.TAG}`: only the first one, cell {cells[0].index + 1}, "
                "counts. Move all parameters into it.",
                file=path,
                line=positions.cell_line(content.text, cells[1].index),
            )


def _needs(
    value: str | dict[str, Any], chosen: Sequence[str], all_notebooks: "_Listing"
) -> tuple[dict[str, set[str]], list[str]]:
    """Return which notebooks need which, of those that are executed, and which patterns name none of those.

    Args:
        value: The input needs: as YAML, or as a table of notebook-ci.toml.
        chosen: The notebooks that are executed.
        all_notebooks: Those of the workspace.
    """
    needs: dict[str, set[str]] = {}
    unmet: list[str] = []
    for pattern, told in _map(value, "The input needs").items():
        others = [told] if isinstance(told, str) else told
        if not isinstance(others, list) or not all(isinstance(other, str) for other in others):
            raise InputError(
                f"The input needs has {quote(told)} for {quote(pattern)}, which is no list of notebooks.",
                hint="Write `report.ipynb: [train.ipynb]`.",
            )
        found = {other: _matches(other, chosen, all_notebooks) for other in others}
        wanted = {path for paths in found.values() for path in paths}
        needing = _matches(pattern, chosen, all_notebooks)
        for path in needing:
            needs.setdefault(path, set()).update(wanted - ({path} if pattern != path or path not in others else set()))
        unmet += [other for other, paths in found.items() if needing and not paths]
    return needs, unmet


def _matches(pattern: str, chosen: Sequence[str], all_notebooks: "_Listing") -> list[str]:
    """Return the notebooks of a pattern of the input needs that are executed.

    Raises:
        InputError: It matches none of the workspace.
    """
    if found := matching(pattern, chosen):
        return found
    if not matching(pattern, all_notebooks.paths):
        close = difflib.get_close_matches(pattern, all_notebooks.paths, n=1)
        meant = f"Did you mean {quote(close[0])}? " if close else ""
        raise InputError(
            f"The input needs names {quote(pattern)}, and no notebook matches that.",
            hint=f"{meant}Patterns are relative to the workspace.",
        )
    return []


class _Listing:
    """The notebooks of a workspace, looked up when somebody asks.

    Args:
        find: Finds them.
    """

    def __init__(self, find: Callable[[], Iterable[str]]) -> None:
        self._find = find

    @functools.cached_property
    def paths(self) -> list[str]:
        """Their paths, sorted."""
        return sorted(self._find())


def _map(value: str | dict[str, Any], origin: str) -> dict[str, Any]:
    """Return what an input holds: as YAML, or as a table of notebook-ci.toml."""
    return (
        yaml12.mapping(value, origin=origin) if isinstance(value, str) else yaml12.plain_mapping(value, origin=origin)
    )


def _parameters_file(name: str, cwd: Path) -> dict[str, Any]:
    """Return the parameters of the file, if one is given."""
    if not name:
        return {}
    text = read_text(cwd / name, name, hint="The input parameters-file takes the path of a YAML file.")
    return yaml12.mapping(text, origin=name, file=name)


def _tasks(paths: Iterable[str], given: Mapping[str, Any], sets: Mapping[str, Mapping[str, Any]]) -> tuple[Task, ...]:
    """Read all notebooks, and give each the parameters that it declares."""
    return tuple(task for path in paths for task in _of_notebook(path, given, sets))


def _of_notebook(path: str, given: Mapping[str, Any], sets: Mapping[str, Mapping[str, Any]]) -> Iterator[Task]:
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


def _refuse_unknown(
    own: Mapping[str, Any], given: Mapping[str, Any], tasks: Sequence[Task], all_notebooks: _Listing
) -> None:
    """Refuse a parameter that no notebook declares: it is misspelt.

    One of a file, which all notebooks share, may be declared by a notebook that is not executed now. Where a notebook
    cannot be read, nothing is refused: it may be the one.

    Args:
        own: Parameters that are given for this call.
        given: All parameters.
        tasks: What is executed.
        all_notebooks: All of the workspace.

    Raises:
        InputError: There is one.
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


def _how_to_declare(unknown: str, declared: Collection[str], tasks: Iterable[Task]) -> str:
    """Return what to do about a name that no notebook declares."""
    foreign = ""
    for task in tasks:
        if not isinstance(task.content, Document):
            continue
        if tag := parameters.mistagged(task.content):
            return f"{task.path} has a cell tagged {quote(tag)}: the tag is `{parameters.TAG}`, in small letters."
        if parameters.cannot_be_set(task.content):
            foreign = (
                f"{task.path} has parameters in {quote(document.language(task.content))}, which papermill cannot set."
            )
    close = difflib.get_close_matches(unknown, declared, n=1)
    if foreign and not close:
        return foreign
    if not declared:
        return HOW_TO_TAG
    meant = f"Did you mean {quote(close[0])}? " if close else ""
    there = listed(sorted(declared), MOST_LISTED)
    return f"{meant}Parameters are the names assigned in the cell tagged `parameters`; here: {there}."
