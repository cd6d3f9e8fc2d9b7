"""The stage execute-notebook: selects, prepares, executes and records notebooks."""

import functools
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from notebook_ci import yaml12
from notebook_ci.errors import Cancelled, CheckFailed, InputError, NotebookCiError, SurroundingsError
from notebook_ci.execution import failures, html, kernels
from notebook_ci.execution.engine import Execution, KernelDiedError, KernelNotStartedError, TimeIsUpError
from notebook_ci.execution.interpreter import Interpreter, find
from notebook_ci.execution.model import ExecuteInputs, ExecuteRecord, Failure, NotebookResult
from notebook_ci.execution.selection import select
from notebook_ci.execution.watch import Watch
from notebook_ci.inputs import quote
from notebook_ci.notebooks import document, metrics, parameters
from notebook_ci.notebooks.document import Document
from notebook_ci.records import Problem, sha256
from notebook_ci.stage import Context

MOST_LISTED = 10


@dataclass(frozen=True)
class _Task:
    """A notebook to execute: its document or why it cannot be read, and the parameters it declares."""

    path: str
    document: Document | NotebookCiError
    parameters: Mapping[str, Any]


def run(inputs: ExecuteInputs, context: Context, record: ExecuteRecord) -> None:
    """Execute the notebooks. Every one is attempted; faults go into the record.

    Raises:
        InputError: Something in the inputs is wrong; nothing was executed.
        SurroundingsError: No interpreter can run the notebooks, or the outputs cannot be written.
        Cancelled: The job was cancelled; the record holds what was done.
    """
    given = _parameters(inputs, context.cwd, record)
    output_dir = (context.cwd / inputs.output_dir) if inputs.output_dir else context.place.artifacts
    _keep_apart({"output-dir": output_dir, "run-dir": context.run_directory.path}, context.cwd)
    paths = select(inputs.notebooks, inputs.exclude, context.cwd, never=[context.run_directory.path, output_dir])
    _keep_sources(paths, context.cwd, output_dir)
    tasks = _tasks(paths, given)
    interpreter = find(inputs.python, inputs.slug, context.run_directory, context.environ, context.cwd)
    record.python, record.python_version = str(interpreter.path), interpreter.version
    record.ipykernel_version, record.output_dir = interpreter.ipykernel, str(output_dir)
    record.inputs["parameters"] = given
    record.notebooks = [NotebookResult(path=task.path) for task in tasks]
    context.reporter.progress(
        f"Executing {len(tasks)} notebooks, Python {interpreter.version} ({interpreter.origin}: {interpreter.path})"
    )
    _notice_kernels(tasks, interpreter, context)
    _make(output_dir)
    runner = _Runner(inputs, context, record, interpreter, output_dir)
    for task, result in zip(tasks, record.notebooks, strict=True):
        runner.run(task, result)
    record.metrics = _merged_metrics(record.notebooks)


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


def _parameters(inputs: ExecuteInputs, cwd: Path, record: ExecuteRecord) -> dict[str, Any]:
    """Return the parameters of the file, with those of the input over them."""
    values: dict[str, Any] = {}
    if inputs.parameters_file:
        path = cwd / inputs.parameters_file
        values = yaml12.mapping(
            _read(path, inputs.parameters_file), origin=inputs.parameters_file, file=inputs.parameters_file
        )
        record.read[inputs.parameters_file] = sha256(path)
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


def _tasks(paths: list[str], given: Mapping[str, Any]) -> list[_Task]:
    """Read all notebooks, and give each the parameters that it declares.

    Raises:
        InputError: No notebook declares one of the parameters. (Unless one cannot be read: it may declare it.)
    """
    tasks = []
    declared: set[str] = set()
    for path in paths:
        try:
            doc = document.read(Path(path))
            names = parameters.declared(doc)
        except NotebookCiError as fault:
            tasks.append(_Task(path, fault, {}))
            continue
        tasks.append(_Task(path, doc, {name: given[name] for name in given if name in names}))
        declared.update(names)
    unknown = [name for name in given if name not in declared]
    if unknown and not any(isinstance(task.document, NotebookCiError) for task in tasks):
        raise InputError(
            f"No notebook declares the parameter {quote(unknown[0])}.",
            hint="Parameters are the names assigned in the cell tagged `parameters`; "
            f"here: {_listed(sorted(declared)) or 'none'}.",
        )
    return tasks


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return ", ".join(names[:MOST_LISTED]) + more


