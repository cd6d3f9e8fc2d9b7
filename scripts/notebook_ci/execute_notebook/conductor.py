"""Executes all notebooks: one per worker at a time, in the order of the schedule."""

import contextlib
import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import import_module
from multiprocessing.connection import wait

from kernel_server.interface import CHANGED, Servers
from notebook_ci.base import signals
from notebook_ci.base.errors import Cancelled, Problem
from notebook_ci.base.process import LINUX
from notebook_ci.base.texts import listed
from notebook_ci.execute_notebook import failures, html, machine, validation
from notebook_ci.execute_notebook.engine import StoppedError
from notebook_ci.execute_notebook.outcome import Outcome, is_own, judge, problem
from notebook_ci.execute_notebook.plan import MOST_LISTED, Execution
from notebook_ci.execute_notebook.progress import ProgressDisplay, Running
from notebook_ci.execute_notebook.runner import Shared
from notebook_ci.execute_notebook.schedule import Schedule
from notebook_ci.execute_notebook.workers import END_SECONDS, Life, Worker
from notebook_ci.notebooks.document import Document
from notebook_ci.records.execute_notebook import ExecuteRecord, Failure, NotebookResult
from notebook_ci.records.record import timestamp
from notebook_ci.tools.import_guard import guard_imports

LOOK_SECONDS = 0.25
SHORT_SECONDS = 1.0


