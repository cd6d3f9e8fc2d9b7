"""Executes notebooks one after the other, and records how each went."""

import functools
import hashlib
import os
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from notebook_ci.context import Context
from notebook_ci.errors import Cancelled, InputError, NotebookCiError, SurroundingsError
from notebook_ci.execution import failures, html, kernels
from notebook_ci.execution.engine import Execution, KernelDiedError, KernelNotStartedError, TimeIsUpError
from notebook_ci.execution.forking import KernelServer
from notebook_ci.execution.interpreter import Interpreter
from notebook_ci.execution.model import ExecuteInputs, ExecuteRecord, Failure, NotebookResult
from notebook_ci.execution.plan import Task
from notebook_ci.execution.watch import Watch
from notebook_ci.notebooks import metrics
from notebook_ci.notebooks.document import Document
from notebook_ci.records import Problem, sha256

MOST_LOG_BYTES = 64 * 1024


@dataclass(frozen=True)
class Runner:
    """Executes one notebook after the other, into one record."""

    inputs: ExecuteInputs
    context: Context
    record: ExecuteRecord
    interpreter: Interpreter
    output_dir: Path
    server: KernelServer | None

    def run(self, task: Task, result: NotebookResult) -> None:
        """Execute a notebook, fill its result, and add its faults to the record.

        Raises:
            SurroundingsError: The executed notebook cannot be written.
            Cancelled: The job was cancelled; the result holds what was done.
        """
        result.status = "failed"
        if isinstance(task.content, NotebookCiError):
            fault = task.content
            result.failure = failures.invalid(fault)
            self._fail(Problem.of(fault))
            self.context.reporter.progress(f"✗ {task.path}: {fault.message}")
            return
        doc = task.content
        # Of what is executed: an earlier notebook may have changed the file since it was read.
        self.record.read[task.path] = hashlib.sha256(doc.text.encode()).hexdigest()
        result.parameters = dict(task.parameters)
        output = self._output(task.path)
        self.context.reporter.progress(f"▶ {task.path}")
        began = time.monotonic()
        execution: Execution | None = None
        try:
            execution = Execution(doc, task.parameters)
            result.failure = self._execute(doc, execution, output, result)
        except Cancelled:
            if execution:
                result.failure = failures.place(doc, execution, "cancelled", "The job was cancelled.")
            raise
        except NotebookCiError:
            raise
        except Exception as exception:  # noqa: BLE001 - one notebook must not take the others with it
            self.context.reporter.output(traceback.format_exc().rstrip())
            result.failure = failures.broken(doc, execution, exception)
        finally:
            result.duration = round(time.monotonic() - began, 3)
            if execution:
                self._collect(doc, result, execution, output)
        self._finish(doc, result, execution)

    def _execute(self, doc: Document, execution: Execution, output: Path, result: NotebookResult) -> Failure | None:
        """Execute a notebook with a kernel of its own: a forked one, or where that does not begin, a started one.

        Args:
            doc: The notebook.
            execution: The same, prepared.
            output: Where the executed notebook goes.
            result: Is told how the kernel came to be.

        Returns:
            Why it failed, or None.
        """
        for server in (self.server, None):
            with kernels.private_folder() as folder, (folder / "kernel.log").open("w+b") as log:
                manager = kernels.UserKernelManager(self.interpreter.path, folder, server)
                watch = Watch(
                    self.inputs.cell_timeout,
                    self.inputs.notebook_timeout,
                    manager.signal_now,
                    functools.partial(self._beat, doc),
                )
                exception = self._attempt(manager, watch, execution, doc=doc, output=output, log=log)
                result.kernel_start = manager.start
                if manager.not_forked:
                    self._notice(doc, f"From here on kernels are started, not forked: {manager.not_forked}.")
                if isinstance(exception, KernelNotStartedError) and manager.start == "fork" and not watch.exceeded:
                    self._notice(doc, "Its forked kernel did not begin: it was run by a started one.")
                    continue
                log.seek(max(0, log.seek(0, os.SEEK_END) - MOST_LOG_BYTES))
                said = log.read().decode(errors="backslashreplace")
                return failures.explain(doc, execution, watch, exception, said)
        raise AssertionError  # a started kernel has no second attempt

    def _attempt(
        self,
        manager: kernels.UserKernelManager,
        watch: Watch,
        execution: Execution,
        *,
        doc: Document,
        output: Path,
        log: IO[bytes],
    ) -> Exception | None:
        """Execute a notebook with one kernel, of which nothing is left afterwards. Returns why it was broken off."""
        env = kernels.environment(self.context.environ, self.interpreter, Path(log.name).parent)
        start = {"env": env, "cwd": str(doc.path.resolve().parent), "stdout": log, "stderr": log}
        try:
            with watch:
                execution.run(manager, watch, output, start)
        except (TimeIsUpError, KernelDiedError, KernelNotStartedError) as error:
            return error
        finally:
            manager.end_now()
        return None

    def _notice(self, doc: Document, message: str) -> None:
        self.record.problems.append(Problem(severity="notice", message=message, file=doc.path.as_posix()))

    def _beat(self, doc: Document, number: int, seconds: float) -> None:
        self.context.reporter.progress(f"  {doc.path} · cell {number}/{len(doc.cells)} · running {seconds:.0f} s")

    def _output(self, path: str) -> Path:
        """Return where the executed notebook goes; its folder is there."""
        output = self.output_dir / path
        make_folder(output.parent)
        return output

    def _collect(self, doc: Document, result: NotebookResult, execution: Execution, output: Path) -> None:
        """Fill a result from what was executed."""
        path = doc.path.as_posix()
        cells = execution.nb.cells
        code = failures.code_cells(execution)
        result.cells = len(code)
        result.executed_cells = len(execution.begun.intersection(code))
        collected = metrics.collect([cell.get("outputs", []) for cell in cells])
        result.metrics, result.scraps = dict(collected.metrics), dict(collected.scraps)
        for index, message in collected.problems:
            number = (execution.origins[index] or 0) + 1
            self.record.problems.append(Problem(severity="warning", message=f"Cell {number}: {message}", file=path))
        if output.is_file():
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

    def _finish(self, doc: Document, result: NotebookResult, execution: Execution | None) -> None:
        """Give the verdict on a notebook, in the record and in the log."""
        path = doc.path.as_posix()
        took = f"{result.duration:.1f} s"
        if result.failure is None and execution:
            result.status = "passed"
            self._warn_of_cells_left(path, result, failures.left_by_exit(execution))
            self.context.reporter.progress(f"✓ {path} · {took}")
        elif result.failure:
            problem = failures.problem(path, result.failure)
            self._fail(problem)
            self.context.reporter.progress(f"✗ {path} · {took} · {problem.title}: {result.failure.message}")
            self.context.reporter.output(result.failure.traceback)

    def _warn_of_cells_left(self, path: str, result: NotebookResult, by_exit: int) -> None:
        """Say so when a notebook passes though not all of its cells ran."""
        left = result.cells - result.executed_cells
        if not left:
            return
        why = "sys.exit() ended the notebook" if by_exit else "cells are tagged `skip-execution`"
        message = f"{left} of {result.cells} code cells did not run: {why}."
        self.record.problems.append(Problem(severity="warning", message=message, file=path))

    def _fail(self, problem: Problem) -> None:
        self.record.problems.append(problem)
        self.record.status = "failed"


def make_folder(folder: Path) -> None:
    """Make a folder for outputs.

    Raises:
        InputError: A file stands in its place.
        SurroundingsError: It cannot be made.
    """
    hint = "Name another folder with the input output-dir."
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(f"The folder {folder} cannot be made: a file stands in the way.", hint=hint) from error
    except OSError as error:
        raise SurroundingsError(f"The folder {folder} cannot be made: {error.strerror}.", hint=hint) from error
