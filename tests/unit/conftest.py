import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from unit.consoles import Written
from unit.example_inputs import Caller
from unit.planned import git


@pytest.fixture
def runner(tmp_path: Path) -> Written:
    return Written(tmp_path, on_runner=True)


@pytest.fixture
def terminal(tmp_path: Path) -> Written:
    return Written(tmp_path, on_runner=False)


@pytest.fixture
def call(tmp_path: Path) -> Caller:
    return Caller(tmp_path)


@pytest.fixture
def repository(template: Path) -> Iterator[Path]:
    """The `template` of a test file, a git repository, as it was committed."""
    yield template
    git(template, "reset", "--quiet", "--hard")
    git(template, "clean", "--quiet", "-ffdx")


@pytest.fixture
def copied(template: Path, tmp_path: Path) -> Path:
    return shutil.copytree(template, tmp_path / "copy", symlinks=True)
