"""Starts the worker, limits its time, and reads its answer."""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from notebook_ci.base import isolation, worker
from notebook_ci.base.context import Context
from notebook_ci.base.errors import SurroundingsError
from notebook_ci.base.files import unwritable
from notebook_ci.base.process import Deadline
from notebook_ci.log_run.description import Description
from notebook_ci.log_run.faults import AGAIN
from notebook_ci.log_run.protocol import BYTES_A_SECOND, REQUEST_TIMEOUT, UPLOADING, Answer, Job
from notebook_ci.log_run.store import ENVIRONMENT, Store
from notebook_ci.tools import tool
from notebook_ci.tools.import_guard import guard_imports

WORKER = Path(__file__).with_name("worker.py")
COMMAND = [*tool.worker(ENVIRONMENT, WORKER), "mlflow.tracking"]
FOR_DATABASES = "mlflow.store.tracking.sqlalchemy_store"  # a third of the time to load MLflow
# Limits for one request to a server, and for all without the artifacts: a server that is down costs 30 seconds.
REQUEST_SECONDS = 12
SERVER_SECONDS = 25
# Loading the client does not involve the server; a slow machine takes this long.
LOADING_SECONDS = 60
# A database file is local; a slow machine takes this long to create one.
DATABASE_SECONDS = 120
SETTINGS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # MLflow would retry for minutes; the worker retries by itself
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "GIT_PYTHON_REFRESH": "quiet",
}
# These come from the job.
_FOREIGN = ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_TRACKING_URI")


@contextlib.contextmanager
def waiting_worker(environ: Mapping[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """Start the worker before notebooks run, which could change our modules: no more of them are imported.

    Tells the chain, by a line, when nobody else of the same user can look into this process or the worker.
    """
    with worker.waiting([*COMMAND, FOR_DATABASES], env=_environment(environ), cwd=WORKER.parent) as started:
        guard_imports()
        print(flush=True)
        yield started


def log(store: Store, target: Mapping[str, str], run: Description, context: Context) -> Answer:
    """Log a run; `target` has the fields of `Job` that select experiment and run.

    Raises SurroundingsError if MLflow could not be installed, did not answer in time, or a folder is not writable.
    """
    waiting = context.worker if context.worker and context.worker.poll() is None else None
    if not waiting:  # it was not started ahead, or killed
        tool.install(ENVIRONMENT, "MLflow", context.environ, context.console)
    # Next to the database, so that a new one can be moved into place.
    beside = store.database.parent if store.database else None
    try:
        # A killed worker leaves nothing there.
        with tempfile.TemporaryDirectory(prefix=".notebook-ci-", dir=beside) as scratch:
            where = {"uri": store.uri, "database": str(store.database or ""), "scratch": scratch}
            job = Job(**where, **target, credentials=dict(store.credentials), run=run)
            return _work(job, waiting, context)
    except OSError as error:
        folder = store.database or Path(tempfile.gettempdir())
        raise unwritable(f"{store.database or 'A temporary folder'} cannot be written", folder, error) from error


def _work(job: Job, waiting: "subprocess.Popen[str] | None", context: Context) -> Answer:
    steps: list[str] = []
    size = sum(artifact.bytes for artifact in job.run.artifacts)
    seconds = DATABASE_SECONDS if job.database else SERVER_SECONDS
    deadline = Deadline.after(LOADING_SECONDS + seconds)

    def begin(step: str) -> None:
        steps.append(step)
        if len(steps) == 1:
            deadline.end = min(deadline.end, Deadline.after(seconds).end)
        elif step == UPLOADING:
            deadline.end += size / BYTES_A_SECOND

    try:
        return worker.ask(
            COMMAND,
            job,
            Answer,
            tool="MLflow's client",
            env=_environment(context.environ),
            cwd=WORKER.parent,
            console=context.console,
            on_step=begin,
            deadline=deadline,
            started=waiting,
        )
    except worker.TooSlow as error:
        if steps:
            message, hint = f"{job.uri} did not answer in time (it stopped while {steps[-1]}).", AGAIN
        else:
            message = "MLflow's client did not load in time: the machine is too slow."
            hint = "Check its load and its memory, then log the run again."
        raise SurroundingsError(message, hint=hint) from error


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the worker's environment: the user's MLflow settings, except those that make it hang or print."""
    kept = {name: value for name, value in isolation.for_others(environ).items() if name not in _FOREIGN}
    # The user's limit of one request counts if it is lower than ours.
    given = environ.get(REQUEST_TIMEOUT, "")
    seconds = given if given.isdigit() and 0 < int(given) < REQUEST_SECONDS else str(REQUEST_SECONDS)
    return {**kept, **SETTINGS, REQUEST_TIMEOUT: seconds}
