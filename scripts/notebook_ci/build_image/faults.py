"""Explains errors from the output of docker (20.10 to 28)."""

import contextlib
import json
import re
from collections.abc import Iterable

from notebook_ci.base import typed_json
from notebook_ci.base.errors import CheckFailed, InputError, NotebookCiError, SurroundingsError
from notebook_ci.base.known_errors import KnownError, explain
from notebook_ci.base.locks import StaleError
from notebook_ci.base.process import Completed
from notebook_ci.base.texts import quote
from notebook_ci.base.worker import Reply
from notebook_ci.build_image import packages
from notebook_ci.conda.install import located
from notebook_ci.tools import installing

HOST_HINT = "Start it, set `DOCKER_HOST` to another one, or set `if-no-engine` to `skip`."
DIGEST = re.compile(r"(?<=digest: )sha256:[0-9a-f]{64}")
_ENGINE = (
    KnownError(
        r"requires BuildKit|is only supported with BuildKit|Unknown flag: mount",
        "{what}: the Dockerfile needs BuildKit.",
        "Unset `DOCKER_BUILDKIT`, or install the package `docker-buildx-plugin`.",
    ),
    KnownError(
        r"buildx component is missing or broken",
        "{what}: `DOCKER_BUILDKIT` is set, but this docker client has no BuildKit.",
        "Install the package `docker-buildx-plugin`, or unset `DOCKER_BUILDKIT`.",
    ),
    KnownError(
        r"no space left on device|disk quota exceeded|the disk is full",
        "{what}: the disk of the engine is full.",
        "Run `docker system prune`, or use an engine with a larger disk.",
    ),
    KnownError(
        r"Cannot connect to the Docker daemon|error during connect|failed to dial|closed unexpectedly",
        "{what}: the Docker engine stopped.",
        "See the engine's log.",
    ),
)
# Of any exchange with a registry.
_REGISTRY = (
    *_ENGINE,
    KnownError(
        r"no basic auth credentials|unauthorized|authentication required|denied: |access.* denied|forbidden|\b40[13]\b",
        "{what}: the registry denies access.",
        "Log in first, for example with `docker/login-action`, as a user who may {do}.",
    ),
    KnownError(
        r"server gave HTTP response to HTTPS client",
        "{what}: the registry uses HTTP, but the engine HTTPS.",
        "Give the registry a certificate, or list it under `insecure-registries` in the engine's `daemon.json`.",
    ),
    KnownError(
        r"certificate|x509|tls: ",
        "{what}: the certificate of the registry is not trusted.",
        "Copy the authority's certificate to `/etc/docker/certs.d/HOST/ca.crt` on the engine's machine.",
    ),
    KnownError(
        r"no such host|name resolution|server misbehaving",
        "{what}: the host of the registry is unknown.",
        "Check the name of the image, and the network of the engine.",
    ),
    KnownError(
        r"connection refused|no route to host|network is unreachable|i/o timeout|connection reset|EOF|"
        r"context deadline exceeded|Client\.Timeout|TLS handshake timeout",
        "{what}: the registry cannot be reached.",
        "Check the name of the image, and the network of the engine.",
    ),
    KnownError(
        r"\b50\d\b|internal server error|bad gateway|service unavailable|unknown: |received unexpected HTTP status",
        "{what}: the registry failed.",
        "Try again. If it fails again, ask the owner of the registry.",
    ),
    KnownError(
        r"toomanyrequests|\b429\b|rate limit",
        "{what}: the registry limits the number of requests.",
        "Log in, or try again later.",
    ),
)
_PULL = (
    KnownError(
        r"manifest unknown|not found|manifest for \S+ not|repository does not exist",
        "{what}: not found in its registry, or you lack access.",
        "Correct `base-image`, or log in first, for example with `docker/login-action`.",
        InputError,
    ),
    *_REGISTRY,
)
# In the user's Dockerfile, or in what it refers to.
_DOCKERFILE = (
    KnownError(
        r"(?P<reason>(?:dockerfile parse error|unknown instruction|the Dockerfile (?:\(.*?\) )?cannot be empty|"
        r"file with no instructions)(?:[^\n]*?(?:\bline |:(?=\d+$))(?P<line>\d+))?[^\n]*)",
        "`{own}` is not a valid Dockerfile: {reason}.",
        "Correct the Dockerfile.",
        CheckFailed,
    ),
    KnownError(
        r"(?:returned a non-zero code|exit code): (?P<code>\d+)",
        "{what}: the step {step} of `{own}` ended with exit code {code}.",
        "See the lines above.",
        CheckFailed,
    ),
    KnownError(
        r"(?P<reason>(?<=COPY failed: )[^\n]+|(?<=ADD failed: )[^\n]+|"
        r"failed to (?:calculate checksum|compute cache key)[^\n]*not found)",
        "{what}: `{own}` copies a file that does not exist: {reason}.",
        "Write paths relative to the workspace, which is the build context.",
        CheckFailed,
    ),
)
# In what a generated Dockerfile ran.
_NO_PYTHON = KnownError(
    r"python3?: (?:command )?not found|ensurepip is not|No module named (?:venv|pip)|No interpreter found for Python",
    "{what}: the base image has no Python with `venv` and pip.",
    "Set `base-image` to another one (for packages of conda with Python 3.11 or newer). On Debian, the package is "
    "`python3-venv`.",
    InputError,
)
_NO_GIT = KnownError(
    r"Git executable not found",
    "{what}: a package of {lock} comes from git, which the base image does not have.",
    "Set `base-image` to one with git, such as `python:3.12`.",
    InputError,
)
# In the requested packages, and not in the network or index.
_LOCK = KnownError(
    r"no solution found|hash mismatch|do not match the hashes|no wheels with a matching|"
    r"build backend returned an error|all requirements must have a hash|Python requirement",
    "{what}: the packages of {lock} cannot be installed. See the lines above.",
    "The packages must exist for the Python and the platform of the base image, and fit together. Run setup-env first: "
    "it says which do not.",
    CheckFailed,
)
# A step in the output: of BuildKit only the failed one, of the classic builder all until the failed one.
_STEP = re.compile(r"^(?: > \[.*?\]|Step \d+/\d+ :) (.+?):?$", re.MULTILINE)


