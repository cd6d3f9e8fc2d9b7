"""Reads objects from remotes, and explains why one cannot be read.

Nothing is ever written to a remote. The library below DVC (fsspec) reads one object at a time into a temporary file.
Seen with DVC 3.67, s3fs 2026, aiohttp 3.
"""

import errno
import os
import re
from collections.abc import Callable, Collection, Iterator, MutableMapping
from pathlib import Path
from typing import Any

from notebook_ci.base.errors import NotebookCiError, SurroundingsError
from notebook_ci.base.texts import quote
from notebook_ci.dvc_pull.config import without_credentials, without_secrets

# A request to a silent server ends after this many seconds; two or three requests are made. Settings of the remote
# override this.
REQUEST_SECONDS = 20
CONNECT_SECONDS = 10
# All downloads together may stay silent this long: for servers to which no other limit applies.
SILENCE_SECONDS = 90
FORKS = "Pull requests from forks get no secrets."
_CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a role by aws-actions/configure-aws-credentials",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS, for example by google-github-actions/auth",
    "azure": "AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT with AZURE_STORAGE_KEY",
    "ssh": "a key for ssh-agent, or `keyfile` by `dvc remote modify --local`",
}
_REFUSED_CODES = {
    "401",
    "403",
    "407",
    "AccessDenied",
    "ExpiredToken",
    "Forbidden",
    "InvalidAccessKeyId",
    "InvalidToken",
    "SignatureDoesNotMatch",
}
# Exception names of aiohttp, botocore, google-auth, azure-core, asyncssh and Python -> meaning. The first match wins.
_MEANINGS = (
    ("settings", r"ConfigError"),
    ("no credentials", r"NoCredentials|PartialCredentials|DefaultCredentials|ProfileNotFound|AzureAuth|EOFError"),
    ("refused", r"PermissionError|PermissionDenied|ClientAuthentication|GoogleAuth|RefreshError"),
    ("broken", r"ClientPayload|IncompleteRead|ResponseStreaming|ServerDisconnected"),
    ("silent", r"[Tt]imeout"),
    ("certificate", r"SSL|Certificate"),
    ("unreachable", r"Connection|Connector|gaierror|OSError"),
)
_SAID = {
    "full": ("The disk is full.", "Free some space, or pull less with `targets`."),
    "no credentials": ("{where} requires credentials, and none were found.", "Set them{how}. {forks}"),
    "refused": (
        "{where} denied access{code}.",
        "Check that credentials are set, correct and allowed to read it{how}. {forks}",
    ),
    "broken": (
        "{where} closed the connection in the middle of a file.",
        "Run this again, or check the server.",
    ),
    "silent": (
        "{where} does not answer.",
        "Check its URL and the network. For a slow server, raise `read_timeout` of the remote.{lacking}",
    ),
    "server": ("{where} has an internal error{code}.", "Try again later, or ask its administrator."),
    "certificate": (
        "{where} has a certificate that is not trusted.",
        "Set `ssl_verify` of the remote to the file of trusted certificates.",
    ),
    "unreachable": ("{where} cannot be reached: {text}.", "Check its URL and the network."),
    "no folder": (
        "{where} does not exist.",
        "Use a remote that every machine can reach, not a folder.",
    ),
    "no bucket": ("{where} does not exist: its server has no such bucket.", "Check its name and `endpointurl`."),
    "settings": ("{where} has invalid settings: {text}.", "Check `.dvc/config`."),
    "": ("{where} cannot be read: {text}.", "See `dvc.log` in the run directory."),
}
_FULL = {errno.ENOSPC, errno.EDQUOT}


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
        self.kind: str = remote.fs.protocol if isinstance(remote.fs.protocol, str) else remote.fs.protocol[0]
        self.jobs: int = remote.config.get("jobs") or remote.fs.jobs
        self._remote = remote
        given = remote.config.get("read_timeout") or remote.config.get("timeout") or 0
        self.silence = max(float(given) * 3, REQUEST_SECONDS) if given else SILENCE_SECONDS

    def address(self, hash_name: str, content: str) -> str:
        store = self._remote.odb if hash_name == "md5" else self._remote.legacy_odb
        return str(store.oid_to_path(content))

    def show(self, hash_name: str, content: str) -> str:
        return without_credentials(self._remote.fs.unstrip_protocol(self.address(hash_name, content)))

    def read(self, hash_name: str, content: str, into: Path, on_bytes: Callable[[int], None]) -> bool:
        """Read an object into a file that does not exist yet; return whether the remote has the object.

        `on_bytes` is called with the number of bytes of each part that arrives.

        Raises:
            Exception: Whatever the library raises; see `explain`.
        """
        try:
            self._remote.fs.get_file(self.address(hash_name, content), str(into), callback=_callback(on_bytes))
        except FileNotFoundError as error:
            if self.is_there():
                return False
            raise Gone(str(error)) from error
        return into.is_file()

    def is_there(self) -> bool:
        """Return whether the remote itself exists; true if that cannot be found out."""
        if self.kind == "local":
            return Path(self._remote.path).is_dir()
        if self.kind in {"s3", "gs"}:
            bucket = str(self._remote.path).strip("/").partition("/")[0]
            return bool(self._remote.fs.fs.exists(bucket))
        return True

    def explain(self, error: BaseException) -> NotebookCiError:
        """Return the error that explains an exception of the library."""
        codes = {code for each in _chain(error) for code in _codes(each)}
        telling = sorted(code for code in codes if code in _REFUSED_CODES or _is_servers(code))
        text = without_secrets(" ".join(str(error).split())).rstrip(".")
        return self._say(
            self._meaning(error, codes),
            code=f" ({', '.join(telling)})" if telling else "",
            text=f"{type(error).__name__}: {text}" if text else type(error).__name__,
        )

    def silent(self) -> NotebookCiError:
        """Return the error for a server that does not answer."""
        return self._say("silent")

    def _meaning(self, error: BaseException, codes: Collection[str]) -> str:
        """Return a key of `_SAID`."""
        chain = list(_chain(error))
        if any(isinstance(each, OSError) and each.errno in _FULL for each in chain):
            return "full"
        if isinstance(error, Gone):
            return "no folder" if self.kind == "local" else "no bucket"
        if _REFUSED_CODES.intersection(codes):
            return "refused"
        if any(map(_is_servers, codes)):
            return "server"
        names = " ".join(cls.__name__ for each in chain for cls in type(each).__mro__)
        return next((meaning for meaning, pattern in _MEANINGS if re.search(pattern, names)), "")

    def _say(self, meaning: str, **values: str) -> NotebookCiError:
        where = f"The remote {quote(self.name)} ({self.shown})"
        message, hint = _SAID[meaning]
        # Google's and Azure's libraries ask the machine for credentials, which can take just as long.
        lacking = f" It requires credentials{self._how()}." if self.kind in {"gs", "azure"} else ""
        values = {"where": where, "how": self._how(), "forks": FORKS, "lacking": lacking, "code": "", **values}
        return SurroundingsError(message.format_map(values), hint=hint.format_map(values))

    def _how(self) -> str:
        return f": {_CREDENTIALS[self.kind]}" if self.kind in _CREDENTIALS else ""


class Gone(Exception):
    """The remote itself does not exist."""


def _is_servers(code: str) -> bool:
    return re.fullmatch(r"5\d\d", code) is not None


def _callback(on_bytes: Callable[[int], None]) -> Any:
    from fsspec.callbacks import Callback

    class Bytes(Callback):  # type: ignore[misc] # fsspec has no types
        def relative_update(self, inc: int = 1) -> None:
            on_bytes(inc)

    return Bytes()


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _codes(error: BaseException) -> Iterator[str]:
    """Yield the error codes that libraries keep from an answer: HTTP status, S3 error code."""
    for name in ("status", "status_code", "code"):
        if isinstance(value := getattr(error, name, None), int | str):
            yield str(value)
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        yield str(response.get("Error", {}).get("Code", ""))
        yield str(response.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
