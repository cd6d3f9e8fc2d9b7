"""The summary of execute-notebook."""

import json
from collections import Counter

from notebook_ci.base.errors import Failed
from notebook_ci.base.markdown import ICONS, MOST_LISTED, count, name, table, title, unbroken_duration
from notebook_ci.base.masking import HIDDEN
from notebook_ci.base.texts import listed
from notebook_ci.records.execute_notebook import IGNORED, UNTITLED, Failure, NotebookResult, NotebooksRecord


def note(record: NotebooksRecord) -> str:
    passed = sum(notebook.status == "passed" for notebook in record.notebooks)
    flaky = f" ({len(record.flaky)} flaky)" if record.flaky else ""
    allowed = f", {len(record.allowed)} failed (allowed)" if record.allowed else ""
    skipped = len(record.notebooks) - len(record.begun)
    left = f", {skipped} skipped" if skipped else ""
    return f"{count(passed, 'notebook')} passed{flaky}{allowed}{left}{_compared(record)}{_differing(record)}"


def _compared(record: NotebooksRecord) -> str:
    found = [each.comparison for each in record.notebooks if each.comparison]
    if not found:
        return ""
    cells = sum((Counter(each.cells) for each in found), Counter[str]())
    verdicts = {name.replace("-", " "): number for name, number in cells.items() if name != IGNORED}
    said = [name if len(verdicts) == 1 else f"{number} {name}" for name, number in verdicts.items()]
    not_compared = sum(each.not_compared for each in found)
    left_out = f" (without {not_compared} changed videos, widgets or similar contents)" if not_compared else ""
    compared = count(sum(each.compared for each in found), "cell")
    return f", outputs of {compared} compared{': ' if said else ''}{', '.join(said)}{left_out}"


def _differing(record: NotebooksRecord) -> str:
    differing = sum(len(each.nondeterministic or ()) for each in record.notebooks)
    return f", outputs of {count(differing, 'cell')} differ between runs" if differing else ""


def failures(record: NotebooksRecord) -> list[Failed]:
    """Return the failures of notebooks, except those that the stage's problems describe completely."""
    found = [(notebook, failure) for notebook in record.failed for failure in notebook.failures]
    return [_failed(notebook, failure) for notebook, failure in found if failure.kind not in UNTITLED]


def _failed(notebook: NotebookResult, failure: Failure) -> Failed:
    cell = f"cell {failure.cell}" if failure.cell else ""
    title, _, more = failure.title.partition(f" in {cell}") if cell else (failure.title, "", "")
    # Secrets are hidden in the record: `secret-parameters` gives them again.
    own = {name: value for name, value in notebook.parameters.items() if value != HIDDEN}
    parameters = (("parameters", json.dumps(own)),) if own else ()
    return Failed(
        subject=notebook.name,
        part=cell + more,
        cell=failure.cell,
        title=title,
        message=failure.message,
        hint=failure.hint,
        file=notebook.path,
        line=failure.line,
        source=failure.source,
        details=failure.traceback or (failure.message if "\n" in failure.message else ""),
        again=(("notebooks", notebook.path), *parameters),
    )


def section(record: NotebooksRecord) -> list[str]:
    notebooks = sorted(
        record.notebooks, key=lambda each: (each.status != "failed", not each.failure, not each.is_flaky)
    )
    if not notebooks:
        return []
    rows = [
        [
            f"{ICONS[notebook.status]} {name(notebook.name)}",
            f"{notebook.executed_cells}/{notebook.cells}",
            unbroken_duration(notebook.duration),
            _why(notebook),
        ]
        for notebook in notebooks
    ]
    header = ["notebook", "cells run", "time", "failure"]
    if not any(row[-1] for row in rows):
        header, rows = header[:-1], [row[:-1] for row in rows]
    return [table(header, rows), _between_runs(record), *_files(record)]


def _files(record: NotebooksRecord) -> list[str]:
    """Say where the files are that show the changed outputs."""
    compared = [each.comparison for each in record.notebooks if each.comparison]
    copies = [each.updated for each in record.notebooks]
    named = {
        "Old and new outputs side by side": [name(each.page) for each in compared if each.page],
        "Copies to commit, if what they have is right": [name(copy) for copy in copies if copy],
    }
    return [f"{what}: {listed(files, MOST_LISTED)} (run directory)" for what, files in named.items() if files]


def _between_runs(record: NotebooksRecord) -> str:
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
