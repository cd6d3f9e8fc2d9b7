"""The stage plan-notebooks: which notebooks a change affects, and which job executes which."""

import functools
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from notebook_ci.affected.notebooks import Candidates
from notebook_ci.affected.notebooks import select as select_affected
from notebook_ci.base.context import Context
from notebook_ci.base.errors import InputError, NotebookCiError, Problem, located
from notebook_ci.base.plan import Plan
from notebook_ci.base.texts import listed, quote
from notebook_ci.base.workspace import Workspace
from notebook_ci.notebooks import document, durations, order, text_notebooks
from notebook_ci.notebooks.document import Document
from notebook_ci.notebooks.selection import everything, matching, meant, select, without_others
from notebook_ci.notebooks.settings import METADATA, OF_JOBS, OWN, checked
from notebook_ci.plan_notebooks.model import PlanNotebooksInputs
from notebook_ci.plan_notebooks.shards import RunsOn, divide, units
from notebook_ci.records.plan_notebooks import PlanNotebooksRecord
from notebook_ci.records.run_directory import RunDirectory

MOST_LISTED = 10


@dataclass(frozen=True, kw_only=True)
class NotebooksPlan(Plan):
    candidates: Candidates
    jobs: Mapping[str, RunsOn]  # by notebook

    def lines(self) -> Iterator[str]:
        yield f"choose among {len(self.jobs)} notebooks: {listed(list(self.jobs), MOST_LISTED)}"
        for job in dict.fromkeys(self.jobs.values()):
            yield f"run on {job}: {listed([path for path in self.jobs if self.jobs[path] == job], MOST_LISTED)}"


def plan(inputs: PlanNotebooksInputs, workspace: Workspace) -> NotebooksPlan:
    cwd, outputs = workspace.cwd, [RunDirectory.location(inputs.run_dir, workspace)]
    found, _ = without_others(select(inputs.notebooks, inputs.exclude, cwd, outputs), inputs.notebooks, cwd)
    if unusual := next((path for path in found if [path.strip()] != path.splitlines()), ""):
        raise InputError(
            f"The name of {quote(unusual)} begins or ends with a space, or has a line break.", hint="Rename it."
        )
    all_notebooks = functools.cache(lambda: sorted(everything(cwd, outputs)))
    needs, notices = order.needed(inputs.needs, found, all_notebooks)
    paths = order.ordered(found, needs)
    documents = {path: _read(path, workspace) for path in paths}
    matched = {glob: matching(glob, paths) for rule in inputs.for_ for glob in rule.notebooks}
    notices += [
        f"`for` lists {quote(glob)}, which matches no notebook. {meant(glob, all_notebooks())}"
        for glob in matched
        if not matched[glob] and not matching(glob, all_notebooks())
    ]
    jobs = {path: _job(path, documents[path], inputs, matched) for path in paths}
    images = {path: document.container(each) for path, each in documents.items() if each and inputs.recorded_containers}
    if recorded := [quote(path) for path, image in images.items() if image and image == jobs[path].container]:
        notices.append(f"These run in the image that their metadata record: {listed(recorded, MOST_LISTED)}.")
    return NotebooksPlan(
        candidates=Candidates(documents, needs, order.chains(paths, inputs.execution_order)),
        jobs=jobs,
        problems=tuple(Problem(severity="notice", message=message) for message in notices),
    )


def run(inputs: PlanNotebooksInputs, planned: NotebooksPlan, context: Context, record: PlanNotebooksRecord) -> None:
    """Find the affected notebooks and divide them. Raises InputError if that is impossible with these inputs."""
    record.reasons = dict.fromkeys(planned.jobs, "all run: `changed-only` is `false`")
    if inputs.changed_only:
        selection = select_affected(planned.candidates, inputs, context)
        record.reasons, record.base = dict(selection.reasons), selection.base
    record.unaffected = [path for path in planned.jobs if path not in record.reasons]
    together = units(list(record.reasons), planned.candidates.needs, planned.candidates.chains)
    record.shards = divide(together, planned.jobs, durations.known(context), inputs.shards)


def _read(path: str, workspace: Workspace) -> Document | None:
    """Return a notebook; None if it cannot be read: it is executed, and fails there."""
    try:
        return document.read(workspace.cwd / path, text_notebooks.code_only)
    except NotebookCiError:
        return None


def _job(
    path: str, content: Document | None, inputs: PlanNotebooksInputs, matched: Mapping[str, Collection[str]]
) -> RunsOn:
    """Return where a notebook runs: `for` wins over its own metadata, over what Google recorded there, over inputs."""
    metadata = content.metadata.get(METADATA) if content else None
    # execute-notebook reports what else is wrong there.
    own = {name: raw for name, raw in metadata.items() if name in OF_JOBS} if isinstance(metadata, dict) else {}
    ruled = [rule.settings for rule in inputs.for_ if any(path in matched[glob] for glob in rule.notebooks)]
    with located(path):
        checked(own, OWN, OF_JOBS)
        given = {name: OF_JOBS[name].parse(raw) for each in (own, *ruled) for name, raw in each.items()}
        if inputs.recorded_containers and content and "container" not in given:
            recorded = document.container(content)
            given |= checked({"container": recorded}, "`environment` in its metadata", OF_JOBS) if recorded else {}
    return RunsOn(**{"runner": inputs.runner, "container": inputs.container, **given})
