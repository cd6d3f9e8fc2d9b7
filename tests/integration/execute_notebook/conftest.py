"""Fixtures of the tests of execute-notebook."""

import pytest

from integration.execute_notebook.scheduled import STARTS


@pytest.fixture(params=STARTS)
def start(request: pytest.FixtureRequest) -> str:
    return str(request.param)
