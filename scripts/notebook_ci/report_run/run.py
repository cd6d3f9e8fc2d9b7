"""The stage report-run: reads the run directory, and writes the page."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape

from notebook_ci.base.context import Context
from notebook_ci.base.errors import InputError, Problem
from notebook_ci.base.files import sha256
from notebook_ci.base.markdown import count
from notebook_ci.base.masking import masked
from notebook_ci.base.texts import size
from notebook_ci.records.execute_notebook import NotebookResult
from notebook_ci.records.record import Record
from notebook_ci.records.report_run import ReportRunRecord
from notebook_ci.records.run_directory import RunDirectory
from notebook_ci.records.shards import joined
from notebook_ci.report_run import executed, view
from notebook_ci.report_run.cells import Renderer
from notebook_ci.report_run.changes import metrics
from notebook_ci.report_run.executed import ExecutedCell
from notebook_ci.report_run.model import ReportInputs
from notebook_ci.report_run.pieces import Piece, fitted
from notebook_ci.report_run.plan import ReportPlan
from notebook_ci.report_run.rendering import render
from notebook_ci.summary.of_run import is_job_bad


@dataclass(kw_only=True)
class Page:
    html: str = ""
    notebooks: int = 0  # number of executed notebooks that it shows
    left_out: int = 0  # number of outputs that it does not show
    baseline_metrics: dict[str, float] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def run(inputs: ReportInputs, planned: ReportPlan, context: Context, record: ReportRunRecord) -> None:
    """Write the page. Raises InputError if there is nothing to show, or a record cannot be read."""
    context.run_directory.hide_secrets(context.environ)
    page = make(
        context.run_directory,
        planned.baseline,
        inputs.max_size,
        directory=context.directory,
        is_incomplete=is_job_bad(record),
    )
    # A name of its own in the workflow run: an artifact that is not an archive has the name of its file.
    name = "-".join(["report", *filter(None, [*context.directory.split("/"), inputs.slug])]) + ".html"
    context.files.write_text(name, page.html)
    path = context.files.artifacts / name
    record.report, record.bytes = str(path), path.stat().st_size
    record.created[context.files.relative(path)] = sha256(path)
    record.notebooks, record.left_out, record.baseline_metrics = page.notebooks, page.left_out, page.baseline_metrics
    record.problems += page.problems
    context.console.progress(f"Written: {path} ({size(record.bytes)})")


def make(
    run_directory: RunDirectory,
    baseline: RunDirectory | None,
    max_size: int,
    *,
    directory: str = "",
    is_incomplete: bool = False,
) -> Page:
    """Return the page about a run. Raises InputError if there is nothing to show, or a record cannot be read.

    `is_incomplete`: a step of the job failed or was cancelled, perhaps without a record.
    """
    records = _records(run_directory, directory)
    if not records:
        message = f"The run directory {run_directory.path} has no records to show."
        raise InputError(message, hint="Run the other stages first, or set `run-dir` to their run directory.")
    earlier = _records(baseline, directory) if baseline else []
    page = Page(baseline_metrics=metrics(earlier))
    found = view.results(records)
    read = {element: _cells(run_directory, result, page) for element, (_, result) in found.items()}
    cells, renderer = {element: each for element, (each, _) in read.items()}, Renderer()
    pieces = {element: list(_pieces(renderer, element, found[element][1], *read[element])) for element in found}
    sources = {element: {each.number: each.source for each in own if each.number} for element, own in cells.items()}
    shown = view.make(records, earlier if baseline else None, sources, is_incomplete=is_incomplete)
    without = len(render(shown, dict.fromkeys(found, "")).encode(errors="replace"))
    texts, page.left_out = fitted(pieces, max_size - without)
    page.html = masked(render(shown, texts))
    page.notebooks = sum(map(bool, cells.values()))
    if page.left_out:
        left_out = count(page.left_out, "part")
        message = f"The page does not show {left_out} of notebooks: more than `max-size` ({size(max_size)})."
        page.problems.append(Problem(severity="notice", message=message))
    return page


def _records(run_directory: RunDirectory, directory: str) -> list[Record]:
    """Return the records of a project that the page shows, and of stages that did not end."""
    found = run_directory.records_of(directory)
    ended = joined({name: each for name, each in found.items() if not isinstance(each, ReportRunRecord)}).values()
    return [*ended, *(each for each in run_directory.unfinished(directory) if not isinstance(each, ReportRunRecord))]


def _cells(run_directory: RunDirectory, result: NotebookResult, page: Page) -> tuple[list[ExecutedCell], str]:
    """Return the cells of an executed notebook, and what the page says if there are none."""
    if not result.output:
        return [], "The executed notebook is not here."
    try:
        return executed.read(run_directory.path, result.output), "The notebook has no cells."
    except InputError as error:
        message = f"The page does not show a notebook: {error.message}"
        page.problems.append(Problem(severity="notice", message=message, file=result.path))
        return [], error.message


def _pieces(
    renderer: Renderer, element: str, result: NotebookResult, cells: Sequence[ExecutedCell], if_none: str
) -> Iterator[Piece]:
    failed = {failure.points_to or failure.cell for failure in result.failures}
    for cell in cells:
        seconds = result.cell_seconds.get(str(cell.number))
        yield from renderer.cell(
            cell, element=f"{element}-c{cell.number or 0}", seconds=seconds, is_failed=cell.number in failed
        )
    if not cells:
        yield Piece(f'<p class="notice">[{escape(if_none)}]</p>')
