import errno
from typing import Any

import pytest

from notebook_ci.dvc_pull import faults

WHERE = "The remote `storage` (s3://penguins)"


class Answered(Exception):
    """An exception of a library, with what a server answered."""

    def __init__(self, **answer: Any) -> None:
        vars(self).update(answer)


class ServerDisconnectedError(ConnectionError):
    """As aiohttp has it: a kind of ConnectionError, and yet the connection was there."""


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "s3", "The disk is full."),
        (faults.GoneError("x"), "local", f"{WHERE} does not exist."),
        (faults.GoneError("x"), "s3", f"{WHERE} does not exist: its server has no such bucket."),
        (Answered(status=403), "s3", f"{WHERE} denied access (403)."),
        (
            Answered(response={"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}),
            "s3",
            f"{WHERE} denied access (403, AccessDenied).",
        ),
        (PermissionError(errno.EACCES, "no"), "local", f"{WHERE} denied access."),
        (Answered(status_code=503), "s3", f"{WHERE} has an internal error (503)."),
        (ServerDisconnectedError(), "http", f"{WHERE} closed the connection in the middle of a file."),
        (TimeoutError(), "s3", f"{WHERE} does not answer."),
        (
            ConnectionRefusedError("no {braces} at http://me:secret@host"),
            "http",
            f"{WHERE} cannot be reached: ConnectionRefusedError: no {{braces}} at http://host.",
        ),
        (Answered(status=404), "s3", f"{WHERE} cannot be read: Answered."),
    ],
)
def test_an_exception_is_explained(error: Exception, kind: str, message: str) -> None:
    assert faults.explain(error, WHERE, kind).message == message


def test_the_cause_counts() -> None:
    error = ValueError("outer")
    error.__cause__ = Answered(status=401)
    explained = faults.explain(error, WHERE, "gs")
    assert explained.message == f"{WHERE} denied access (401)."
    assert "GOOGLE_APPLICATION_CREDENTIALS" in explained.hint


def test_a_silent_server_may_lack_credentials() -> None:
    assert "It requires credentials: AZURE_" in faults.explain(TimeoutError(), WHERE, "azure").hint
    assert faults.explain(TimeoutError(), WHERE, "http").hint.endswith("`read_timeout` of the remote.")
