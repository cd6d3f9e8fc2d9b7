"""The stage execute-notebook: executes the planned notebooks and writes the record."""

import contextlib
import dataclasses
import json
import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from kernel_server.interface import KernelServer, Limits, NotForkedError, Servers, serving
from notebook_ci.base.context import Context
from notebook_ci.base.errors import CheckFailed, together
from notebook_ci.base.files import sha256
from notebook_ci.base.process import LINUX
from notebook_ci.base.temporary import temporary_folder
from notebook_ci.base.texts import listed, quote
from notebook_ci.conda.activation import activated
from notebook_ci.environments.interpreter import (
    EARLIER,
    SETUP_ENV,
    Candidate,
    Interpreter,
    changed_since,
    environment,
    find,
    require_ipykernel,
    tried,
)
from notebook_ci.environments.leftovers import nothing_left
from notebook_ci.environments.withheld import for_notebooks
from notebook_ci.execute_notebook import elsewhere, machine, plan
from notebook_ci.execute_notebook.folders import make_folder
from notebook_ci.execute_notebook.missing import ImportCheck
from notebook_ci.execute_notebook.model import ExecuteInputs
from notebook_ci.execute_notebook.plan import Execution, ExecutionPlan
from notebook_ci.execute_notebook.schedule import Schedule, Scheduled
from notebook_ci.notebooks import document, durations
from notebook_ci.notebooks.document import Document
from notebook_ci.records.environment import default_environment
from notebook_ci.records.execute_notebook import ExecuteRecord
from notebook_ci.records.record import Record
from notebook_ci.records.setup_env import SetupEnvRecord
from notebook_ci.tools import integrity

PRELOADED_PART = 0.25
SHORT_COMMIT = 12  # digits


def run(inputs: ExecuteInputs, planned: ExecutionPlan, context: Context, record: ExecuteRecord) -> None:
    """Execute the notebooks, and record problems. Notebooks are only skipped if one that they need failed.

    Raises InputError if an input is wrong, before anything is executed; SurroundingsError if no interpreter can run the
    notebooks, or if outputs cannot be written. If the job is cancelled, the record holds the results so far.
    """
    if planned.changed_only:
        planned = _affected_only(planned, inputs, context)
        if not planned.executions:
            record.status = "skipped"
            return
    context.run_directory.hide_secrets(context.environ)
    candidate = find(inputs.python, inputs.slug, context.run_directory, context)
    passed = for_notebooks(context.environ, inputs.pass_env, context)
    environ = activated(passed, candidate.prefix)
    with temporary_folder() as folder, nothing_left(), contextlib.ExitStack() as stack:
        # The server comes first: it takes longest to get ready, and works in parallel.
        server = _server(inputs, environ, candidate, folder, stack)
        # These imports are slow too, so they follow here.
        from notebook_ci.execute_notebook.conductor import Conductor
        from notebook_ci.execute_notebook.progress import ProgressDisplay
        from notebook_ci.execute_notebook.runner import Shared

        found = {each.path: each.document for each in planned.executions if each.document}
        check = ImportCheck(found.values() if inputs.check_imports != "off" else [], context.cwd)
        interpreter = tried(candidate, check.modules)
        if interpreter.prefix != candidate.prefix:  # the variables of its kernels differ
            environ = activated(passed, interpreter.prefix)
            server = _server(inputs, environ, interpreter, folder, stack)
        _report_imports(check, interpreter, inputs, context)
        planned = dataclasses.replace(planned, executions=_with_kernels(planned.executions, interpreter))
        if isinstance(server, str):
            context.notice(f"Kernels are started, not forked: {server}.")
        output_dir = planned.output_dir or context.files.artifacts
        make_folder(output_dir)
        record.output_dir = str(output_dir)
        _record_plan(inputs, planned, interpreter, record, context)
        _announce(planned, interpreter, record, context)
        output_dir = output_dir.resolve()  # before a notebook can create a link there
        shared = Shared(inputs, _of_first_run(inputs, environ), interpreter, output_dir, context.files, folder)
        progress = ProgressDisplay(context.console, len(planned.executions))
        schedule = _schedule(planned, durations.known(context))
        others = context.run_directory.records().values()
        servers = _servers(server, folder, planned, inputs)
        try:
            Conductor(shared, planned.executions, schedule, record, progress, servers).run()
        finally:
            _conclude(record, others, planned, context)
            _report_preload(inputs, servers, context)


def _record_plan(
    inputs: ExecuteInputs, planned: ExecutionPlan, interpreter: Interpreter, record: ExecuteRecord, context: Context
) -> None:
    if inputs.parameters_file:
        record.read[inputs.parameters_file] = sha256(context.cwd / inputs.parameters_file)
    record.inputs["parameters"] = planned.parameters
    record.python, record.python_version = str(interpreter.path), interpreter.version
    record.ipykernel_version = interpreter.ipykernel
    record.notebooks = [each.result() for each in planned.executions]
    record.workers = min(inputs.workers or machine.cpus(), len(planned.executions))


