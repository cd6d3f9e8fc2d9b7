"""What every script does around its stage: inputs, run directory, record, outputs, annotations, summary, exit code."""

import abc
import contextlib
import io
import os
import subprocess
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Generic, TextIO, TypeVar

from notebook_ci.base import isolation, signals
from notebook_ci.base.config_file import missed_config
from notebook_ci.base.console import Console, console, kept_for_programs
from notebook_ci.base.context import Context
from notebook_ci.base.errors import EXIT_BUG, Cancelled, InputError, NotebookCiError, Problem, SurroundingsError, worst
from notebook_ci.base.files import unwritable
from notebook_ci.base.inputs import StageInputs
from notebook_ci.base.load_inputs import AHEAD, CHECK_ONLY, JSON, LIBRARY_NEEDED, NAME_CACHE, NOTHING_TO_DO, PLAN, load
from notebook_ci.base.plan import Nothing, Plan
from notebook_ci.base.texts import listed, quote
from notebook_ci.base.workspace import Workspace
from notebook_ci.records.record import Record, StageRecord, as_written, describe_source, timestamp
from notebook_ci.records.run_directory import RunDirectory, StageFiles
from notebook_ci.summary.junit import junit
from notebook_ci.summary.of_run import summarize

Model = TypeVar("Model", bound=StageInputs)
StagePlan = TypeVar("StagePlan", bound=Plan)

COMMON_OUTPUTS = {
    "status": "`passed`, `failed` (a problem in notebooks or data), `error` (wrong input, network, installation ...) "
    "or `skipped` (nothing to do).",
    "record": "Path of the stage's record, a JSON file in the run directory.",
}
MOST_LISTED = 5
EXIT_CODES = {"passed": 0, "skipped": 0, "failed": 1, "error": SurroundingsError.exit_code}


@dataclass(frozen=True)
class Command(abc.ABC, Generic[Model]):
    """What an action and a command of the same name run."""

    name: str  # e.g. `setup-env`
    inputs: type[Model]  # its docstring describes the command, in one sentence
    outputs: Mapping[str, str]  # descriptions by name

    def main(self, argv: Sequence[str], environ: Mapping[str, str], stdin: TextIO) -> int:
        """Run as a program. `argv` starts behind the program's name and says whether `stdin` has the inputs, as JSON.

        Returns the exit code: 0 passed, 1 failed, 2 wrong input, 3 surroundings failed, 70 a bug, 128+n cancelled.
        """
        with kept_for_programs() if JSON in argv else contextlib.nullcontext() as document:
            shown = console(environ)
            shown.document = document
            return self._guarded(argv, environ, stdin, shown)

    def _guarded(self, argv: Sequence[str], environ: Mapping[str, str], stdin: TextIO, shown: Console) -> int:
        try:
            with signals.cancellable():
                return self._main(argv, environ, stdin, shown)
        except Cancelled as cancelled:
            return cancelled.exit_code
        except Exception as exception:  # noqa: BLE001 - our bug, unless foreseen
            if isinstance(exception, ModuleNotFoundError) and CHECK_ONLY in argv:
                return LIBRARY_NEEDED
            error = exception if isinstance(exception, NotebookCiError) else _bug(exception, shown)
            shown.error(error)
            with contextlib.suppress(OSError):
                shown.set_outputs({"status": "error"})
                shown.answer({"status": "error", "problems": [Problem.of(each) for each in [*error.others, error]]})
            return error.exit_code

    @abc.abstractmethod
    def _main(self, argv: Sequence[str], environ: Mapping[str, str], stdin: TextIO, console: Console) -> int:
        pass

    @property
    def description(self) -> str:
        return self.inputs.__doc__ or ""

    @property
    def all_outputs(self) -> Mapping[str, str]:
        return self.outputs


