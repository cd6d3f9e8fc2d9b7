"""Fixtures of the tests of execute-notebook."""

import pytest

STARTS = ("spawn", "fork")


@pytest.fixture(params=STARTS)
def start(request: pytest.FixtureRequest) -> str:
    return str(request.param)
