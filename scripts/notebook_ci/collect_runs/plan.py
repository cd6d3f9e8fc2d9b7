"""Finds the run directories of the shards by the names of their artifacts, and the plan. Runs nothing."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from notebook_ci.base import systems
from notebook_ci.base.errors import InputError, SurroundingsError
from notebook_ci.base.plan import Plan
from notebook_ci.base.texts import listed, quote
from notebook_ci.base.workspace import Workspace
from notebook_ci.collect_runs.model import CollectInputs
from notebook_ci.records.plan_notebooks import PlanNotebooksRecord
from notebook_ci.records.run_directory import RunDirectory

FOLDER, PLAN = "notebook-ci-shards", "plan-notebooks.json"
MOST_LISTED = 10
# The workflow gives these names. A notebook can write into its artifact, but not choose another one.
_ARTIFACT = re.compile(r"(?P<run>(?:.*-)?)(?:plan|shard-(?P<shard>.+))-attempt-(?P<attempt>[1-9]\d{0,4})")
NAMES = "Artifacts are named `plan-attempt-1` and `shard-<name>-attempt-1`, with the attempt of the workflow run."
DOWNLOAD = f"Upload each run directory with `if: always()`, and download each into a folder of its own. {NAMES}"


@dataclass(frozen=True, order=True)
class RunFolder:
    """A downloaded run directory: of the plan, or of a shard."""

    attempt: int  # of the workflow run
    path: Path


@dataclass(frozen=True, kw_only=True)
class CollectPlan(Plan):
    plan: PlanNotebooksRecord
    folder: RunFolder  # that of the plan
    name: str  # of the plan's record
    shards: Mapping[str, RunFolder]  # by name; without those that are missing
    older: tuple[str, ...]  # names of artifacts of earlier attempts, which do not count

    def lines(self) -> Iterator[str]:
        for shard in self.plan.shards:
            folder = self.shards.get(shard.name)
            yield f"merge {folder.path.name}" if folder else f"fail: the shard {quote(shard.name)} is missing"


def make(inputs: CollectInputs, workspace: Workspace) -> CollectPlan:
    """Read the plan of the newest attempt, and choose the newest run directory of each shard since.

    Raises InputError if there is no plan, or a folder that it does not name, or the result of the jobs is not given;
    SurroundingsError if planning failed.
    """
    if systems.system(workspace.environ) is systems.GITHUB and not inputs.shards_result:
        # A notebook may forge the record of its shard, but not the result of its job.
        raise InputError("`shards-result` is not set.", hint="Set it to `${{ needs.shards.result }}`.")
    beginning = f"{inputs.artifact}-" if inputs.artifact else ""
    folder = _folder(inputs, workspace)
    artifacts = _artifacts(folder, beginning)
    missing = InputError(f"The plan's artifact {quote(f'{beginning}plan-attempt-1')} is missing.", hint=DOWNLOAD)
    if "" not in artifacts:
        raise missing
    newest = {shard: max(found) for shard, found in artifacts.items()}
    planned = newest.pop("")
    name, plan = _read(planned.path)
    if planned.path == folder and not plan.shards:  # a notebook may have forged it in the only artifact, of its shard
        raise missing
    # If all jobs ran again, the results of earlier attempts belong to another plan.
    chosen = {shard: folder for shard, folder in newest.items() if folder.attempt >= planned.attempt}
    names = [shard.name for shard in plan.shards]
    if unplanned := [quote(folder.path.name) for shard, folder in chosen.items() if shard not in names]:
        raise InputError(
            f"The plan has no such shard: {listed(unplanned, MOST_LISTED)}.",
            hint="Collect only the artifacts of one workflow run.",
        )
    used = [planned, *chosen.values()]
    older = tuple(each.path.name for found in artifacts.values() for each in found if each not in used)
    return CollectPlan(plan=plan, folder=planned, name=name, shards=chosen, older=older)


def _folder(inputs: CollectInputs, workspace: Workspace) -> Path:
    if inputs.runs:
        return workspace.cwd / inputs.runs
    if not workspace.runner_temp:
        raise InputError("`runs` is not set.", hint="Set it to the folder with the downloaded artifacts.")
    return workspace.runner_temp / FOLDER


def _artifacts(folder: Path, beginning: str) -> dict[str, list[RunFolder]]:
    """Return the run directories whose names have a `beginning` (empty: any), by shard; the plan's by an empty name."""
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        message = f"No artifacts were found: the folder `{folder}` cannot be read ({error.strerror})."
        raise InputError(message, hint=DOWNLOAD) from error
    if not paths:
        raise InputError(f"No artifacts were found: the folder `{folder}` is empty.", hint=DOWNLOAD)
    if (folder / PLAN).is_file():  # actions/download-artifact makes no folder for a single artifact: no shard has one
        return {"": [RunFolder(1, folder)]}
    found: defaultdict[str, list[RunFolder]] = defaultdict(list)
    runs: set[str] = set()
    for path in paths:
        name = _ARTIFACT.fullmatch(path.name)
        if beginning and (not name or name["run"] != beginning):  # it may begin with that of another plan
            continue
        if not name or path.is_symlink() or not path.is_dir():
            what = "not a folder" if name else "not the name of a shard's artifact"
            raise InputError(f"{quote(path.name)} in `{folder}` is {what}.", hint=DOWNLOAD)
        found[name["shard"] or ""].append(RunFolder(int(name["attempt"]), path))
        runs.add(name["run"])
    if len(runs) > 1:
        names = listed([quote(f"{run}plan") for run in sorted(runs)], MOST_LISTED)
        raise InputError(f"The artifacts are of different plans: {names}.", hint="Download those of one plan.")
    return found


def _read(folder: Path) -> tuple[str, PlanNotebooksRecord]:
    """Return the name and the record of the plan. Raises an error if it cannot be used."""
    records = RunDirectory(folder).records()
    plans = [(name, record) for name, record in records.items() if isinstance(record, PlanNotebooksRecord)]
    if len(plans) != 1:
        number = f"{len(plans)} records" if plans else "no record"
        raise InputError(f"{quote(folder.name)} has {number} of plan-notebooks.", hint="Upload one plan per run.")
    name, plan = plans[0]
    if plan.status not in {"passed", "skipped"}:
        reasons = " ".join(problem.message for problem in plan.errors)
        raise SurroundingsError(f"plan-notebooks failed, so no shard ran. {reasons}".strip(), hint="See its job.")
    names = {shard.name for shard in plan.shards if shard.notebooks}
    notebooks = [path for shard in plan.shards for path in shard.notebooks]
    if len(names) < len(plan.shards) or sorted(notebooks) != sorted(plan.reasons):
        what = "is damaged: its shards do not have different names, and each notebook once"
        raise InputError(f"The plan in {quote(folder.name)} {what}.", hint="Plan again.")
    return name, plan
