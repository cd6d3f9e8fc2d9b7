"""The summary of dvc-pull."""

from notebook_ci.base.markdown import count, folded, name, table
from notebook_ci.base.texts import size
from notebook_ci.records.dvc_pull import DvcPullRecord


def note(record: DvcPullRecord) -> str:
    return f"{count(record.files, 'file')}, {size(record.bytes)}"


def section(record: DvcPullRecord) -> list[str]:
    if not record.data:
        return []
    downloaded = f"{record.downloaded_files:,} from {name(record.remote_url)}" if record.downloaded_files else "none"
    rows = [
        ["tracked", f"{count(len(record.data), 'output')}: {note(record)}"],
        ["downloaded", downloaded],
        ["content", "checked" if record.verified else "not checked (`verify` is `false`)"],
        ["digest", f"`{record.data_digest[:16]}`"],
    ]
    outputs = [[name(each.path), f"{each.files:,}", size(each.bytes), f"`{each.hash}`"] for each in record.data]
    return [table(["data", ""], rows), folded("Data", table(["path", "files", "size", "hash"], outputs))]
