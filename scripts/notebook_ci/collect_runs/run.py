"""The stage collect-runs: copies the run directories of the shards into one, and judges them together."""

import dataclasses
import shutil
import stat
from pathlib import Path, PurePosixPath

from notebook_ci.base.context import Context
from notebook_ci.base.errors import MILDEST_FIRST, InputError, NotebookCiError, Problem, SurroundingsError, together
from notebook_ci.base.files import unwritable
from notebook_ci.base.texts import listed, quote
from notebook_ci.collect_runs.model import CollectInputs
from notebook_ci.collect_runs.plan import MOST_LISTED, CollectPlan
from notebook_ci.collect_runs.shard import failures, read, refuse_other_origin
from notebook_ci.notebooks import durations
from notebook_ci.records.collect_runs import CollectedShard, CollectRunsRecord
from notebook_ci.records.execute_notebook import ExecuteRecord
from notebook_ci.records.plan_notebooks import Shard
from notebook_ci.records.run_directory import MOST_ARTIFACT, RUN_DIR


def run(inputs: CollectInputs, planned: CollectPlan, context: Context, record: CollectRunsRecord) -> None:
    """Merge the run directories of the shards, and record the results.

    Raises all that is wrong, together: InputError for what is not of this run, SurroundingsError if notebooks of the
    plan were not executed.
    """
    record.run_dir = str(context.run_directory.path)
    plan = planned.plan
    refuse_other_origin(plan, record.source, planned.folder, "The plan")
    _copy(planned.name, planned.folder.path, context)
    if planned.older:
        names = listed([quote(name) for name in planned.older], MOST_LISTED)
        context.notice(f"Artifacts of earlier attempts do not count: {names}.")
    errors = [error for shard in plan.shards for error in _collect(shard, planned, context, record)]
    record.merge_metrics()
    durations.keep(record.durations, context)
    if not plan.shards:
        context.notice("The plan has no notebooks, because none is affected: nothing was executed.")
    if record.failed:
        names = listed([quote(each.name) for each in record.failed], MOST_LISTED)
        message = f"{len(record.failed)} of {len(record.notebooks)} notebooks failed: {names}."
        hint = "The jobs of their shards show the lines that failed."
        record.problems.append(Problem(severity="error", title="Failed notebooks", message=message, hint=hint))
        record.status = "failed"
    expected = {"", "success"} if plan.shards else {"", "success", "skipped"}
    if not (errors or record.failed or inputs.shards_result in expected):
        message = f"The job of the shards ended as `{inputs.shards_result}`, and no record says why."
        errors.append(SurroundingsError(message, hint="Look at the jobs of the shards, and run the failed ones again."))
    if errors:
        raise together(sorted(errors, key=lambda error: MILDEST_FIRST.index(error.exit_code)))


def _collect(shard: Shard, planned: CollectPlan, context: Context, record: CollectRunsRecord) -> list[NotebookCiError]:
    """Add a shard to the run directory and the record. Returns what is wrong with it."""
    folder = planned.shards.get(shard.name)
    if folder is None:
        message = f"The shard {quote(shard.name)} has no run directory: its job was cancelled, or did not start."
        names = listed([quote(path) for path in shard.notebooks], MOST_LISTED)
        return [SurroundingsError(message, hint=f"Not executed: {names}. Run the failed jobs again.")]
    try:
        records = read(shard, folder, planned.plan.source)
    except InputError as error:
        return [error]
    for name, each in records.items():
        _copy(name, folder.path, context)
        if isinstance(each, ExecuteRecord):
            record.notebooks += [
                dataclasses.replace(result, output=_inside(result.output, name), html=_inside(result.html, name))
                for result in each.notebooks
            ]
            record.read |= each.read
    record.shards.append(CollectedShard(name=shard.name, attempt=folder.attempt, records=list(records)))
    return list(failures(shard, records))


def _inside(path: str, name: str) -> str:
    """Return the path of a file that was copied; empty if it is outside the files of its stage."""
    parts = PurePosixPath(path).parts
    return path if parts[:1] == (name,) and ".." not in parts else ""


def _copy(name: str, source: Path, context: Context) -> None:
    """Copy a record and the files of its stage into the run directory. A link could lead anywhere: it is left out."""
    root, folder, left_out = context.run_directory.path, source / name, []
    if (root / name).exists() or (root / f"{name}.json").exists():
        raise InputError(f"The run directory `{root}` already has {quote(name)}.", hint=f"{RUN_DIR.capitalize()}.")
    try:
        for path in (source / f"{name}.json", *([folder] if folder.is_symlink() else folder.rglob("*"))):
            found = path.lstat()
            if stat.S_ISREG(found.st_mode) and found.st_size <= MOST_ARTIFACT:
                target = root / path.relative_to(source)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
            elif not stat.S_ISDIR(found.st_mode):
                left_out.append(quote(path.relative_to(source).as_posix()))
    except OSError as error:
        raise unwritable(f"{quote(name)} cannot be copied to `{root}`", root, error, RUN_DIR) from error
    if left_out:
        names = listed(sorted(left_out), MOST_LISTED)
        context.warning(f"Not copied from {quote(source.name)}, because only files up to 1 GiB are: {names}.")
