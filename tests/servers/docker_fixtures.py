"""Fixtures of a Docker engine, its base image and registries."""

import os
import shutil
from collections.abc import Iterator

import pytest

from servers.docker import Engine, Registry, find_engine, import_base, private_engine, registry
from servers.shared import shared


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """The engine of this machine, or one of the tests' own."""
    if found := find_engine():
        yield found
        found.remove()
    elif shutil.which("dockerd", path="/usr/sbin:/usr/bin") and os.geteuid() == 0:
        # One for all workers: two that start at the same time fail at each other's rules of iptables.
        with shared(tmp_path_factory, "d", private_engine) as started:
            yield started
    else:
        pytest.skip("no Docker engine answers, and none can be started: install docker.io, and be root")


@pytest.fixture(scope="session")
def base_image(engine: Engine) -> str:
    """The name of an image with Debian's Python, which the engine has and no registry."""
    return import_base(engine)


@pytest.fixture(scope="session")
def open_registry(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[Registry]:
    """A registry that everybody may push to."""
    with registry(tmp_path_factory.mktemp("registry")) as started:
        yield started
    engine.remove(f"{started.host}/")


@pytest.fixture(scope="session")
def login_registry(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Iterator[Registry]:
    """A registry that asks for a login."""
    with registry(tmp_path_factory.mktemp("registry"), login=True) as started:
        yield started
    engine.remove(f"{started.host}/")
