"""Whether notebooks changed what the stages after them run: notebook-ci itself, or its tool environments.

launch.py makes a changed tool environment again. Who means harm can seal it anew, so the chain compares the seals.
"""

import contextlib
import stat
from pathlib import Path

from notebook_ci import integrity
from notebook_ci.tool import LAUNCHER

BYTE_CODE = "__pycache__"
Seen = dict[Path, tuple[int, int]]


def seen(cache: Path) -> Seen:
    """Return when each file was changed (`st_ctime`, which an ordinary user cannot set), and its number on the disk.

    Args:
        cache: The folder of the tool environments. Their seals stand for what is in them.
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
    """Return what was changed, added or removed. Byte-code and seals are removed instead: they are made again."""
    changed = {path for path, _ in before.items() ^ seen(cache).items()}
    for path in [path for path in changed if path.parent.name == BYTE_CODE or path.name == integrity.SEAL]:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
            changed.remove(path)
    return sorted(changed)
