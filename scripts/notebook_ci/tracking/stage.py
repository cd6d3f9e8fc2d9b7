"""The stage log-run: reads the run directory, and logs what it holds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from notebook_ci.context import Context
from notebook_ci.errors import InputError, NotebookCiError
from notebook_ci.inputs import quote
from notebook_ci.records import PRIVATE_FOLDER, Problem, RunDirectory
from notebook_ci.tracking import client, source, store
from notebook_ci.tracking.description import STAGE, describe
from notebook_ci.tracking.model import Logged, LogRunInputs, LogRunRecord
from notebook_ci.tracking.protocol import Answer
from notebook_ci.tracking.store import Store

MOST_EXPERIMENT_NAME = 500  # of MLflow 3.17


def run(inputs: LogRunInputs, context: Context, record: LogRunRecord) -> None:
    """Log the run directory to MLflow, and record where.

    Raises:
        InputError: Something in the inputs is wrong, or there is nothing to log.
        SurroundingsError: It could not be logged, and `on-error` is not `warn`.
    """
    record.inputs["tracking-uri"] = store.shown(inputs.tracking_uri)
    try:
        _log(inputs, context, record)
    except InputError:
        raise
    except NotebookCiError as error:
        if inputs.on_error != "warn":
            raise
        record.problems.append(Problem(severity="warning", message=error.message, hint=error.hint))


def _log(inputs: LogRunInputs, context: Context, record: LogRunRecord) -> None:
    records = _records(context.run_directory, context)
    record.experiment = _experiment(inputs, context)
    record.run_name = inputs.run_name or _run_name(records, context.run_directory, inputs.slug)
    target = store.find(inputs.tracking_uri, context.environ, context.cwd)
    record.tracking_uri, record.view = target.uri, target.view
    described = describe(
        records,
        context.run_directory.path,
        slug=inputs.slug,
        name=record.run_name,
        context=source.tags(records, context.environ, context.cwd),
    )
    record.identity = described.identity
    for notice in described.notices:
        context.reporter.notice(notice)
    context.reporter.progress(f"Logging to {target.uri}, experiment {quote(record.experiment)}")
    _take(client.log(target, record.experiment, described, context), target, record, context)


def _take(answer: Answer, target: Store, record: LogRunRecord, context: Context) -> None:
    """Record what came of it, and say it.

    Raises:
        NotebookCiError: What ended the work.
    """
    record.experiment_id, record.run_id, record.updated = answer.experiment_id, answer.run_id, answer.updated
    record.artifact_uri, record.logged = answer.artifact_uri, Logged(**answer.logged)
    record.run_url = target.run_url(answer.experiment_id, answer.run_id) if answer.run_id else ""
    for name, (there, wanted) in answer.kept.items():
        message = f"The run has the parameter {quote(name)} as {quote(there)} already: MLflow cannot change it to "
        record.problems.append(
            Problem(
                severity="warning",
                message=f"{message}{quote(wanted)}.",
                hint="The logged records have the new value. With another slug, the run directory becomes another run.",
            )
        )
    record.problems += [Problem(severity="warning", message=message) for message in answer.warnings]
    if error := answer.error:
        raise error
    done = "Updated" if record.updated else "Logged"
    context.reporter.progress(f"{done} the run {record.run_name} ({record.run_id}): {record.run_url or target.uri}")
    context.reporter.progress(f"Artifacts: {record.artifact_uri}")
    if target.view:
        context.reporter.progress(f"To look at it: {target.view}")


def _records(run_directory: RunDirectory, context: Context) -> dict[str, Mapping[str, Any]]:
    """Return the records by the names of their files without suffix, in the order the stages began.

    Raises:
        InputError: There is none, or something that is no record.
    """
    names = {file.removesuffix(".json") for file in run_directory.names()}
    found = {name: run_directory.record(name) for name in names}
    others = {name: record for name, record in found.items() if record["stage"] != STAGE}
    if not others:
        raise InputError(f"The run directory {run_directory.path} has no records to log.", hint=_newest(context))
    return dict(sorted(others.items(), key=lambda item: (str(item[1]["started"]), item[0])))


def _newest(context: Context) -> str:
    """Return which run directory may be meant: on a laptop each stage that is run alone makes a new one."""
    runs = context.cwd / PRIVATE_FOLDER / "runs"
    full = [folder for folder in runs.glob("*") if RunDirectory(folder).names()]
    newest = max(full, key=lambda folder: folder.stat().st_mtime, default=None)
    if newest is None:
        return "Run the other stages first, or name their run directory with the input run-dir."
    return f"The newest one with records is {newest.relative_to(context.cwd)}: name it with the input run-dir."


def _experiment(inputs: LogRunInputs, context: Context) -> str:
    name = inputs.experiment or context.environ.get("MLFLOW_EXPERIMENT_NAME", "").strip()
    if len(name) > MOST_EXPERIMENT_NAME or not (name or "x").isprintable():
        raise InputError(
            f"experiment is {quote(name)}. Accepted are up to {MOST_EXPERIMENT_NAME} characters on one line."
        )
    return name or source.repository_name(context.environ, context.cwd)


def _run_name(records: Mapping[str, Mapping[str, Any]], run_directory: RunDirectory, slug: str) -> str:
    """Return a name that tells a run from others."""
    origin = next(iter(records.values()))["source"]
    names = (origin.get("workflow"), origin.get("run"), origin.get("attempt"))
    parts = [*map(str, filter(None, names))] if origin.get("run") else [Path(run_directory.path).resolve().name]
    return " ".join([*parts, *([slug] if slug else [])])
