"""The stage report-run: reads the run directory, and writes the page."""

from collections.abc import Iterator, Sequence

from notebook_ci.base.context import Context
from notebook_ci.base.errors import InputError
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
from notebook_ci.report_run.executed import ExecutedCell
from notebook_ci.report_run.model import ReportInputs
from notebook_ci.report_run.pieces import Piece, fitted
from notebook_ci.report_run.plan import ReportPlan
from notebook_ci.report_run.rendering import render
from notebook_ci.summary.of_run import is_job_bad


def run(inputs: ReportInputs, planned: ReportPlan, context: Context, record: ReportRunRecord) -> None:
    """Write the page. Raises InputError if there is nothing to show, or a record cannot be read."""
    records = _records(context.run_directory, context.directory)
    if not records:
        message = f"The run directory {context.run_directory.path} has no records to show."
        raise InputError(message, hint="Run the other stages first, or set `run-dir` to their run directory.")
    found = view.results(records)
    cells = {element: _cells(context, result) for element, (_, result) in found.items()}
    renderer = Renderer()
    pieces = {element: list(_pieces(renderer, element, found[element][1], cells[element])) for element in found}
    baseline = _records(RunDirectory(planned.baseline), context.directory) if planned.baseline else []
    sources = {element: {each.number: each.source for each in read if each.number} for element, read in cells.items()}
    texts, record.left_out = fitted(pieces, inputs.max_size)
    page = masked(render(view.make(records, baseline, sources, is_incomplete=is_job_bad(record)), texts))
    # A name of its own in the workflow run: an artifact that is not an archive has the name of its file.
    name = "-".join(["report", *filter(None, [*context.directory.split("/"), inputs.slug])]) + ".html"
    context.files.write_text(name, page)
    path = context.files.artifacts / name
    record.report, record.bytes = str(path), path.stat().st_size
    record.created[context.files.relative(path)] = sha256(path)
    record.notebooks = sum(map(bool, cells.values()))
    if record.left_out:
        left_out = count(record.left_out, "output")
        context.notice(
            f"The page does not show {left_out} of notebooks: more than `max-size` ({size(inputs.max_size)})."
        )
    context.console.progress(f"Written: {path} ({size(record.bytes)})")


def _records(run_directory: RunDirectory, directory: str) -> list[Record]:
    found = run_directory.records_of(directory)
    return list(joined({name: each for name, each in found.items() if not isinstance(each, ReportRunRecord)}).values())


def _cells(context: Context, result: NotebookResult) -> list[ExecutedCell]:
    """Return the cells of an executed notebook; none if it cannot be read."""
    if not result.output:
        return []
    try:
        return executed.read(context.run_directory.path, result.output)
    except InputError as error:
        context.notice(f"The page does not show a notebook: {error.message}", file=result.path)
        return []


def _pieces(renderer: Renderer, element: str, result: NotebookResult, cells: Sequence[ExecutedCell]) -> Iterator[Piece]:
    failed = {failure.points_to or failure.cell for failure in result.failures}
    for cell in cells:
        seconds = result.cell_seconds.get(str(cell.number))
        yield from renderer.cell(
            cell, element=f"{element}-c{cell.number or 0}", seconds=seconds, is_failed=cell.number in failed
        )
    if not cells:
        yield Piece('<p class="notice">[The executed notebook is not here.]</p>')
