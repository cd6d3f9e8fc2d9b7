"""What takes long is made once, by one of the workers of pytest-xdist, and used by all."""

import contextlib
import fcntl
import os
import pickle
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

import pytest

T = TypeVar("T")


@contextlib.contextmanager
def shared(
    factory: pytest.TempPathFactory, name: str, make: Callable[[Path], AbstractContextManager[T]]
) -> Iterator[T]:
    """Yield what `make` yields in a new folder, until no worker uses it any more.

    The worker that ran `make` waits for the others. Session fixtures end in the reverse order of their start, so no two
    workers wait for each other.
    """
    folder = _folder(factory, name)
    kept = folder / "value"
    with contextlib.ExitStack() as owned, (folder / "lock").open("w") as lock, (folder / "users").open("w") as users:
        fcntl.flock(lock, fcntl.LOCK_EX)
        is_owner = not kept.exists()
        if is_owner:
            made = owned.enter_context(make(Path(tempfile.mkdtemp(dir=folder, prefix="made-"))))
            kept.write_bytes(pickle.dumps(made))
        value: T = pickle.loads(kept.read_bytes())  # noqa: S301 - a worker wrote it
        fcntl.flock(users, fcntl.LOCK_SH)
        fcntl.flock(lock, fcntl.LOCK_UN)
        yield value
        if is_owner:
            fcntl.flock(lock, fcntl.LOCK_EX)
            kept.unlink()  # a worker that begins now makes its own
            fcntl.flock(lock, fcntl.LOCK_UN)
            fcntl.flock(users, fcntl.LOCK_EX)


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], T]) -> T:
    """Return what `make` returns for a new folder. Nothing of it may end with the worker that ran `make`."""
    folder = _folder(factory, name)
    kept = folder / "value"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            kept.write_bytes(pickle.dumps(make(Path(tempfile.mkdtemp(dir=folder, prefix="made-")))))
    value: T = pickle.loads(kept.read_bytes())  # noqa: S301 - a worker wrote it
    return value


def _folder(factory: pytest.TempPathFactory, name: str) -> Path:
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    folder.mkdir(exist_ok=True)
    return folder
