"""Wrong inputs of comment-run, and what GitHub may answer: each has its sentence."""

import base64
import re
from pathlib import Path

import pytest

from integration.comment_run.pull_request import PullRequest, notebooks, own
from integration.suite import Done, Workspace, in_the_tool_environment
from servers.github_api import READ_ONLY, serving_rest_api


def warned(done: Done) -> str:
    """Return the only warning of a step that is green."""
    assert done.code == 0, done.log
    (found,) = done.annotations("warning")
    assert not done.outputs["url"]
    return found.message


@pytest.mark.parametrize(
    ("illness", "requests"),
    [("overloaded", 2), ("secondary", 2), ("too many", 1), ("primary", 1)],
)
def test_what_passes_is_waited_for(pull_request: PullRequest, illness: str, requests: int) -> None:
    pull_request.api.illness, pull_request.api.ill_for = illness, requests
    done = pull_request.run(1, notebooks(train="passed"))
    assert (done.code, done.record["action"]) == (0, "created"), done.log
    assert len(re.findall(r"GitHub cannot answer now. Next try in \d s.", done.log)) == requests
    assert pull_request.comment


@pytest.mark.parametrize(
    ("illness", "message"),
    [
        ("secondary for long", "GitHub's rate limit for the token is exceeded. Run the job again later."),
        ("locked", "The conversation of pull request 5 is locked. Unlock it on its page."),
        ("overloaded", "GitHub failed: Server Error. See https://www.githubstatus.com, and run the job again later."),
        ("page", "did not answer as GitHub does: "),
        ("half an answer", "did not answer as GitHub does: "),
    ],
)
def test_what_lasts_is_a_warning(pull_request: PullRequest, illness: str, message: str) -> None:
    pull_request.api.illness, pull_request.api.ill_for = illness, 1000
    assert message in warned(pull_request.run(1, notebooks(train="KeyError"), result="failure"))
    assert not pull_request.api.comments


def test_what_the_token_cannot_do_is_said(pull_request: PullRequest) -> None:
    record = notebooks(train="passed")
    message = warned(pull_request.run(1, record, environ={"GITHUB_TOKEN": READ_ONLY}))
    assert message == (
        "The token cannot write comments: Resource not accessible by integration. Give the job `permissions: "
        "{ pull-requests: write }`. The tokens of pull requests from forks and of Dependabot can only read: use the "
        "two workflows that the README of comment-run describes."
    )
    message = warned(pull_request.run(2, record, environ={"GITHUB_TOKEN": READ_ONLY}, as_="check"))
    assert message.startswith(
        "The token cannot write checks: Resource not accessible by integration. Give the job `perm"
    )
    assert "`permissions: { checks: write }`" in message
    message = warned(pull_request.run(3, record, environ={"GITHUB_TOKEN": "ghs_expired"}))
    assert message.startswith(
        "GitHub does not accept the token: Bad credentials. Set `GITHUB_TOKEN` to a token that is"
    )
    message = warned(
        pull_request.run(4, record, environ={"GITHUB_REPOSITORY": "acme/other"}, payload=own("acme/other"))
    )
    assert message.startswith(
        "GitHub does not find pull request 5 in `acme/other`, or the token cannot read it: Not Fou"
    )
    assert "ghs_" not in message


def test_a_server_that_is_not_there(pull_request: PullRequest) -> None:
    nobody = {"GITHUB_API_URL": "http://127.0.0.1:1/api/v3"}
    message = warned(pull_request.run(1, notebooks(train="passed"), environ=nobody))
    assert message.startswith("http://127.0.0.1:1/api/v3 did not answer as GitHub does: ")
    assert message.endswith("Check `GITHUB_API_URL` and the network.")


def certificate(workspace: Workspace) -> Path:
    """Return a new certificate of 127.0.0.1, with its key."""
    path = workspace.base / "certificate.pem"
    done = in_the_tool_environment(workspace, f"{MAKE_CERTIFICATE}make({str(path)!r})", "comment-run")
    assert done.returncode == 0, done.stderr
    return path


MAKE_CERTIFICATE = """
import datetime, ipaddress
from pathlib import Path
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

def make(path):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.timezone.utc)
    number, end = x509.random_serial_number(), now + datetime.timedelta(days=1)
    built = x509.CertificateBuilder(name, name, key.public_key(), number, now, end)
    built = built.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
    built = built.add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
    pem = built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    format = serialization.PrivateFormat.PKCS8
    Path(path).write_bytes(pem + key.private_bytes(serialization.Encoding.PEM, format, serialization.NoEncryption()))
"""


def test_certificates_and_proxies_are_those_of_the_step(pull_request: PullRequest) -> None:
    """As behind the border of a company."""
    record, trusted = notebooks(train="passed"), certificate(pull_request.workspace)
    with serving_rest_api(trusted) as api:
        here = {"GITHUB_API_URL": api.url}
        hint = "Set `SSL_CERT_FILE` to the file with the certificates to trust."
        said = f"The certificate of {api.url} is not trusted. {hint}"
        assert warned(pull_request.run(1, record, environ=here)) == said
        assert warned(pull_request.run(2, record, environ={**here, "SSL_CERT_FILE": "/nowhere.pem"})) == said
        assert not api.comments
        for run, variable in enumerate(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), 3):
            assert pull_request.run(run, record, environ={**here, variable: str(trusted)}).outputs["url"]
        nowhere = {**here, "SSL_CERT_FILE": str(trusted), "HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": ""}
        message = warned(pull_request.run(5, record, environ=nowhere))
        assert message.startswith(f"The proxy cannot reach {api.url}: ")


