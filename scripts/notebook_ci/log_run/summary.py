"""The summary of log-run."""

from notebook_ci.base.markdown import Json, code, count, folded, name, table
from notebook_ci.base.texts import size


def note(record: Json) -> str:
    return f"run {record['run_name']}" if record["run_id"] else "nothing was logged"


def section(record: Json) -> list[str]:
    if not record["run_id"]:
        return []
    logged = record["logged"]
    things = [
        count(logged[kind], noun)
        for kind, noun in (
            ("parameters", "parameter"),
            ("metrics", "metric"),
            ("datasets", "dataset"),
            ("artifacts", "artifact"),
        )
    ]
    shown = f"[{record['run_id']}]({record['run_url']})" if record["run_url"] else name(record["run_id"])
    rows = [
        ["run", f"{shown} ({'updated' if record['updated'] else 'new'})"],
        ["experiment", name(record["experiment"])],
        ["store", name(record["tracking_uri"])],
        ["artifacts", name(record["artifact_uri"])],
        ["logged", f"{', '.join(things)} ({size(logged['artifact_bytes'])})"],
    ]
    view = code(record["view"]) if record["view"] else ""
    return [table(["MLflow", ""], rows), folded("Look at the store, with MLflow, in the folder of its file", view)]
