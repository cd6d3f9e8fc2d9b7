"""The record of plan-notebooks."""

import json
from dataclasses import dataclass, field

from notebook_ci.records.record import Record


@dataclass(kw_only=True)
class Shard:
    """The notebooks that one job executes."""

    name: str  # `1`, `2` ...: also the slug of its job
    notebooks: list[str]  # each after those that it needs
    seconds: float  # expected; 0 if no duration is known
    runner: list[str]  # labels
    container: str = ""  # image; empty: the job runs in none


@dataclass(kw_only=True)
class PlanNotebooksRecord(Record):
    base: str = ""  # commit that changes are compared with; empty: all notebooks run
    reasons: dict[str, str] = field(default_factory=dict)  # per notebook that runs, why
    unaffected: list[str] = field(default_factory=list)  # notebooks that do not run
    shards: list[Shard] = field(default_factory=list)

    @property
    def headline(self) -> dict[str, str]:
        jobs = [
            {
                "shard": shard.name,
                "notebooks": "\n".join(shard.notebooks),
                "runner": shard.runner,
                "container": shard.container,
            }
            for shard in self.shards
        ]
        return {
            "matrix": json.dumps({"include": jobs}),
            "count": str(len(self.reasons)),
            "any": "true" if self.reasons else "false",
        }
