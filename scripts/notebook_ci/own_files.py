"""Finds what notebooks changed of notebook-ci itself or its tool environments, which later stages run.

launch.py recreates a changed tool environment. A hostile notebook can renew its seal, so the chain compares the seals.
"""

import contextlib
import stat
from pathlib import Path

from notebook_ci import integrity
from notebook_ci.tool import LAUNCHER

Seen = dict[Path, tuple[int, int]]


def seen(cache: Path) -> Seen:
    """Return `st_ctime`, which an ordinary user cannot set, and inode of each file; of tool environments, of the seals.

    `cache` is the folder of the tool environments.
    """
    found = {}
    ours = (LAUNCHER.parent.rglob("*"), LAUNCHER.parents[1].glob("requirements/*"), cache.glob(f"*/{integrity.SEAL}"))
    for path in (path for paths in ours for path in paths):
        with contextlib.suppress(FileNotFoundError):  # a temporary file of byte-code
            status = path.lstat()
            if not stat.S_ISDIR(status.st_mode):
                found[path] = (status.st_ctime_ns, status.st_ino)
    return found


def changed_since(before: Seen, cache: Path) -> list[Path]:
    """Return what was changed, added or removed, except byte-code and seals: they are deleted, and recreated later."""
    changed = {path for path, _ in before.items() ^ seen(cache).items()}
    for path in [path for path in changed if path.parent.name == "__pycache__" or path.name == integrity.SEAL]:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
            changed.remove(path)
    return sorted(changed)
