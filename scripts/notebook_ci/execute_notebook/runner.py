"""Executes a notebook, and judges the outcome."""

import errno
import hashlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from kernel_server.interface import KernelServer
from notebook_ci.base import files, signals
from notebook_ci.base.errors import Cancelled, CheckFailed, NotebookCiError
from notebook_ci.base.files import sha256
from notebook_ci.base.problems import Problem, Severity
from notebook_ci.execute_notebook import failures, hooks, html, kernels
from notebook_ci.execute_notebook.engine import Execution, KernelDiedError, KernelNotStartedError, TimeIsUpError
from notebook_ci.execute_notebook.folders import make_folder, temporary_folder
from notebook_ci.execute_notebook.interpreter import Interpreter, environment
from notebook_ci.execute_notebook.kernel_specs import of_python
from notebook_ci.execute_notebook.listener import Listener
from notebook_ci.execute_notebook.model import ExecuteInputs
from notebook_ci.execute_notebook.outcome import Outcome, problem
from notebook_ci.execute_notebook.plan import Task
from notebook_ci.execute_notebook.watch import Watch
from notebook_ci.notebooks import metrics
from notebook_ci.notebooks.document import Document
from notebook_ci.records.execute_notebook import NotebookResult
from notebook_ci.records.run_directory import StageFiles


@dataclass(frozen=True)
class Runner:
    """What all executions of a stage share."""

    inputs: ExecuteInputs
    environ: Mapping[str, str]
    interpreter: Interpreter
    output_dir: Path
    files: StageFiles
    folder: Path  # private, for temporary files

    def run(self, task: Task, server: KernelServer | None, listener: Listener) -> Outcome:
        """Execute a notebook. Without a `server` its kernel is started, not forked."""
        outcome = Outcome(NotebookResult(path=task.path, name=task.name, status="failed"))
        if isinstance(task.content, NotebookCiError):
            return _refused(outcome, task.content)
        if not task.content.path.exists():
            message = f"{task.path} disappeared during the run: another notebook or process deleted or moved it."
            hint = "Keep it, or add it to `exclude`."
            return _refused(outcome, CheckFailed(message, hint=hint, file=task.path))
        return _Run(self, task, task.content, server, listener, outcome).execute()


def _refused(outcome: Outcome, fault: NotebookCiError) -> Outcome:
    outcome.result.failure = failures.without_cell("invalid-notebook", fault.message, fault.line)
    outcome.problems.append(Problem.of(fault))
    return outcome