@dataclass(frozen=True)
class Stage(Command[Model], Generic[Model, StagePlan, StageRecord]):
    """A stage of the chain. Its `outputs` come before `COMMON_OUTPUTS`."""

    record: type[StageRecord]
    plan: Callable[[Model, Workspace], StagePlan | Nothing]  # reads files; starts and writes nothing
    run: Callable[[Model, StagePlan, Context, StageRecord], None]  # fills the record meanwhile: it may be stopped
    # The outputs that name a cache for what the stage will download or install; empty: none.
    cache: Callable[[Model, StagePlan, Workspace, Console], Mapping[str, str]] = lambda *_: {}
    # Imports what takes long, before the chain says whether and with which inputs the stage runs. Yields its worker if
    # that waits, too.
    ahead: Callable[[Mapping[str, str]], AbstractContextManager["subprocess.Popen[str] | None"]] | None = None
    # The records that its summary is about (its own, unless it speaks for a whole run), and those of which it shows
    # details: steps before have not.
    in_summary: Callable[[StageRecord, RunDirectory], tuple[Sequence[Record], Sequence[Record]]] = lambda record, _: (
        [record],
        [record],
    )

    @property
    def all_outputs(self) -> Mapping[str, str]:
        return {**self.outputs, **COMMON_OUTPUTS}

    def _main(self, argv: Sequence[str], environ: Mapping[str, str], stdin: TextIO, console: Console) -> int:
        if not (AHEAD in argv and self.ahead):
            return self._main_with(None, argv, environ, stdin, console)
        with self.ahead(environ) as worker:
            given = stdin.read()  # nothing: the chain does not need this stage
            return self._main_with(worker, argv, environ, io.StringIO(given), console) if given else 0

    def _main_with(
        self,
        worker: "subprocess.Popen[str] | None",
        argv: Sequence[str],
        environ: Mapping[str, str],
        stdin: TextIO,
        console: Console,
    ) -> int:
        """Run the stage. Errors raised here happened before the record was opened, or while it was written."""
        workspace = Workspace(Path.cwd(), environ)
        if NAME_CACHE in argv:
            return self._name_cache(argv, workspace, stdin, console)
        inputs, workspace = load(self.inputs, self.name, argv, stdin, workspace)
        if CHECK_ONLY in argv and PLAN not in argv:
            with contextlib.suppress(NotebookCiError):  # refused: the record below says why
                self._something(inputs, workspace)
                return 0
        console.annotate([] if console.is_part else missed_config(workspace, inputs.config))
        if PLAN in argv:
            plan = self._something(inputs, workspace)
            show(self.name, plan, console)
            console.annotate(plan.problems)
            return NOTHING_TO_DO if CHECK_ONLY in argv else 0
        run_directory = RunDirectory.open(inputs.run_dir, workspace)
        files = run_directory.take(self.name, inputs.slug, workspace.directory)
        record = self.record(stage=self.name, slug=inputs.slug, inputs=inputs.as_given())
        context = Context(
            workspace.cwd,
            environ,
            run_directory=run_directory,
            files=files,
            console=console,
            problems=record.problems,
            worker=worker,
        )
        exit_code = self._run(inputs, context, record)
        with signals.undisturbed():
            return self._close(workspace, console, files, record, exit_code)

    def _something(self, inputs: Model, workspace: Workspace) -> StagePlan:
        """Return the plan of a stage that was requested by name. It must have something to do."""
        plan = self.plan(inputs, workspace)
        if isinstance(plan, Nothing):
            raise InputError(plan.reason, hint=plan.hint)
        return plan

    def _name_cache(self, argv: Sequence[str], workspace: Workspace, stdin: TextIO, console: Console) -> int:
        """Set the outputs that name a cache. Errors are ignored here: the stage itself reports them."""
        try:
            inputs, workspace = load(self.inputs, self.name, argv, stdin, workspace)
            plan = self._something(inputs, workspace)
            if CHECK_ONLY not in argv:
                console.set_outputs(self.cache(inputs, plan, workspace, console))
        except (NotebookCiError, OSError):
            return NOTHING_TO_DO if CHECK_ONLY in argv else 0
        return 0

    def _run(self, inputs: Model, context: Context, record: StageRecord) -> int:
        """Do the work. The record describes every outcome."""
        record.started = timestamp()
        began = time.monotonic()
        try:
            record.source = describe_source(context)
            plan = self._something(inputs, context)
            record.problems += plan.problems
            self.run(inputs, plan, context, record)
        except NotebookCiError as error:
            record.add(error)
            return error.exit_code
        except Cancelled as cancelled:
            name = signals.signal_name(cancelled.signal_number)
            record.add(SurroundingsError(f"Cancelled ({name}).", hint="Results so far were kept."))
            return cancelled.exit_code
        except Exception as error:  # noqa: BLE001 - our bug: reported as such, and the record is still written
            record.add(_bug(error, context.console))
            return EXIT_BUG
        finally:
            record.duration = round(time.monotonic() - began, 3)
        return EXIT_CODES[record.status]

    def _close(
        self, workspace: Workspace, console: Console, files: StageFiles, record: StageRecord, exit_code: int
    ) -> int:
        """Write the record, outputs and summary. Return the exit code: the given one, or that of a failure to write."""
        saved = ""
        record.outputs = dict(record.headline)
        try:
            if links := list(map(quote, files.remove_links())):
                what = "Links were removed from the run directory, because an upload would follow them"
                record.problems.append(Problem(severity="warning", message=f"{what}: {listed(links, MOST_LISTED)}."))
            shown, saved = files.write(record), str(files.record)
            if cases := junit([shown]):
                files.write_text("junit.xml", cases)
        except SurroundingsError as error:
            record.add(error)
            exit_code = worst([exit_code, error.exit_code])
            shown = as_written(record)
        console.annotate(record.problems)
        try:
            records, detailed = self.in_summary(shown, RunDirectory(files.root))
            console.summarize(summarize(records, workspace, detailed))
            console.set_outputs({"status": record.status, "record": saved, **record.outputs})
        except OSError as error:
            file = Path(error.filename or files.root)
            failure = unwritable("The step's outputs and summary cannot be written", file, error)
            console.error(failure)
            exit_code = worst([exit_code, failure.exit_code])
        console.answer(shown)
        return exit_code


def later(module: str) -> Callable[..., None]:
    """Return the function `run` of a module that needs the tool environment, which planning does not."""
    return lambda *arguments: import_module(module).run(*arguments)


def imports(*modules: str) -> Callable[..., AbstractContextManager[None]]:
    """Return a function for `Stage.ahead` that imports modules of the tool environment."""

    @contextlib.contextmanager
    def load(*_: object) -> Iterator[None]:
        for module in modules:
            import_module(module)
        yield

    return load


def show(stage: str, plan: Plan | Nothing, console: Console) -> None:
    if isinstance(plan, Nothing):
        console.progress(f"{stage}: nothing to do. {plan.reason}")
        return
    console.progress(f"{stage}:")
    for line in plan.lines():
        console.progress(f"  {line}")


def _bug(error: Exception, console: Console) -> NotebookCiError:
    console.output(traceback.format_exc().rstrip())
    return NotebookCiError(
        f"This is a bug in notebook-ci: {type(error).__name__}: {error}.",
        hint="Please report it with the traceback above.",
    )


def run_script(command: Command[Any]) -> None:
    isolation.keep_to_itself()
    warnings.simplefilter("ignore")  # warnings of libraries do not say which file they mean, or what to do
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    sys.exit(command.main(sys.argv[1:], os.environ, sys.stdin))