@pytest.mark.parametrize(
    ("environ", "inputs", "message"),
    [
        (
            {},
            {"result": ""},
            "`result` is not set, and without it, a job that was killed would look as if it had passed.",
        ),
        ({}, {"result": "passed"}, "`result` does not accept `passed`. Use `success` or `failure` or"),
        ({}, {"as_": "issue"}, "`as` does not accept `issue`. Use `comment` or `check`."),
        ({}, {"when": "later"}, "`when` does not accept `later`."),
        ({}, {"as_": "check", "when": "start"}, "`when: start` is for comments: a check belongs to one commit"),
        ({}, {"report": "https://evil.example/x"}, "`report` is `https://evil.example/x`, which is not an artifact of"),
        ({"GITHUB_TOKEN": ""}, {}, "`GITHUB_TOKEN` is not set. Set it: `env: { GITHUB_TOKEN: ${{ github.token }} }`."),
        ({"GITHUB_EVENT_PATH": "/nowhere.json"}, {}, "`/nowhere.json` does not exist."),
        ({"GITHUB_ACTIONS": "false"}, {}, "comment-run needs the event of a workflow run on GitHub."),
    ],
)
def test_a_wrong_input_is_an_error(
    pull_request: PullRequest, environ: dict[str, str], inputs: dict[str, str], message: str
) -> None:
    variables = pull_request.environ(1, **environ)
    if environ.get("GITHUB_EVENT_PATH") is None:
        pull_request.write_event(variables, own())
    done = pull_request.end_with(variables, pull_request.given(1, notebooks(train="passed"), **inputs))
    assert done.code == 2, done.log
    assert message in done.log
    assert not pull_request.api.asked


def test_an_event_that_is_not_one_is_an_error(pull_request: PullRequest) -> None:
    done = pull_request.run(1, payload={"pull_request": {"number": "5"}})
    assert done.code == 2
    assert "The event of the workflow run cannot be read: `pull_request.number` is `5`, not a whole number." in done.log


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        ({"ref": "refs/heads/main"}, "The event `pull_request` is not about a pull request."),
        (own("eve/penguins"), "The pull request comes from a fork, and its token can only read."),
    ],
)
def test_nothing_to_comment_on_is_a_notice(pull_request: PullRequest, payload: object, message: str) -> None:
    done = pull_request.run(1, notebooks(train="passed"), payload=payload)
    assert (done.code, done.outputs["status"]) == (0, "skipped")
    assert done.annotations("notice")[0].message.startswith(message)
    assert not pull_request.api.asked


def test_a_run_of_nothing_that_passed_is_an_error(pull_request: PullRequest) -> None:
    done = pull_request.run(1)
    assert done.code == 2
    assert "has no records of it." in done.log
    assert "Download the artifact with the records first" in done.log
    assert pull_request.comment.startswith("### 🛑 The results of this run cannot be shown")


def test_a_long_comment_is_cut(pull_request: PullRequest) -> None:
    record = notebooks(**{f"n{number}": "Error" for number in range(30)})
    for result in record.notebooks:
        assert result.failure
        result.failure.traceback = "\n".join(["é🐧 <b> ```" * 30] * 100)
    record.metrics = {f"metric {number}": number for number in range(2000)}
    record.notebooks += notebooks(**{f"other_{number}": "Error" for number in range(1000)}).notebooks
    done = pull_request.run(1, record)
    assert (done.code, done.record["action"]) == (0, "created"), done.log
    pull_request.run(2, record)
    assert "Since the run before" not in pull_request.comment, "more failures than are kept"
    assert pull_request.comment.endswith("_Cut here: GitHub shows no more. The summary of the run has the rest._\n")
    assert len(pull_request.comment) > 30_000
    assert pull_request.comment.count("<details>") == pull_request.comment.count("</details>")


def test_credentials_in_records_do_not_reach_the_comment(pull_request: PullRequest) -> None:
    record = notebooks(train="KeyError")
    assert record.notebooks[0].failure
    record.notebooks[0].failure.message = "SECRET"
    folder = pull_request.runs / "1"
    inputs = pull_request.given(1, record)
    path = folder / "execute-notebook.json"
    token = "ghp_" + "a1B2" * 9
    phrase = "battery&staple+9"
    shown = f"{token} in postgresql://ann:hunter22@db/x, {phrase}, {base64.b64encode(phrase.encode()).decode()}"
    path.write_text(path.read_text().replace("SECRET", shown))  # as a stranger
    pull_request.workspace.write("notebook-ci.toml", "[execute-notebook.secret-parameters]\nx = 'STUDY_PHRASE'\n")
    variables = pull_request.environ(1, STUDY_PHRASE=phrase)
    pull_request.write_event(variables, own())
    assert pull_request.end_with(variables, inputs).code == 0
    assert "ghp_" not in pull_request.comment
    assert "hunter22" not in pull_request.comment
    assert "battery" not in pull_request.comment
    assert "YmF0dGVye" not in pull_request.comment
    assert pull_request.comment.count(r"\*\*\*") >= 4
