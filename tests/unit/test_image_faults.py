"""What docker says, as clients and engines 20.10 to 28 wrote it, and what is made of it."""

import json

import pytest

from notebook_ci.base.errors import NotebookCiError
from notebook_ci.base.process import Completed
from notebook_ci.build_image import faults
from notebook_ci.conda import faults as faults_of_conda

X509 = 'Get "https://r.example/v2/": x509: certificate signed by unknown authority'
PLAIN = 'Get "https://10.0.0.9:5000/v2/": http: server gave HTTP response to HTTPS client'
PUSH = {
    X509: "the certificate of the registry is not trusted",
    PLAIN: "the registry uses HTTP, but the engine HTTPS",
    "denied: requested access to the resource is denied": "the registry denies access",
    "no basic auth credentials": "the registry denies access",
    "unauthorized: authentication required": "the registry denies access",
    "received unexpected HTTP status: 500 Internal Server Error": "the registry failed",
    "received unexpected HTTP status: 503 Service Unavailable": "the registry failed",
    "dial tcp: lookup ghcr.example on 10.0.0.1:53: no such host": "the host of the registry is unknown",
    "dial tcp 127.0.0.1:9: connect: connection refused": "the registry cannot be reached",
    "net/http: TLS handshake timeout": "the registry cannot be reached",
    "toomanyrequests: You have reached your pull rate limit.": "the registry limits the number of requests",
    "write /var/lib/docker/tmp/x: no space left on device": "the disk of the engine is full",
    "Cannot connect to the Docker daemon at unix:///var/run/docker.sock.": "the Docker engine stopped",
    "something new": "see the lines above",
}


def ended(output: str, code: int = 1) -> Completed:
    return Completed(code, output, timed_out=False)


def of_build(output: str, own: str = "Dockerfile") -> NotebookCiError:
    return faults.build(ended(output), 60, own=own, lock="requirements.txt")


@pytest.mark.parametrize(("output", "reason"), PUSH.items())
def test_push(output: str, reason: str) -> None:
    error = faults.push("r.example/a:1", ended(output), 60)
    assert error.message.endswith(f": {reason}.")
    assert error.exit_code == 3


def test_a_limit() -> None:
    assert "within 60 s." in faults.push("a:1", Completed(-15, "", timed_out=True), 60).message


def test_a_client_without_buildkit() -> None:
    error = of_build("ERROR: BuildKit is enabled but the buildx component is missing or broken.\n")
    assert error.message.endswith(": `DOCKER_BUILDKIT` is set, but this docker client has no BuildKit.")
    assert error.exit_code == 3


@pytest.mark.parametrize("own", ["", "Dockerfile"])
def test_a_dockerfile_that_needs_buildkit(own: str) -> None:
    error = of_build("the --mount option requires BuildKit. Refer to https://docs.docker.com", own)
    assert (error.exit_code, error.message) == (3, "The image could not be built: the Dockerfile needs BuildKit.")


def test_a_stale_uv_lock() -> None:
    said = "error: The lockfile at `uv.lock` needs to be updated, but `--locked` was provided.\n"
    step = "RUN /build/uv/bin/uv sync --python /opt/environment/bin/python"
    output = (
        f"#9 [environment 5/5] {step}\n#9 0.6 {said}#9 ERROR: 1\n------\n > [environment 5/5] {step}:\n{said}------\n"
    )
    error = faults.build(ended(output), 60, own="", lock="sub/uv.lock")
    message = "`sub/uv.lock` no longer matches its `pyproject.toml`."
    assert (error.exit_code, error.message, error.file) == (2, message, "sub/uv.lock")


@pytest.mark.parametrize(
    "output",
    [
        "dockerfile parse error line 2: unknown instruction: COOPY",
        "failed to create LLB definition: dockerfile parse error line 2: unknown instruction: COOPY",
        "ERROR: failed to solve: dockerfile parse error on line 2: unknown instruction: COOPY",
    ],
)
def test_a_line_of_the_dockerfile(output: str) -> None:
    error = of_build(output)
    assert (error.exit_code, error.file, error.line) == (1, "Dockerfile", 2)


def test_words_of_the_step_are_no_reason() -> None:
    """The step itself speaks of certificates; what it printed does not."""
    output = (
        "Step 7/28 : RUN PIP_CERT=certificates.crt pip install x\n ---> Running in 0123\nConnection refused\n"
        "The command '/bin/sh -c PIP_CERT=certificates.crt pip install x' returned a non-zero code: 1"
    )
    error = of_build(output, own="")
    assert error.message == "The image could not be built: the package index cannot be reached."


@pytest.mark.parametrize(
    ("said", "end"),
    [
        ("Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?", "daemon running?"),
        ("something else\n", "something else."),
        ("a sentence.", "a sentence."),
        ("", "no output."),
    ],
)
def test_a_sentence_ends_with_one_mark(said: str, end: str) -> None:
    message, _ = faults.no_engine(said)
    assert message.startswith("No Docker engine answers: ")
    assert message.endswith(end)
    assert not message.endswith(("?.", ".."))


def test_what_the_dockerfile_copies_ends_with_one_mark() -> None:
    assert of_build("COPY failed: file not found in build context: who?").message.endswith(" who?")
    assert of_build("COPY failed: no such file none").message.endswith(" none.")


def test_an_empty_dockerfile() -> None:
    said = (
        "failed to solve with frontend dockerfile.v0: failed to create LLB definition: the Dockerfile cannot be empty"
    )
    assert of_build(said).message.endswith(" is not a valid Dockerfile: the Dockerfile cannot be empty.")


def of_conda(said: str) -> NotebookCiError:
    output = f"#9 [environment 5/5] RUN worker.py\n#9 0.5 Solving\n#9 0.6 {said}\n#9 ERROR: executor failed\n"
    return of_build(output, own="")


def test_what_the_installer_of_conda_replied() -> None:
    failure = {"exit_code": 2, "message": "no channel has `x`.", "hint": "Correct it.", "file": None, "line": None}
    reply = json.dumps({"failures": [failure], "variables": {}})
    error = of_conda(reply)
    message = "`requirements.txt` cannot be installed: no channel has `x`."
    assert (error.exit_code, error.message, error.hint, error.file) == (2, message, "Correct it.", "requirements.txt")
    assert of_conda(reply[:-9]).message == "The image could not be built: see the lines above.", "a line that was cut"
    full = json.dumps({"failures": [faults_of_conda.explain("OSError", "No space left on device").as_json()]})
    assert of_conda(full).message == "The image could not be built: the disk of the engine is full."


def test_a_base_image_with_an_old_python() -> None:
    error = of_conda("error: No interpreter found for Python >=3.11 in search path")
    assert error.message == "The image could not be built: the base image has no Python with `venv` and pip."
