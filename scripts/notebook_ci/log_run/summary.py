"""The summary of log-run."""

from notebook_ci.base.markdown import code, count, folded, link, name, table
from notebook_ci.base.texts import size
from notebook_ci.records.log_run import LogRunRecord


def note(record: LogRunRecord) -> str:
    return f"run {record.run_name}" if record.run_id else "nothing was logged"


def links(record: LogRunRecord) -> list[str]:
    return [link(f"MLflow run {name(record.run_name)}", record.run_url)] if record.run_url else []


def section(record: LogRunRecord) -> list[str]:
    if not record.run_id:
        return []
    logged = record.logged
    things = [
        count(logged.parameters, "parameter"),
        count(logged.metrics, "metric"),
        count(logged.datasets, "dataset"),
        count(logged.artifacts, "artifact"),
    ]
    shown = link(name(record.run_id), record.run_url)
    rows = [
        ["run", f"{shown} ({'updated' if record.updated else 'new'})"],
        ["experiment", name(record.experiment)],
        ["store", name(record.tracking_uri)],
        ["artifacts", name(record.artifact_uri)],
        ["logged", f"{', '.join(things)} ({size(logged.artifact_bytes)})"],
    ]
    view = code(record.view) if record.view else ""
    return [table(["MLflow", ""], rows), folded("Open the store with MLflow, in the folder of its file", view)]
