"""The messages between the stage and its worker."""

from dataclasses import dataclass, field

from notebook_ci.base.errors import Problem
from notebook_ci.base.worker import Reply
from notebook_ci.log_run.description import Description
from notebook_ci.records.log_run import LoggedRun

UPLOADING = "artifacts were uploaded"
# Variable for the seconds of one request; MLflow reads it again for each request.
REQUEST_TIMEOUT = "MLFLOW_HTTP_REQUEST_TIMEOUT"
# An upload gets more time than a request: one second per this many bytes.
BYTES_A_SECOND = 512 * 1024


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to log, and where."""

    uri: str  # tracking URI without credentials
    database: str  # the database file; empty: a server
    credentials: dict[str, str] = field(default_factory=dict)  # variables for MLflow
    scratch: str  # a folder where the worker may leave files
    experiment: str  # name; empty: any
    experiment_id: str = ""  # empty: any
    run_id: str = ""  # id of an existing run; empty: found by its identity, or created
    run: Description


@dataclass(kw_only=True)
class Answer(LoggedRun, Reply):
    problems: list[Problem] = field(default_factory=list)  # warnings: what could not be logged
