"""Explains errors from the output of docker (20.10 to 28)."""

import re

from notebook_ci.base.errors import CheckFailed, InputError, NotebookCiError, SurroundingsError
from notebook_ci.base.process import Completed
from notebook_ci.base.texts import quote
from notebook_ci.build_image import packages
from notebook_ci.tools import installing

HOST_HINT = "Start it, or name another one in DOCKER_HOST; with if-no-engine: skip the stage is left out instead."
DIGEST = re.compile(r"(?<=digest: )sha256:[0-9a-f]{64}")
_LOGIN_HINT = "Log in before, for example with the action docker/login-action, as a user who may {do}."

# Errors of any exchange with a registry: pattern, reason, hint.
_REGISTRY = (
    (
        r"no basic auth credentials|unauthorized|authentication required|denied: |access.* denied|forbidden|\b40[13]\b",
        "the registry refuses the access",
        _LOGIN_HINT,
    ),
    (
        r"server gave HTTP response to HTTPS client",
        "the registry speaks HTTP, the engine HTTPS",
        "Give the registry a certificate, or list it under insecure-registries in the engine's daemon.json.",
    ),
    (
        r"certificate|x509|tls: ",
        "the certificate of the registry is not trusted",
        "Put the authority's certificate into /etc/docker/certs.d/HOST/ca.crt on the machine of the engine.",
    ),
    (
        r"no such host|name resolution|server misbehaving",
        "the host of the registry is not known",
        "Check the name of the image, and the network of the engine.",
    ),
    (
        (
            r"connection refused|no route to host|network is unreachable|i/o timeout|connection reset|EOF|"
            r"context deadline exceeded|Client\.Timeout|TLS handshake timeout"
        ),
        "the registry cannot be reached",
        "Check the name of the image, and the network of the engine.",
    ),
    (
        r"\b50\d\b|internal server error|bad gateway|service unavailable|unknown: |received unexpected HTTP status",
        "the registry has a fault of its own",
        "Try again; if it stays, ask who runs the registry.",
    ),
    (r"toomanyrequests|\b429\b|rate limit", "the registry was asked too often", "Log in, or try again later."),
)
_FULL = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_FULL_HINT = "Free some (`docker system df`, `docker system prune`), or use an engine with more."
_GONE = re.compile(r"Cannot connect to the Docker daemon|error during connect|failed to dial|closed unexpectedly")
_NO_BUILDX = re.compile(r"buildx component is missing or broken")
# The failed step in BuildKit's output and in the classic builder's, whose last step is the failed one.
_STEP = (
    re.compile(r"^ > \[.*?\] (?P<step>.+?):?$", re.MULTILINE),
    re.compile(r"^Step \d+/\d+ : (?P<step>.+)$", re.MULTILINE),
)
_EXIT = re.compile(r"(?:returned a non-zero code|exit code): (\d+)")
_BAD_DOCKERFILE = re.compile(
    r"(?:dockerfile parse error|unknown instruction|the Dockerfile (?:\(.*?\) )?cannot be empty|"
    r"file with no instructions)[^\n]*",
    re.IGNORECASE,
)
_LINE = re.compile(r"(?:parse error )?(?:on )?line (\d+)|:(\d+)$")
_MISSING_COPY = re.compile(
    r"(?:COPY|ADD) failed: (?P<classic>[^\n]+)|"
    r"(?P<buildkit>failed to (?:calculate checksum|compute cache key)[^\n]*not found)"
)
# Errors in the requested packages, and not in the network or index.
_LOCK = re.compile(
    r"no solution found|hash mismatch|do not match the hashes|no wheels with a matching|"
    r"build backend returned an error|all requirements must have a hash|needs to be updated|Python requirement",
    re.IGNORECASE,
)
_NO_PYTHON = re.compile(
    r"python3?: (?:command )?not found|ensurepip is not|No module named (?:venv|pip)", re.IGNORECASE
)


def sentence(text: str) -> str:
    """Return a program's message for the end of our sentence: with exactly one mark at its end."""
    text = text.strip()
    return text if text.endswith(("?", "!", ".")) else f"{text}."


def no_engine(output: str) -> tuple[str, str]:
    """Return message and hint for a client that did not reach an engine."""
    if re.search(r"permission denied", output, re.IGNORECASE):
        message = "This user may not use the Docker engine: permission denied on its socket."
        return message, "Add the user to the group docker, or use rootless Docker."
    last = output.strip().splitlines()[-1] if output.strip() else "the client says nothing"
    return f"No Docker engine answers: {sentence(last)}", HOST_HINT


