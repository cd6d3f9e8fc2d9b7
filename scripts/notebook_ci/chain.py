"""Runs the stages of a chain: at once if they do not need each other, with their output in the order of the chain."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Any

from notebook_ci.base.console import Console
from notebook_ci.base.errors import MILDEST_FIRST, Cancelled, InputError, Problem, SurroundingsError
from notebook_ci.base.heartbeat import heartbeat
from notebook_ci.base.launcher import LAUNCHER, UNHEARD
from notebook_ci.base.load_inputs import AHEAD, FROM_STDIN
from notebook_ci.base.plan import Nothing, Plan
from notebook_ci.base.process import LINUX, Argument
from notebook_ci.base.side_by_side import Output, Programs
from notebook_ci.base.signals import how_it_ended
from notebook_ci.base.stage import Stage
from notebook_ci.base.texts import listed
from notebook_ci.base.workspace import Workspace
from notebook_ci.records.record import Record, Status, describe_source, timestamp
from notebook_ci.records.run_directory import RunDirectory
from notebook_ci.stages import STAGES, awaited
from notebook_ci.tools import integrity, own_files, tool
from notebook_ci.tools.import_guard import guard_imports

NOTEBOOKS, TESTS = "execute-notebook", "test-notebook"
USERS_CODE = (NOTEBOOKS, TESTS)  # these stages run it
LOG, REPORT = "log-run", "report-run"
ALWAYS = (LOG, REPORT)  # these stages run also after a failure: that is a result, too
MOST_LISTED = 5
Show = Callable[[str], object]


@dataclass(frozen=True)
class Step:
    """A stage as the chain runs it."""

    stage: Stage[Any, Any, Any]
    given: Mapping[str, object]  # the inputs that the chain sets; the others are in the config file
    plan: Plan | Nothing
    tools: Mapping[str, str]  # the tool environments that it needs: their folders, by name

    @property
    def name(self) -> str:
        return self.stage.name


@dataclass(frozen=True)
class Ended:
    """A stage that has ended or was skipped."""

    name: str  # of its record
    record: Record  # read when the stage ended: a notebook may write into the run directory, too
    code: int = 0


class Chain:
    """One run of the stages; `done` are the exit codes of an earlier call, by name of the record."""

    def __init__(
        self,
        steps: Sequence[Step],
        done: Mapping[str, int],
        *,
        console: Console,
        workspace: Workspace,
        directory: RunDirectory,
        slug: str,
    ) -> None:
        self._steps = steps
        self._console = console
        self._workspace = workspace
        self._directory = directory
        self._slug = slug
        self._programs = Programs({**workspace.environ, **UNHEARD}, workspace.cwd)
        self._early: dict[str, tuple[Output, Future[bool]]] = {}  # stages that do not wait for their turn
        self._ahead: dict[str, subprocess.Popen[str]] = {}  # stages that were started and wait for their inputs
        self._tools: dict[str, Future[list[str]]] = {}  # installations that nobody has awaited yet, by stage
        self._ended = {  # by stage
            step.name: Ended(name, directory.record(name), code)
            for step, (name, code) in zip(steps, done.items(), strict=False)
        }
        self._is_changed = False  # whether notebooks have changed what the stages run

    @property
    def ended(self) -> list[Ended]:
        return [self._ended[name] for name in STAGES if name in self._ended]

    @property
    def records(self) -> list[Record]:
        return [each.record for each in self.ended]

    def run(self, *, is_first: bool) -> None:
        """Run the stages that have not ended; if `is_first`, only those before the notebooks.

        Raises Cancelled when those that had begun have ended.
        """
        guard_imports()
        with ThreadPoolExecutor(1) as pool:
            # Signals interrupt only the main thread, which has nothing else to do.
            running = pool.submit(self._run, is_first=is_first)
            try:
                running.result()
            except Cancelled as cancelled:
                # The runner kills all of us in some seconds; until then the stages can save what they have.
                self._programs.stop(cancelled.signal_number)
                running.result()
                raise

    def _run(self, *, is_first: bool) -> None:
        until = STAGES.index(NOTEBOOKS) if is_first else len(STAGES)
        steps = [each for each in self._steps if each.name not in self._ended and STAGES.index(each.name) < until]
        with ThreadPoolExecutor() as pool, ThreadPoolExecutor(1) as one_at_a_time:
            try:
                for step in self._steps:
                    if awaited(step.name) and not self._ended:  # others begin at once; the first call did it
                        self._tools[step.name] = one_at_a_time.submit(self._install, step)
                early = beside_others(steps)
                for step in waiting(steps):
                    self._start_ahead(step, is_read=step in early)
                for step in early:
                    output = Output(self._console.relay)
                    self._early[step.name] = output, pool.submit(self._one, step, output.add)
                for step in steps:
                    self._show(step)
                    self._start_log(steps)  # no sooner: setup-env runs code of packages
                self._await_tools(list(self._tools) if is_first else [], self._console.relay)
            finally:
                self._programs.stop(signal.SIGTERM)  # nobody needs what still runs
                for process in self._ahead.values():
                    self._programs.finish(process, "")

    def _show(self, step: Step) -> None:
        """Show a stage at its turn, which begins only now unless it began early."""
        output, early = self._early.get(step.name, (None, None))
        if self._programs.is_stopped and not (early and early.result()):
            return
        number = [each.name for each in self._steps].index(step.name) + 1
        with self._console.group(f"[{number}/{len(self._steps)}] {step.name}"):
            if output and early:
                output.show()
                early.result()
            else:
                self._one(step)

    def _one(self, step: Step, on_line: Show | None = None) -> bool:
        """Run a stage, or record why it is skipped. Returns whether it began before the chain was cancelled.

        `on_line` takes its output; without it, it is the turn of the stage, which writes where this process does.
        """
        show = on_line or self._console.relay
        wait([self._early[name][1] for name in awaited(step.name) if name in self._early])
        if self._programs.is_stopped:
            return False
        failed = self._failed()
        stopped = failed and (step.name not in ALWAYS or self._is_changed)
        nothing = step.plan.reason if isinstance(step.plan, Nothing) else ""
        if reason := f"Not run, because {failed[0]} failed." if stopped else nothing:
            show("Nothing to do." if reason == nothing else reason)  # the plan says why
            self._ended[step.name] = self._recorded(step, "skipped", Problem(severity="notice", message=reason))
            return True
        # While notebooks or tests run, no tools are installed: they could change them before they are sealed.
        self._await_tools(list(self._tools) if step.name in USERS_CODE else [step.name], show)
        ended = self._guarded(step) if step.name in USERS_CODE else self._start(step, on_line)
        if ended:
            self._ended[step.name] = ended
        return ended is not None

    def _failed(self) -> list[str]:
        return [name for name in STAGES if name in self._ended and self._ended[name].code]

    def _install(self, step: Step) -> list[str]:
        """Create the tool environments of a stage that begins later. Returns what was shown meanwhile.

        A failure is not shown: the stage tries again, and says why.
        """
        shown: list[str] = []
        for name, folder in step.tools.items():
            if integrity.is_unchanged(folder) or (self._failed() and step.name not in ALWAYS):
                continue
            lines: list[str] = []
            create = tool.command(name, "python", "-I", "-S", "-c", "")
            if self._programs.run(create, on_line=lines.append, in_background=True) == 0:
                shown += lines
        return shown

    def _await_tools(self, stages: Iterable[str], show: Show) -> None:
        with heartbeat(show, lambda: "installing tool environments"):
            for name in stages:
                if installed := self._tools.pop(name, None):
                    for line in installed.result():
                        show(line)

    def _guarded(self, step: Step) -> Ended | None:
        """Run the notebooks or tests. The chain stops if they change files of notebook-ci, which later stages run."""
        before = own_files.seen(tool.CACHE)
        self._start_log(self._steps)
        if step.name == NOTEBOOKS and (process := self._ahead.get(LOG)) and process.stdout:
            process.stdout.readline()  # comes once, when no other program of this user can look into it
        ended = self._start(step)
        if not (ended and (changed := own_files.changed_since(before, tool.CACHE))):
            return ended
        names = listed([str(path) for path in changed], MOST_LISTED)
        error = SurroundingsError(
            f"Files of notebook-ci changed while {step.name} ran: {names}.",
            hint="Find the code that writes there, and install notebook-ci again. No later stage runs.",
        )
        self._console.error(error)
        self._is_changed = True
        ended.record.add(error)
        return replace(ended, code=error.exit_code)

    def _start(self, step: Step, on_line: Show | None = None) -> Ended | None:
        """Run a stage until it ends. It writes its own record; if it could not, one is written for it."""
        name = self._directory.next_name(step.name, self._slug)
        inputs = json.dumps({**step.given, "run-dir": str(self._directory.path)})
        process = self._started_ahead(step) or self._programs.start(_command(step), is_read=on_line is not None)
        if not process:
            return None
        code = self._programs.finish(process, inputs, on_line or self._console.relay)
        known = code if code in MILDEST_FIRST else SurroundingsError.exit_code
        try:
            return Ended(name, self._directory.record(name), known)
        except InputError as error:
            message = f"{step.name} {how_it_ended(code)} and left no record."
            problem = Problem(severity="error", message=message, hint=error.message)
            return replace(self._recorded(step, "error", problem), code=known or SurroundingsError.exit_code)

    def _start_log(self, steps: Iterable[Step]) -> None:
        """Start log-run ahead of the notebooks. Not where these could look into it."""
        planned = {step.name: step for step in steps if isinstance(step.plan, Plan)}
        if LINUX and planned.keys() >= {NOTEBOOKS, LOG} and NOTEBOOKS not in self._ended:
            self._start_ahead(planned[LOG], is_read=True)

    def _start_ahead(self, step: Step, *, is_read: bool) -> None:
        """Start a stage whose tools are installed: until its turn it imports them, and waits for its inputs."""
        is_possible = step.tools and step.name not in self._ahead and all(map(os.path.isdir, step.tools.values()))
        if is_possible and (process := self._programs.start([*_command(step), AHEAD], is_read=is_read)):
            self._ahead[step.name] = process

    def _started_ahead(self, step: Step) -> "subprocess.Popen[str] | None":
        """Return the process of a stage that was started ahead, unless it has ended or its tools were changed."""
        process = self._ahead.get(step.name)
        if not process or process.poll() is not None or not all(map(integrity.is_untouched, step.tools.values())):
            return None
        return self._ahead.pop(step.name)

    def _recorded(self, step: Step, status: Status, problem: Problem) -> Ended:
        """Write the record of a stage that did not."""
        record = step.stage.record(
            stage=step.name, slug=self._slug, status=status, started=timestamp(), problems=[problem]
        )
        record.source = describe_source(self._workspace)
        files = self._directory.take(step.name, self._slug)
        return Ended(files.name, files.write(record))


def _command(step: Step) -> list[Argument]:
    return ["bash", LAUNCHER, FROM_STDIN, step.name]


def waiting(steps: Iterable[Step]) -> list[Step]:
    """Return the stages that are started ahead: they await others, and import much. See also `_start_log`."""
    planned = [step for step in steps if isinstance(step.plan, Plan) and step.name != LOG]
    names = {step.name for step in planned}
    return [step for step in planned if step.stage.ahead and names.intersection(awaited(step.name))]


def beside_others(steps: Iterable[Step]) -> list[Step]:
    """Return the stages that run while an earlier one does: they await none, or only each other."""
    before: set[str] = set()
    found: dict[str, Step] = {}
    for step in steps:
        if isinstance(step.plan, Plan):
            if before and found.keys() >= before.intersection(awaited(step.name)):
                found[step.name] = step
            before.add(step.name)
    return list(found.values())
