"""Executes a notebook, and describes the outcome."""

import dataclasses
import errno
import hashlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kernel_server.interface import KernelServer
from notebook_ci.base import isolation, masking, signals
from notebook_ci.base.errors import Cancelled, CheckFailed, NotebookCiError, Severity
from notebook_ci.base.files import is_full
from notebook_ci.base.masking import HIDDEN, masked
from notebook_ci.base.temporary import temporary_folder
from notebook_ci.base.texts import listed, quote
from notebook_ci.environments.interpreter import Interpreter, environment
from notebook_ci.execute_notebook import failures, hooks, html
from notebook_ci.execute_notebook.engine import PreparedNotebook, StoppedError
from notebook_ci.execute_notebook.folders import make_folder
from notebook_ci.execute_notebook.kernels import UserKernelManager
from notebook_ci.execute_notebook.model import OFF, REDACT, ExecuteInputs
from notebook_ci.execute_notebook.outcome import Outcome, WorkerState, about, is_own
from notebook_ci.execute_notebook.outputs import LiveLog
from notebook_ci.execute_notebook.plan import MOST_LISTED, UPDATED, Execution
from notebook_ci.execute_notebook.watch import Watch
from notebook_ci.notebooks import metrics
from notebook_ci.notebooks.document import Document
from notebook_ci.records.execute_notebook import Failure
from notebook_ci.records.run_directory import StageFiles


@dataclass(frozen=True)
class Shared:
    """What all executions of a stage share."""

    inputs: ExecuteInputs
    environ: Mapping[str, str]
    interpreter: Interpreter
    output_dir: Path
    files: StageFiles
    folder: Path  # private, for temporary files