def _of_first_run(inputs: ExecuteInputs, environ: dict[str, str]) -> Mapping[str, str]:
    """Return the variables of a notebook's first run, after which others may follow: see `determinism`."""
    if not inputs.determinism:
        return environ
    from notebook_ci.execute_notebook.determinism import with_seed  # now, because workers are forked later

    return with_seed(environ)


def _affected_only(planned: ExecutionPlan, inputs: ExecuteInputs, context: Context) -> ExecutionPlan:
    from notebook_ci.affected.notebooks import Candidates, select

    documents = {each.path: each.document for each in planned.executions}
    given = json.dumps(inputs.sweep)
    selection = select(Candidates(documents, planned.needs, planned.chains), inputs, context, given)
    reasons, base = selection.reasons, quote(selection.base[:SHORT_COMMIT])
    if not reasons:
        context.notice(f"No notebook is affected by what changed since {base}.")
    elif left_out := [path for path in documents if path not in reasons]:
        names = listed(left_out, plan.MOST_LISTED)
        context.notice(f"Not executed, because not affected by what changed since {base}: {names}.")
    return dataclasses.replace(
        planned,
        executions=tuple(each for each in planned.executions if each.path in reasons),
        chains=[chain for chain in planned.chains if chain[0] in reasons],
    )


def _report_imports(check: ImportCheck, interpreter: Interpreter, inputs: ExecuteInputs, context: Context) -> None:
    """Report imports of what is not installed. Raises CheckFailed if `check-imports` is `fail`."""
    record = context.run_directory.last(SetupEnvRecord, inputs.slug, context)
    found = list(check.problems(interpreter, record if interpreter.origin == SETUP_ENV else None))
    errors = [each for each in found if each.severity == "warning" and inputs.check_imports == "fail"]
    context.problems.extend(each for each in found if each not in errors)
    if errors:
        raise together([CheckFailed(each.message, hint=each.hint, file=each.file, line=each.line) for each in errors])


def _with_kernels(executions: Sequence[Execution], interpreter: Interpreter) -> tuple[Execution, ...]:
    """Return the executions with their kernels, or with the error if there is none.

    Raises SurroundingsError if a Python notebook needs ipykernel, which the interpreter lacks.
    """
    from notebook_ci.execute_notebook.kernel_specs import KernelSpecs

    specs = KernelSpecs(interpreter)
    chosen: dict[str, dict[str, Any]] = {}
    for path, content in {each.path: each.document for each in executions}.items():
        try:
            chosen[path] = {"kernel": specs.of(content)} if content else {}
        except CheckFailed as error:
            chosen[path] = {"content": error}
    found = tuple(dataclasses.replace(execution, **chosen[execution.path]) for execution in executions)
    if any(execution.is_ipykernel for execution in found):
        require_ipykernel(interpreter)
    return found


def _schedule(planned: ExecutionPlan, known: Mapping[str, float]) -> Schedule:
    """Return the schedule. `known` are seconds of earlier executions; others may be long, so they begin first."""
    names: dict[str, list[str]] = {}
    for execution in planned.executions:
        names.setdefault(execution.path, []).append(execution.name)
    before = {path: names[earlier] for chain in planned.chains for earlier, path in pairwise(chain)}
    unknown = max(known.values(), default=0.0) + 1.0
    return Schedule(
        [
            Scheduled(
                execution.name,
                needs=frozenset(name for path in planned.needs.get(execution.path, ()) for name in names[path]),
                after=frozenset(before.get(execution.path, ())),
                seconds=known.get(execution.name, unknown),
            )
            for execution in planned.executions
        ]
    )


def _announce(planned: ExecutionPlan, interpreter: Interpreter, record: ExecuteRecord, context: Context) -> None:
    count, workers = len(planned.executions), record.workers
    at_a_time = f", {workers} at a time" if workers > 1 else ""
    context.console.progress(
        f"Executing {count} notebook{'s' if count > 1 else ''}{at_a_time} with Python {interpreter.version} "
        f"({interpreter.origin}: {interpreter.path})"
    )
    for chain in planned.chains if workers > 1 else ():
        context.console.progress(
            f"One after the other: {listed(chain, plan.MOST_LISTED)}. `execution-order` changes that."
        )
    if interpreter.origin == EARLIER:
        _warn_of_changes(default_environment(record.slug, context), context)
    _notice_kernels(planned.executions, interpreter, context)


