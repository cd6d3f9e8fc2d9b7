"""What GitHub's answers mean."""

from notebook_ci.base.errors import SurroundingsError
from notebook_ci.base.known_errors import KnownError, explain

FAULTS = (
    KnownError(
        r"rate limit|^429",
        "GitHub's rate limit for the token is exceeded.",
        "Run the job again later.",
    ),
    KnownError(
        r"^401",
        "GitHub does not accept the token: {said}.",
        "Set `GITHUB_TOKEN` to a token that is valid, or do not set it: the token of the job is the default.",
    ),
    KnownError(
        r"^403 .*locked",
        "The conversation of {subject} is locked.",
        "Unlock it on its page.",
    ),
    KnownError(
        r"^403",
        "The token cannot {what}: {said}.",
        "Give the job `permissions: {{ {permission} }}`.{more}",
    ),
    KnownError(
        r"^404",
        "GitHub does not find {subject} in `{repository}`, or the token cannot read it: {said}.",
        "Give the job `permissions: {{ {permission} }}`.",
    ),
    KnownError(r"^422", "GitHub refused to {what}: {said}.", "Please report it as a bug of notebook-ci."),
    KnownError(r"^5\d\d", "GitHub failed: {said}.", "See https://www.githubstatus.com, and run the job again later."),
    KnownError(
        r"certificate|\bSSL\b",
        "The certificate of {url} is not trusted.",
        "Set `SSL_CERT_FILE` to the file with the certificates to trust.",
    ),
    KnownError(r"proxy", "The proxy cannot reach {url}: {said}.", "Correct `HTTPS_PROXY`."),
    KnownError(r"", "{url} did not answer as GitHub does: {said}.", "Check `GITHUB_API_URL` and the network."),
)


OF_FORKS = (
    " The tokens of pull requests from forks and of Dependabot can only read: use the two workflows that the README of "
    "comment-run describes."
)


def fault(answer: str, **values: str) -> SurroundingsError:
    """Return the error for an answer: its status and message, or why there is none."""
    error = explain(FAULTS, answer, **values)
    assert isinstance(error, SurroundingsError)  # noqa: S101 - the last entry fits all
    return error
