"""Fixtures of the tests of log-run."""

import subprocess
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from servers.mlflow import launch
from servers.shared import shared


@pytest.fixture
def experiment(request: pytest.FixtureRequest) -> str:
    return str(request.node.name)[:200]


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty store of this MLflow, to be copied."""
    with shared(tmp_path_factory, "store", lambda folder: nullcontext(_database(folder / "mlflow.db"))) as path:
        yield path


def _database(path: Path) -> Path:
    script = "import sys; from mlflow import MlflowClient; MlflowClient(sys.argv[1]).search_experiments()"
    subprocess.run(launch("python", "-c", script, f"sqlite:///{path}"), check=True, capture_output=True)
    return path