@dataclass(frozen=True)
class _Run:
    runner: Runner
    task: Task
    doc: Document
    server: KernelServer | None
    listener: Listener
    outcome: Outcome

    def execute(self) -> Outcome:
        result = self.outcome.result
        # The digest of what is executed: an earlier notebook may have changed the file since it was read.
        self.outcome.read[self.task.path] = hashlib.sha256(self.doc.text.encode()).hexdigest()
        result.parameters = dict(self.task.parameters)
        result.kernel = self.task.kernel.name if self.task.kernel else ""
        output = self.runner.output_dir / self.task.name
        began = time.monotonic()
        execution: Execution | None = None
        try:
            make_folder(output.parent)
            execution = Execution(self.doc, self.task.parameters, self.runner.inputs.max_output)
            self._execute(execution, output)
        except Cancelled:
            if not execution:
                raise
            result.failure = failures.place(self.doc, execution, "cancelled", "The job was cancelled.")
        except CheckFailed as fault:
            return _refused(self.outcome, fault)
        except NotebookCiError as fault:  # its surroundings broke it off; a cell may have failed before
            self.outcome.is_around = True
            self.outcome.problems.append(replace(Problem.of(fault), file=self.task.path))
            own = failures.of_cell(self.doc, execution) if execution else None
            result.failure = own or failures.without_cell("surroundings", fault.message)
        except Exception as exception:  # noqa: BLE001 - one notebook must not stop the others
            result.failure = failures.broken(self.doc, execution, exception)
        finally:
            result.duration = round(time.monotonic() - began, 3)
        with signals.undisturbed():
            if execution:
                self._collect(execution, output)
            self._judge(execution)
        return self.outcome

    def _execute(self, execution: Execution, output: Path) -> None:
        """Execute a notebook with its own kernel: a forked one, or a started one if the forked one fails to start."""
        kernel = self.task.kernel or of_python(self.runner.interpreter.path)
        for server in [self.server, None] if self.server else [None]:
            with temporary_folder(self.runner.folder) as folder, (folder / "kernel.log").open("w+b") as log:
                inputs = self.runner.inputs
                greeting = hooks.installing(inputs.shell_errors)
                manager = kernels.UserKernelManager(kernel, folder, server, self.listener, greeting=greeting, log=log)
                watch = Watch(inputs.cell_timeout, inputs.notebook_timeout, manager.signal_now)
                exception = self._attempt(manager, watch, execution, output, log)
                self.outcome.result.kernel_start = manager.start
                self.outcome.has_imports = manager.has_imports
                if manager.greeted.get("status") == "error":
                    why = f"{manager.greeted['ename']}: {manager.greeted['evalue']}"
                    self._tell("warning", f"Failed shell commands and `exit()` will not be noticed: {why}.")
                self.outcome.not_forked = self.outcome.not_forked or manager.not_forked
                if isinstance(exception, KernelNotStartedError) and manager.start == "fork" and not watch.exceeded:
                    self._tell("notice", "The forked kernel failed to start; a normal kernel was used.")
                    continue
                said, no_space = manager.last_words.text(), os.strerror(errno.ENOSPC)
                if isinstance(exception, KernelNotStartedError) and (no_space in said or files.is_full(folder)):
                    raise OSError(errno.ENOSPC, no_space)
                self.outcome.result.failure = failures.explain(self.doc, execution, watch, exception, said)
                return

    def _attempt(
        self, manager: kernels.UserKernelManager, watch: Watch, execution: Execution, output: Path, log: IO[bytes]
    ) -> Exception | None:
        """Execute a notebook with one kernel, and end everything of it. Returns why the execution was broken off."""
        python = self.runner.interpreter
        env = environment(self.runner.environ, python.path, python.prefix, Path(log.name).parent)
        start = {"env": env, "cwd": str(self.doc.path.resolve().parent), "stdout": log, "stderr": log}
        try:
            with watch:
                execution.run(manager, watch, output, start, self.listener)
        except (TimeIsUpError, KernelDiedError, KernelNotStartedError) as error:
            return error
        finally:
            with signals.held_back():
                manager.end_now()
        return None

    def _collect(self, execution: Execution, output: Path) -> None:
        result = self.outcome.result
        cells = execution.nb.cells
        code = failures.code_cells(execution)
        result.cells = len(code)
        result.executed_cells = len(execution.begun.intersection(code))
        collected = metrics.collect([cell.get("outputs", []) for cell in cells])
        result.metrics, result.scraps = dict(collected.metrics), dict(collected.scraps)
        for index, message in collected.problems:
            self._tell("warning", f"Cell {(execution.origins[index] or 0) + 1}: {message}")
        result.left_out = execution.left_out
        if result.left_out:
            limit = self.runner.inputs.max_output
            size = f"{result.left_out / 1e6:.1f} MB of outputs were left out: more than `max-output` ({limit} bytes)."
            self._tell("warning", f"{size} Notices in the executed notebook show where.")
        if output.is_file():
            result.output = self._made(output)
            if self.runner.inputs.html:
                self._render(execution, output.with_suffix(".html"))

    def _render(self, execution: Execution, page: Path) -> None:
        try:
            html.render(execution.nb, page)
            self.outcome.result.html = self._made(page)
        except Exception as error:  # noqa: BLE001 - a page does not decide whether the notebook passed
            why = f"The page {page.name} could not be created: {type(error).__name__}: {error}."
            self._tell("warning", why, "The executed notebook itself is complete.")

    def _made(self, path: Path) -> str:
        """Record the digest of an output file, and return its name in the record."""
        name = self.runner.files.relative(path)
        self.outcome.made[name] = sha256(path)
        return name

    def _judge(self, execution: Execution | None) -> None:
        """Decide whether the notebook passed."""
        result = self.outcome.result
        if execution:
            self.outcome.problems += failures.commands(self.doc, execution, self.task.path)
        if result.failure:
            if result.failure.kind in {"cancelled", "surroundings"}:  # reported before, or by the stage
                return
            self.outcome.problems.append(problem(self.task.path, result.failure))
        elif execution:
            result.status = "passed"
            self._warn_of_cells_left(failures.left_by_exit(execution))

    def _warn_of_cells_left(self, by_exit: int) -> None:
        """Warn if a notebook passes although some of its cells did not run."""
        result = self.outcome.result
        left = result.cells - result.executed_cells
        if left:
            why = "the notebook ended itself with exit code 0" if by_exit else "cells are tagged `skip-execution`"
            self._tell("warning", f"{left} of {result.cells} code cells did not run: {why}.")

    def _tell(self, severity: Severity, message: str, hint: str = "") -> None:
        self.outcome.problems.append(Problem(severity=severity, message=message, hint=hint, file=self.task.path))
