"""The stage comment-run: reads the run directory, and writes the comment or the check."""

from dataclasses import replace

from notebook_ci.base.context import Context
from notebook_ci.base.errors import InputError, Problem, SurroundingsError
from notebook_ci.base.markdown import count
from notebook_ci.base.texts import quote, size
from notebook_ci.comment_run import changes, text
from notebook_ci.comment_run.client import Comment, GitHubClient
from notebook_ci.comment_run.event import Target
from notebook_ci.comment_run.mark import Mark, key_of, marked
from notebook_ci.comment_run.model import CommentInputs
from notebook_ci.comment_run.plan import CommentPlan
from notebook_ci.comment_run.text import Results
from notebook_ci.records.comment_run import CommentRunRecord
from notebook_ci.records.record import as_written
from notebook_ci.records.shards import joined

MOST_RECORDS, MOST_BYTES = 5000, 64_000_000  # a stranger may have written them; each shard has some


def run(inputs: CommentInputs, planned: CommentPlan, context: Context, record: CommentRunRecord) -> None:
    """Write the comment. It is only information: if GitHub refuses it, that is a warning.

    Raises InputError if there are no records, or they cannot be read; the comment says so, too.
    """
    if planned.target is None:
        _skip(planned.skipped, context, record)
        return
    target = planned.target
    if inputs.when == "end" and target.run_id:
        inputs, target = _looked_up(inputs, target, context, record)
    results = _results(target, context) if inputs.when == "end" else Results()
    try:
        _post(inputs, target, results, context, record)
    except SurroundingsError as error:
        record.problems.append(Problem(severity="warning", message=error.message, hint=error.hint))
    if results.error:
        raise results.error


def _skip(reason: str, context: Context, record: CommentRunRecord) -> None:
    record.status = "skipped"
    context.notice(reason)


def _looked_up(
    inputs: CommentInputs, target: Target, context: Context, record: CommentRunRecord
) -> tuple[CommentInputs, Target]:
    """Return the address of the report, and how the job ended, as GitHub knows them. What it does not say stays."""
    client = GitHubClient(target, context.environ, context.console)
    try:
        if not inputs.report:
            inputs = replace(inputs, report=client.report(inputs.slug))
        if inputs.job and target.result != "success":
            result = client.result(inputs.job)
            if not result:
                message = f"The run has no job {quote(inputs.job)}, so the comment says how the whole run ended."
                record.problems.append(Problem(severity="warning", message=message, hint="Correct `job`."))
            target = replace(target, result=result or target.result)
    except SurroundingsError as error:
        record.problems.append(Problem(severity="warning", message=error.message, hint=error.hint))
    return inputs, target


def _results(target: Target, context: Context) -> Results:
    files = list(context.run_directory.path.glob("*.json"))
    total = sum(file.lstat().st_size for file in files)
    if len(files) > MOST_RECORDS or total > MOST_BYTES:
        message = f"The run directory has {len(files)} records with {size(total)}: more than any run."
        return Results(error=InputError(message, hint=f"At most {MOST_RECORDS}, with {size(MOST_BYTES)}."))
    try:
        found = context.run_directory.records_of(context.directory)
    except InputError as error:
        return Results(error=error)
    found = {name: each for name, each in found.items() if not isinstance(each, CommentRunRecord)}
    if not found and target.result == "success":
        message = f"The run passed, but the run directory {context.run_directory.path} has no records of it."
        hint = "Download the artifact with the records first, or set `run-dir` to their folder."
        return Results(error=InputError(message, hint=hint))
    # Credentials are hidden before the text is escaped: `://` and `#1` of one would no longer look like it.
    return Results(records=[as_written(each) for each in joined(found).values()])


def _post(inputs: CommentInputs, target: Target, results: Results, context: Context, record: CommentRunRecord) -> None:
    client = GitHubClient(target, context.environ, context.console)
    if inputs.as_ == "check":
        conclusion = results.conclusion(target.result)
        record.url = client.create_check(
            " ".join(filter(None, [target.workflow or "notebook-ci", inputs.slug])),
            conclusion=conclusion,
            title=count(len(results.failed), "failure") if results.failed else conclusion,
            summary=text.write(target, results, changed="", report=inputs.report, slug=inputs.slug),
        )
        record.action = "created"
        return
    record.pull_request = client.open()
    if record.pull_request is None:
        _skip("The run has no open pull request, or several: it was closed, or has newer commits.", context, record)
        return
    writer = _Writer(inputs, target, results, context.directory)
    comment = client.keep_one(writer.key, writer.body)
    record.url, record.action = comment.url if comment else "", writer.action
    context.console.progress(f"Comment {writer.action}: {record.url}" if comment else "No comment to mark.")


class _Writer:
    """Writes the text of the comment, for what it finds there."""

    def __init__(self, inputs: CommentInputs, target: Target, results: Results, directory: str) -> None:
        self._inputs, self._target, self._results = inputs, target, results
        self.key = key_of(target.path or target.workflow, directory, inputs.slug)
        self.action = "unchanged"

    def body(self, found: Comment | None) -> str:
        """Return the new text of the comment; empty if a newer run has written it, or there is nothing to mark."""
        before = found.mark if found else None
        if self._inputs.when == "start":
            if found is None or found.mark.order >= self._target.order:
                return ""
            self.action = "marked"
            return marked(self._mark(found.mark.failed), text.outdated(found.body, self._target))
        if before and before.order > self._target.order:
            self.action = "left to a newer run"
            return ""
        self.action = "updated" if found else "created"
        checked = changes.checked(self._results.records)
        failed = before.failed if before else []
        changed = changes.describe(failed, checked) if before else ""
        written = text.write(
            self._target, self._results, changed=changed, report=self._inputs.report, slug=self._inputs.slug
        )
        return marked(self._mark(changes.kept(failed, checked)), written)

    def _mark(self, failed: list[str]) -> Mark:
        return Mark(key=self.key, run=self._target.run, attempt=self._target.attempt, failed=failed)
