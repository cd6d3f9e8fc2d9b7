"""Finds changes that notebooks made to notebook-ci itself or to its tool environments, which later stages run.

launch.py recreates a changed tool environment. A hostile notebook can renew its seal, so the chain compares the seals.
"""

import contextlib
import itertools
import stat
from pathlib import Path

from notebook_ci.base.launcher import LAUNCHER
from notebook_ci.tools import integrity

PYTHONS = "pythons"  # the file in which launch.sh remembers which Python to start
Seen = dict[Path, tuple[int, int]]


def seen(cache: Path) -> Seen:
    """Return `st_ctime`, which an ordinary user cannot set, and inode of each file.

    Of the tool environments in the folder `cache`, only the seals count.
    """
    found = {}
    ours = (LAUNCHER.parent.rglob("*"), LAUNCHER.parents[1].glob("requirements/*"))
    for path in itertools.chain(*ours, cache.glob(f"*/{integrity.SEAL}"), cache.glob(PYTHONS)):
        with contextlib.suppress(FileNotFoundError):  # a temporary byte-code file
            status = path.lstat()
            if not stat.S_ISDIR(status.st_mode):
                found[path] = (status.st_ctime_ns, status.st_ino)
    return found


def changed_since(before: Seen, cache: Path) -> list[Path]:
    """Return what was changed, added or removed, except files that are recreated later: these are deleted."""
    changed = {path for path, _ in before.items() ^ seen(cache).items()}
    recreated = {integrity.SEAL, PYTHONS}
    for path in [path for path in changed if path.parent.name == "__pycache__" or path.name in recreated]:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
            changed.remove(path)
    return sorted(changed)
