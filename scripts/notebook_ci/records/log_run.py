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
class LoggedRun:
    """What the worker finds out."""

    experiment: str = ""  # name of the experiment
    experiment_id: str = ""
    run_id: str = ""  # empty if there is no run
    run_name: str = ""
    artifact_uri: str = ""  # where the store keeps the run's artifacts
    updated: bool = False  # whether the run had been logged before
    logged: Logged = field(default_factory=Logged)


@dataclass(kw_only=True)
class LogRunRecord(LoggedRun, Record):
    tracking_uri: str = ""  # where the run was logged, without credentials
    run_url: str = ""  # the run's page on the server
    # SHA-256 that identifies the run: of its first record, the slug, and on a runner the workflow run.
    identity: str = ""
    # The command that shows a database file: for a runner's file, to be run in the folder of the downloaded file.
    view: str = ""

    @property
    def headline(self) -> dict[str, str]:
        return {"run-id": self.run_id, "run-url": self.run_url}
