"""Reads and writes files at paths where a user or a notebook may have put anything."""

import contextlib
import errno
import hashlib
import math
import os
import re
import shutil
import stat
import tempfile
import tomllib
from pathlib import Path
from typing import Any, BinaryIO

from notebook_ci.base.errors import InputError, SurroundingsError
from notebook_ci.base.texts import quote, size

MOST_BYTES = 32 * 1024 * 1024
FULL_BYTES, FEW_FILES = 64 * 1024, 20  # with less left, a disk counts as full
TMPDIR = "set `TMPDIR` to another folder"
_SPACE = "Free some disk space"
# Failures of the system, whatever is written.
AROUND = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE}
# What to do, and the error numbers of a failed write for which it helps.
_WRITE_HINTS = {
    _SPACE: (errno.ENOSPC, errno.EDQUOT),
    "Get write permission there": (errno.EACCES, errno.EPERM),
    "Make the disk writable": (errno.EROFS,),
    "Remove or rename what is in the way": (errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ELOOP),
    "Use a shorter name": (errno.ENAMETOOLONG,),
    "Allow more open files with `ulimit -n`": (errno.EMFILE, errno.ENFILE),
    "Check the disk": (errno.EIO,),
}


def is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - unlike `Path.is_dir`, False for any path that cannot be used


def is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 - unlike `Path.is_file`, False for any path that cannot be used


def exists(path: Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110 - unlike `Path.exists`, False for any path that cannot be used


def open_regular(path: Path, shown: str, *, hint: str = "") -> BinaryIO:
    """Open a file, whose name the user knows as `shown`, to read it.

    Raises InputError if it does not exist, is not a regular file (a folder, a device), or cannot be opened. `hint` is
    for a wrong path.
    """
    try:
        # Checked before opening: opening a FIFO would wait for a writer.
        kind = path.stat().st_mode
        if not stat.S_ISREG(kind):
            what = "a folder" if stat.S_ISDIR(kind) else "not a regular file"
            raise InputError(f"`{shown}` is {what}.", hint=hint, file=shown)
        return path.open("rb")
    except (FileNotFoundError, NotADirectoryError) as error:
        link = f"is a link to `{path.readlink()}`, which " if path.is_symlink() else ""
        raise InputError(f"`{shown}` {link}does not exist.", hint=hint, file=shown) from error
    except (OSError, ValueError) as error:
        raise _unreadable(error, shown, hint) from error


def read_bytes(path: Path, shown: str, *, hint: str = "", most: int = -1) -> bytes:
    """Return the first `most` bytes of a file (-1: all). Raises InputError like `open_regular`."""
    with open_regular(path, shown, hint=hint) as file:
        try:
            return file.read(most)
        except OSError as error:
            raise _unreadable(error, shown, hint) from error


def read_text(path: Path, shown: str, *, hint: str = "") -> str:
    """Return the UTF-8 text of a file that people write; `shown` is its name, as the user knows it.

    Raises InputError if it does not exist, is not a regular file, is larger than 32 MiB, or is not UTF-8.
    """
    return decoded(read_bytes(path, shown, hint=hint, most=MOST_BYTES + 1), shown, hint=hint)


def decoded(content: bytes, shown: str, *, hint: str = "") -> str:
    """Return the text of the file `shown`. Raises InputError like `read_text`."""
    if len(content) > MOST_BYTES:
        raise InputError(f"`{shown}` is larger than {MOST_BYTES // 2**20} MiB.", hint=hint, file=shown)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"`{shown}` is not UTF-8 text.", hint="Save it as UTF-8.", file=shown) from error


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def parse_toml(text: str, shown: str) -> dict[str, Any]:
    """Return the content of the file `shown`. Raises InputError, with the line."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        found = re.search(r"at line (\d+)", str(error))
        line = int(found[1]) if found else text.count("\n") + 1  # "at end of document"
        hint = "Put text in quotes; write booleans as `true` or `false`." if "Invalid value" in str(error) else ""
        raise InputError(
            f"{quote(shown)} is not valid TOML: {error}.", hint=hint or "Correct it.", file=shown, line=line
        ) from error


def write(path: Path, text: str, *, new: bool = False) -> None:
    """Write a file completely or not at all. With `new`, an existing file is an error; otherwise it is replaced.

    Raises OSError also if the folder, which the caller has resolved, has become a link.
    """
    if path.parent.resolve() != path.parent:
        raise OSError(errno.ELOOP, "a link has replaced its folder", str(path))
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
    try:
        # A lone surrogate is written as an escape, which is valid in JSON.
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            file.write(text)
            if new:
                file.flush()
                os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        (os.link if new else os.replace)(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def unwritable(what: str, path: Path, error: OSError, instead: str = "") -> SurroundingsError:
    """Return the error for something that cannot be written.

    `what` begins the sentence: "The record x.json cannot be written". If the disk of `path` is full, the message gives
    its free space. `instead` is another way out, added to the hint: see `TMPDIR`.
    """
    hint = next((hint for hint, numbers in _WRITE_HINTS.items() if error.errno in numbers), "")
    room = f" ({_room(path)})" if hint == _SPACE else ""
    hint = ", or ".join(filter(None, (hint, instead)))
    return SurroundingsError(f"{what}: {error.strerror or error}{room}.", hint=f"{hint[:1].upper()}{hint[1:]}.")


def bytes_in(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # another process may remove files meanwhile
            total += path.lstat().st_size
    return total


def is_full(folder: Path) -> bool:
    return shutil.disk_usage(folder).free < FULL_BYTES or _files_left(folder) < FEW_FILES


def _room(path: Path) -> str:
    folder = next(each for each in (path, *path.absolute().parents) if is_folder(each))
    files = _files_left(folder)
    left = f"room for {files} more files" if files < FEW_FILES else f"{size(shutil.disk_usage(folder).free)} left"
    return f"`{folder}` has {left}"


def _files_left(folder: Path) -> float:
    disk = os.statvfs(folder) if hasattr(os, "statvfs") else None
    return disk.f_favail if disk and disk.f_files else math.inf  # `f_files` is 0 where the file system has no limit


def _unreadable(error: Exception, shown: str, hint: str) -> InputError:
    if isinstance(error, PermissionError):
        hint = "Get read permission for it."
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return InputError(f"`{shown}` cannot be read: {reason}.", hint=hint, file=shown)
