"""The summary of plan-notebooks."""

from notebook_ci.base.markdown import count, folded, inline, name, table, unbroken_duration
from notebook_ci.records.plan_notebooks import PlanNotebooksRecord


def note(record: PlanNotebooksRecord) -> str:
    left_out = f", {len(record.unaffected):,} not affected" if record.unaffected else ""
    return f"{count(len(record.reasons), 'notebook')} in {count(len(record.shards), 'shard')}{left_out}"


def section(record: PlanNotebooksRecord) -> list[str]:
    """Return a table of shards, and which notebooks run and why."""
    shards = [
        [
            shard.name,
            str(len(shard.notebooks)),
            unbroken_duration(shard.seconds) if shard.seconds else "",
            inline(", ".join(shard.runner)),
            name(shard.container) if shard.container else "",
        ]
        for shard in record.shards
    ]
    reasons = [[name(path), inline(reason)] for path, reason in record.reasons.items()]
    header = ["shard", "notebooks", "expected", "runner", "container"]
    left_out = [[name(path)] for path in record.unaffected]
    return [
        table(header, shards) if shards else "",
        folded("Why these notebooks run", table(["notebook", "because"], reasons)) if reasons else "",
        folded("Not affected", table(["notebook"], left_out)) if left_out else "",
    ]