@dataclass(frozen=True)
class _Runner:
    """Executes one notebook after the other, into one record."""

    inputs: ExecuteInputs
    context: Context
    record: ExecuteRecord
    interpreter: Interpreter
    output_dir: Path

    def run(self, task: _Task, result: NotebookResult) -> None:
        """Execute a notebook, fill its result, and add its faults to the record."""
        result.status = "failed"
        try:
            doc = _python_notebook(task)
        except NotebookCiError as fault:
            result.failure = Failure(kind="invalid-notebook", message=fault.message, line=fault.line)
            self.record.add(fault)
            self.context.reporter.progress(f"✗ {task.path}: {fault.message}")
            return
        self.record.read[task.path] = sha256(doc.path)
        result.parameters = dict(task.parameters)
        output = self._output(task.path)
        self.context.reporter.progress(f"▶ {task.path}")
        began = time.monotonic()
        execution = Execution(doc, task.parameters)
        try:
            with kernels.private_folder() as folder:
                result.failure = self._execute(doc, execution, output, folder)
        except Cancelled:
            result.failure = failures.place(doc, execution, "cancelled", "The job was cancelled.")
            raise
        finally:
            result.duration = round(time.monotonic() - began, 3)
            self._collect(doc, result, execution, output)
        self._finish(doc, result, execution)

    def _execute(self, doc: Document, execution: Execution, output: Path, folder: Path) -> Failure | None:
        """Execute a notebook with a kernel of its own.

        Args:
            doc: The notebook.
            execution: The same, prepared.
            output: Where the executed notebook goes.
            folder: A private folder.

        Returns:
            Why it failed, or None.
        """
        manager = kernels.UserKernelManager(self.interpreter.path, folder)
        env = kernels.environment(self.context.environ, self.interpreter, folder)
        beat = functools.partial(self._beat, doc)
        watch = Watch(self.inputs.cell_timeout, self.inputs.notebook_timeout, manager.signal_now, beat)
        exception: Exception | None = None
        with (folder / "kernel.log").open("w+", encoding="utf-8", errors="backslashreplace") as log:
            start = {"env": env, "cwd": str(doc.path.resolve().parent), "stdout": log, "stderr": log}
            try:
                with watch:
                    execution.run(manager, watch, output, start)
            except (TimeIsUpError, KernelDiedError, KernelNotStartedError) as error:
                exception = error
            finally:
                manager.end_now()
            log.seek(0)
            return failures.explain(doc, execution, watch, exception, log.read())

    def _beat(self, doc: Document, number: int, seconds: float) -> None:
        self.context.reporter.progress(f"  {doc.path} · cell {number}/{len(doc.cells)} · running {seconds:.0f} s")

    def _output(self, path: str) -> Path:
        """Return where the executed notebook goes; its folder is there."""
        output = self.output_dir / path
        _make(output.parent)
        return output

    def _collect(self, doc: Document, result: NotebookResult, execution: Execution, output: Path) -> None:
        """Fill a result from what was executed."""
        path = doc.path.as_posix()
        cells = execution.nb.cells
        code = failures.code_cells(execution)
        result.cells = len(code)
        result.executed_cells = sum(cells[index].metadata.papermill.get("start_time") is not None for index in code)
        collected = metrics.collect([cell.get("outputs", []) for cell in cells])
        result.metrics, result.scraps = dict(collected.metrics), dict(collected.scraps)
        for index, message in collected.problems:
            number = (execution.origins[index] or 0) + 1
            self.record.problems.append(Problem(severity="warning", message=f"Cell {number}: {message}", file=path))
        if output.exists():
            result.output = self._made(output)
            if self.inputs.html:
                self._render(path, result, output)

    def _render(self, path: str, result: NotebookResult, output: Path) -> None:
        try:
            result.html = self._made(html.render(output))
        except NotebookCiError as error:
            self.record.problems.append(Problem(severity="warning", message=error.message, hint=error.hint, file=path))

    def _made(self, path: Path) -> str:
        """Take the digest of a file that was made, and return its name in the record."""
        name = self.context.place.relative(path)
        self.record.made[name] = sha256(path)
        return name

    def _finish(self, doc: Document, result: NotebookResult, execution: Execution) -> None:
        """Give the verdict on a notebook, in the record and in the log."""
        path = doc.path.as_posix()
        took = f"{result.duration:.1f} s"
        if result.failure is None:
            result.status = "passed"
            if left := failures.left_by_exit(execution):
                message = f"sys.exit() ended the notebook: {left} of its {result.cells} code cells did not run."
                self.record.problems.append(Problem(severity="warning", message=message, file=path))
            self.context.reporter.progress(f"✓ {path} · {took}")
            return
        problem = failures.problem(path, result.failure)
        self.record.problems.append(problem)
        self.record.status = "failed"
        self.context.reporter.progress(f"✗ {path} · {took} · {problem.title}: {result.failure.message}")
        self.context.reporter.output(result.failure.traceback)


def _make(folder: Path) -> None:
    """Make a folder for outputs."""
    hint = "Name another folder with the input output-dir."
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(f"The folder {folder} cannot be made: a file stands in the way.", hint=hint) from error
    except OSError as error:
        raise SurroundingsError(f"The folder {folder} cannot be made: {error.strerror}.", hint=hint) from error


def _notice_kernels(tasks: Sequence[_Task], interpreter: Interpreter, context: Context) -> None:
    """Say which notebooks name another kernel than the one that every installation has."""
    named: dict[str | None, list[str]] = {}
    for task in tasks:
        if isinstance(task.document, Document):
            named.setdefault(document.kernel_name(task.document), []).append(task.path)
    named.pop("python3", None)
    for name, paths in named.items():
        kernel = f"the kernel {quote(name)}" if name else "no kernel"
        context.reporter.notice(
            f"{_listed(paths)}: named is {kernel}; run with Python {interpreter.version} ({interpreter.path})."
        )


def _python_notebook(task: _Task) -> Document:
    """Return the document of a task.

    Raises:
        CheckFailed: It cannot be read, or is not for Python.
    """
    if isinstance(task.document, NotebookCiError):
        raise task.document
    language = document.language(task.document)
    if language not in (None, "python", "ipython"):
        raise CheckFailed(
            f"{task.path} is a notebook for {language}; execute-notebook runs Python.",
            hint="Leave it out with the input exclude.",
            file=task.path,
        )
    return task.document


def _merged_metrics(results: Sequence[NotebookResult]) -> dict[str, float]:
    """Return the metrics of all notebooks by name; a name that several report gets its notebook's before it."""
    reporters = Counter(name for result in results for name in result.metrics)
    return {
        name if reporters[name] == 1 else f"{result.path.removesuffix('.ipynb')}.{name}": value
        for result in results
        for name, value in result.metrics.items()
    }
