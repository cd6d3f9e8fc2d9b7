"""Fixtures of the tests of log-run."""

import subprocess
from pathlib import Path

import pytest

from servers.mlflow import launch
from servers.shared import made_once


@pytest.fixture
def experiment(request: pytest.FixtureRequest) -> str:
    return str(request.node.name)[:200]


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store of this MLflow, to be copied."""
    return made_once(tmp_path_factory, "store", lambda folder: _database(folder / "mlflow.db"))


def _database(path: Path) -> Path:
    script = "import sys; from mlflow import MlflowClient; MlflowClient(sys.argv[1]).search_experiments()"
    subprocess.run(launch("python", "-c", script, f"sqlite:///{path}"), check=True, capture_output=True)
    return path
