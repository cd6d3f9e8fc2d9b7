"""Fixtures of the integration tests: a user's workspace, and one kernel environment for all."""

import subprocess
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from integration.suite import PYTHON, Workspace, fresh_workspace, made_environment
from servers.docker_fixtures import base_image, engine, login_registry, open_registry  # noqa: F401 - fixtures
from servers.mlflow import MlflowServer, serve
from servers.shared import shared
from servers.tool_environments import tools  # noqa: F401 - a fixture


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """A fresh workspace. Whatever a test leaves running is ended, and fails it."""
    with fresh_workspace(tmp_path) as made:
        yield made


@pytest.fixture(scope="session")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The Python of an environment that setup-env made: ipykernel and what it needs, and rich for its tracebacks.

    Several tests use it at a time: one that installs something needs a copy, see `copied_environment`.
    """
    made = shared(tmp_path_factory, "kernel", lambda folder: nullcontext(made_environment(folder, "ipykernel", "rich")))
    with made as python:
        yield python


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that holds nothing."""
    folder = tmp_path_factory.mktemp("bare") / "venv"
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", folder], check=True)
    return folder / "bin" / "python"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """An MLflow server."""
    with shared(tmp_path_factory, "mlflow", serve) as served:
        yield served
