"""The record of collect-runs."""

from dataclasses import dataclass, field

from notebook_ci.records.execute_notebook import NotebooksRecord


@dataclass(kw_only=True)
class CollectedShard:
    """A run directory that was merged."""

    name: str
    attempt: int  # the attempt of the workflow run that wrote it
    records: list[str]  # names of its records in the merged run directory


@dataclass(kw_only=True)
class CollectRunsRecord(NotebooksRecord):
    """`notebooks` and `metrics` are those of all shards."""

    run_dir: str = ""  # the merged run directory
    shards: list[CollectedShard] = field(default_factory=list)  # those that were merged, in the order of the plan

    @property
    def headline(self) -> dict[str, str]:
        return super().headline | {"run-dir": self.run_dir}
