"""Whether an environment is still what it was when it was finished: nothing changed, added or removed.

Its seal is a file in it, with a stamp and a digest. The stamp is the sum of the times at which its files were changed
(`st_ctime`, which an ordinary user cannot set, whatever is done to content, size and `st_mtime`): 3 µs per file. Where
it differs, as after a copy or from a restored cache, the digest decides: SHA-256 of everything, byte-code and links
included; about a second per 500 MB. Imported by launch.py before every stage, so it imports little.
"""
# Why os.path stands here, the docstring says.
# ruff: noqa: PTH105, PTH115, PTH118, PTH123

import contextlib
import hashlib
import os
from collections.abc import Iterator

NAME = "notebook-ci.seal"


def write(folder: str, found: dict[str, str]) -> None:
    """Seal a folder.

    Args:
        folder: The folder.
        found: Its `contents`.

    Raises:
        OSError: It cannot be written.
    """
    _write(folder, _stamp(folder), _digest(found))


def holds(folder: str) -> bool:
    """Return whether a folder was sealed and is unchanged."""
    try:
        with open(os.path.join(folder, NAME), encoding="ascii") as file:
            stamp, digest = file.read().split()
        now = _stamp(folder)
        if stamp == now:
            return True
        if digest != _digest(contents(folder)):
            return False
    except (OSError, ValueError):
        return False
    with contextlib.suppress(OSError):  # it costs time, and nothing else
        _write(folder, now, digest)
    return True


def contents(folder: str) -> dict[str, str]:
    """Return what is in a folder: by relative path the SHA-256 of a file, or the target of a link.

    Raises:
        OSError: A file cannot be read.
    """
    found = {}
    for entry in _entries(folder):
        name = entry.path[len(folder) + 1 :]
        if entry.is_symlink():
            found[name] = f"-> {os.readlink(entry.path)}"
        elif entry.is_file():
            with open(entry.path, "rb", buffering=0) as file:
                found[name] = hashlib.file_digest(file, "sha256").hexdigest()
        elif not entry.is_dir():
            found[name] = "neither file nor folder"
    return found


def _entries(folder: str) -> Iterator["os.DirEntry[str]"]:
    """Return all files and folders below a folder, but its seal. Links are not followed."""
    folders = [folder]
    while folders:
        here = folders.pop()
        with os.scandir(here) as entries:
            for entry in entries:
                if here == folder and entry.name.startswith(NAME):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                yield entry


def _stamp(folder: str) -> str:
    # On Windows the time of change is that of creation.
    seen = (entry.stat(follow_symlinks=False) for entry in _entries(folder))
    return str(sum(each.st_ctime_ns + each.st_mtime_ns for each in seen))


def _digest(found: dict[str, str]) -> str:
    return hashlib.sha256(repr(sorted(found.items())).encode()).hexdigest()


def _write(folder: str, stamp: str, digest: str) -> None:
    """Write the seal, whole or not at all: another process may be reading it."""
    path = os.path.join(folder, NAME)
    temporary = f"{path}.{os.getpid()}"
    with open(temporary, "w", encoding="ascii") as file:
        file.write(f"{stamp} {digest}\n")
    os.replace(temporary, path)
