"""What the page shows of a run, from its records."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from notebook_ci.base.errors import Failed
from notebook_ci.base.markdown import count, duration
from notebook_ci.records.execute_notebook import NotebookResult, NotebooksRecord
from notebook_ci.records.record import Record, Status
from notebook_ci.records.setup_env import SetupEnvRecord
from notebook_ci.report_run.timeline import Bar, Timeline
from notebook_ci.summary.links import address_of, is_web
from notebook_ci.summary.of_run import UNRECORDED, failures, result

Value = float | str
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
class Change:
    """A value of this run that the baseline may have, too."""

    name: str
    value: str
    baseline: str = ""
    delta: str = ""
    has_changed: bool = False


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
    metrics: list[Change]
    packages: list[Change]
    has_baseline: bool
    records: list[Record]

    def of(self, *stages: str) -> list[Record]:
        return [record for record in self.records if record.stage in stages]


def results(records: Iterable[Record]) -> dict[str, tuple[Record, NotebookResult]]:
    """Return the executions of notebooks with their records, by their IDs on the page."""
    of_notebooks = (record for record in records if isinstance(record, NotebooksRecord))
    found = ((record, result) for record in of_notebooks for result in record.notebooks)
    return {f"n{number}": each for number, each in enumerate(found, 1)}


def make(shown: list[Record], baseline: list[Record], sources: Sources, *, is_incomplete: bool = False) -> View:
    """Return what the page shows of some records. `baseline` are those of the run to compare with.

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
        metrics=list(_changes(_metrics(shown), _metrics(baseline))),
        packages=list(_changes(_packages(shown), _packages(baseline))),
        has_baseline=bool(baseline),
        records=shown,
    )


def _status(records: Iterable[Record]) -> Status:
    found = {record.status for record in records}
    return "error" if "error" in found else "failed" if "failed" in found else "passed"


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
    yield "began", record.started.replace("T", " ")[:19] + " UTC", ""
    yield "system", record.platform, ""
    yield "notebook-ci", record.notebook_ci, ""


def _troubles(records: Iterable[Record], notebooks: Iterable[ShownNotebook], sources: Sources) -> Iterator[Trouble]:
    by_name = {notebook.result.name: notebook.element for notebook in notebooks}
    for record in records:
        for failed in failures(record) if record.has_failed else []:
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


def _metrics(records: Iterable[Record]) -> dict[str, Value]:
    return {name: value for record in records for name, value in record.metrics.items()}


def _packages(records: Iterable[Record]) -> dict[str, Value]:
    found = (record for record in records if isinstance(record, SetupEnvRecord))
    return {name: version for record in found for name, version in {**record.conda_packages, **record.packages}.items()}


def _changes(new: dict[str, Value], old: dict[str, Value]) -> Iterator[Change]:
    for name in new | old:
        value, before = new.get(name, ""), old.get(name, "")
        delta = value - before if isinstance(value, float | int) and isinstance(before, float | int) else 0.0
        yield Change(
            name=name,
            value=_shown(value),
            baseline=_shown(before),
            delta=f"{delta:+.3g}" if delta else "",
            has_changed=value != before,
        )


def _shown(value: Value) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"
