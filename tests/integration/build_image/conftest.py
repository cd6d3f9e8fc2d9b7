"""Fixtures of the tests of build-image."""

import pytest

from integration.build_image.images import Repository
from integration.suite import Workspace
from servers.conda_fixtures import channel_folder  # noqa: F401 - a fixture
from servers.docker import Engine


@pytest.fixture
def repository(workspace: Workspace, engine: Engine) -> Repository:
    return Repository(workspace, engine)
