"""Fixtures of the tests of setup-env: an index and a channel of conda on loopback, and a workspace that uses them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.index_server import IndexServer, make_wheel, serve
from integration.setup_env.shops import Shop
from integration.suite import Workspace
from servers.conda import Channel, made
from servers.files import serve_files
from servers.shared import shared


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


@pytest.fixture(scope="session")
def channel_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a channel of conda."""
    with shared(tmp_path_factory, "conda", made) as folder:
        yield folder


@pytest.fixture
def channel(channel_folder: Path) -> Iterator[Channel]:
    with serve_files(channel_folder) as server:
        yield Channel(server)