def pull(base: str, done: Completed, timeout: float) -> NotebookCiError:
    what = f"The base image {quote(base)} could not be fetched"
    if done.timed_out:
        return _too_long(what, timeout)
    if re.search(r"manifest unknown|not found|manifest for \S+ not|repository does not exist", done.output):
        return InputError(
            f"{what}: its registry has no such image, or not for you.",
            hint="Correct the input base-image, or log in before, for example with the action docker/login-action.",
        )
    return _of_registry(what, done.output, "read it")


def push(name: str, done: Completed, timeout: float) -> NotebookCiError:
    what = f"{name} could not be pushed"
    return _too_long(what, timeout) if done.timed_out else _of_registry(what, done.output, "write to it")


def build(done: Completed, timeout: float, *, own: str, lock: str) -> NotebookCiError:
    """Return why an image could not be built.

    `own` is the user's Dockerfile. If it is empty, the Dockerfile was generated, and `lock` is what it installs from.
    """
    what = "The image could not be built"
    if done.timed_out:
        return _too_long(what, timeout)
    if error := _of_engine(what, done.output):
        return error
    step = _step(done.output)
    if own:
        return _of_dockerfile(what, done.output, own, step)
    said = _said(done.output)
    if _NO_PYTHON.search(said):
        return InputError(
            f"{what}: the base image has no Python with `venv` and pip.",
            hint="Name another one with the input base-image. On Debian the package is python3-venv.",
        )
    if packages.PYTHON in step and _LOCK.search(said):
        return CheckFailed(
            f"{what}: the packages of {lock} cannot be installed in it, see the lines above.",
            hint="They must be there for the Python and the platform of the base image.",
            file=lock,
        )
    return installing.explain(what, said, elsewhere="use an engine with more of it")


def _of_dockerfile(what: str, output: str, own: str, step: str) -> NotebookCiError:
    """Return the error in the user's Dockerfile, or in what it refers to."""
    if bad := _BAD_DOCKERFILE.search(output):
        found = _LINE.search(bad[0])
        line = int(found[1] or found[2]) if found else None
        return CheckFailed(
            f"{own} is no Dockerfile that docker understands: {sentence(bad[0])}",
            hint="Correct it.",
            file=own,
            line=line,
        )
    if exit_code := _EXIT.search(output):
        return CheckFailed(
            f"{what}: the step {quote(step)} of {own} ended with exit code {exit_code[1]}.",
            hint="See the lines above.",
            file=own,
        )
    if missing := _MISSING_COPY.search(output):
        reason = sentence(missing["classic"] or missing["buildkit"])
        return CheckFailed(
            f"{what}: {own} copies what is not there: {reason}", hint="Its context is the workspace.", file=own
        )
    if step.upper().startswith("FROM") or "failed to solve" in output:
        return _of_registry(f"{what}: {quote(step) if step else 'a base image'} could not be had", output, "read it")
    return CheckFailed(f"{what} from {own}: see the lines above.", file=own)


def _of_engine(what: str, output: str) -> SurroundingsError | None:
    if _NO_BUILDX.search(output):
        return SurroundingsError(
            f"{what}: DOCKER_BUILDKIT is set, and this docker client has no BuildKit.",
            hint="Install the package docker-buildx-plugin, or unset DOCKER_BUILDKIT.",
        )
    if _FULL.search(output):
        return SurroundingsError(f"{what}: the engine has no space left.", hint=_FULL_HINT)
    if _GONE.search(output):
        return SurroundingsError(f"{what}: the Docker engine went away.", hint="See its log.")
    return None


def _of_registry(what: str, output: str, do: str) -> SurroundingsError:
    if error := _of_engine(what, output):
        return error
    for pattern, reason, hint in _REGISTRY:
        if re.search(pattern, output, re.IGNORECASE):
            return SurroundingsError(f"{what}: {reason}.", hint=hint.format(do=do))
    return SurroundingsError(f"{what}: see the lines above.")


def _too_long(what: str, timeout: float) -> SurroundingsError:
    return SurroundingsError(
        f"{what} within {timeout:g} s.", hint="Check the network of the engine, or raise the input timeout."
    )


def _step(output: str) -> str:
    """Return the step that failed: the last one that was started."""
    for pattern in _STEP:
        if found := list(pattern.finditer(output)):
            return found[-1]["step"]
    return ""


def _said(output: str) -> str:
    """Return what the failed step printed, without the text of the step itself."""
    if failed := re.search(r"^#(\d+) ERROR", output, re.MULTILINE):
        lines = re.findall(rf"^#{failed[1]} [\d.]+ (.*)$", output, re.MULTILINE)
        return "\n".join(lines)
    tail = output.rpartition(" ---> Running in ")[2]
    return re.sub(r"^The command '.*' returned a non-zero code: \d+$", "", tail, flags=re.MULTILINE)
