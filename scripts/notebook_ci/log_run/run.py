"""The stage log-run: reads the run directory, and logs its content."""

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from notebook_ci.base import systems
from notebook_ci.base.context import Context
from notebook_ci.base.errors import InputError, NotebookCiError, Problem, SurroundingsError
from notebook_ci.base.launcher import own_command
from notebook_ci.base.masking import masked
from notebook_ci.base.plan import Plan
from notebook_ci.base.texts import quote
from notebook_ci.base.workspace import PRIVATE_FOLDER, Workspace
from notebook_ci.log_run import client, source, store
from notebook_ci.log_run.description import describe
from notebook_ci.log_run.model import LogRunInputs
from notebook_ci.log_run.protocol import Answer
from notebook_ci.log_run.store import Store
from notebook_ci.records.log_run import LoggedRun, LogRunRecord
from notebook_ci.records.record import Record
from notebook_ci.records.report_run import ReportRunRecord
from notebook_ci.records.run_directory import RunDirectory
from notebook_ci.records.shards import whole_run

MOST_EXPERIMENT_NAME = 500  # limit of MLflow 3.17


@dataclass(frozen=True, kw_only=True)
class LoggingPlan(Plan):
    store: Store | None  # None: it cannot be used now; when it is needed, `on-error` decides what happens

    def lines(self) -> Iterator[str]:
        yield f"log the run to {self.store.uri if self.store else 'a store that cannot be used'}"


def plan(inputs: LogRunInputs, workspace: Workspace) -> LoggingPlan:
    """Find out where to log. Raises InputError if a run cannot be logged there."""
    try:
        return LoggingPlan(store=store.find(inputs.tracking_uri, workspace), environment=store.ENVIRONMENT)
    except SurroundingsError:
        return LoggingPlan(store=None)


def run(inputs: LogRunInputs, planned: LoggingPlan, context: Context, record: LogRunRecord) -> None:
    """Log the run directory to MLflow, and record where.

    Raises InputError if an input is wrong or there is nothing to log, and SurroundingsError if it could not be logged
    and `on-error` is not `warn`.
    """
    context.run_directory.hide_secrets(context.environ)
    try:
        target = planned.store or store.find(inputs.tracking_uri, context)
        _log(inputs, target, context, record)
    except InputError:
        raise
    except NotebookCiError as error:
        if not context.is_on_runner:
            error.hint = f"{error.hint} {_later(inputs, context)}".strip()
        if inputs.on_error != "warn":
            raise
        record.problems.append(Problem(severity="warning", message=error.message, hint=error.hint))


def _log(inputs: LogRunInputs, target: Store, context: Context, record: LogRunRecord) -> None:
    records = _records(context.run_directory, context.directory)
    if not records:
        project = f" of `{context.directory}`" if context.directory else ""
        message = f"The run directory {context.run_directory.path} has no records{project} to log."
        raise InputError(message, hint=_newest(context))
    first, origin = next((name, record.source) for name, record in records.items())
    run = _target(inputs, context)
    record.experiment, joins = run["experiment"], run["run_id"]
    record.run_name = inputs.run_name or ("" if joins else _run_name(origin, context.run_directory, inputs.slug))
    store.create(target, context.cwd)
    record.tracking_uri, record.view = target.uri, target.view(downloaded=context.is_on_runner)
    described = describe(
        records,
        context.run_directory.path,
        identity=source.identity(context.run_directory.path / f"{first}.json", inputs.slug, context),
        name=masked(record.run_name),
        context=masked(source.tags(origin, context)),  # of git, unlike the records
    )
    record.identity = described.identity
    for notice in described.notices:
        context.notice(notice)
    what = f"run {quote(joins)}" if joins else f"experiment {quote(record.experiment or run['experiment_id'])}"
    context.console.progress(f"Logging to {target.uri}, {what}")
    _take(client.log(target, run, described, context), target, record, context)


def in_summary(record: LogRunRecord, run_directory: RunDirectory) -> tuple[list[Record], list[Record]]:
    """Return the records of the whole run: log-run is its last step. The steps before have shown their own details."""
    return whole_run(record, run_directory), [record]


