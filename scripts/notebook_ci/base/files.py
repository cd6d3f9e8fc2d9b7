"""Reads and writes files where a user or a notebook may have put anything in their place."""

import contextlib
import errno
import math
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import BinaryIO

from notebook_ci.base.errors import InputError, SurroundingsError
from notebook_ci.base.texts import size

MOST_BYTES = 32 * 1024 * 1024
FULL_BYTES, FEW_FILES = 64 * 1024, 20  # with less left, a disk counts as full
TMPDIR = "name another folder in the variable TMPDIR"
_SPACE = "Free some disk space"
_PERMISSION = "Get write permission there"
_IN_THE_WAY = "Remove or rename what is in the way"
# Faults of the system, whatever is written.
AROUND = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE}
# What to do, by why the system does not write.
WRITE_HINTS = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EACCES: _PERMISSION,
    errno.EPERM: _PERMISSION,
    errno.EROFS: "Make the disk writable",
    errno.EEXIST: _IN_THE_WAY,
    errno.EISDIR: _IN_THE_WAY,
    errno.ENOTDIR: _IN_THE_WAY,
    errno.ELOOP: _IN_THE_WAY,
    errno.ENAMETOOLONG: "Use a shorter name",
    errno.EMFILE: "Allow more open files with `ulimit -n`",
    errno.ENFILE: "Allow more open files with `ulimit -n`",
    errno.EIO: "Check the disk",
}


def is_folder(path: Path) -> bool:
    """Return whether there is a folder, whatever text the path is made of."""
    with contextlib.suppress(OSError, ValueError):
        return path.is_dir()
    return False


def exists(path: Path) -> bool:
    """Return whether there is anything, whatever text the path is made of."""
    with contextlib.suppress(OSError, ValueError):
        return path.exists()
    return False


def open_regular(path: Path, shown: str, *, hint: str = "") -> BinaryIO:
    """Open a file to read it.

    Args:
        path: The file.
        shown: Its name, as the user knows it.
        hint: What to do where that cannot be.

    Raises:
        InputError: There is none, or no such file (a folder, a device), or it cannot be opened.
    """
    try:
        # Looked at before it is opened: opening a FIFO would wait for someone to write into it.
        kind = path.stat().st_mode
        if not stat.S_ISREG(kind):
            what = "a folder" if stat.S_ISDIR(kind) else "no regular file"
            raise InputError(f"{shown} is {what}.", hint=hint, file=shown)
        return path.open("rb")
    except FileNotFoundError as error:
        raise InputError(f"There is no file {shown}.", hint=hint, file=shown) from error
    except (OSError, ValueError) as error:
        raise _unreadable(error, shown, hint) from error


def read_text(path: Path, shown: str, *, hint: str = "") -> str:
    """Return the text of a file that people write: of moderate size, in UTF-8.

    Args:
        path: The file.
        shown: Its name, as the user knows it.
        hint: What to do where it cannot be read.

    Raises:
        InputError: There is none, or no such file: a folder, a device, 32 MiB and more, no UTF-8.
    """
    with open_regular(path, shown, hint=hint) as file:
        try:
            content = file.read(MOST_BYTES + 1)
        except OSError as error:
            raise _unreadable(error, shown, hint) from error
    if len(content) > MOST_BYTES:
        raise InputError(f"{shown} is bigger than {MOST_BYTES // 2**20} MiB.", hint=hint, file=shown)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{shown} is not UTF-8 text.", hint="Save it as UTF-8.", file=shown) from error


def write(path: Path, text: str, *, new: bool = False) -> None:
    """Write a file, whole or not at all: over what is there, or (`new`) only where nothing is.

    Raises:
        OSError: It cannot be written; or a folder of `path`, which was resolved before, has become a link.
    """
    if path.parent.resolve() != path.parent:
        raise OSError(errno.ELOOP, "a link has taken the place of its folder", str(path))
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
    try:
        # A lone surrogate becomes an escape, which is right in JSON.
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
            if new:
                file.flush()
                os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        (os.link if new else os.replace)(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def unwritable(what: str, place: Path, error: OSError, instead: str = "") -> SurroundingsError:
    """Return what to say when something cannot be written.

    Args:
        what: The beginning of the sentence: `The record x.json cannot be written`.
        place: The file or folder, whose disk is named if it is full.
        error: Why not.
        instead: What else can be done: see `TMPDIR`.
    """
    hint = WRITE_HINTS.get(error.errno or 0, "")
    room = f" ({_room(place)})" if hint == _SPACE else ""
    hint = ", or ".join(filter(None, (hint, instead)))
    return SurroundingsError(f"{what}: {error.strerror or error}{room}.", hint=f"{hint[:1].upper()}{hint[1:]}.")


def bytes_in(folder: Path) -> int:
    """Return the bytes in a folder, where another process may be at work."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.lstat().st_size
    return total


def is_full(folder: Path) -> bool:
    """Return whether next to nothing can be written on a disk."""
    return shutil.disk_usage(folder).free < FULL_BYTES or _files_left(folder) < FEW_FILES


def _room(place: Path) -> str:
    """Return how much room the disk of a file or folder has."""
    folder = next(each for each in (place, *place.absolute().parents) if is_folder(each))
    files = _files_left(folder)
    left = f"room for {files} more files" if files < FEW_FILES else f"{size(shutil.disk_usage(folder).free)} left"
    return f"{folder} has {left}"


def _files_left(folder: Path) -> float:
    """Return how many files can be created on a disk; not every file system limits that."""
    told = os.statvfs(folder) if hasattr(os, "statvfs") else None
    return told.f_favail if told and told.f_files else math.inf


def _unreadable(error: Exception, shown: str, hint: str) -> InputError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return InputError(f"{shown} cannot be read: {reason}.", hint=hint, file=shown)
