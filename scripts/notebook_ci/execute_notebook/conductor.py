"""Has all notebooks executed: as many at a time as there are workers, in the order that the schedule gives."""

import gc
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import wait
from pathlib import PurePath

from notebook_ci.base import process
from notebook_ci.base.errors import Cancelled
from notebook_ci.base.process import LINUX
from notebook_ci.base.records import Problem
from notebook_ci.base.texts import listed
from notebook_ci.execute_notebook import engine, failures, html, machine
from notebook_ci.execute_notebook.forking import CHANGED
from notebook_ci.execute_notebook.model import ExecuteRecord
from notebook_ci.execute_notebook.outcome import Outcome
from notebook_ci.execute_notebook.plan import MOST_LISTED, Task
from notebook_ci.execute_notebook.progress import Progress, Running
from notebook_ci.execute_notebook.runner import Runner
from notebook_ci.execute_notebook.schedule import Schedule
from notebook_ci.execute_notebook.servers import Servers
from notebook_ci.execute_notebook.workers import END_SECONDS, Ending, Life, Worker, WorkerDiedError
from notebook_ci.notebooks.document import Document
from notebook_ci.tools.seal import seal

LOOK_SECONDS = 0.25
SHORT_SECONDS = 1.0


@dataclass
class _Position:
    """Where a notebook is that was begun. Times are as `time.monotonic` counts.

    Attributes:
        began: When it began.
        ended: When it ended; infinite: it runs.
        cell: The cell that runs; 0: none yet.
        cell_began: When that was first seen.
    """

    began: float
    ended: float = math.inf
    cell: int = 0
    cell_began: float = 0.0


