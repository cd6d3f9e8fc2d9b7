"""What log-run takes, gives and records."""

from dataclasses import dataclass, field
from typing import Any

from notebook_ci.base.inputs import StageInputs, given
from notebook_ci.base.records import Record
from notebook_ci.base.values import TEXT, choice
from notebook_ci.log_run.store import HIDDEN, shown

OUTPUTS = {
    "run-id": "ID of the MLflow run; empty if nothing was logged.",
    "run-url": "URL of the MLflow run; empty if it was logged to a database file.",
}


@dataclass(frozen=True, kw_only=True)
class LogRunInputs(StageInputs):
    """Log the run to MLflow: parameters, metrics, datasets, digests, executed notebooks, records."""

    tracking_uri: str = given(
        TEXT,
        "Where to log: an MLflow server (`https://...`) or a database file (`sqlite:///mlflow.db`, relative to the "
        "workspace). Credentials come from `MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`, or "
        "`MLFLOW_TRACKING_TOKEN`.",
        default="",
        shown_default="`MLFLOW_TRACKING_URI`, else the database file `$RUNNER_TEMP/notebook-ci-mlflow/mlflow.db`; on a "
        "laptop, `.notebook-ci/mlflow/mlflow.db`",
    )
    experiment: str = given(
        TEXT,
        "Name of the MLflow experiment. It is created if it does not exist.",
        default="",
        shown_default="`MLFLOW_EXPERIMENT_NAME` or `MLFLOW_EXPERIMENT_ID`, else the name of the repository",
    )
    run_name: str = given(
        TEXT,
        "Name of the MLflow run.",
        default="",
        shown_default="the name of the run in `MLFLOW_RUN_ID`, else workflow, number and attempt of the workflow run "
        "(on a laptop, the name of the run directory); with a slug, the slug is appended",
    )
    on_error: str = given(
        choice("fail", "warn"),
        "What to do if logging fails: `fail` the stage, or only `warn`. A wrong input always fails.",
        default="fail",
        shown_default="`fail`",
    )

    def as_given(self) -> dict[str, Any]:
        """See `StageInputs.as_given`; an address may hold a password."""
        return super().as_given() | {"tracking-uri": self.tracking_uri and (shown(self.tracking_uri) or HIDDEN)}


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
