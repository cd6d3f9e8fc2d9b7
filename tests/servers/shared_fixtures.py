"""Fixtures that all workers share: an environment of kernels, and an MLflow server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.suite import made_environment
from servers.mlflow import MlflowServer, serve
from servers.shared import made_once, shared


@pytest.fixture(scope="session")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that setup-env made: ipykernel and what it needs, and rich for its tracebacks.

    Several tests use it at a time: one that installs something needs a copy, see `copied_environment`.
    """
    return made_once(tmp_path_factory, "kernel", lambda folder: made_environment(folder, "ipykernel", "rich"))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """An MLflow server."""
    with shared(tmp_path_factory, "mlflow", serve) as served:
        yield served
