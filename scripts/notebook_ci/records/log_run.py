"""The record of log-run."""

from dataclasses import dataclass, field

from notebook_ci.records.record import Record


@dataclass(kw_only=True)
class Logged:
    """How many of each were logged."""

    parameters: int = 0
    metrics: int = 0
    tags: int = 0
    datasets: int = 0
    artifacts: int = 0
    artifact_bytes: int = 0


@dataclass(kw_only=True)
class LogRunRecord(Record):
    tracking_uri: str = ""  # where the run was logged, without credentials
    experiment: str = ""  # name of the experiment
    experiment_id: str = ""
    run_id: str = ""  # empty if there is no run
    run_name: str = ""
    run_url: str = ""  # the run's page on the server
    artifact_uri: str = ""  # where the store keeps the run's artifacts
    # SHA-256 that identifies the run: of its first record, the slug, and on a runner the workflow run.
    identity: str = ""
    updated: bool = False  # whether the run had been logged before
    # The command that shows a database file: for a runner's file, to be run in the folder of the downloaded file.
    view: str = ""
    logged: Logged = field(default_factory=Logged)

    @property
    def headline(self) -> dict[str, str]:
        return {"run-id": self.run_id, "run-url": self.run_url}
