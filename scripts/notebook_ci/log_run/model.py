"""What log-run takes and gives."""

from dataclasses import dataclass

from notebook_ci.base.inputs import StageInputs, given
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
    )

    def as_given(self) -> dict[str, object]:
        """See `StageInputs.as_given`; an address may hold a password."""
        return super().as_given() | {"tracking-uri": self.tracking_uri and (shown(self.tracking_uri) or HIDDEN)}
