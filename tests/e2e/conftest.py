"""Fixtures of the end-to-end tests: the suite as it stands in this checkout, and a fresh repository that uses it."""

import sys
from pathlib import Path

import pytest

from dev.tools import cache_root
from harness import Consumer, Machine, Suite
from servers.conda_fixtures import channel_folder  # noqa: F401 - a fixture, found here by its name
from servers.docker_fixtures import base_image, engine, login_registry  # noqa: F401 - fixtures, found here by name
from servers.shared import made_once
from servers.tool_environments import tools  # noqa: F401 - a fixture, found here by its name

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """Where jobs run, by the act of the environment that the tests run in."""
    return Machine(tmp_path_factory.mktemp("machine"), cache_root(), Path(sys.executable).with_name("act"))


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """The suite as it stands in the working tree, with what is not committed."""
    return made_once(tmp_path_factory, "suite", lambda folder: Suite.stage(REPOSITORY, folder / "notebook-ci"))


@pytest.fixture
def consumer(tmp_path: Path, suite: Suite, machine: Machine) -> Consumer:
    """A new repository `acme/penguins` whose workflows can use the suite as `notebook-ci/notebook-ci/...@v1`."""
    return Consumer(tmp_path / "consumer", suite, machine)