def _records(run_directory: RunDirectory, directory: str) -> dict[str, Record]:
    """Return the records of the project's other stages by name, in the order the stages began."""
    found = run_directory.records_of(directory)
    return {name: each for name, each in found.items() if not isinstance(each, LogRunRecord | ReportRunRecord)}


def _take(answer: Answer, target: Store, record: LogRunRecord, context: Context) -> None:
    """Record and report the result. Raises the error that ended the work."""
    for field in dataclasses.fields(LoggedRun):
        setattr(record, field.name, getattr(answer, field.name))
    record.run_url = target.run_url(answer.experiment_id, answer.run_id) if answer.run_id else ""
    record.problems += answer.problems
    if answer.errors:
        raise answer.errors[0]
    done = "Updated" if record.updated else "Logged"
    context.console.progress(f"{done} the run {record.run_name} ({record.run_id}): {record.run_url or target.uri}")
    context.console.progress(f"Artifacts: {record.artifact_uri}")
    if record.view:
        where = ", with MLflow, in the folder of its file" if context.is_on_runner else ""
        context.console.progress(f"To open it{where}: {record.view}")
        context.console.progress("Then open http://127.0.0.1:5000; Ctrl-C ends it.")


def _newest(context: Context) -> str:
    """Return a hint if there is nothing to log: on a laptop, each stage that is run alone starts a new run."""
    runs: list[tuple[str, Path]] = []  # when its last stage began, its folder
    for path in () if context.is_on_runner else (context.cwd / PRIVATE_FOLDER / "runs").glob("*/"):
        with contextlib.suppress(InputError):
            if found := _records(RunDirectory(path), context.directory):
                runs.append((list(found.values())[-1].started, path))
    if not runs:
        return "Run the other stages first, or set `run-dir` to their run directory."
    _, newest = max(runs)
    return f"Log the newest run that has records: {_command(newest, context.cwd)}."


def _later(inputs: LogRunInputs, context: Context) -> str:
    """Return how to log the run later; an address is left out because it may contain a password."""
    others = any((inputs.tracking_uri, inputs.experiment, inputs.run_name, inputs.slug))
    behind = " and the same other inputs" if others else ""
    flags = ""
    if not inputs.tracking_uri:
        if context.environ.get("MLFLOW_TRACKING_URI", "").strip():
            behind += " and the same `MLFLOW_TRACKING_URI`"
        elif not os.access(context.cwd, os.W_OK):  # the default store is in it
            flags = " --tracking-uri sqlite:////FOLDER/mlflow.db"
    return f"The run is kept: log it later with {_command(context.run_directory.path, context.cwd, flags)}{behind}."


def _command(run_directory: Path, cwd: Path, flags: str = "") -> str:
    path = run_directory.relative_to(cwd) if run_directory.is_relative_to(cwd) else run_directory
    return own_command(f"log-run --run-dir {{}}{flags}", path)


def _target(inputs: LogRunInputs, context: Context) -> dict[str, str]:
    """Return the requested experiment and run as fields of `Job`: from the input, or from MLflow's own variables."""
    names = ("EXPERIMENT_NAME", "EXPERIMENT_ID", "RUN_ID")
    name, number, run = (context.environ.get(f"MLFLOW_{each}", "").strip() for each in names)
    if inputs.experiment:
        name, number = inputs.experiment, ""
    if len(name) > MOST_EXPERIMENT_NAME or not (name or "x").isprintable():
        raise InputError(
            f"`experiment` does not accept {quote(name)}.",
            hint=f"Use up to {MOST_EXPERIMENT_NAME} characters, on one line.",
        )
    if not (name or number or run):  # the name of the repository without its owner; on a laptop, that of the folder
        repository = systems.describe(context.environ).get("repository", "").rpartition("/")[2]
        name = repository or context.cwd.resolve().name or "notebooks"
    return {"experiment": name, "experiment_id": number, "run_id": run}


def _run_name(origin: Mapping[str, str], run_directory: RunDirectory, slug: str) -> str:
    names = [origin[name] for name in ("workflow", "run", "attempt") if origin.get(name)]
    parts = names if origin.get("run") else [run_directory.path.resolve().name]
    return " ".join([*parts, *([slug] if slug else [])])
