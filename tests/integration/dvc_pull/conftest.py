"""Fixtures of the tests of dvc-pull: one repository that DVC has made, a checkout of it for each test, an S3 server."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from integration.dvc_pull.repositories import KEYS, Checkout, dvc, make, remote
from integration.suite import Workspace, base_environ
from servers.s3 import S3, serve_s3
from servers.shared import made_once, shared


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a repository, and the store that its data was pushed to."""
    return made_once(tmp_path_factory, "dvc", make)


@pytest.fixture
def checkout(made: Path, workspace: Workspace) -> Checkout:
    """A fresh checkout."""
    return Checkout.of(made, workspace)


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory, made: Path) -> Iterator[S3]:
    """An S3 API that lets everybody in, with the data in the bucket `penguins`."""

    @contextmanager
    def serve(home: Path) -> Iterator[S3]:
        with serve_s3({**base_environ(), "HOME": str(home)}) as server:
            server.put("/penguins")
            copy = home / "repository"
            shutil.copytree(made / "repository", copy)
            (copy / ".dvc" / "config").write_text(remote("s3://penguins/dvc", endpointurl=server.url))
            dvc(copy, "push", "--quiet", tools="dvc-s3", environ=KEYS)
            yield server

    with shared(tmp_path_factory, "s3", serve) as server:
        yield server
