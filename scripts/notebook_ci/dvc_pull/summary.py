"""The summary of dvc-pull."""

from notebook_ci.base.markdown import Json, count, folded, name, table
from notebook_ci.base.texts import size


def note(record: Json) -> str:
    return f"{count(record['files'], 'file')}, {size(record['bytes'])}"


def verdict(record: Json) -> str:
    """Return why it failed; empty if there is only one error, which says it itself."""
    first, *more = [problem["message"] for problem in record["problems"] if problem["severity"] == "error"] or [""]
    if record["status"] != "failed" or not more:
        return ""
    return f"{count(1 + len(more), 'fault')} in the data: {first.removesuffix('.')} …"


def section(record: Json) -> list[str]:
    if not record["data"]:
        return []
    came = f"{record['downloaded_files']:,} from {name(record['remote_url'])}" if record["downloaded_files"] else "none"
    rows = [
        ["tracked", f"{count(len(record['data']), 'output')}: {note(record)}"],
        ["downloaded", came],
        ["content", "checked" if record["verified"] else "not checked (`verify` is false)"],
        ["digest", f"`{record['data_digest'][:16]}`"],
    ]
    outputs = [
        [name(each["path"]), f"{each['files']:,}", size(each["bytes"]), f"`{each['hash']}`"] for each in record["data"]
    ]
    return [
        table(["data", ""], rows),
        folded("Data", table(["path", "files", "size", "hash"], outputs)),
    ]
