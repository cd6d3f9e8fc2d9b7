"""What collect-runs takes and gives."""

from dataclasses import dataclass

from notebook_ci.base.inputs import StageInputs, given
from notebook_ci.base.values import PATH, TEXT, choice

OUTPUTS = {
    "executed": "Number of notebooks that were executed in all shards, including failed ones.",
    "failed": "Number of notebooks that failed.",
    "allowed-failures": "Number of notebooks that failed, and that `allow-failure` allows to fail.",
    "flaky": "Number of notebooks that passed only when they were executed again: see `retries`.",
    "run-dir": "The merged run directory.",
}


@dataclass(frozen=True, kw_only=True)
class CollectInputs(StageInputs):
    """Merge the run directories of all shards into one, with one summary and one verdict."""

    runs: str = given(
        PATH,
        "Folder with the downloaded run directories, one sub-folder per artifact: `plan-attempt-1`, "
        "`shard-<name>-attempt-1`.",
        default="",
        shown_default="`$RUNNER_TEMP/notebook-ci-shards`",
    )
    artifact: str = given(
        TEXT,
        "What the names of the artifacts begin with, before `-plan-attempt-1`. All others are ignored.",
        default="",
        shown_default="any beginning, but one for all",
    )
    shards_result: str = given(
        choice("success", "failure", "cancelled", "skipped"),
        "How the job of the shards ended: `needs.<job>.result`. If it failed and no record says why, collect-runs "
        "fails, too.",
        default="",
        shown_default="none; required on GitHub",
    )
