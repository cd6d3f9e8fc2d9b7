"""Reads objects from remotes, and explains why one cannot be read.

Nothing is ever written to a remote. The library below DVC (fsspec) reads one object at a time into a temporary file.
Seen with DVC 3.67, s3fs 2026, aiohttp 3.
"""

import os
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from notebook_ci.base.errors import NotebookCiError
from notebook_ci.base.texts import quote
from notebook_ci.dvc_pull import faults
from notebook_ci.dvc_pull.config import without_credentials

# A request to a silent server ends after this many seconds; two or three requests are made. Settings of the remote
# override this.
REQUEST_SECONDS = 20
CONNECT_SECONDS = 10
# All downloads together may stay silent this long: for servers to which no other limit applies.
SILENCE_SECONDS = 90


def settle(settings: MutableMapping[str, Any]) -> None:
    """Limit how long the libraries below DVC wait for a server, unless the remote's settings already do."""
    scheme = str(settings.get("url", "")).partition("://")[0]
    if scheme in {"http", "https", "s3"}:
        settings.setdefault("read_timeout", REQUEST_SECONDS)
        settings.setdefault("connect_timeout", CONNECT_SECONDS)
    elif scheme == "azure":
        settings.setdefault("read_timeout", REQUEST_SECONDS)
        settings.setdefault("connection_timeout", CONNECT_SECONDS)
    elif scheme == "ssh":
        settings.setdefault("timeout", REQUEST_SECONDS)
    if scheme in {"http", "https"}:
        from dvc_http import HTTPFileSystem

        HTTPFileSystem.SESSION_RETRIES = 2  # default: 5
    elif scheme == "s3":
        from s3fs import S3FileSystem

        # s3fs retries by itself, so botocore below it must not retry as well.
        os.environ.setdefault("AWS_MAX_ATTEMPTS", "1")
        S3FileSystem.retries = 2  # default: 5


class RemoteStore:
    """The objects of a remote; `remote` is DVC's own object."""

    def __init__(self, name: str, remote: Any) -> None:
        self.name = name
        self.shown = without_credentials(remote.fs.unstrip_protocol(remote.path))
        self._kind: str = remote.fs.protocol if isinstance(remote.fs.protocol, str) else remote.fs.protocol[0]
        self.jobs: int = remote.config.get("jobs") or remote.fs.jobs
        self._remote = remote
        given = remote.config.get("read_timeout") or remote.config.get("timeout") or 0
        self.silence = max(float(given) * 3, REQUEST_SECONDS) if given else SILENCE_SECONDS

    def _address(self, hash_name: str, content: str) -> str:
        store = self._remote.odb if hash_name == "md5" else self._remote.legacy_odb
        return str(store.oid_to_path(content))

    def show(self, hash_name: str, content: str) -> str:
        return without_credentials(self._remote.fs.unstrip_protocol(self._address(hash_name, content)))

    def read(self, hash_name: str, content: str, into: Path) -> bool:
        """Read an object into a new file; return whether the remote has it. Raises whatever the library raises."""
        try:
            self._remote.fs.get_file(self._address(hash_name, content), str(into))
        except FileNotFoundError as error:
            if self._exists():
                return False
            raise faults.GoneError(str(error)) from error
        return into.is_file()

    def _exists(self) -> bool:
        """Return whether the remote itself exists; true if that cannot be found out."""
        if self._kind == "local":
            return Path(self._remote.path).is_dir()
        if self._kind in {"s3", "gs"}:
            bucket = str(self._remote.path).strip("/").partition("/")[0]
            return bool(self._remote.fs.fs.exists(bucket))
        return True

    def explain(self, error: BaseException) -> NotebookCiError:
        return faults.explain(error, f"The remote {quote(self.name)} ({self.shown})", self._kind)
