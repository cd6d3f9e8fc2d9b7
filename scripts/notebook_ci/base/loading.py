"""Imports large libraries with less work."""

import contextlib
import gc
import sys
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType


class _LazyFinder(MetaPathFinder):
    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name in self._names else None
        if spec and spec.loader:
            spec.loader = LazyLoader(spec.loader)
        return spec


@contextlib.contextmanager
def loading(*rarely_used: str) -> Iterator[None]:
    """Import without garbage collection; of modules that the library rarely uses, only when it does.

    Large libraries create so many objects when they are imported that collections then, and at the end of the process,
    would take up to a third of the time of both.
    """
    finder = _LazyFinder(rarely_used)
    sys.meta_path.insert(0, finder)
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()
        sys.meta_path.remove(finder)