@dataclass
class Conductor:
    """Has notebooks executed.

    Attributes:
        runner: Executes one.
        tasks: All notebooks.
        schedule: Says which is next, by its name.
        record: Takes what comes of them; its notebooks are those of `tasks`.
        progress: Shows what goes on.
        servers: Give each notebook the one that forks its kernel.
        spare: How many more than `record.workers` may run at a time while they take less than a second: of that, a
            kernel and its driver wait for each other for a good part.
    """

    runner: Runner
    tasks: Sequence[Task]
    schedule: Schedule
    record: ExecuteRecord
    progress: Progress
    servers: Servers
    spare: int = 0
    _life: Life = field(init=False, default_factory=Life)
    _workers: list[Worker] = field(init=False, default_factory=list)
    _ending: set[Worker] = field(init=False, default_factory=set)
    _positions: dict[int, _Position] = field(init=False, default_factory=dict)
    _are_short: bool = field(init=False, default=False)
    _gave_up: bool = field(init=False, default=False)
    _changes: dict[str, list[int]] = field(init=False, default_factory=dict)
    _is_broken_off: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        self._places = {task.name: place for place, task in enumerate(self.tasks)}
        self._cpus = machine.cpus()
        # A notebook whose cells have run needs a worker, and for the most part waits for the end of its kernel. With
        # one worker the next begins after that: who asks for one may mean one.
        self._most_workers = self.record.workers if self.record.workers == 1 else 2 * self.record.workers

    def run(self) -> None:
        """Execute them all.

        Raises:
            Cancelled: The job was cancelled; the record holds what was done.
        """
        engine.compile_schema()
        if LINUX and self.runner.inputs.html:  # elsewhere each worker loads them
            html.Pages()
        seal()
        gc.collect()
        gc.freeze()  # what is here is shared with the workers, which need not look at it
        try:
            while self._begin() or self._busy():
                self._tell_of_cpus()
                self._listen(LOOK_SECONDS)
                self.servers.look()
                self.progress.show(list(self._running()))
        except Cancelled:
            with process.undisturbed():
                self._break_off()
            raise
        finally:
            self.progress.show([])
            self.servers.close()
            self._end_workers()

    def _end_workers(self) -> None:
        for worker in self._workers:
            worker.leave()
        ends = time.monotonic() + END_SECONDS
        for worker in self._workers:
            worker.end(ends - time.monotonic())

    def _busy(self) -> dict[Worker, int]:
        """Return the workers that execute a notebook, each with the place of that."""
        return {worker: worker.task for worker in self._workers if worker.task is not None}

    def _begin(self) -> bool:
        """Begin what may begin. Returns whether anything was begun."""
        begun = False
        at_once = self.record.workers + (self.spare if self._are_short else 0)
        while (busy := len(self._busy())) - len(self._ending) < at_once and busy < self._most_workers:
            if busy and self._memory_is_short():
                break
            name = self.schedule.next()
            if name is None:
                break
            place = self._places[name]
            self._positions[place] = _Position(time.monotonic())
            self._free_worker().begin(place, self.servers.server_for(place))
            begun = True
        return begun

    def _tell_of_cpus(self) -> None:
        """Tell workers whether each may keep a CPU busy beside that of its kernel."""
        busy = self._busy()
        for worker in busy:
            worker.tell_of_cpu(is_free=2 * len(busy) <= self._cpus)

    def _free_worker(self) -> Worker:
        for worker in self._workers:
            if worker.task is None:
                return worker
        worker = Worker(self.runner, self.tasks, self._life)
        self._workers.append(worker)
        return worker

    def _memory_is_short(self) -> bool:
        memory = machine.memory()
        if memory is None or not memory.is_short:
            return False
        self.progress.held_back(memory.available)
        return True

    def _listen(self, seconds: float) -> None:
        """Take what workers tell, for at most so many seconds if they tell nothing."""
        busy, growing = self._busy(), self.servers.connections()
        speaking = set(wait([*(worker.connection for worker in busy), *growing], seconds))
        for connection in growing:
            if connection in speaking:
                self.servers.hear(connection)
        for worker, place in busy.items():
            if worker.connection not in speaking:
                continue
            try:
                told = worker.told()
            except WorkerDiedError as error:
                told = self._lost(place, error)
                self._workers.remove(worker)
            if isinstance(told, Ending):
                self._ending.add(worker)
            else:
                self._ending.discard(worker)
                self._take(place, told)

    def _take(self, place: int, outcome: Outcome) -> None:
        """Take what came of a notebook."""
        name = self.tasks[place].name
        self._positions[place].ended = time.monotonic()
        record = self.record
        record.notebooks[place] = outcome.result
        self._are_short = outcome.result.duration < SHORT_SECONDS
        record.read |= outcome.read
        record.made |= outcome.made
        record.problems += [_named(problem, self.tasks[place]) for problem in outcome.problems]
        made = self.servers.imports(place) if outcome.has_imports else ()
        outcome.result.preloaded, outcome.result.not_preloaded = list(made), self.servers.left(place, made)
        if outcome.not_forked and not self._gave_up:
            self._gave_up = self.servers.refused(place)
            record.problems.append(self._not_forked(place, outcome.not_forked))
        self.servers.ended(place)
        self.progress.ended(outcome)
        well = outcome.result.status == "passed"
        if not well and record.status != "error":
            record.status = "error" if outcome.is_around else "failed"
        for skipped, needed in self.schedule.ended(name, well=well):
            record.notebooks[self._places[skipped]].skipped_for = needed
            self.progress.skipped(skipped, needed)

    def _not_forked(self, place: int, why: str) -> Problem:
        """Return a notice that names the notebook to look at: if something changed, the one that ran meanwhile."""
        task = self.tasks[place]
        since = "From here on kernels are" if self._gave_up else f"The kernel of {task.name} was"
        if not why.startswith(CHANGED):
            return Problem(severity="notice", message=f"{since} started, not forked: {why}.", file=task.path)
        ran = [self.tasks[each] for each in self._changes.setdefault(why, self._since_last_fork(place))]
        names = listed([each.name for each in ran], MOST_LISTED)
        when = f"While {'one of ' if len(ran) > 1 else ''}{names} ran" if ran else "Before a notebook ran"
        message = f"{when}, {why}. {since} started, not forked."
        return Problem(severity="notice", message=message, file=ran[0].path if len(ran) == 1 else None)

    def _since_last_fork(self, place: int) -> list[int]:
        """Return the notebooks that ran after the last fork before a notebook: nothing had changed until then."""
        times, last = self._positions, 0.0
        earlier = sorted(each for each in times if times[each].began < times[place].began)
        for each in earlier:
            result = self.record.notebooks[each]
            # A server that has imported nothing does not look at what lies beside notebooks.
            if result.kernel_start == "fork" and (self._gave_up or result.preloaded):
                last = max(last, times[each].began)
        return [each for each in earlier if times[each].ended >= last]

    def _lost(self, place: int, error: WorkerDiedError) -> Outcome:
        """Return what came of a notebook whose worker died."""
        task = self.tasks[place]
        result = self.record.notebooks[place]
        result.status = "failed"
        result.duration = round(time.monotonic() - self._positions[place].began, 3)
        result.failure = failures.without_cell("broken-execution", str(error))
        if self._is_broken_off:
            result.failure.kind = "cancelled"
        return Outcome(result, [failures.problem(task.path, result.failure)])

    def _break_off(self) -> None:
        """Have what runs broken off, and take what came of it."""
        self._is_broken_off = True
        for worker in self._busy():
            worker.cancel()
        ends = time.monotonic() + END_SECONDS
        while self._busy() and (left := ends - time.monotonic()) > 0:
            self._listen(left)

    def _running(self) -> Iterator[Running]:
        """Yield where the notebooks are that run."""
        now = time.monotonic()
        for worker, place in self._busy().items():
            task, position = self.tasks[place], self._positions[place]
            if worker.cell != position.cell:
                position.cell, position.cell_began = worker.cell, now
            cells = len(task.content.cells) if isinstance(task.content, Document) else 0
            yield Running(task.name, position.cell, cells, now - position.began, now - position.cell_began)


def _named(problem: Problem, task: Task) -> Problem:
    """Return a problem that says of which execution it is, where its file does not."""
    if task.name == task.path:
        return problem
    return replace(problem, message=f"{PurePath(task.name).name}: {problem.message}")
