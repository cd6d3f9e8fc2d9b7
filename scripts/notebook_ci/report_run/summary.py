"""The summary of report-run."""

from notebook_ci.base.markdown import count
from notebook_ci.base.texts import size
from notebook_ci.records.report_run import ReportRunRecord


def note(record: ReportRunRecord) -> str:
    return f"{count(record.notebooks, 'notebook')}, {size(record.bytes)}"
