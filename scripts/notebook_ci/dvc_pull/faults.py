"""Explains why a remote cannot be read, from what the library below DVC raised.

Names of exceptions are those of aiohttp, botocore, google-auth, azure-core, asyncssh and Python.
"""

import errno
import re
from collections.abc import Iterator

from notebook_ci.base import known_errors
from notebook_ci.base.errors import NotebookCiError, SurroundingsError
from notebook_ci.base.known_errors import KnownError
from notebook_ci.base.texts import without_secrets

FORKS = "Pull requests from forks get no secrets."
_CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a role by aws-actions/configure-aws-credentials",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS, for example by google-github-actions/auth",
    "azure": "AZURE_STORAGE_CONNECTION_STRING, or AZURE_STORAGE_ACCOUNT with AZURE_STORAGE_KEY",
    "ssh": "a key for ssh-agent, or `keyfile` by `dvc remote modify --local`",
}
_REFUSED = (
    "{where} denied access{code}.",
    f"Check that credentials are set, correct and allowed to read it{{how}}. {FORKS}",
)
_REFUSED_CODE = (
    r"^code (?:401|403|407|AccessDenied|ExpiredToken|Forbidden|InvalidAccessKeyId|InvalidToken|SignatureDoesNotMatch)$"
)
_SERVER_CODE = r"^code 5\d\d$"
_KNOWN = (
    KnownError(r"^errno (?:ENOSPC|EDQUOT)$", "The disk is full.", "Free some space, or pull less with `targets`."),
    KnownError(
        r"^GoneError local$", "{where} does not exist.", "Use a remote that every machine can reach, not a folder."
    ),
    KnownError(
        r"^GoneError ", "{where} does not exist: its server has no such bucket.", "Check its name and `endpointurl`."
    ),
    KnownError(_REFUSED_CODE, *_REFUSED),
    KnownError(_SERVER_CODE, "{where} has an internal error{code}.", "Try again later, or ask its administrator."),
    KnownError(r"ConfigError", "{where} has invalid settings: {text}.", "Check `.dvc/config`."),
    KnownError(
        r"NoCredentials|PartialCredentials|DefaultCredentials|ProfileNotFound|AzureAuth|EOFError",
        "{where} requires credentials, and none were found.",
        f"Set them{{how}}. {FORKS}",
    ),
    KnownError(r"PermissionError|PermissionDenied|ClientAuthentication|GoogleAuth|RefreshError", *_REFUSED),
    KnownError(
        r"ClientPayload|IncompleteRead|ResponseStreaming|ServerDisconnected",
        "{where} closed the connection in the middle of a file.",
        "Run this again, or check the server.",
    ),
    KnownError(
        r"timeout",
        "{where} does not answer.",
        "Check its URL and the network. For a slow server, raise `read_timeout` of the remote.{lacking}",
    ),
    KnownError(
        r"SSL|Certificate",
        "{where} has a certificate that is not trusted.",
        "Set `ssl_verify` of the remote to the file of trusted certificates.",
    ),
    KnownError(
        r"Connection|Connector|gaierror|OSError", "{where} cannot be reached: {text}.", "Check its URL and the network."
    ),
)


class GoneError(Exception):
    """The remote itself does not exist."""


def explain(error: BaseException, where: str, kind: str) -> NotebookCiError:
    """Return the error that explains an exception. `where` is the remote, of the given kind (`s3`, `local`, ...)."""
    described = list(_described(error, kind))
    codes = {line for line in described if re.search(f"{_REFUSED_CODE}|{_SERVER_CODE}", line)}
    text = without_secrets(" ".join(str(error).split())).rstrip(".")
    text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    code = f" ({', '.join(sorted(code.removeprefix('code ') for code in codes))})" if codes else ""
    how = f": {_CREDENTIALS[kind]}" if kind in _CREDENTIALS else ""
    # Google's and Azure's libraries ask the machine for credentials, which can take just as long as a silent server.
    lacking = f" It requires credentials{how}." if kind in {"gs", "azure"} else ""
    values = {"where": where, "how": how, "lacking": lacking, "text": text, "code": code}
    known = known_errors.explain(_KNOWN, "\n".join(described), **values)
    return known or SurroundingsError(f"{where} cannot be read: {text}.", hint="See `dvc.log` in the run directory.")


def _described(error: BaseException | None, kind: str) -> Iterator[str]:
    """Yield lines about an exception and those that caused it: names of its classes, and codes from an answer."""
    while error is not None:
        yield from (f"{cls.__name__} {kind}" if cls is GoneError else cls.__name__ for cls in type(error).__mro__)
        if isinstance(error, OSError) and error.errno:
            yield f"errno {errno.errorcode.get(error.errno, '')}"
        # HTTP status, S3 error code
        codes = [getattr(error, name, None) for name in ("status", "status_code", "code")]
        if isinstance(response := getattr(error, "response", None), dict):
            codes += [response.get("Error", {}).get("Code"), response.get("ResponseMetadata", {}).get("HTTPStatusCode")]
        yield from (f"code {code}" for code in codes if isinstance(code, int | str))
        error = error.__cause__ or error.__context__