@dataclass
class Executor:
    """Executes one notebook."""

    shared: Shared
    execution: Execution
    server: KernelServer | None  # None: its kernel is started, not forked
    state: WorkerState
    tell: Callable[[str | None], None]  # called with text for the log, and with None if only the kernel's end is left

    def __post_init__(self) -> None:
        self._outcome = Outcome(self.execution.result())
        self._outcome.result.status = "failed"
        self.notebook: PreparedNotebook | None = None
        self._changed: Sequence[int] = ()  # cells whose outputs `update` replaces
        self._exempted: Sequence[int] = ()  # and those that it tags

    def execute(self) -> Outcome:
        """Execute the notebook, and describe what came of it."""
        outcome, result, inputs = self._outcome, self._outcome.result, self.shared.inputs
        content = self.execution.content
        if isinstance(content, Document) and not content.path.exists():
            message = f"`{result.path}` disappeared during the run: a notebook or another process deleted or moved it."
            content = CheckFailed(message, hint="Keep it, or add it to `exclude`.")
        if isinstance(content, NotebookCiError):
            result.failure = failures.refused(content)
            return outcome
        # The digest of what is executed: an earlier notebook may have changed the file since it was read.
        outcome.read[result.path] = hashlib.sha256(content.text.encode()).hexdigest()
        result.parameters = dict(self.execution.parameters)
        result.kernel = "" if self.execution.is_ipykernel else self.execution.kernel.name
        output = self.shared.output_dir / self.execution.output
        began = time.monotonic()
        notebook: PreparedNotebook | None = None
        try:
            make_folder(output.parent)
            max_output, goes_on = inputs.max_output, self.execution.settings.on_cell_error == "continue"
            live_log = LiveLog(self.tell, max_output if inputs.log_outputs else 0)
            self.notebook = notebook = PreparedNotebook(
                content,
                self.execution.parameters,
                self.execution.secrets,
                max_output,
                live_log,
                goes_on=goes_on,
                hides=inputs.on_secret != OFF,
            )
            self._execute(notebook, output)
            result.status = "passed"
        except Cancelled as error:
            if not notebook:
                raise
            result.failure, *result.other_failures = failures.all_of(error, notebook)
        except Exception as error:  # noqa: BLE001 - one notebook must not stop the others
            outcome.surroundings_failed = isinstance(error, NotebookCiError) and not isinstance(error, CheckFailed)
            result.failure, *result.other_failures = failures.all_of(error, notebook)
        finally:
            result.duration = round(time.monotonic() - began, 3)
        has_passed = result.status == "passed"  # outputs that differ from stored ones fail it later
        with signals.undisturbed():
            if notebook:
                self._collect(notebook, output)
        if notebook and has_passed and inputs.determinism:
            self._repeat(notebook)
        if notebook and (self._changed or self._exempted):
            self._update(notebook)
        return outcome

    def _execute(self, notebook: PreparedNotebook, output: Path) -> None:
        """Execute a notebook with its own kernel: a forked one, or a started one if the forked one fails to start.

        Raises what ended the execution early: see `PreparedNotebook.run`.
        """
        shared, settings, kernel = self.shared, self.execution.settings, self.execution.kernel
        for server in [self.server, None] if self.server else [None]:
            with temporary_folder(shared.folder) as folder, (folder / "kernel.log").open("w+b") as log:
                greeting = hooks.installing(settings.shell_errors)
                manager = UserKernelManager(kernel, folder, server, self.state, greeting=greeting, log=log)
                env = environment(shared.environ, shared.interpreter, folder)
                env |= {"NOTEBOOK_CI_OUTPUT": str(output), "NOTEBOOK_CI_RUN_DIR": str(shared.files.root)}
                start = {"env": env, "cwd": str(notebook.document.path.resolve().parent), "stdout": log, "stderr": log}
                try:
                    with (
                        manager,
                        Watch(settings.cell_timeout, settings.notebook_timeout, manager.signal_now) as watch,
                    ):
                        notebook.run(manager, watch, output, start, self._ending)
                except StoppedError as error:
                    error.kernel_log = manager.last_words.text()
                    if error.kind != "kernel-not-started":
                        raise
                    if manager.start == "fork":
                        self._report("notice", "The forked kernel failed to start; a normal kernel was used.")
                        continue
                    no_space = os.strerror(errno.ENOSPC)
                    if no_space in error.kernel_log or is_full(folder):
                        raise OSError(errno.ENOSPC, no_space) from error
                    raise
                finally:
                    self._describe(manager)
                return

    def _ending(self) -> None:
        if not self.shared.inputs.determinism:  # else it begins again
            self.tell(None)

    def _describe(self, manager: UserKernelManager) -> None:
        """Record how the kernel was started."""
        self._outcome.result.kernel_start = manager.start
        self._outcome.has_imports = manager.has_imports
        self._outcome.not_forked = self._outcome.not_forked or manager.provisioner.not_forked
        if manager.greeted.get("status") == "error":
            why = f"{manager.greeted['ename']}: {manager.greeted['evalue']}"
            self._report("warning", f"Failed shell commands and `exit()` will not be noticed: {why}.")

    def _collect(self, notebook: PreparedNotebook, output: Path) -> None:
        result = self._outcome.result
        code = notebook.code_cells
        result.cells = len(code)
        for index in sorted(notebook.begun.intersection(code)):
            took = notebook.nb.cells[index].metadata.papermill.get("duration")
            result.cell_seconds[str((notebook.origins[index] or 0) + 1)] = took or 0.0
        result.executed_cells = len(result.cell_seconds)
        collected = metrics.collect([cell.get("outputs", []) for cell in notebook.nb.cells])
        result.metrics, result.scraps = dict(collected.metrics), dict(collected.scraps)
        for index, message in collected.problems:
            self._report("warning", f"Cell {(notebook.origins[index] or 0) + 1}: {message}")
        result.left_out = notebook.bound.left_out
        if result.left_out:
            limit = self.shared.inputs.max_output
            size = f"{result.left_out / 1e6:.1f} MB of outputs were left out: more than `max-output` ({limit} bytes)."
            self._report("warning", f"{size} Notices in the executed notebook show where.")
        self._outcome.problems += failures.commands(notebook, result)
        if result.status == "passed" and result.executed_cells < result.cells:
            by_exit = notebook.has_exited and code[-1] > (notebook.current or 0)
            why = "the notebook ended itself with exit code 0" if by_exit else "cells are tagged `skip-execution`"
            left = f"{result.cells - result.executed_cells} of {result.cells} code cells"
            self._report("warning", f"{left} did not run: {why}.")
        if result.status == "passed" and self.execution.settings.compare != "off":
            self._compare(notebook, output.with_suffix(".changes.html"))
        self._explain_withheld()
        if notebook.hides:
            self._report_secrets(notebook)
        if output.is_file():
            result.output = self._outcome.add(output, self.shared.files)
            if self.shared.inputs.html:
                page, shown = output.with_suffix(".html"), masked(notebook.nb) if notebook.hides else notebook.nb
                result.html = self._created(page, lambda: html.render(shown, page))

    def _explain_withheld(self) -> None:
        for failure in self._outcome.result.failures:
            name = failure.evalue.strip("'")
            is_withheld = name in isolation.for_others(os.environ) and name not in self.shared.environ
            if failure.ename == "KeyError" and "environ" in failure.source and is_withheld:
                failure.hint = (
                    f"{quote(name)} looks like a credential, so notebooks do not get it. Add it to `pass-env`."
                )

    def _report_secrets(self, notebook: PreparedNotebook) -> None:
        """Report the credentials in an executed notebook, which are hidden, and fail it if `on-secret` is `fail`."""
        found: dict[int, list[str]] = {}
        for index, cell in enumerate(notebook.nb.cells):
            if kinds := masking.kinds(cell):
                found.setdefault(notebook.number(index), []).extend(kinds)
        if not found:
            return
        number, result = next(iter(found)), self._outcome.result
        cells = [f"cell {number} ({', '.join(dict.fromkeys(kinds))})" for number, kinds in found.items()]
        title = f"Secret in cell {number}"
        message = f"Secrets in the executed notebook were replaced by `{HIDDEN}`: {listed(cells, MOST_LISTED)}."
        hint = "Do not print or display them. `on-secret` changes what happens then."
        line = notebook.document.line(number - 1)
        if self.shared.inputs.on_secret == REDACT:
            self._report("warning", message, hint, title=title, line=line)
            return
        self._changed = self._exempted = ()  # no copy to commit
        failure = Failure(kind="secret", title=title, message=message, cell=number, line=line, hint=hint)
        result.status = "failed"
        result.failure, *result.other_failures = [*result.failures, failure]

    def _compare(self, notebook: PreparedNotebook, page: Path) -> None:
        """Compare the outputs with the stored ones or the baseline, and fail the notebook if they differ."""
        from notebook_ci.execute_notebook import changes_page, comparing  # imported by the conductor if needed

        result = self._outcome.result
        found = comparing.compare(self.execution, notebook, self.shared.inputs)
        result.comparison = found.comparison
        if new_cells := found.comparison.not_in_baseline:
            which = listed([str(each) for each in new_cells], MOST_LISTED)
            self._report("notice", f"New cells, which the baseline does not have, are not compared: {which}.")
        if not found.failures:
            return
        if found.changed:
            found.comparison.page = self._created(page, lambda: changes_page.render(found, page))
        if self.shared.inputs.update and not notebook.bound.left_out:
            self._changed = [each.cell.index for each in found.changed] or range(len(notebook.document.cells))
            found.failures[0].hint = f"If the new outputs are right, {self._commit_it}."
        if self.execution.settings.compare == "warn":
            found.comparison.allowed = found.failures
            for each in found.failures:
                self._report("warning", each.message, each.hint, title=each.title, line=each.line)
        else:
            result.status = "failed"
            result.failure, *result.other_failures = found.failures

    def _repeat(self, notebook: PreparedNotebook) -> None:
        """Execute the notebook again under other conditions, and warn about the cells whose outputs differ."""
        from notebook_ci.execute_notebook import comparing, determinism  # imported by the conductor, see there

        shared, settings, result = self.shared, self.execution.settings, self._outcome.result
        inputs = dataclasses.replace(shared.inputs, determinism=0, html=False, log_outputs=False, on_secret=OFF)
        execution = dataclasses.replace(self.execution, settings=dataclasses.replace(settings, compare="off"))

        def outputs(ran: PreparedNotebook) -> determinism.Outputs:
            cells = zip(ran.origins, ran.nb.cells, strict=True)
            return {origin: masked(cell.get("outputs", [])) for origin, cell in cells if origin is not None}

        def repeat(variables: Mapping[str, str]) -> determinism.Repetition:
            with temporary_folder(shared.folder) as folder:
                environ = {**shared.environ, **variables}
                again = dataclasses.replace(shared, inputs=inputs, environ=environ, output_dir=folder)
                executor = Executor(again, execution, None, self.state, lambda _: None)
                failure = executor.execute().result.failure
            ran = executor.notebook
            if failure and not (ran and is_own([failure])):
                raise StoppedError(failure.kind, failure.message)
            return determinism.Repetition(outputs(ran) if ran else {}, failure)

        try:
            found = determinism.find(
                notebook.document,
                outputs(notebook),
                repeat,
                shared.environ,
                runs=shared.inputs.determinism,
                tolerance=comparing.tolerated(settings, shared.inputs),
            )
        except (StoppedError, RecursionError) as error:  # or an output is nested too deeply
            self._report("warning", f"The notebook could not be repeated: {error}")
            return
        result.nondeterministic = found
        # A text notebook has no place for outputs, and the sets of a sweep have one file.
        if shared.inputs.update and result.name == result.path and not notebook.document.converted:
            self._exempted = determinism.exempted(notebook.document, found, settings.compare)
        for each in found:
            is_tagged = each.cell - 1 in self._exempted
            what_to_do = f"{self._commit_it}, which tags the cell" if is_tagged else determinism.TAG_IT
            message, hint = determinism.sentences(each, what_to_do)
            title = f"Output differs between runs in cell {each.cell}"
            self._report("warning", message, hint, title=title, line=each.line)

    @property
    def _copy(self) -> Path:
        return self.shared.files.artifacts / UPDATED / self._outcome.result.path

    @property
    def _commit_it(self) -> str:
        return f"commit the copy {quote(self.shared.files.relative(self._copy))} of the run"

    def _update(self, notebook: PreparedNotebook) -> None:
        from notebook_ci.execute_notebook import comparing  # imported by the conductor, see there

        copy = self._copy
        self._outcome.result.updated = self._created(
            copy, lambda: comparing.write_update(notebook, self._changed, self._exempted, copy)
        )

    def _created(self, path: Path, write: Callable[[], None]) -> str:
        """Write a file that does not decide whether the notebook passed. Returns its name in the record."""
        try:
            write()
            return self._outcome.add(path, self.shared.files)
        except Exception as error:  # noqa: BLE001 - what a notebook displays can break any library
            why = f"`{path.name}` could not be created: {type(error).__name__}: {error}."
            self._report("warning", why, "The executed notebook itself is complete.")
            return ""

    def _report(
        self, severity: Severity, message: str, hint: str = "", *, title: str = "", line: int | None = None
    ) -> None:
        self._outcome.problems.append(about(self._outcome.result, severity, message, hint=hint, title=title, line=line))
