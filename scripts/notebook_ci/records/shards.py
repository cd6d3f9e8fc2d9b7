"""The records of a merged run, as if its shards had been one job."""

import contextlib
import dataclasses
from collections import defaultdict
from collections.abc import Mapping

from notebook_ci.base.errors import InputError
from notebook_ci.records.collect_runs import CollectRunsRecord
from notebook_ci.records.execute_notebook import ExecuteRecord
from notebook_ci.records.record import Record
from notebook_ci.records.run_directory import RunDirectory


def joined(records: Mapping[str, Record]) -> dict[str, Record]:
    """Return one record per stage and outcome, by name; without shards, the records as they are.

    The record of collect-runs has the results of all notebooks. If another stage had the same outcome in all shards,
    its longest record stands for all, without a slug.
    """
    collected = [record for record in records.values() if isinstance(record, CollectRunsRecord)]
    of_shards = [name for record in collected for shard in record.shards for name in shard.records if name in records]
    others = {name: record for name, record in records.items() if name not in of_shards}
    longest: defaultdict[str, dict[object, str]] = defaultdict(dict)
    for name in sorted(of_shards, key=lambda name: -records[name].duration):
        record = records[name]
        digests = {output: value for output, value in record.outputs.items() if output.endswith("digest")}
        if not isinstance(record, ExecuteRecord):
            longest[record.stage].setdefault((record.status, *sorted(digests.items())), name)
    for stage, names in longest.items():
        for name in names.values():
            record = records[name]
            agreed = len(names) == 1 and stage not in records
            others |= {stage: dataclasses.replace(record, slug="")} if agreed else {name: record}
    return dict(sorted(others.items(), key=lambda item: (item[1].started, item[0])))


def whole_run(last: Record, run_directory: RunDirectory) -> list[Record]:
    """Return the records of the project's other stages, and at the end that of the stage which sums them up."""
    found: dict[str, Record] = {}
    with contextlib.suppress(InputError):  # the last stage has failed for the same reason
        found = joined(run_directory.records_of(last.source.get("directory", "")))
    return [*(each for each in found.values() if each.stage != last.stage), last]
