"""Fixtures of a channel of conda, for each conftest.py that imports them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from servers.conda import Channel, kernel_of, make, small
from servers.files import serve_files
from servers.shared import made_once


@pytest.fixture(scope="session")
def channel_folder(tmp_path_factory: pytest.TempPathFactory, kernel: Path) -> Path:
    """The folder of a channel of conda."""
    return made_once(tmp_path_factory, "conda", lambda folder: make(folder, [*small(), kernel_of(kernel)]))


@pytest.fixture
def channel(channel_folder: Path) -> Iterator[Channel]:
    with serve_files(channel_folder) as server:
        yield Channel(server)