def sentence(text: str) -> str:
    """Return a program's message for the end of our sentence: with exactly one mark at its end."""
    text = text.strip()
    return text if text.endswith(("?", "!", ".")) else f"{text}."


def no_engine(output: str) -> tuple[str, str]:
    """Return message and hint for a client that did not reach an engine."""
    if re.search(r"permission denied", output, re.IGNORECASE):
        message = "This user may not use the Docker engine (permission denied)."
        return message, "Add the user to the group `docker`, or use rootless Docker."
    last = output.strip().splitlines()[-1] if output.strip() else "no output"
    return f"No Docker engine answers: {sentence(last)}", HOST_HINT


def pull(base: str, done: Completed, timeout: float) -> NotebookCiError:
    what = f"The base image {quote(base)} could not be fetched"
    return _too_long(what, timeout) if done.timed_out else _of_registry(_PULL, done.output, what, "read it")


def push(name: str, done: Completed, timeout: float) -> NotebookCiError:
    what = f"`{name}` could not be pushed"
    return _too_long(what, timeout) if done.timed_out else _of_registry(_REGISTRY, done.output, what, "write to it")


def build(done: Completed, timeout: float, *, own: str, lock: str) -> NotebookCiError:
    """Return why an image could not be built.

    `own` is the user's Dockerfile. If it is empty, the Dockerfile was generated, and `lock` is what it installs from.
    """
    what = "The image could not be built"
    if done.timed_out:
        return _too_long(what, timeout)
    if error := explain(_ENGINE, done.output, what=what):
        return error
    step = (_STEP.findall(done.output) or [""])[-1]
    if own:
        return _of_dockerfile(what, done.output, own, step)
    said = _said(done.output)
    known = [_NO_PYTHON, *([_NO_GIT, installing.STALE, _LOCK] if packages.PYTHON in step else [])]
    for line in re.findall(r'^\{"failures": .*', said, re.MULTILINE):
        with contextlib.suppress(ValueError):  # a long line is cut
            return located(typed_json.from_json(Reply, json.loads(line)).errors[0], lock)
    if error := explain(known, said, what=what, lock=quote(lock)):
        error.file = lock if isinstance(error, CheckFailed | StaleError) else None
        return error
    return installing.explain(what, said, elsewhere="use an engine with a larger disk")


def _of_dockerfile(what: str, output: str, own: str, step: str) -> NotebookCiError:
    if error := explain(_DOCKERFILE, output, what=what, own=own, step=quote(step)):
        error.file = own
        return error
    if step.upper().startswith("FROM") or "failed to solve" in output:
        what = f"{what}: {quote(step) if step else 'a base image'} could not be fetched"
        return _of_registry(_REGISTRY, output, what, "read it")
    return CheckFailed(f"{what} from `{own}`: see the lines above.", file=own)


def _of_registry(known: Iterable[KnownError], output: str, what: str, do: str) -> NotebookCiError:
    return explain(known, output, what=what, do=do) or SurroundingsError(f"{what}: see the lines above.")


def _too_long(what: str, timeout: float) -> SurroundingsError:
    hint = "Check the network of the engine, or increase `timeout`."
    return SurroundingsError(f"{what} within {timeout:g} s.", hint=hint)


def _said(output: str) -> str:
    """Return what the failed step printed, without the text of the step itself."""
    if failed := re.search(r"^#(\d+) ERROR", output, re.MULTILINE):
        lines = re.findall(rf"^#{failed[1]} [\d.]+ (.*)$", output, re.MULTILINE)
        return "\n".join(lines)
    tail = output.rpartition(" ---> Running in ")[2]
    return re.sub(r"^The command '.*' returned a non-zero code: \d+$", "", tail, flags=re.MULTILINE)
