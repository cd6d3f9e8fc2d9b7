"""Logs a run to MLflow. It can be repeated: a run is found by its identity, and nothing is added twice.

Part of the worker: needs its tool environment. Seen with MLflow 3.17.
"""

import contextlib
import os
import shutil
import signal
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from notebook_ci.base import worker
from notebook_ci.base.errors import NotebookCiError, Problem, SurroundingsError
from notebook_ci.base.loading import loading
from notebook_ci.base.texts import command_line, quote, size
from notebook_ci.log_run import database, faults
from notebook_ci.log_run.description import IDENTITY_TAG, Artifact
from notebook_ci.log_run.faults import LET_THE_SERVER, Fault
from notebook_ci.log_run.protocol import BYTES_A_SECOND, REQUEST_TIMEOUT, UPLOADING, Answer, Job
from notebook_ci.log_run.store import ARTIFACTS
from notebook_ci.records.log_run import Logged

# Seconds to wait for a server that restarts, or a proxy in front of it.
WAITS = (1, 3)
# Limits of one request: MLflow's, and half of its bytes.
MOST_METRICS = 1000
MOST_OTHERS = 100
MOST_BYTES = 500_000
COMPLETE_TAG = "notebook-ci.complete"
# MLflow's codes for an unknown id and for an invalid one.
NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
CONTEXT_TAG = "mlflow.data.context"
OTHER_RUN = " With another `slug`, the run directory becomes another MLflow run."
PROGRESS_SECONDS = 5


def load(modules: Iterable[str]) -> None:
    """Load modules of MLflow, before the first step, because this is not the store's time."""
    warnings.simplefilter("ignore")
    with loading():
        for module in modules:
            import_module(module)


def record(job: Job, answer: Answer) -> None:
    """Log a run. The answer says what went wrong."""
    os.environ.update(job.credentials)
    os.chdir(job.scratch)
    recording = _Recording(job, answer)
    for wait in (*WAITS, 0):
        try:
            recording.attempt()
        except NotebookCiError as error:
            answer.fail(error)
        except Exception as error:  # noqa: BLE001 - MLflow raises whatever its libraries raise
            fault = Fault(error)
            if wait and fault.is_transient:
                worker.progress(f"{job.uri} is not available: trying again in {wait} s")
                time.sleep(wait)
                continue
            answer.fail(faults.explain(fault, job, recording.step, run_exists=bool(answer.run_id)))
        return


