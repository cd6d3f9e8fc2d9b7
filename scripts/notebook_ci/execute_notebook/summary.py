"""The summary of execute-notebook."""

from notebook_ci.base.markdown import ICONS, MOST_LISTED, code, count, duration, name, rest, table, title
from notebook_ci.base.texts import listed
from notebook_ci.records.execute_notebook import UNTITLED, ExecuteRecord, Failure, NotebookResult

MOST_NAMED = 3


def note(record: ExecuteRecord) -> str:
    passed = sum(notebook.status == "passed" for notebook in record.notebooks)
    flaky = f" ({len(record.flaky)} flaky)" if record.flaky else ""
    allowed = f", {len(record.allowed)} failed (allowed)" if record.allowed else ""
    skipped = len(record.notebooks) - len(record.begun)
    left = f", {skipped} skipped" if skipped else ""
    return f"{count(passed, 'notebook')} passed{flaky}{allowed}{left}{_compared(record)}{_differing(record)}"


def _compared(record: ExecuteRecord) -> str:
    found = [each.comparison for each in record.notebooks if each.comparison]
    if not found:
        return ""
    not_compared = sum(each.not_compared for each in found)
    left_out = f" (without {not_compared} changed videos, widgets or similar contents)" if not_compared else ""
    return f", outputs of {count(sum(each.compared for each in found), 'cell')} compared{left_out}"


def _differing(record: ExecuteRecord) -> str:
    differing = sum(len(each.nondeterministic or ()) for each in record.notebooks)
    return f", outputs of {count(differing, 'cell')} differ between runs" if differing else ""


def verdict(record: ExecuteRecord) -> str:
    """Return which notebooks failed, and the location if only one did; empty if the stage failed for another reason."""
    failures = {notebook.name: notebook.failure for notebook in record.failed if notebook.failure}
    if record.status != "failed" or not failures:
        return ""
    names = [name(each) for each in failures]
    if len(names) == 1:
        return f"{names[0]}, {_what(*failures.values())}"
    return f"{len(names)} of {count(len(record.notebooks), 'notebook')} ({listed(names, MOST_NAMED)})"


def section(record: ExecuteRecord) -> list[str]:
    notebooks = sorted(
        record.notebooks, key=lambda each: (each.status != "failed", not each.failure, not each.is_flaky)
    )
    if not notebooks:
        return []
    rows = [
        [
            f"{ICONS[notebook.status]} {name(notebook.name)}",
            f"{notebook.executed_cells}/{notebook.cells}",
            duration(notebook.duration),
            _why(notebook),
        ]
        for notebook in notebooks
    ]
    # The stage's problems already describe invalid notebooks, with a hint.
    failed = [
        _failure(each.name, failure)
        for each in record.failed
        for failure in each.failures
        if failure.kind not in UNTITLED
    ]
    header = ["notebook", "cells run", "time", "failure"]
    if not any(row[-1] for row in rows):
        header, rows = header[:-1], [row[:-1] for row in rows]
    shown = [table(header, rows), *failed[:MOST_LISTED], rest(len(failed) - MOST_LISTED)]
    return [*shown, _between_runs(record), *_files(record)]


def _files(record: ExecuteRecord) -> list[str]:
    """Say where the files are that show the changed outputs."""
    found = [each.comparison for each in record.notebooks if each.comparison]
    named = {
        "Old and new outputs side by side": [name(each.page) for each in found if each.page],
        "Copies with the new outputs, to commit if they are right": [
            name(each.updated) for each in found if each.updated
        ],
    }
    return [f"{what}: {listed(files, MOST_LISTED)} (run directory)" for what, files in named.items() if files]


def _between_runs(record: ExecuteRecord) -> str:
    rows = [
        [name(notebook.name), str(each.cell), ", ".join(each.causes) or "unknown", title(each.message)]
        for notebook in record.notebooks
        for each in notebook.nondeterministic or ()
    ]
    return table(["differs between runs", "cell", "likely cause", ""], rows) if rows else ""


def _why(notebook: NotebookResult) -> str:
    if notebook.failure:
        more = f" (and {count(len(notebook.other_failures), 'more failure')})" if notebook.other_failures else ""
        allowed = f". Allowed by {notebook.allowance}" if notebook.status == "allowed" else ""
        return _what(notebook.failure) + more + title(allowed)
    if notebook.is_flaky:
        return f"flaky: passed at attempt {len(notebook.earlier_failures) + 1}, before: " + _what(
            notebook.earlier_failures[0]
        )
    return f"needs {name(notebook.skipped_for)}" if notebook.skipped_for else ""


def _where(failure: Failure) -> str:
    line = f" (line {failure.line} of the file)" if failure.line else ""
    return f"{failure.title}{line}"


def _what(failure: Failure) -> str:
    why = failure.message.strip().partition("\n")[0].removesuffix(".")
    return title(f"{_where(failure)}: {why}" if why else _where(failure))


def _failure(notebook: str, failure: Failure) -> str:
    heading = f"**{name(notebook)}: {title(_where(failure))}**"
    hint = f"\n\nHint: {title(failure.hint)}" if failure.hint else ""
    return f"{heading}\n\n{code(failure.traceback or failure.message)}{hint}"
