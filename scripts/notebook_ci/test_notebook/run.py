"""The stage test-notebook: runs pytest in the environment of the user, and judges what it reports."""

import contextlib
import signal
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from notebook_ci.base import process
from notebook_ci.base.context import Context
from notebook_ci.base.files import sha256, write
from notebook_ci.base.masking import masked
from notebook_ci.base.process import Argument, Completed, Deadline
from notebook_ci.base.temporary import temporary_folder
from notebook_ci.conda.activation import activated
from notebook_ci.environments.interpreter import environment, find, require_ipykernel, tried
from notebook_ci.environments.leftovers import nothing_left
from notebook_ci.environments.withheld import for_notebooks
from notebook_ci.records.test_notebook import PytestRecord
from notebook_ci.test_notebook import layer
from notebook_ci.test_notebook.judging import Judgement, NothingTestedError, problems
from notebook_ci.test_notebook.model import PytestInputs
from notebook_ci.test_notebook.plan import PytestPlan
from notebook_ci.test_notebook.session import GRACE_SECONDS, NBVAL_SECONDS, DeadlineOfTests, session

# The layer comes last, so that it hides nothing. Like `python -m pytest`, this finds modules of the working directory.
_START = "import sys; sys.path.append(sys.argv[1]); from notebook_testing.reporting import main; main()"
COVERAGE = "coverage"  # in the folder of the stage
LAYER, REPORT = "layer", "report"  # in the temporary folder
MOST_SHOWN = 5_000_000  # characters of pytest's output
LAST_LINES = 50
CANCELLED = Completed(-signal.SIGTERM, "", timed_out=False)  # unless pytest ends by itself


def run(inputs: PytestInputs, planned: PytestPlan, context: Context, record: PytestRecord) -> None:
    """Run the tests, and record their results.

    Raises CheckFailed if pytest did not end as it should, InputError if it refuses the inputs or finds no tests, and
    SurroundingsError if the environment cannot run it.
    """
    context.run_directory.hide_secrets(context.environ)
    passed = for_notebooks(context.environ, inputs.pass_env, context)
    interpreter = tried(find(inputs.python, inputs.slug, context.run_directory, context))
    if planned.notebooks:
        require_ipykernel(interpreter)
    record.python, record.python_version = str(interpreter.path), interpreter.version
    with temporary_folder() as temporary, nothing_left():
        folder = temporary.resolve()
        record.added = layer.create(layer.needed(inputs), interpreter.path, folder / LAYER, context)
        ended, results = CANCELLED, context.files.artifacts / COVERAGE
        if inputs.coverage:
            results.mkdir()
        env = environment(activated(passed, interpreter.prefix), interpreter, folder)
        # `-B`: pytest would write byte-code into the environment.
        start: list[Argument] = [interpreter.path, "-B", "-c", _START, folder / LAYER, folder / REPORT]
        start.append(results if inputs.coverage else "")
        more = [*_arguments(inputs), *inputs.pytest_args, *planned.tests, *planned.notebooks]
        context.console.progress(
            f"Testing with Python {interpreter.version} ({interpreter.origin}: {interpreter.path})"
        )
        with session(folder / REPORT) as reported:
            grace = NBVAL_SECONDS if planned.notebooks else GRACE_SECONDS
            deadline = DeadlineOfTests(reported, inputs.test_timeout, grace) if inputs.test_timeout else None
            try:
                ended = _run([*start, *more], env, deadline, context)
            finally:
                reported.read()
                judgement = Judgement(reported, ended, planned, inputs.coverage, context.cwd)
                record.cases, record.pytest = judgement.cases(), reported.version
        record.coverage = next((event.percent for event in reported.of("coverage") if not event.message), None)
        for path in sorted(context.files.artifacts.rglob("*")):
            if path.is_file() and not path.is_symlink():  # links are removed later
                _hide_in(path)  # coverage shows the source
                record.created[context.files.relative(path)] = sha256(path)
        _judge(judgement, context, record)


def _hide_in(path: Path) -> None:
    with contextlib.suppress(UnicodeDecodeError):  # an image
        text = path.read_bytes().decode()
        if (hidden := masked(text)) != text:
            write(path, hidden)


def _run(command: Sequence[Argument], env: Mapping[str, str], deadline: Deadline | None, context: Context) -> Completed:
    left = MOST_SHOWN

    def show(line: str) -> None:
        nonlocal left
        left -= len(line) + 1
        if left >= 0:
            write_line(line)

    with context.console.streaming() as write_line:
        ended = process.run(command, env=env, cwd=context.cwd, timeout=deadline, on_line=show)
        if left < 0:
            write_line(f"[... {-left} characters are not shown, except the last {LAST_LINES} lines ...]")
            write_line("\n".join(ended.output.splitlines()[-LAST_LINES:]))
    return ended


def _arguments(inputs: PytestInputs) -> Iterator[str]:
    yield from ("-p", "notebook_testing.plugin")
    if inputs.test_timeout is not None:
        yield f"--timeout={inputs.test_timeout:g}"
    if inputs.workers != 1:
        yield f"--numprocesses={inputs.workers or 'auto'}"
    if inputs.nbval == "off":
        return
    yield "--nbval" if inputs.nbval == "strict" else "--nbval-lax"
    yield "--nbval-current-env"
    if inputs.nbval_sanitize:
        yield f"--nbval-sanitize-with={inputs.nbval_sanitize}"
    if inputs.test_timeout is not None:
        yield from (f"--nbval-cell-timeout={inputs.test_timeout:g}", "-p", "notebook_testing.cell_timeouts")
    if inputs.workers != 1:
        yield "--dist=loadscope"  # a notebook is a scope


def _judge(judgement: Judgement, context: Context, record: PytestRecord) -> None:
    found = list(problems(record.cases))
    context.problems.extend(found)
    if found:
        record.status = "failed"
    error = judgement.error(record.cases, has_failures=bool(found))
    if error and not isinstance(error, NothingTestedError):
        raise error
    if error:
        context.notice(error.message)
        record.status = "skipped"
    if record.cases and len(record.of("skipped")) == len(record.cases):
        context.warning("All tests were skipped, so nothing was tested.")
