"""The stage execute-notebook: plans, executes and records."""

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from notebook_ci.context import Context
from notebook_ci.execution import forking, kernels, plan
from notebook_ci.execution.forking import KernelServer, NotForkedError
from notebook_ci.execution.interpreter import EARLIER, Interpreter, changed_since, find
from notebook_ci.execution.model import ExecuteInputs, ExecuteRecord, NotebookResult
from notebook_ci.execution.plan import Task
from notebook_ci.execution.runner import Runner, make_folder
from notebook_ci.inputs import quote
from notebook_ci.notebooks import document
from notebook_ci.notebooks.document import Document
from notebook_ci.records import default_environment, sha256
from notebook_ci.texts import listed


def run(inputs: ExecuteInputs, context: Context, record: ExecuteRecord) -> None:
    """Execute the notebooks. Every one is attempted; faults go into the record.

    Raises:
        InputError: Something in the inputs is wrong; nothing was executed.
        SurroundingsError: No interpreter can run the notebooks, or the outputs cannot be written.
        Cancelled: The job was cancelled; the record holds what was done.
    """
    planned = plan.make(inputs, context)
    record.inputs["parameters"], record.output_dir = planned.parameters, str(planned.output_dir)
    if inputs.parameters_file:
        record.read[inputs.parameters_file] = sha256(context.cwd / inputs.parameters_file)
    interpreter = find(inputs.python, inputs.slug, context.run_directory, context.environ, context.cwd)
    record.python, record.python_version = str(interpreter.path), interpreter.version
    record.ipykernel_version = interpreter.ipykernel
    make_folder(planned.output_dir)
    record.notebooks = [NotebookResult(path=task.path) for task in planned.tasks]
    count = f"{len(planned.tasks)} notebook{'s' if len(planned.tasks) > 1 else ''}"
    context.reporter.progress(
        f"Executing {count} with Python {interpreter.version} ({interpreter.origin}: {interpreter.path})"
    )
    if interpreter.origin == EARLIER:
        _warn_of_changes(default_environment(inputs.slug, context.environ, context.cwd), context)
    _notice_kernels(planned.tasks, interpreter, context)
    try:
        with _server(inputs, context, interpreter) as server:
            runner = Runner(inputs, context, record, interpreter, planned.output_dir, server)
            for task, result in zip(planned.tasks, record.notebooks, strict=True):
                runner.run(task, result)
    finally:
        record.metrics = _merged_metrics(record.notebooks)


@contextlib.contextmanager
def _server(inputs: ExecuteInputs, context: Context, interpreter: Interpreter) -> Iterator[KernelServer | None]:
    """Run the server that forks kernels; None: they are to be started."""
    with contextlib.ExitStack() as stack:
        server = None
        if inputs.kernel_start == "fork" and forking.AVAILABLE:
            folder = stack.enter_context(kernels.private_folder())
            environ = kernels.environment(context.environ, interpreter, folder)
            try:
                server = stack.enter_context(forking.serving(interpreter.path, environ, folder))
            except NotForkedError as error:
                context.reporter.notice(f"Kernels are started, not forked: {error}.")
        yield server


def _warn_of_changes(environment: Path, context: Context) -> None:
    """Warn of files that have changed since an earlier run made the environment from them."""
    for name in changed_since(environment, context.cwd):
        context.reporter.warning(
            f"{name} has changed since the environment {environment.relative_to(context.cwd)} was made from it. "
            "Run setup-env to make it anew.",
            file=name,
        )


def _notice_kernels(tasks: Sequence[Task], interpreter: Interpreter, context: Context) -> None:
    """Say which notebooks name another kernel than the one that every installation has."""
    named: dict[str | None, list[str]] = {}
    for task in tasks:
        if isinstance(task.content, Document):
            named.setdefault(document.kernel_name(task.content), []).append(task.path)
    named.pop("python3", None)
    for name, paths in named.items():
        kernel = f"the kernel {quote(name)}" if name else "no kernel"
        context.reporter.notice(
            f"{listed(paths, plan.MOST_LISTED)}: saved with {kernel}. Run here with Python {interpreter.version} "
            f"({interpreter.path}), whatever kernel a notebook names."
        )


def _merged_metrics(results: Sequence[NotebookResult]) -> dict[str, float]:
    """Return the metrics of all notebooks by name; a name that several report gets its notebook's before it."""
    reporters = Counter(name for result in results for name in result.metrics)
    return {
        name if reporters[name] == 1 else f"{result.path.removesuffix('.ipynb')}.{name}": value
        for result in results
        for name, value in result.metrics.items()
    }