def _conclude(record: ExecuteRecord, others: Collection[Record], planned: ExecutionPlan, context: Context) -> None:
    """Complete the record. `others` were read before a notebook could change them."""
    indices = {execution.path: index for index, execution in enumerate(planned.executions)}
    record.problems.sort(key=lambda problem: indices.get(problem.file or "", -1))  # they came in order of time
    record.problems += elsewhere.differences(record, others)
    record.merge_metrics()
    durations.keep(record.durations, context)
    found = [each.comparison for each in record.notebooks if each.comparison and each.status == "passed"]
    if found and not any(each.compared for each in found):
        from notebook_ci.compare.cells import CHECK, IGNORE  # imported by the conductor if anything is compared

        hint = f"With `lax`, tag those that must be: `{CHECK}`. Else leave some without `{IGNORE}`."
        context.warning(f"`compare` is set, but no cell was compared. {hint}")


def _report_preload(inputs: ExecuteInputs, servers: Servers, context: Context) -> None:
    """Report modules in `preload` that were not imported in advance: a name may be misspelt."""
    for name, why in servers.refusals.items() if inputs.preload else ():
        context.notice(f"`preload` lists {quote(name)}, which was not preloaded: {why}.")
    if inputs.preload and not servers.are_of_use:
        context.notice("`preload` has no effect: kernels are started, not forked.")


def _limits(inputs: ExecuteInputs, executions: Sequence[Execution]) -> Limits:
    there = machine.memory()
    memory = inputs.preload_max_memory or (there.total * PRELOADED_PART if there else math.inf)
    seconds = [limit for each in executions for limit in (each.settings.cell_timeout, each.settings.notebook_timeout)]
    return Limits(memory, min(filter(None, seconds), default=math.inf))


def _servers(first: KernelServer | str | None, folder: Path, planned: ExecutionPlan, inputs: ExecuteInputs) -> Servers:
    documents = [each.document if each.is_ipykernel else None for each in planned.executions]
    limits = _limits(inputs, planned.executions)
    return Servers(first if isinstance(first, KernelServer) else None, folder, documents, inputs.preload, limits)


def _server(
    inputs: ExecuteInputs,
    environ: Mapping[str, str],
    python: Candidate | Interpreter,
    folder: Path,
    stack: contextlib.ExitStack,
) -> KernelServer | str | None:
    """Start the kernel server, until the stack is closed.

    Returns None if the inputs ask for started kernels, and text (why) if kernels must be started.
    """
    if inputs.determinism:  # all forks of a server have its hash seed
        return "`determinism` gives them different hash seeds" if inputs.kernel_start == "fork" else None
    if not LINUX:
        return "only Linux can fork them" if inputs.kernel_start == "fork" else None
    if inputs.kernel_start == "spawn":
        return None
    own = stack.enter_context(temporary_folder(folder))
    try:
        env = environment(environ, python, own)
        return stack.enter_context(serving(python.path, env, own, folder))
    except NotForkedError as error:
        return str(error)


def _warn_of_changes(environment: Path, context: Context) -> None:
    """Warn about files that changed since an earlier run created the environment from them."""
    shown, hint = f"the environment `{environment.relative_to(context.cwd)}`", "Run setup-env to create it again."
    for name in changed_since(environment, context.cwd):
        context.warning(f"`{name}` has changed since {shown} was created from it. {hint}", file=name)
    if not integrity.is_unchanged(str(environment)):
        changed = f"Files in {shown} have changed since setup-env created it, or packages were installed into it."
        context.warning(f"{changed} {hint}")


def _notice_kernels(executions: Sequence[Execution], interpreter: Interpreter, context: Context) -> None:
    """Report in one notice the notebooks that do not run with what they were saved with; and other languages."""
    groups: dict[tuple[str, str], list[Execution]] = defaultdict(list)
    for each in {each.path: each for each in executions}.values():
        if each.document:
            groups[_saved_with(each, each.document, interpreter), each.kernel.name].append(each)
    differing: dict[str, list[str]] = defaultdict(list)
    for (saved, used), found in groups.items():
        who = listed([each.path for each in found], plan.MOST_LISTED)
        if found[0].is_ipykernel:
            runs = f"Python {interpreter.version} ({interpreter.path})"
        else:
            runs = f"the kernel {quote(used)} ({found[0].kernel.resource_dir})"
        if saved:
            differing[runs].append(f"{who}: saved with {saved}")
        elif not found[0].is_ipykernel:
            context.console.progress(f"{who}: runs with {runs}.")
    for runs, who_saved in differing.items():
        context.notice(f"{'; '.join(who_saved)}. Runs here with {runs} instead.")


def _saved_with(execution: Execution, saved: Document, interpreter: Interpreter) -> str:
    """Return what a notebook was saved with and does not run with: kernel, version of Python, image."""
    name, version, image = document.kernel_name(saved), document.python_version(saved), document.image(saved)
    different: list[str] = []
    if execution.kernel.name != (name or "").lower() and (name or not saved.converted):
        different.append(f"the kernel {quote(name)}" if name else "no kernel")
    if version and execution.is_ipykernel and version.split(".")[:2] != interpreter.version.split(".")[:2]:
        different.append(f"Python {version}")
    if image:
        different.append(f"the image {quote(image)}")
    return " and ".join(different)
