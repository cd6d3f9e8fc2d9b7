"""Whether notebooks changed what the stages after them run: notebook-ci itself, or its tool environments.

launch.py makes a changed tool environment again. Who means harm can seal it anew, so the chain compares the seals.
"""

import contextlib
import stat
from pathlib import Path

from notebook_ci import seals
from notebook_ci.tool import LAUNCHER

Seen = dict[Path, tuple[int, int]]


def seen(cache: Path) -> Seen:
    """Return when each file was changed (`st_ctime`, which an ordinary user cannot set), and its number on the disk.

    Args:
        cache: The folder of the tool environments. Of these the seals are looked at.
    """
    ours = [*LAUNCHER.parent.rglob("*"), *LAUNCHER.parents[1].glob("requirements/*"), *cache.glob(f"*/{seals.NAME}")]
    found = {path: path.lstat() for path in ours}
    return {path: (each.st_ctime_ns, each.st_ino) for path, each in found.items() if not stat.S_ISDIR(each.st_mode)}


def changed_since(before: Seen, cache: Path) -> list[Path]:
    """Return what was changed, added or removed. Byte-code and seals are removed instead: they are made again."""
    changed = {path for path, _ in before.items() ^ seen(cache).items()}
    for path in [path for path in changed if path.suffix == ".pyc" or path.name == seals.NAME]:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
            changed.remove(path)
    return sorted(changed)
