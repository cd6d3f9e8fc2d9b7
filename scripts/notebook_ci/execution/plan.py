"""What is executed: which notebooks, with which parameters, and where the results go. Nothing runs yet."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from notebook_ci import yaml12
from notebook_ci.errors import CheckFailed, InputError, NotebookCiError
from notebook_ci.execution.model import ExecuteInputs
from notebook_ci.execution.selection import select
from notebook_ci.inputs import quote
from notebook_ci.notebooks import document, parameters
from notebook_ci.notebooks.document import Document
from notebook_ci.stage import Context

MOST_LISTED = 10


@dataclass(frozen=True)
class Task:
    """A notebook to execute.

    Attributes:
        path: Its path, relative to the workspace.
        content: The notebook as it was read, or why it cannot be executed.
        parameters: The parameters that it declares, of those that are given.
    """

    path: str
    content: Document | NotebookCiError
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
    given = _parameters(inputs, context.cwd)
    runs = context.run_directory.path
    output_dir = (context.cwd / inputs.output_dir) if inputs.output_dir else context.place.artifacts
    _keep_apart({"output-dir": output_dir, "run-dir": runs}, context.cwd)
    paths = select(inputs.notebooks, inputs.exclude, context.cwd, never=[runs, output_dir])
    _keep_sources(paths, context.cwd, output_dir)
    return Plan(_tasks(paths, given), given, output_dir)


def listed(names: Sequence[str]) -> str:
    """Return names for a message: not more than ten."""
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return ", ".join(names[:MOST_LISTED]) + more


def _keep_apart(folders: Mapping[str, Path], cwd: Path) -> None:
    """Refuse a folder for outputs that is the workspace or above it: a later run would take outputs for notebooks."""
    for name, folder in folders.items():
        if cwd.resolve().is_relative_to(folder.resolve()):
            raise InputError(
                f"{name} is {folder}, which holds the notebooks themselves.",
                hint=f"Name a folder of its own with the input {name}.",
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


def _parameters(inputs: ExecuteInputs, cwd: Path) -> dict[str, Any]:
    """Return the parameters of the file, with those of the input over them."""
    values: dict[str, Any] = {}
    if inputs.parameters_file:
        path = cwd / inputs.parameters_file
        values = yaml12.mapping(
            _read(path, inputs.parameters_file), origin=inputs.parameters_file, file=inputs.parameters_file
        )
    origin = "The input parameters"
    if isinstance(inputs.parameters, str):
        return values | yaml12.mapping(inputs.parameters, origin=origin)
    return values | yaml12.plain_mapping(inputs.parameters, origin=origin)


def _read(path: Path, name: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(
            f"The parameters-file {quote(name)} cannot be read: {error.strerror}.",
            hint="Give the path of a YAML file, relative to the workspace.",
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(f"The parameters-file {quote(name)} is not UTF-8 text.", hint="Save it as UTF-8.") from error


def _tasks(paths: Sequence[str], given: Mapping[str, Any]) -> tuple[Task, ...]:
    """Read all notebooks, and give each the parameters that it declares.

    Raises:
        InputError: No notebook declares one of the parameters. (Unless one cannot be read: it may declare it.)
    """
    tasks = []
    declared: set[str] = set()
    for path in paths:
        try:
            content = _python_notebook(Path(path))
            names = parameters.declared(content)
        except NotebookCiError as fault:
            tasks.append(Task(path, fault, {}))
            continue
        tasks.append(Task(path, content, {name: given[name] for name in given if name in names}))
        declared.update(names)
    unknown = [name for name in given if name not in declared]
    if unknown and all(isinstance(task.content, Document) for task in tasks):
        raise InputError(
            f"No notebook declares the parameter {quote(unknown[0])}.",
            hint="Parameters are the names assigned in the cell tagged `parameters`; "
            f"here: {listed(sorted(declared)) or 'none'}.",
        )
    return tuple(tasks)


def _python_notebook(path: Path) -> Document:
    """Read a notebook.

    Raises:
        CheckFailed: It is not one, or not for Python.
        InputError: It cannot be read.
    """
    content = document.read(path)
    language = document.language(content)
    if language not in (None, "python", "ipython"):
        raise CheckFailed(
            f"{path.as_posix()} is a notebook for {language}; execute-notebook runs Python.",
            hint="Leave it out with the input exclude.",
            file=path,
        )
    return content
