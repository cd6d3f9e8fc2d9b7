"""Fixtures of the integration tests: a user's workspace, and one kernel environment for all."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.suite import PYTHON, Workspace, fresh_workspace
from servers.docker_fixtures import base_image, engine, login_registry, open_registry  # noqa: F401 - fixtures
from servers.tool_environments import tools  # noqa: F401 - a fixture, found here by its name


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """A fresh workspace. Whatever a test leaves running is ended, and fails it."""
    with fresh_workspace(tmp_path) as made:
        yield made


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that holds nothing."""
    folder = tmp_path_factory.mktemp("bare") / "venv"
    subprocess.run([PYTHON, "-m", "venv", "--without-pip", folder], check=True)
    return folder / "bin" / "python"
