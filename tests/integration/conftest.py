"""Fixtures of the integration tests: a user's workspace, and one kernel environment for all."""

import fcntl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.suite import PYTHON, ROOT, Workspace, base_environ, cache, made_environment
from servers.docker_fixtures import base_image, engine, login_registry, open_registry  # noqa: F401 - fixtures
from servers.mlflow import MlflowServer, serve

TOOLS = (
    "setup-env",
    "dvc-local",
    "dvc-s3",
    "dvc-http",
    "dvc-ssh",
    "dvc-azure",
    "s3-server",
    "validate-data",
    "execute-notebook",
    "mlflow-thin",
    "mlflow-full",
)


@pytest.fixture(scope="session", autouse=True)
def tools() -> None:
    """The tool environments, made from the real index before a test gives another one; once, by one of the workers."""
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in TOOLS:
            launch = ["/bin/bash", str(ROOT / "scripts" / "launch.sh"), "--env", name, "--exec", "python", "-c", ""]
            subprocess.run(launch, env={"HOME": str(Path.home()), **base_environ()}, check=True)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """A fresh workspace. Whatever a test leaves running is ended, and fails it."""
    made = Workspace(tmp_path)
    yield made
    left = made.processes()
    made.kill_all()
    assert not left


@pytest.fixture(scope="session")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that setup-env made: ipykernel and what it needs, and rich for its tracebacks."""
    return made_environment(tmp_path_factory.mktemp("kernel"), "ipykernel", "rich")


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that holds nothing."""
    folder = tmp_path_factory.mktemp("bare") / "venv"
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", folder], check=True)
    return folder / "bin" / "python"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """An MLflow server."""
    with serve(tmp_path_factory.mktemp("mlflow")) as served:
        yield served
