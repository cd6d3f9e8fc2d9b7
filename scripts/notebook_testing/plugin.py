"""A plugin of pytest: imports notebooks as modules, and gives tests the fixture `notebook`.

Runs in the user's Python: 3.8, pytest 6.2, the standard library alone.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from notebook_testing import importing
from notebook_testing.fixture import Kernels, NotebookKernel


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    importing.install(str(Path.cwd()))  # before a `conftest.py` imports a notebook


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(call: Any) -> None:
    if call.excinfo:
        importing.explain(call.excinfo.value)


@pytest.fixture(scope="module")
def _notebook_kernels() -> Iterator[Kernels]:
    kernels = Kernels()
    yield kernels
    kernels.end()


@pytest.fixture
def notebook(_notebook_kernels: Kernels) -> Iterator[Callable[..., NotebookKernel]]:
    """Return a function that runs cells of a notebook, and returns a kernel that has run them.

    Arguments: the path of the notebook, and `cells`: an index, a tag, a slice of them, or a list; by default all.
    """
    opened = []

    def run(path: str, cells: Any = slice(None)) -> NotebookKernel:
        __tracebackhide__ = True
        opened.append(_notebook_kernels.fork(path, cells))
        opened[-1].check()
        return opened[-1]

    yield run
    for kernel in opened:
        kernel.end()
