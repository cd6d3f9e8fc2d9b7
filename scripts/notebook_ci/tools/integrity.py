"""Checks whether an environment is unchanged since it was finished: no file changed, added or removed.

Its seal is a file in it, with a stamp and a digest. The stamp is the sum of the change times of its files (`st_ctime`,
which an ordinary user cannot set): 3 µs per file. If it differs, as after a copy or from a cache, the digest decides:
SHA-256 of everything, byte-code and links included, about 2 s per GB. launch.py imports this module before every stage,
so it imports little.
"""
# ruff: noqa: PTH115, PTH118, PTH123 - as in launch.py

import contextlib
import hashlib
import os
from collections.abc import Iterator

SEAL = "notebook-ci.seal"


def seal(folder: str, found: dict[str, str]) -> None:
    """Seal a folder; `found` is the result of `contents`. Raises OSError."""
    _write(folder, _stamp(folder), _digest(found))


def is_untouched(folder: str) -> bool:
    """Return whether no file was changed, nor changed and restored: a process may have read it meanwhile."""
    with contextlib.suppress(OSError, ValueError):
        return _read(folder)[0] == _stamp(folder)
    return False


def is_unchanged(folder: str) -> bool:
    with contextlib.suppress(OSError, ValueError):
        stamp, digest = _read(folder)
        now = _stamp(folder)
        if now != stamp and digest == _digest(contents(folder)):
            with contextlib.suppress(OSError):  # without a new stamp, the next check computes the digest again
                _write(folder, now, digest)
            return True
        return now == stamp
    return False


def _read(folder: str) -> tuple[str, str]:
    """Return the stamp and the digest of a seal."""
    with open(os.path.join(folder, SEAL), encoding="ascii") as file:
        stamp, digest = file.read().split()
    return stamp, digest


def contents(folder: str) -> dict[str, str]:
    """Return by relative path the SHA-256 of each file and the target of each link. Raises OSError."""
    return {entry.path[len(folder) + 1 :]: _content(entry) for entry in _entries(folder)}


def _entries(folder: str) -> Iterator["os.DirEntry[str]"]:
    """Yield all files and folders below a folder, except its seal. Links are not followed."""
    folders = [folder]
    while folders:
        here = folders.pop()
        with os.scandir(here) as entries:
            for entry in entries:
                if here != folder or not entry.name.lstrip(".").startswith(SEAL):  # nor its temporary files
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    yield entry


def _stamp(folder: str) -> str:
    # With a time that users can set, the sum could be restored. On Windows `st_ctime` is the time of creation.
    seen = (entry.stat(follow_symlinks=False) for entry in _entries(folder))
    return str(sum(each.st_mtime_ns if os.name == "nt" else each.st_ctime_ns for each in seen))


def _digest(found: dict[str, str]) -> str:
    return hashlib.sha256(repr(sorted(found.items())).encode()).hexdigest()


def _content(entry: "os.DirEntry[str]") -> str:
    if entry.is_symlink():
        return os.readlink(entry.path)
    if not entry.is_file():
        return ""  # a folder; other kinds cannot be imported from
    with open(entry.path, "rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write(folder: str, stamp: str, digest: str) -> None:
    from pathlib import Path

    from notebook_ci.base.files import write  # rarely needed; see the docstring

    write(Path(os.path.realpath(folder), SEAL), f"{stamp} {digest}\n")  # at once: another process may be reading it
