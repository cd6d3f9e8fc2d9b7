"""A plugin of pytest: only nbval limits the time of a cell. Runs in the user's Python: 3.8 or later.

It interrupts the kernel, and expects later cells to fail. pytest-timeout would leave the kernel busy, and would count
its start.
"""

from __future__ import annotations

from typing import Any

import pytest


def pytest_itemcollected(item: Any) -> None:
    if hasattr(item, "cell_num"):  # of nbval (0.10)
        item.add_marker(pytest.mark.timeout(0))
