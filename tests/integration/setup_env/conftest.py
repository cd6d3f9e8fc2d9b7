"""Fixtures of the tests of setup-env: an index on loopback, and a workspace that uses it."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.index_server import IndexServer, make_wheel, serve
from integration.setup_env.shops import Shop
from integration.suite import ROOT, Workspace, base_environ
from servers.conda_fixtures import channel, channel_folder  # noqa: F401 - fixtures


@pytest.fixture
def index(tmp_path: Path) -> Iterator[IndexServer]:
    """An index with packages that are made in milliseconds; ipykernel is one of them."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name, version in (("nbone", "1.0"), ("nbtwo", "1.0"), ("ipykernel", "1.0")):
        make_wheel(folder, name, version)
    with serve(IndexServer(folder)) as server:
        yield server


@pytest.fixture(scope="session")
def known_pythons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of uv that knows the Pythons of this machine: it starts each one that it does not know."""
    folder = tmp_path_factory.mktemp("pythons")
    find = ["/bin/bash", str(ROOT / "scripts" / "launch.sh"), "--env", "setup-env", "--exec", "uv", "python", "find"]
    environ = {**base_environ(), "HOME": str(folder), "UV_CACHE_DIR": str(folder / "uv")}
    subprocess.run([*find, "--system", "--no-project"], cwd=folder, env=environ, check=True, capture_output=True)
    return folder / "uv"


@pytest.fixture
def shop(workspace: Workspace, index: IndexServer, known_pythons: Path) -> Shop:
    shutil.copytree(known_pythons, workspace.base / "uv")
    return Shop(workspace, index)
