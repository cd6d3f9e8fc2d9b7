"""What is executed: which notebooks, with which parameters, and where the results go. Nothing runs yet."""

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from notebook_ci import yaml12
from notebook_ci.context import Context
from notebook_ci.errors import CheckFailed, InputError, NotebookCiError
from notebook_ci.execution.model import ExecuteInputs
from notebook_ci.execution.selection import everything, select
from notebook_ci.files import read_text
from notebook_ci.inputs import quote
from notebook_ci.notebooks import document, parameters
from notebook_ci.notebooks.document import Document
from notebook_ci.texts import listed

MOST_LISTED = 10
HOW_TO_TAG = (
    "No notebook assigns a name in a cell tagged `parameters`. Tag the one that does: in JupyterLab by the gear at the "
    "right, in VS Code by the cell's menu, Mark Cell as Parameters."
)


@dataclass(frozen=True)
class Task:
    """A notebook to execute.

    Attributes:
        path: Its path, relative to the workspace.
        content: The notebook as it was read, or why it cannot be executed.
        declared: The names of the parameters that it declares.
        parameters: Those of them that are given.
    """

    path: str
    content: Document | NotebookCiError
    declared: tuple[str, ...]
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Plan:
    """All that is executed.

    Attributes:
        tasks: The notebooks in the order of execution.
        parameters: All parameters that are given.
        output_dir: The folder of the executed notebooks.
    """

    tasks: tuple[Task, ...]
    parameters: dict[str, Any]
    output_dir: Path


def make(inputs: ExecuteInputs, context: Context) -> Plan:
    """Decide what is executed.

    Raises:
        InputError: Something in the inputs is wrong.
    """
    shared = _parameters_file(inputs.parameters_file, context.cwd)
    own = _parameters(inputs.parameters)
    runs = context.run_directory.path
    output_dir = (context.cwd / inputs.output_dir) if inputs.output_dir else context.place.artifacts
    _keep_apart(output_dir, context.cwd)
    paths = select(inputs.notebooks, inputs.exclude, context.cwd, never=[runs, output_dir])
    _keep_sources(paths, context.cwd, output_dir)
    tasks = _tasks(paths, shared | own)
    # A table of the file of inputs stands for every call, as the parameters-file does; text is given for this one.
    strict = own if isinstance(inputs.parameters, str) else {}
    _refuse_unknown(strict, shared | own, tasks, everything(context.cwd, [runs, output_dir]))
    return Plan(tasks, shared | own, output_dir)


def _keep_apart(output_dir: Path, cwd: Path) -> None:
    """Refuse a folder for outputs that is the workspace or above it: a later run would take outputs for notebooks."""
    if cwd.resolve().is_relative_to(output_dir.resolve()):
        raise InputError(
            f"output-dir is {output_dir}, which holds the notebooks themselves.",
            hint="Name a folder of its own with the input output-dir.",
        )


def _keep_sources(paths: Sequence[str], cwd: Path, output_dir: Path) -> None:
    """Refuse outputs that would be written over their sources. A link in the folder of the outputs can lead there."""
    for path in paths:
        source, output = cwd / path, output_dir / path
        if output.parent.resolve() / output.name == source.parent.resolve() / source.name:
            raise InputError(
                f"The executed notebook would be written over its source {path}.",
                hint="Name another folder with the input output-dir.",
            )


def _parameters(value: str | dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of the input: as YAML, or as a table of notebook-ci.toml."""
    origin = "The input parameters"
    return (
        yaml12.mapping(value, origin=origin) if isinstance(value, str) else yaml12.plain_mapping(value, origin=origin)
    )


def _parameters_file(name: str, cwd: Path) -> dict[str, Any]:
    """Return the parameters of the file, if one is given."""
    if not name:
        return {}
    text = read_text(cwd / name, name, hint="The input parameters-file takes the path of a YAML file.")
    return yaml12.mapping(text, origin=name, file=name)


def _tasks(paths: Sequence[str], given: Mapping[str, Any]) -> tuple[Task, ...]:
    """Read all notebooks, and give each the parameters that it declares."""
    tasks = []
    for path in paths:
        try:
            content = _python_notebook(Path(path))
            names = parameters.declared(content)
        except NotebookCiError as fault:
            tasks.append(Task(path, fault, (), {}))
            continue
        tasks.append(Task(path, content, names, {name: given[name] for name in given if name in names}))
    return tuple(tasks)


def _refuse_unknown(
    own: Mapping[str, Any], given: Mapping[str, Any], tasks: Sequence[Task], all_notebooks: Iterable[str]
) -> None:
    """Refuse a parameter that no notebook declares: it is misspelt.

    One of a file, which all notebooks share, may be declared by a notebook that is not executed now. Where a notebook
    cannot be read, nothing is refused: it may be the one.

    Args:
        own: Parameters that are given for this call.
        given: All parameters.
        tasks: What is executed.
        all_notebooks: Paths of all notebooks of the workspace.

    Raises:
        InputError: There is one.
    """
    declared = {name for task in tasks for name in task.declared}
    unknown = [name for name in [*own, *given] if name not in declared]
    if not unknown or any(isinstance(task.content, NotebookCiError) for task in tasks):
        return
    if unknown[0] not in own:
        elsewhere = {name for task in _tasks(list(all_notebooks), {}) for name in task.declared}
        unknown = [name for name in unknown if name not in elsewhere]
    if unknown:
        what = f"No notebook declares the parameter {quote(unknown[0])}."
        raise InputError(what, hint=_how_to_declare(unknown[0], declared, tasks))


def _how_to_declare(unknown: str, declared: Collection[str], tasks: Iterable[Task]) -> str:
    """Return what to do about a name that no notebook declares."""
    for task in tasks:
        if isinstance(task.content, Document) and (tag := parameters.mistagged(task.content)):
            return f"{task.path} has a cell tagged {quote(tag)}: the tag is `{parameters.TAG}`, in small letters."
    if not declared:
        return HOW_TO_TAG
    close = difflib.get_close_matches(unknown, declared, n=1)
    meant = f"Did you mean {quote(close[0])}? " if close else ""
    there = listed(sorted(declared), MOST_LISTED)
    return f"{meant}Parameters are the names assigned in the cell tagged `parameters`; here: {there}."


def _python_notebook(path: Path) -> Document:
    """Read a notebook.

    Raises:
        CheckFailed: It is not one, or not for Python.
        InputError: It cannot be read.
    """
    content = document.read(path)
    if not document.is_python(content):
        raise CheckFailed(
            f"{path.as_posix()} is a notebook for {document.language(content)}; execute-notebook runs Python.",
            hint="Leave it out with the input exclude.",
            file=path,
        )
    return content
