"""Fixtures of the tests of setup-env: an index on loopback, and a workspace that installs from it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.index_server import IndexServer, make_wheel, serve
from integration.setup_env.shops import Shop
from integration.suite import Workspace


@pytest.fixture
def index(tmp_path: Path) -> Iterator[IndexServer]:
    """An index with packages that are made in milliseconds; ipykernel is one of them."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name, version in (("nbone", "1.0"), ("nbtwo", "1.0"), ("ipykernel", "1.0")):
        make_wheel(folder, name, version)
    with serve(IndexServer(folder)) as server:
        yield server


@pytest.fixture
def shop(workspace: Workspace, index: IndexServer) -> Shop:
    return Shop(workspace, index)
