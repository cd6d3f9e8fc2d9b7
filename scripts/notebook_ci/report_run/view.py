"""What the page shows of a run, from its records."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from notebook_ci.base.errors import Failed
from notebook_ci.base.markdown import count, duration
from notebook_ci.records.execute_notebook import NotebookResult, NotebooksRecord
from notebook_ci.records.record import Record, Status
from notebook_ci.report_run.changes import Change, compared, facts, metrics, packages
from notebook_ci.report_run.timeline import Bar, Timeline
from notebook_ci.summary.links import address_of, is_web
from notebook_ci.summary.of_run import UNRECORDED, every_failure, result

Sources = Mapping[str, Mapping[int, str]]  # of the cells, by the ID of the execution and the number of the cell


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Something that failed."""

    where: str
    failed: Failed
    link: str  # to the line in the repository
    element: str  # ID of the cell on the page
    code: str  # the cell's source
    line: int | None  # the failing one of the source, counted from 1


@dataclass(frozen=True, kw_only=True)
class ShownNotebook:
    """An executed notebook on the page."""

    element: str  # ID on the page
    result: NotebookResult
    bars: Sequence[Bar]
    link: str  # to the notebook in the repository


@dataclass(frozen=True, kw_only=True)
class View:
    status: Status
    headline: str
    took: str
    facts: list[tuple[str, str, str]]  # name, value, link
    troubles: list[Trouble]
    stages: list[tuple[Record, str, list[Bar]]]  # with a note
    notebooks: list[ShownNotebook]
    changes: list[Change] | None  # against the baseline, without metrics and packages; None: there is no baseline
    metrics: list[Change]
    reported: Mapping[str, str]  # the notebooks that reported metrics
    packages: list[Change]
    records: list[Record]

    def of(self, stage: str) -> list[Record]:
        return [record for record in self.records if record.stage == stage]


def results(records: Iterable[Record]) -> dict[str, tuple[Record, NotebookResult]]:
    """Return the executions of notebooks with their records, by their IDs on the page."""
    found = ((record, result) for record in of_notebooks(records) for result in record.notebooks)
    return {f"n{number}": each for number, each in enumerate(found, 1)}


def of_notebooks(records: Iterable[Record]) -> Iterator[NotebooksRecord]:
    yield from (record for record in records if isinstance(record, NotebooksRecord))


def make(shown: list[Record], baseline: list[Record] | None, sources: Sources, *, is_incomplete: bool = False) -> View:
    """Return what the page shows of some records. `baseline` are those of the run to compare with, if there is one.

    `is_incomplete`: a step of the job failed or was cancelled, perhaps without a record.
    """
    timeline = Timeline(shown)
    notebooks = [
        ShownNotebook(
            element=element,
            result=result,
            bars=list(timeline.of_notebook(result)),
            link=address_of(record.source, result.path),
        )
        for element, (record, result) in results(shown).items()
    ]
    troubles = list(_troubles(shown, notebooks, sources))
    return View(
        status="error" if is_incomplete and not troubles else _status(shown),
        headline=UNRECORDED if is_incomplete and not troubles else _headline(troubles, shown),
        took=duration(timeline.took),
        facts=list(_facts(shown[0])),
        troubles=troubles,
        stages=[(record, result(record), timeline.of_stage(record)) for record in shown],
        notebooks=notebooks,
        changes=None if baseline is None else [each for each in compared(shown, baseline, facts) if each.has_changed],
        metrics=compared(shown, baseline or [], metrics),
        reported={
            name: by for each in shown if isinstance(each, NotebooksRecord) for name, by in each.reported.items()
        },
        packages=compared(shown, baseline or [], packages),
        records=shown,
    )


def _status(records: Iterable[Record]) -> Status:
    found = {record.status for record in records}
    worst_first: tuple[Status, ...] = ("error", "failed", "passed")
    return next((status for status in worst_first if status in found), "skipped")


def _headline(troubles: Sequence[Trouble], records: Sequence[Record]) -> str:
    if not troubles:
        return f"{count(sum(record.status == 'passed' for record in records), 'stage')} passed"
    more = f" (and {count(len(troubles) - 1, 'more failure')})" if len(troubles) > 1 else ""
    return f"{troubles[0].where}: {troubles[0].failed.why}{more}"


def _facts(record: Record) -> Iterator[tuple[str, str, str]]:
    source = record.source
    url, commit = source.get("url", ""), source.get("commit", "")
    yield "repository", source.get("repository", ""), url if is_web(url) else ""
    yield "commit", commit[:12], f"{url}/commit/{quote(commit)}" if is_web(url) and commit else ""
    yield "branch", source.get("branch") or source.get("ref", "").removeprefix("refs/heads/"), ""
    run = " ".join(filter(None, [source.get("workflow"), source.get("run")]))
    yield "run", run, source["run_url"] if is_web(source.get("run_url", "")) else ""
    yield "began", record.started and f"{record.started[:19].replace('T', ' ')} UTC", ""
    yield "system", record.platform, ""
    yield "notebook-ci", record.notebook_ci, ""


def _troubles(records: Iterable[Record], notebooks: Iterable[ShownNotebook], sources: Sources) -> Iterator[Trouble]:
    by_name = {notebook.result.name: notebook.element for notebook in notebooks}
    for record, failed in every_failure(records):
        element = by_name.get(failed.subject, "")
        code = sources.get(element, {}).get(failed.cell or 0, "")
        lines = [line.strip() for line in code.splitlines()]
        yield Trouble(
            where=", ".join(filter(None, (failed.subject or failed.file or record.stage, failed.part))),
            failed=failed,
            link=address_of(record.source, failed.file, failed.line) if failed.file else "",
            element=f"{element}-c{failed.cell}" if code else "",
            code=code,
            line=lines.index(failed.source.strip()) + 1 if failed.source.strip() in lines else None,
        )
