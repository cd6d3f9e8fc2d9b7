"""The record of log-run."""

from dataclasses import dataclass, field

from notebook_ci.records.record import Record


@dataclass(kw_only=True)
class Logged:
    """How much a run was given.

    Attributes:
        parameters: Number of parameters.
        metrics: Number of metrics.
        tags: Number of tags.
        datasets: Number of datasets.
        artifacts: Number of artifacts: files.
        artifact_bytes: Their size.
    """

    parameters: int = 0
    metrics: int = 0
    tags: int = 0
    datasets: int = 0
    artifacts: int = 0
    artifact_bytes: int = 0


@dataclass(kw_only=True)
class LogRunRecord(Record):
    """The record of log-run.

    Attributes:
        tracking_uri: Where the run was logged, without credentials.
        experiment: Name of the experiment.
        experiment_id: Its id at the store.
        run_id: Id of the run; empty: there is none.
        run_name: Its name.
        run_url: Its page on the server.
        artifact_uri: Where the store keeps the artifacts of the run.
        identity: SHA-256 of what makes it this run and no other: its first record, the slug, on a runner the run of
            the workflow.
        updated: Whether the run had been logged before.
        view: Command that shows the store, where no server does: in the folder of its file, on a laptop anywhere.
        logged: What was logged.
    """

    tracking_uri: str = ""
    experiment: str = ""
    experiment_id: str = ""
    run_id: str = ""
    run_name: str = ""
    run_url: str = ""
    artifact_uri: str = ""
    identity: str = ""
    updated: bool = False
    view: str = ""
    logged: Logged = field(default_factory=Logged)

    @property
    def headline(self) -> dict[str, str]:
        """The values of `OUTPUTS`."""
        return {"run-id": self.run_id, "run-url": self.run_url}