class _Recording:
    def __init__(self, job: Job, answer: Answer) -> None:
        self._job = job
        self._answer = answer
        self._answer.experiment, self._answer.run_name = job.experiment, job.run.name
        self.step = ""
        self._timeout = int(os.environ[REQUEST_TIMEOUT])  # seconds

    def attempt(self) -> None:
        from mlflow.tracking import MlflowClient

        if self._job.database:
            self._begin("the database was opened")
            database.prepare(Path(self._job.database))
        self._client = MlflowClient(tracking_uri=self._job.uri)
        self._begin("the experiment was looked up")
        given = self._named("MLFLOW_RUN_ID", self._job.run_id, self._client.get_run)
        experiment = self._experiment(given)
        self._begin("the run was created")
        with uninterrupted():
            run = self._run(experiment, given)
        self._begin("parameters, metrics and tags were logged")
        self._log_data(run)
        self._begin(UPLOADING)
        self._log_artifacts(run.info)
        self._client.set_tag(run.info.run_id, COMPLETE_TAG, "true")

    def _begin(self, step: str) -> None:
        self.step = step
        os.environ[REQUEST_TIMEOUT] = str(self._timeout)
        worker.step(step)

    def _named(self, variable: str, value: str, get: Callable[[str], Any]) -> Any:
        """Return the run or experiment that a variable of MLflow names; None if it is not set."""
        try:
            return get(value) if value else None
        except Exception as error:
            fault = Fault(error)
            if fault.code not in NOT_THERE or fault.is_unknown_address:
                raise
            raise faults.refused(variable, value, f"which does not exist at {self._job.uri}") from error

    def _experiment(self, given: Any) -> Any:
        """Return the experiment of the given run, or the one asked for; it is created if it does not exist."""
        name, number = self._job.experiment, self._job.experiment_id
        if given:
            found = self._client.get_experiment(given.info.experiment_id)
        else:
            found = self._named("MLFLOW_EXPERIMENT_ID", number, self._client.get_experiment)
            found = found or self._client.get_experiment_by_name(name)
        if found and ((name or found.name) != found.name or (number or found.experiment_id) != found.experiment_id):
            variable, value = ("MLFLOW_RUN_ID", self._job.run_id) if given else ("MLFLOW_EXPERIMENT_ID", number)
            belongs = f"which is of the experiment {quote(found.name)} ({found.experiment_id})"
            raise faults.refused(variable, value, f"{belongs}, not {quote(name or number)}")
        if given and given.info.lifecycle_stage != "active":
            raise faults.refused("MLFLOW_RUN_ID", self._job.run_id, "a deleted run")
        if not found:
            try:  # another run may create it at the same time
                beside = Path(self._job.database).parent / ARTIFACTS
                location = beside.resolve().as_uri() if self._job.database else None  # None: the server decides
                self._client.create_experiment(name, artifact_location=location)
            except Exception as error:
                if Fault(error).code != "RESOURCE_ALREADY_EXISTS":
                    raise
            found = self._client.get_experiment_by_name(name)
        if found is None or found.lifecycle_stage != "active":
            template = "MLFLOW_TRACKING_URI={} mlflow experiments restore --experiment-id {}"
            restore = command_line(template, self._job.uri, found.experiment_id if found else "ID")
            message = (
                f"The experiment {quote(name or found.name)} was deleted at {self._job.uri}; its name is still in use."
            )
            raise SurroundingsError(message, hint=f"Restore it ({restore}), or set `experiment` to another name.")
        return found

    def _run(self, experiment: Any, given: Any) -> Any:
        """Return the run that is named, or the one with this identity; it is created if it does not exist.

        Its status is set at once: the stages are over, and a later error must not leave it `RUNNING`. If the user's own
        run has already failed, that stays.
        """
        data = self._job.run
        query = f"tags.`{IDENTITY_TAG}` = '{data.identity}'"
        found = [given] if given else self._client.search_runs([experiment.experiment_id], query, max_results=1)
        if found:
            run = found[0]
        else:
            tags = {name: data.tags[name] for name in (IDENTITY_TAG, "mlflow.user") if name in data.tags}
            run = self._client.create_run(experiment.experiment_id, data.start, tags, data.name)
        status = run.info.status if given and run.info.status in {"FAILED", "KILLED"} else data.status
        end = max(data.end, run.info.end_time or 0, run.info.start_time)
        self._client.set_terminated(run.info.run_id, status, end)
        known = found and IDENTITY_TAG in run.data.tags
        self._answer.updated = self._answer.updated or bool(known and not self._answer.run_id)
        self._answer.experiment_id, self._answer.run_id = experiment.experiment_id, run.info.run_id
        self._answer.experiment, self._answer.run_name = experiment.name, data.name or run.info.run_name
        self._answer.artifact_uri = run.info.artifact_uri
        return run

    def _log_data(self, run: Any) -> None:
        """Log everything except files. MLflow cannot change a parameter: an existing one keeps its value."""
        from mlflow.entities import Metric, Param, RunTag

        data, run_id, there = self._job.run, run.info.run_id, run.data.params
        # Until all artifacts are uploaded, this tag marks the run as incomplete.
        tags = {**data.tags, "mlflow.runName": self._answer.run_name, COMPLETE_TAG: "false"}
        parameters = [Param(name, value) for name, value in data.parameters.items() if name not in there]
        hint = "The logged records have the new value." + ("" if self._job.run_id else OTHER_RUN)
        kept = {name: value for name, value in data.parameters.items() if there.get(name, value) != value}
        self._answer.problems = []
        for name, value in kept.items():
            had = f"The run already has the parameter {quote(name)} as {quote(there[name])}"
            self._warn(f"{had}: MLflow cannot change it to {quote(value)}.", hint)
        # MLflow does not add the same metric with the same time again.
        metrics = [Metric(each.name, each.value, each.timestamp, 0) for each in data.metrics]
        for kind, items, most in (
            ("tags", [RunTag(name, value) for name, value in tags.items()], MOST_OTHERS),
            ("params", parameters, MOST_OTHERS),
            ("metrics", metrics, MOST_METRICS),
        ):
            for batch in batches(items, most):
                self._client.log_batch(run_id, **{kind: batch})
        self._answer.logged = Logged(parameters=len(data.parameters) - len(kept), metrics=len(metrics), tags=len(tags))
        self._log_datasets(run_id)

    def _log_datasets(self, run_id: str) -> None:
        from mlflow.entities import Dataset, DatasetInput, InputTag

        # Nothing says whether the data is for training or for evaluation.
        context = [InputTag(CONTEXT_TAG, "input")]
        inputs = [DatasetInput(Dataset(**vars(each)), context) for each in self._job.run.datasets]
        for batch in batches(inputs, MOST_OTHERS):
            try:
                self._client.log_inputs(run_id, batch)
            except Exception as error:
                if not Fault(error).is_unknown_address:
                    raise
                self._warn(f"{self._job.uri} does not support datasets: its MLflow is older than 2.4.")
                return
            self._answer.logged.datasets += len(batch)

    def _warn(self, message: str, hint: str = "") -> None:
        self._answer.problems.append(Problem(severity="warning", message=message, hint=hint))

    def _log_artifacts(self, info: Any) -> None:
        artifacts, logged = self._job.run.artifacts, self._answer.logged
        self._check_location(info.artifact_uri)
        shown = time.monotonic()
        for artifact in artifacts:
            # A server may store the file before it answers.
            os.environ[REQUEST_TIMEOUT] = str(self._timeout + artifact.bytes // BYTES_A_SECOND)
            self._client.log_artifact(info.run_id, _under_its_name(artifact), artifact.folder or None)
            logged.artifacts += 1
            logged.artifact_bytes += artifact.bytes
            if time.monotonic() - shown > PROGRESS_SECONDS:
                shown = time.monotonic()
                uploaded = f"{logged.artifacts} of {len(artifacts)} artifacts uploaded"
                worker.progress(f"{uploaded} ({size(logged.artifact_bytes)})")

    def _check_location(self, uri: str) -> None:
        """Refuse a folder of the server's machine that does not exist here: MLflow would create it here."""
        from mlflow.utils.file_utils import local_file_uri_to_path
        from mlflow.utils.uri import is_local_uri

        if self._job.database or not is_local_uri(uri):
            return
        # <location of the experiment>/<run>/artifacts
        location = Path(local_file_uri_to_path(uri)).parents[1]
        if not location.is_dir():
            what = f"the server stores them in {location}, which is not writable from here"
            hint = f"{LET_THE_SERVER}, and use an experiment that was created after that."
            raise SurroundingsError(f"The run was logged without artifacts: {what}.", hint=hint)


def _under_its_name(artifact: Artifact) -> str:
    """Return an artifact's file, or a copy in the working directory if it needs another name."""
    path = Path(artifact.path)
    if path.name == artifact.name:
        return str(path)
    copy = Path.cwd() / artifact.name
    shutil.copyfile(path, copy)
    return str(copy)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Delay SIGTERM until a created run has its status; the parent waits long enough."""
    came: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
    if came:
        raise SystemExit(128 + came[0])


def batches(items: Iterable[Any], most: int) -> Iterator[list[Any]]:
    """Yield lists of items that fit into one request."""
    batch: list[Any] = []
    total = 0
    for item in items:
        item_bytes = len(repr(vars(item)).encode(errors="replace"))
        if batch and (len(batch) == most or total + item_bytes > MOST_BYTES):
            yield batch
            batch, total = [], 0
        batch.append(item)
        total += item_bytes
    if batch:
        yield batch
