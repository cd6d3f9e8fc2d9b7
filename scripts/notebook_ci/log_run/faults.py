"""Explains errors of a store from what MLflow raised. Seen with MLflow 3.17, requests 2.34."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from notebook_ci.base import known_errors
from notebook_ci.base.errors import InputError, NotebookCiError, SurroundingsError
from notebook_ci.base.known_errors import KnownError
from notebook_ci.base.texts import quote
from notebook_ci.log_run.protocol import Job

TRANSIENT_STATUS = (429, 502, 503, 504)
TRANSIENT = {"ConnectionRefusedError", "ConnectionResetError", "BrokenPipeError", "RemoteDisconnected"}
LONGEST_REASON = 300
CREDENTIALS = "`MLFLOW_TRACKING_USERNAME` and `MLFLOW_TRACKING_PASSWORD`, or `MLFLOW_TRACKING_TOKEN`"
REFUSED = "Check `experiment` and `run-name`."
AGAIN = "Check the server and its log, then log the run again."
LET_THE_SERVER = "Let the server store them: start it with `mlflow server --artifacts-destination ...`"
ADDRESS = "Check `tracking-uri`: it is the address of the server's start page, without `#` and what follows."


class Fault:
    """An exception and those that caused it."""

    def __init__(self, error: BaseException) -> None:
        chain = list(_chain(error))
        self.kinds = [type(each).__name__ for each in chain]
        self.texts = [str(each) for each in chain]
        # MLflow's error code
        self.code = next((str(each.error_code) for each in chain if hasattr(each, "error_code")), "")
        self.status = _status(chain, self.texts)  # of HTTP; 0: unknown

    @property
    def is_transient(self) -> bool:
        """Whether it may be over in some seconds."""
        return self.status in TRANSIENT_STATUS or not TRANSIENT.isdisjoint(self.kinds)

    @property
    def is_unknown_address(self) -> bool:
        """Whether the server does not know the requested URL; for a missing object MLflow has an error code."""
        return any("error code 404 != 200" in text for text in self.texts)

    @property
    def text(self) -> str:
        """For the tables of known errors."""
        return "\n".join([*self.kinds, *self.texts, f"HTTP status {self.status}"])

    @property
    def reason(self) -> str:
        """The server's message if MLflow passes it on, or else MLflow's; on one line."""
        text = self.texts[0]
        body = re.search(r"Response (?:body: '|text: )(.*?)'?$", text, re.DOTALL)
        line = " ".join(re.sub(r"<[^>]*>", " ", body[1] if body else text).split()).rstrip(".")
        return f"{line[:LONGEST_REASON]}…" if len(line) > LONGEST_REASON else line


_NO_MLFLOW = KnownError(
    r"not in a valid JSON format|JSONDecodeError|error code (?:30[12378]|40[45]) != 200|"
    r"INTERNAL_ERROR: Response: ",  # JSON without an MLflow error code
    "{uri} is not an MLflow server: it answers with something else.",
    ADDRESS,
)
_SERVER = (
    KnownError(r"NameResolutionError|getaddrinfo", "The host of {uri} is not known.", ADDRESS),
    KnownError(
        r"WRONG_VERSION_NUMBER|UNEXPECTED_EOF_WHILE_READING|record layer failure",
        "{uri} does not speak TLS.",
        "Use `http://` in `tracking-uri` if the server has no TLS.",
    ),
    KnownError(
        r"SSLCertVerificationError|CERTIFICATE_VERIFY_FAILED",
        "The certificate of {uri} is not trusted.",
        "Set `MLFLOW_TRACKING_SERVER_CERT_PATH` to the file with your authority's certificate.",
    ),
    KnownError(r"ReadTimeout|ConnectTimeout|TimeoutError", "{uri} did not answer in time.", AGAIN),
    KnownError(
        r"ConnectionRefusedError",
        "No server answers at {uri} (connection refused).",
        "Start it, or correct `tracking-uri`.",
    ),
    KnownError(
        r"NewConnectionError|No route to host|ProxyError",
        "{uri} cannot be reached: {reason}.",
        "Check the network and the proxy.",
    ),
    KnownError(
        r"RemoteDisconnected|ConnectionResetError|BrokenPipeError|IncompleteRead|ProtocolError",
        "{uri} closed the connection during an answer.",
        AGAIN,
    ),
    KnownError(
        r"^HTTP status 401$",
        "{uri} does not accept the credentials (401).",
        f"Set {CREDENTIALS} in `env:` of the step.",
    ),
    KnownError(
        r"^HTTP status 403$",
        "{uri} denied access (403) while {step}: {reason}.",
        f"Set {CREDENTIALS} of a user who can write to the experiment.",
    ),
    KnownError(
        r"No module named",
        "The run was logged without artifacts: log-run cannot write to their storage ({reason}).",
        f"{LET_THE_SERVER}.",
    ),
    KnownError(
        r"^HTTP status 413$",
        "{uri} refused a request as too large (413).",
        "Raise the limit of the proxy in front of the server.",
    ),
    # urllib3 does not pass on the server's message.
    KnownError(r"^HTTP status (?P<status>429|5\d\d)$", "{uri} failed ({status}) while {step}.", AGAIN),
)


def explain(fault: Fault, job: Job, step: str, *, run_exists: bool) -> NotebookCiError:
    """Return the error for the user.

    If `run_exists`, it was found or created before, so the server is MLflow and accepts the names of experiment and
    run.
    """
    if not run_exists and fault.code == "INVALID_PARAMETER_VALUE":
        return InputError(f"{job.uri} refused the run: {fault.reason}.", hint=REFUSED)
    if job.database:
        found = re.search(r"sqlite3\.\w+\) (.+)", "\n".join(fault.texts))
        if found or re.search(r"OSError|PermissionError", fault.text):
            return unusable(job.database, found[1] if found else fault.reason)
        return SurroundingsError(f"The run could not be logged to {job.database}: {fault.reason}.")
    known = _SERVER if run_exists else (_NO_MLFLOW, *_SERVER)
    if error := known_errors.explain(known, fault.text, uri=job.uri, reason=fault.reason, step=step):
        return error
    status = f" ({fault.status})" if fault.status else ""
    return SurroundingsError(f"{job.uri} did not accept the run{status} while {step}: {fault.reason}.", hint=AGAIN)


def refused(variable: str, value: str, reason: str) -> InputError:
    """Return the error for a variable that names a run or an experiment that cannot be used."""
    hint = f'Correct it, or set `{variable}: ""` in `env:` of the step.'
    return InputError(f"`{variable}` is {quote(value)}, {reason}.", hint=hint)


def unusable(path: str, reason: str) -> SurroundingsError:
    hint = "Check its permissions and the free disk space, or set `tracking-uri` to another file."
    if "locked" in reason:
        hint = "End the program that locks it, or start an MLflow server for all programs that write to it."
    if "malformed" in reason or "not a database" in reason:
        hint = "Restore it from a backup, or move it away: a new one is created."
    return SurroundingsError(f"The database {path} cannot be used: {reason}.", hint=hint)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and those that caused it; urllib3 and requests keep them in their arguments."""
    seen: list[BaseException] = []
    todo: list[Any] = [error]
    while todo:
        each = todo.pop(0)
        if isinstance(each, BaseException) and not any(each is known for known in seen):
            seen.append(each)
            yield each
            todo += [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]


def _status(chain: Sequence[Any], texts: Sequence[str]) -> int:
    for each in chain:
        if status := getattr(getattr(each, "response", None), "status_code", 0):
            return int(status)
    if found := re.search(r"error code (\d{3}) != 200|too many (\d{3}) error responses", "\n".join(texts)):
        return int(found[1] or found[2])
    return next((int(each.get_http_status_code()) for each in chain if hasattr(each, "json")), 0)
