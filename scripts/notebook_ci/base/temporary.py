"""Creates private temporary folders."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from notebook_ci.base import signals
from notebook_ci.base.files import AROUND, TMPDIR, unwritable
from notebook_ci.base.process import POSIX

FOLDER_PREFIX = "nci-"
# `sun_path` has 104 bytes on macOS and 108 on Linux, including the final NUL.
MOST_SOCKET_BYTES = 103


@contextlib.contextmanager
def temporary_folder(parent: Path | None = None) -> Iterator[Path]:
    """Create a folder that only this user can read, and remove it at the end.

    `parent` is another such folder; None: the system's temporary folder. Raises SurroundingsError if it cannot be
    created, or if the system (disk full, for example) failed while it was used.
    """
    try:
        with signals.held_back():
            folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX, dir=parent or _short_folder()))
    except OSError as error:
        where = parent or Path(tempfile.gettempdir())
        raise unwritable("A temporary folder cannot be created", where, error, TMPDIR) from error
    try:
        yield folder
    except OSError as error:
        if error.errno not in AROUND:
            raise
        path = Path(error.filename or folder)
        instead = TMPDIR if path.is_relative_to(folder) else ""
        raise unwritable(f"`{path}` cannot be written", path, error, instead) from error
    finally:
        with signals.held_back():
            shutil.rmtree(folder, ignore_errors=True)


def _short_folder() -> str | None:
    """Return a folder where socket paths are short enough; None: the usual temporary folder."""
    nested = f"{FOLDER_PREFIX}12345678"
    socket = Path(tempfile.gettempdir()) / nested / nested / "socket-5"
    return "/tmp" if POSIX and len(os.fsencode(socket)) > MOST_SOCKET_BYTES else None  # noqa: S108 - mkdtemp is safe there
