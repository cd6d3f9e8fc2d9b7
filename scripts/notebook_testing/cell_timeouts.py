"""A plugin of pytest: only nbval limits the time of cells, for it interrupts the kernel. For Python 3.8 or later."""

from typing import Any

import pytest


def pytest_itemcollected(item: Any) -> None:
    if hasattr(item, "cell_num"):  # of nbval (0.10)
        item.add_marker(pytest.mark.timeout(0))  # for pytest-timeout: none
