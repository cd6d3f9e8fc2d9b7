"""What the stage and its worker tell each other, as JSON; and, while it works, in lines on standard error."""

from dataclasses import dataclass, field
from typing import Any

from notebook_ci.base.errors import NotebookCiError, from_json

# Lines that begin so are for the user, or say what is being done; others came from MLflow and what is below it.
PROGRESS, STEP = "PROGRESS ", "STEP "
UPLOADING = "artifacts were uploaded"
# Seconds of one request; MLflow reads it anew for each.
REQUEST_TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"
# What an upload may take beside the time of a request.
BYTES_A_SECOND = 512 * 1024


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be logged, and where.

    Attributes:
        uri: The tracking URI, without credentials.
        database: The file, where it is a database.
        artifacts: Where the artifacts of a new experiment go; empty: where the server wants them.
        experiment: Name of the experiment; empty: any.
        experiment_id: Its id; empty: any.
        run_id: Id of the run, which exists; empty: it is found by its identity, or created.
        run: Fields of `Description`.
    """

    uri: str
    database: str
    artifacts: str
    experiment: str
    experiment_id: str = ""
    run_id: str = ""
    run: dict[str, Any]


@dataclass(kw_only=True)
class Answer:
    """What came of it.

    Attributes:
        experiment: Name of the experiment.
        experiment_id: Id of the experiment.
        run_id: Id of the run; empty: there is none.
        run_name: Name of the run.
        artifact_uri: Where its artifacts are.
        updated: Whether the run was there before.
        kept: Parameters that have another value at the store, and keep it: that value and the new one by name.
        warnings: What else could not be logged.
        logged: Fields of `Logged`.
        fault: What went wrong: see `NotebookCiError.as_json`.
    """

    experiment: str = ""
    experiment_id: str = ""
    run_id: str = ""
    run_name: str = ""
    artifact_uri: str = ""
    updated: bool = False
    kept: dict[str, list[str]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    logged: dict[str, int] = field(default_factory=dict)
    fault: dict[str, Any] = field(default_factory=dict)

    def fail(self, error: NotebookCiError) -> None:
        """Take what ended the work."""
        self.fault = error.as_json()

    @property
    def error(self) -> NotebookCiError | None:
        """What ended the work, if anything did."""
        return from_json(self.fault) if self.fault else None
