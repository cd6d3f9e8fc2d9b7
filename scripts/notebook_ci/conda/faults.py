"""Known errors of rattler (0.28), whose messages have one cause per line."""

import functools
import re

from notebook_ci.base import known_errors
from notebook_ci.base.errors import InputError, NotebookCiError, SurroundingsError
from notebook_ci.base.known_errors import KnownError

_SETTINGS = "Channels, credentials and proxies come from conda's settings, such as `~/.condarc`."
_in_file = functools.partial(KnownError, kind=InputError)
_KNOWN = (
    _in_file(
        r"SolverError.*: No candidates were found for (?P<what>[^;]+?)\.?$",
        "no channel has `{what}` for this platform.",
        "Check name and version, or add the channel that has it to `channels`.",
    ),
    _in_file(
        r"SolverError: Cannot solve the request because of: (?P<what>(?s:.+))",
        "its packages do not fit together. {what}.",
        "Remove or widen versions.",
    ),
    _in_file(
        r"could not find subdir .* in channel '(?P<url>.+?)'",
        "there is no channel at `{url}`.",
        "Correct `channels`. A name stands for a channel of `channel_alias` in conda's settings.",
    ),
    KnownError(
        r"failed to fetch (?P<what>\S+): .*hash mismatch",
        "The package `{what}` from the channel differs from the expected one (by its hash).",
        "Nothing was installed. Ask the owner of the channel why it has changed.",
    ),
    KnownError(r"No space left|quota exceeded", "The disk is full.", "Free some space, or set `venv`."),
    KnownError(r"\(40[17] ", "The channel requires credentials, or rejects yours: {url}.", _SETTINGS),
    KnownError(r"\(403 ", "The channel denies access: {url}.", _SETTINGS),
    KnownError(
        r"certificate|\btls\b",
        "The certificate of the channel is not trusted: {url}.",
        "Set `SSL_CERT_FILE` to the certificates to trust.",
    ),
    *(
        KnownError(pattern, message, f"Check the network and the proxy, and try again. {_SETTINGS}")
        for pattern, message in (
            (r"client error \(Connect\)", "The channel cannot be reached: {url}."),
            (r"\b(?:GatewayError|FetchRepoDataError)\b|\(https?://", "The channel cannot be read: {first}."),
        )
    ),
)


def explain(kind: str, text: str) -> NotebookCiError:
    """Return the error for an exception of rattler: the name of its class, and its text."""
    flat = re.sub(r"\s*\n[\s│├└─]*", "; ", text.strip()).replace(":; ", ": ").replace("; Caused by: ", ": ")
    url = re.search(r"https?://[^\s()]+", text)
    error = known_errors.explain(_KNOWN, f"{kind}: {flat}", first=flat.rstrip("."), url=url[0] if url else "")
    return error or SurroundingsError(f"Packages of conda could not be installed: {flat.rstrip('.')}.")
