"""The script of the stage collect-runs."""

import dataclasses

from notebook_ci.base.stage import Stage, run_script
from notebook_ci.collect_runs.model import OUTPUTS, CollectInputs
from notebook_ci.collect_runs.plan import make
from notebook_ci.collect_runs.run import run
from notebook_ci.records.collect_runs import CollectRunsRecord
from notebook_ci.records.execute_notebook import ExecuteRecord
from notebook_ci.records.record import Record
from notebook_ci.records.run_directory import RunDirectory
from notebook_ci.records.shards import joined


def in_summary(record: CollectRunsRecord, run_directory: RunDirectory) -> tuple[list[Record], list[Record]]:
    """Return the records of the whole run, with the times of the slowest shards."""
    records = run_directory.records()
    seconds = max((each.duration for each in records.values() if isinstance(each, ExecuteRecord)), default=0.0)
    own = dataclasses.replace(record, duration=record.duration + seconds)
    found = list(joined({**records, record.stage: own}).values())
    return found, found


STAGE = Stage(
    name="collect-runs",
    inputs=CollectInputs,
    outputs=OUTPUTS,
    record=CollectRunsRecord,
    plan=make,
    run=run,
    in_summary=in_summary,
)

if __name__ == "__main__":
    run_script(STAGE)
