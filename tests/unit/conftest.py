from pathlib import Path

import pytest

from unit.consoles import Written
from unit.example_inputs import Caller


@pytest.fixture
def runner(tmp_path: Path) -> Written:
    return Written(tmp_path, on_runner=True)


@pytest.fixture
def terminal(tmp_path: Path) -> Written:
    return Written(tmp_path, on_runner=False)


@pytest.fixture
def call(tmp_path: Path) -> Caller:
    return Caller(tmp_path)
