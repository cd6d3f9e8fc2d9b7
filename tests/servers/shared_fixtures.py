"""Fixtures that all workers share: an environment of kernels, and an MLflow server."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from integration.suite import made_environment
from servers.mlflow import MlflowServer, serve
from servers.shared import shared


@pytest.fixture(scope="session")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The Python of an environment that setup-env made: ipykernel and what it needs, and rich for its tracebacks.

    Several tests use it at a time: one that installs something needs a copy, see `copied_environment`.
    """
    made = shared(tmp_path_factory, "kernel", lambda folder: nullcontext(made_environment(folder, "ipykernel", "rich")))
    with made as python:
        yield python


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """An MLflow server."""
    with shared(tmp_path_factory, "mlflow", serve) as served:
        yield served
