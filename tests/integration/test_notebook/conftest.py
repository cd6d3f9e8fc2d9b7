"""Fixtures of the tests of test-notebook."""

from pathlib import Path

import pytest

from integration.suite import copied_environment, install
from servers.shared import made_once

PACKAGES = ("pytest", "pytest-timeout", "pytest-xdist", "nbval", "coverage")


@pytest.fixture(scope="session")
def complete(tmp_path_factory: pytest.TempPathFactory, kernel: Path) -> Path:
    """The Python of an environment that has all that test-notebook may need, so that nothing is installed."""

    def create(folder: Path) -> Path:
        python = copied_environment(kernel, folder / "venv")
        install(python, "--compile-bytecode", *PACKAGES)
        return python

    return made_once(tmp_path_factory, "complete", create)
