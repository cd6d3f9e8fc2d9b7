"""Which server forks the kernel of a notebook. Servers are sockets here, in the place of processes."""

import contextlib
import json
import math
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from kernel_server.client.forking import KernelServer
from kernel_server.client.servers import Limits, Servers
from notebook_ci.notebooks import document
from notebook_ci.notebooks.document import Document


class Grown:
    """All that servers were asked to import, and the other ends of their connections."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.ends: list[socket.socket] = []

    def grow(self, modules: Sequence[str], _cwd: str, _listener: socket.socket) -> socket.socket:
        ours, theirs = socket.socketpair()
        self.asked.append(list(modules))
        self.ends.append(theirs)
        return ours

    def tell(self, number: int, **told: object) -> None:
        self.ends[number].sendall(json.dumps(told).encode() + b"\n")

    def has_ended(self, number: int) -> bool:
        self.ends[number].settimeout(0)
        try:
            return not self.ends[number].recv(1)
        except BlockingIOError:
            return False


@pytest.fixture
def grown(monkeypatch: pytest.MonkeyPatch) -> Iterator[Grown]:
    made = Grown()
    monkeypatch.setattr(KernelServer, "grow", made.grow)
    yield made
    for end in made.ends:
        end.close()


def notebook(folder: Path, name: str, source: str) -> Document:
    path = folder / name
    cell: dict[str, Any] = {
        "cell_type": "code",
        "metadata": {},
        "outputs": [],
        "execution_count": None,
        "source": source,
    }
    path.write_text(json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": [cell]}))
    return document.read(path)


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Callable[..., Servers]]:
    """Makes servers for notebooks."""
    with contextlib.ExitStack() as stack:

        def make(*sources: str, memory: float = math.inf) -> Servers:
            documents = [notebook(tmp_path, f"{number}.ipynb", source) for number, source in enumerate(sources)]
            servers = Servers(KernelServer(tmp_path / "first"), tmp_path, documents, None, Limits(memory, 60))
            stack.callback(servers.close)
            return servers

        yield make


def hear(servers: Servers) -> None:
    for connection in servers.connections():
        servers.hear(connection)


def test_what_lies_beside_a_notebook_shadows_modules(tmp_path: Path, made: Callable[..., Servers]) -> None:
    for name in ("json.py", "pandas", "a.cpython-311-x86_64-linux-gnu.so", "data.csv"):
        (tmp_path / name).touch()
    assert made("import json")._wishes[0].shadowed >= {"json", "pandas", "a"}


def test_one_that_no_notebook_needs_any_more_ends(tmp_path: Path, grown: Grown, made: Callable[..., Servers]) -> None:
    servers = made("import numpy", "import numpy", "print(1)")
    for index in (0, 1):
        assert servers.server_for(index) != KernelServer(tmp_path / "first")
        grown.tell(0, imported=1)
        hear(servers)
    servers.ended(0, has_imports=True)
    assert not grown.has_ended(0)
    copy = servers.connections()[0].dup()  # as a worker has that was forked since
    assert servers.ended(1, has_imports=True) == (("numpy",), {})
    assert grown.has_ended(0)
    assert not servers.connections()
    copy.close()


def test_what_takes_too_much_memory_is_told_of_all_that_came_with_it(
    tmp_path: Path, grown: Grown, made: Callable[..., Servers], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kernel_server.client.servers.proportional_bytes", lambda pid: 100 if pid else 0)
    source = "import numpy, pandas"
    servers = made(source, source, source, memory=50)
    servers.server_for(0)
    for told in ({"server": 2**22 + 1}, {"imports": "numpy"}, {"imports": "pandas"}, {"imported": 2}):
        grown.tell(0, **told)
    hear(servers)
    why = "it takes more memory than `preload-max-memory`"
    assert grown.asked == [["numpy", "pandas"], []]
    assert servers.ended(0, has_imports=False) == ((), {"numpy": why, "pandas": why})
    assert servers.server_for(1) == KernelServer(tmp_path / "first")


def test_a_refused_import_is_told_of_by_its_name(grown: Grown, made: Callable[..., Servers]) -> None:
    source = "import numpy, pandas"
    servers = made(source, source)
    servers.server_for(0)
    for told in ({"imports": "numpy"}, {"imports": "pandas"}, {"failed": "its import prints or warns"}):
        grown.tell(0, **told)
    hear(servers)
    not_preloaded = {"numpy": "no server had imported it yet", "pandas": "its import prints or warns"}
    assert servers.ended(0, has_imports=False) == ((), not_preloaded)


def test_a_server_that_ends_with_its_parent_is_not_to_blame(grown: Grown, made: Callable[..., Servers]) -> None:
    both = "import numpy, pandas"
    servers = made("import numpy", both, both)
    servers.server_for(1)
    grown.tell(0, imported=1)
    hear(servers)
    servers.server_for(2)
    assert grown.asked == [["numpy"], ["pandas"]]
    servers.refused(1)  # the parent did not fork
    grown.ends[1].close()
    hear(servers)
    assert "pandas" not in servers.refusals


def test_when_the_first_one_ends_nobody_is_kept_waiting(grown: Grown, made: Callable[..., Servers]) -> None:
    servers = made("import numpy", "import numpy", "print(1)")
    waiting = servers.server_for(0)
    assert waiting
    servers.server_for(2)
    servers.refused(2)
    assert not servers.are_of_use
    grown.ends[0].close()
    hear(servers)
    with socket.socket(socket.AF_UNIX) as kernel, pytest.raises(ConnectionRefusedError):
        kernel.connect(str(waiting.address))
    assert not servers.are_of_use