@dataclass
class Conductor:
    shared: Shared
    executions: Sequence[Execution]
    schedule: Schedule
    record: ExecuteRecord  # its notebooks are in the order of `executions`
    progress: ProgressDisplay
    servers: Servers
    _life: Life = field(init=False, default_factory=Life)
    _workers: list[Worker] = field(init=False, default_factory=list)
    _begun: dict[int, Running] = field(init=False, default_factory=dict)
    _are_short: bool = field(init=False, default=False)
    _changes: dict[str, list[int]] = field(init=False, default_factory=dict)
    _is_broken_off: bool = field(init=False, default=False)
    _next: list[str] = field(init=False, default_factory=list)  # they begin first: they failed, or memory was short
    _earlier: dict[int, list[Failure]] = field(init=False, default_factory=dict)  # of their earlier attempts

    def __post_init__(self) -> None:
        self._indices = {execution.name: index for index, execution in enumerate(self.executions)}
        self._cpus = machine.cpus()
        # After its last cell, a notebook still needs its worker, which mostly waits for the kernel to end; meanwhile
        # another one may start. But with one worker, executions never overlap: the user may rely on that.
        self._most_workers = self.record.workers if self.record.workers == 1 else 2 * self.record.workers

    def run(self) -> None:
        """Execute all notebooks. If this raises Cancelled, the record holds the results so far."""
        validation.of_parts_only()
        if LINUX and self.shared.inputs.html:  # on other systems each worker loads them
            html.Pages()
        if self.shared.inputs.determinism or any(each.settings.compare != "off" for each in self.executions):
            import_module("notebook_ci.execute_notebook.comparing")
            import_module("notebook_ci.execute_notebook.changes_page")
        guard_imports()
        gc.collect()
        gc.freeze()  # workers share these objects, and their garbage collection need not visit them
        try:
            while self._begin() or self._busy():
                self._listen(LOOK_SECONDS)
                self.servers.look()
                self._look()
        except Cancelled:
            with signals.undisturbed():
                self._break_off()
            raise
        finally:
            self.progress.show([])
            self.servers.close()
            for worker in self._workers:
                worker.leave()
            ends = time.monotonic() + END_SECONDS
            for worker in self._workers:
                worker.end(ends - time.monotonic())

    def _busy(self) -> dict[Worker, int]:
        """Return the working workers, each with the index of its execution."""
        return {worker: worker.index for worker in self._workers if worker.index is not None}

    def _begin(self) -> bool:
        """Start executions while there is capacity. Returns whether any was started."""
        begun = False
        # While notebooks take less than a second, a kernel and its worker wait for each other much of the time: then
        # one execution more may run.
        at_once = self.record.workers + (1 if self._are_short and not self.shared.inputs.workers else 0)
        while len(busy := self._busy()) < self._most_workers and sum(not each.is_ending for each in busy) < at_once:
            name = self._next.pop() if self._next else self.schedule.next()
            if name is None:
                break
            memory = machine.memory() if busy else None
            if memory and memory.is_short:
                self._next.append(name)
                self.progress.held_back(memory.available)
                break
            index = self._indices[name]
            content = self.executions[index].content
            cells = len(content.cells) if isinstance(content, Document) else 0
            self._begun[index] = Running(name, cells, time.monotonic(), started=timestamp())
            self._free_worker().begin(index, self.servers.server_for(index))
            begun = True
        # A worker may use a second CPU, beside that of its kernel, if there are enough.
        for worker in self._busy():
            worker.state.has_free_cpu = 2 * len(self._busy()) <= self._cpus
        return begun

    def _free_worker(self) -> Worker:
        worker = next((each for each in self._workers if each.index is None), None)
        if worker is None:
            worker = Worker(self.shared, self.executions, self._life)
            self._workers.append(worker)
        return worker

    def _listen(self, seconds: float) -> None:
        """Handle messages from workers and servers; wait at most this many seconds for one."""
        busy, growing = self._busy(), self.servers.connections()
        speaking = set(wait([*(worker.connection for worker in busy), *growing], seconds))
        for connection in growing:
            if connection in speaking:
                self.servers.hear(connection)
        for worker, index in busy.items():
            if worker.connection not in speaking:
                continue
            try:
                message = worker.receive()
            except StoppedError as error:
                message = self._lost(index, error)
                self._workers.remove(worker)
            if isinstance(message, str):
                self.progress.printed(self.executions[index].name, message)
            elif message:
                self._take(index, message)

    def _take(self, index: int, outcome: Outcome) -> None:
        name = self.executions[index].name
        self._begun[index].ended = time.monotonic()
        outcome.result.started = self._begun[index].started
        record = self.record
        record.notebooks[index] = outcome.result
        self._are_short = outcome.result.duration < SHORT_SECONDS
        record.read |= outcome.read
        if outcome.not_forked and self.servers.are_of_use:
            self.servers.refused(index)
            record.problems.append(self._not_forked(index, outcome.not_forked))
        if self._is_repeated(index, outcome.result):
            return
        record.created |= outcome.created
        record.problems += outcome.problems
        preloaded, outcome.result.not_preloaded = self.servers.ended(index, has_imports=outcome.has_imports)
        outcome.result.preloaded = list(preloaded)
        outcome.result.earlier_failures = self._earlier.get(index, [])
        judge(outcome.result, self.executions[index].settings)
        problems = [(problem(outcome.result, failure), failure) for failure in outcome.result.failures]
        self.progress.ended(outcome.result, [(error, failure.traceback) for error, failure in problems])
        # The stage itself reports that it was cancelled.
        record.problems += [error for error, failure in problems if failure.kind != "cancelled"]
        if outcome.result.is_flaky:
            record.problems.append(problem(outcome.result, outcome.result.earlier_failures[0]))
        well = outcome.result.status == "passed"
        if outcome.result.status == "failed" and record.status != "error":
            record.status = "error" if outcome.surroundings_failed else "failed"
        for skipped, needed in self.schedule.ended(name, well=well):
            record.notebooks[self._indices[skipped]].skipped_for = needed
            self.progress.skipped(skipped, needed)

    def _is_repeated(self, index: int, result: NotebookResult) -> bool:
        """Decide whether a failed execution is repeated; note its failure if so.

        One whose outputs were compared is not: other outputs each time would pass by chance.
        """
        execution, earlier = self.executions[index], self._earlier.setdefault(index, [])
        is_last = len(earlier) == execution.settings.retries or execution.settings.may_fail or self._is_broken_off
        if is_last or result.comparison or not (execution.document and result.failures and is_own(result.failures)):
            return False
        earlier.append(result.failures[0])
        self._next.append(result.name)
        self.progress.repeated(result, result.failures[0], len(earlier) + 1)
        return True

    def _not_forked(self, index: int, why: str) -> Problem:
        """Return a notice about a kernel that was not forked.

        If something changed, the notice names the notebooks that ran meanwhile: one of them may have changed it.
        """
        execution = self.executions[index]
        since = f"The kernel of {execution.name} was" if self.servers.are_of_use else "From now on, kernels are"
        if not why.startswith(CHANGED):
            return Problem(severity="notice", message=f"{since} started, not forked: {why}.", file=execution.path)
        ran = [self.executions[each] for each in self._changes.setdefault(why, self._since_last_fork(index))]
        names = listed([each.name for each in ran], MOST_LISTED)
        when = f"While {'one of ' if len(ran) > 1 else ''}{names} ran" if ran else "Before a notebook ran"
        message = f"{when}, {why}. {since} started, not forked."
        return Problem(severity="notice", message=message, file=ran[0].path if len(ran) == 1 else None)

    def _since_last_fork(self, index: int) -> list[int]:
        """Return the notebooks that ran after the last fork before this notebook: until then nothing had changed."""
        times, notebooks = self._begun, self.record.notebooks
        earlier = sorted(each for each in times if times[each].began < times[index].began)
        # A server without imports does not check the files beside notebooks.
        checked = [each for each in earlier if notebooks[each].preloaded or not self.servers.are_of_use]
        last = max((times[each].began for each in checked if notebooks[each].kernel_start == "fork"), default=0.0)
        return [each for each in earlier if times[each].ended >= last]

    def _lost(self, index: int, error: StoppedError) -> Outcome:
        """Return the outcome of an execution whose worker ended: what was saved until then is kept."""
        execution = self.executions[index]
        outcome = Outcome(result := execution.result())
        output = self.shared.output_dir / execution.output
        result.status = "failed"
        result.duration = round(time.monotonic() - self._begun[index].began, 3)
        with contextlib.suppress(OSError):  # nothing was saved, or the notebook made its file unreadable
            # Not one of an earlier execution.
            if output.is_file() and output.stat().st_mtime >= time.time() - result.duration:
                result.output = outcome.add(output, self.shared.files)
        error.kind = "cancelled" if self._is_broken_off else error.kind
        result.failure = failures.explain(error)
        return outcome

    def _break_off(self) -> None:
        """Cancel the running executions, and record their outcomes."""
        self._is_broken_off = True
        for worker in self._busy():
            worker.cancel()
        ends = time.monotonic() + END_SECONDS
        while self._busy() and (left := ends - time.monotonic()) > 0:
            self._listen(left)
        for worker, index in self._busy().items():
            worker.end(0)
            self._workers.remove(worker)
            self._take(index, self._lost(index, StoppedError("cancelled", "The job was cancelled.")))

    def _look(self) -> None:
        """Show the running cells."""
        now, busy = time.monotonic(), self._busy()
        for worker, index in busy.items():
            running = self._begun[index]
            if worker.state.cell != running.cell:
                running.cell, running.cell_began = worker.state.cell, now
        self.progress.show([self._begun[index] for index in busy.values()], now)
