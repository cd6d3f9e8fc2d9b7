"""Reads and judges the run directory of a shard. A notebook may have written anything into it."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

from notebook_ci import VERSION
from notebook_ci.base.errors import CheckFailed, InputError, NotebookCiError, SurroundingsError
from notebook_ci.base.texts import listed, quote
from notebook_ci.collect_runs.plan import MOST_LISTED, RunFolder
from notebook_ci.records.execute_notebook import ALLOW, ExecuteRecord, NotebookResult
from notebook_ci.records.plan_notebooks import Shard
from notebook_ci.records.record import Record
from notebook_ci.records.run_directory import RunDirectory
from notebook_ci.stages import STAGES

ORIGIN = ("repository", "commit", "directory", "workflow", "run")
ONE_RUN = "Collect only artifacts of this workflow run, and use one version of notebook-ci in all its jobs."
NO_SLUG = "Set `slug` of all actions in the job to the name of its shard: `${{ matrix.shard }}`."
SUSPECT = "Look at the notebooks of this shard: one of them may have changed its record."


def refuse_other_origin(record: Record, source: Mapping[str, str], folder: RunFolder, what: str) -> None:
    """Raise InputError if a record, `what` in the message, is of other code, another run or another notebook-ci.

    `source` is that of this run, `folder` the one that the record is in.
    """
    expected = {name: source.get(name, "") for name in ORIGIN if name in source or name == "directory"}
    expected |= {"attempt": str(folder.attempt)} if "attempt" in source else {}
    for name, value in (expected | {"version of notebook-ci": VERSION}).items():
        found = record.notebook_ci if value is VERSION else record.source.get(name, "")
        if found != value:
            raise InputError(
                f"{what} is of another {name}: {quote(found or 'none')}, not {quote(value or 'none')}.", hint=ONE_RUN
            )


def read(shard: Shard, folder: RunFolder, source: Mapping[str, str]) -> dict[str, Record]:
    """Return the records of a shard by name. Raises InputError if they are not those of this shard of this plan."""
    records = RunDirectory(folder.path).records()
    for name, record in records.items():
        what = f"{quote(f'{name}.json')} in {quote(folder.path.name)}"
        if record.stage not in STAGES or record.slug != shard.name:
            hint = SUSPECT if record.slug else NO_SLUG
            raise InputError(f"{what} is not a record of the shard {quote(shard.name)}.", hint=hint)
        if name != f"{record.stage}-{shard.name}":
            message = f"The shard {quote(shard.name)} is doubled: {what} is a second record of {record.stage}."
            raise InputError(message, hint="Run each stage once per shard.")
        refuse_other_origin(record, source, folder, what)
        results = record.notebooks if isinstance(record, ExecuteRecord) else []
        if not all(0 <= seconds < math.inf for seconds in (record.duration, *(each.duration for each in results))):
            raise InputError(f"{what} has an invalid duration.", hint=SUSPECT)
        _refuse_foreign_results(results, shard, what)
    return records


def _refuse_foreign_results(results: Sequence[NotebookResult], shard: Shard, what: str) -> None:
    times = Counter(result.name for result in results)
    for result in results:
        swept = f"{PurePosixPath(result.path).with_suffix('')}@"
        if result.path not in shard.notebooks or not (result.name == result.path or result.name.startswith(swept)):
            message = f"{what} has a result of {quote(result.name)}, which the plan did not give to this shard."
            raise InputError(message, hint=SUSPECT)
        if times[result.name] > 1:
            raise InputError(f"{what} has {times[result.name]} results of {quote(result.name)}.", hint=SUSPECT)


def failures(shard: Shard, records: Mapping[str, Record]) -> Iterator[NotebookCiError]:
    """Yield why a shard did not do all that the plan says. Failed notebooks are not named here: see their results."""
    who = f"The shard {quote(shard.name)}"
    executed = next((record for record in records.values() if isinstance(record, ExecuteRecord)), None)
    for record in records.values():
        is_explained = record is executed and record.status == "failed" and executed.failed
        if record.has_failed and not is_explained:
            reason = record.errors[-1].message if record.errors else "No reason was recorded."
            kind = CheckFailed if record.status == "failed" else SurroundingsError
            yield kind(f"{who}: {record.stage} failed. {reason}", hint="The job of this shard shows more.")
    if executed is None:
        message = f"{who} has no record of execute-notebook: its job ended before, or was cancelled."
        yield SurroundingsError(message, hint="Run the failed jobs again.")
        return
    stopped = {each.path for each in executed.notebooks if each.status == "skipped" and not _may_be_skipped(each)}
    ended = {each.path for each in executed.notebooks} - stopped
    if missing := [quote(path) for path in shard.notebooks if path not in ended]:
        kind = CheckFailed if executed.failed else SurroundingsError
        yield kind(f"{who} did not execute {listed(missing, MOST_LISTED)}.", hint="The job of this shard shows why.")


def _may_be_skipped(result: NotebookResult) -> bool:
    """Return whether a notebook that may fail was skipped, because another one that may fail did."""
    return bool(result.skipped_for) and ALLOW in result.settings
