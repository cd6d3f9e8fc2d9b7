"""Keeps code that notebooks may have written out of the processes that report the results."""

import sys
import sysconfig
from importlib.abc import MetaPathFinder

from notebook_ci.base.process import LINUX


class _ImportGuard(MetaPathFinder):
    def find_spec(self, name: str, *_: object) -> None:
        if name.partition(".")[0] not in sys.stdlib_module_names:
            raise ModuleNotFoundError(f"{name} is not imported: a notebook may have written it by now.", name=name)


def guard_imports() -> None:
    """From now on, import only the standard library, in this process and in its forks.

    Does nothing except on Linux: elsewhere workers are started, not forked.
    """
    if LINUX:
        compiled = sysconfig.get_path("platstdlib", vars={"platbase": sys.base_exec_prefix})  # not of the venv
        library = {sysconfig.get_path("stdlib"), f"{compiled}/lib-dynload"}
        sys.path[:] = [path for path in sys.path if path in library]
        sys.meta_path.insert(0, _ImportGuard())
