"""What counts as a credential, and how it is hidden."""

import base64
import html
import io
import json
import os
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from notebook_ci.base import masking
from notebook_ci.base.console import Summary, console
from notebook_ci.base.errors import Problem
from notebook_ci.base.masking import HIDDEN, learn, masked
from notebook_ci.base.spellings import Known
from notebook_ci.base.typed_json import to_json

PEM = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0\nBAQEFAASCBKcwggSjAgEAAoIB\n-----END PRIVATE KEY-----\n"
ACCOUNT = json.dumps({"type": "service_account", "private_key_id": "0a1b2c3d4e", "private_key": PEM}, indent=2)


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_known", Known())


@pytest.mark.parametrize(
    ("name", "value", "secret"),
    [
        ("GITHUB_TOKEN", "abcdefgh", "abcdefgh"),
        ("MY_SECRET", "12345678", "12345678"),
        ("DB_PASSWORD", "hunter2", "hunter2"),
        ("db_passwd", 'p&w<x>"y', 'p&w<x>"y'),
        ("PGPASSWORD", "with a blank ", "with a blank"),
        ("MYSQL_PWD", "p/w-ü-+%", "p/w-ü-+%"),
        ("WANDB_API_KEY", "0a1b2c3d4e5f", "0a1b2c3d4e5f"),
        ("AWS_ACCESS_KEY_ID", "some-id-of-a-key", "some-id-of-a-key"),
        ("AWS_SECRET_ACCESS_KEY", "/a1/b2c3d4+e5", "/a1/b2c3d4+e5"),
        ("GCP_CREDENTIALS", ACCOUNT, "0a1b2c3d4e"),
        ("GCP", ACCOUNT, PEM.strip()),
        ("NPM_AUTH", "dXNlcjpwdw", "dXNlcjpwdw"),
        ("HTTP_AUTHORIZATION", "Basic dXNlcjpwdw==", "Basic dXNlcjpwdw=="),
        ("AZURE_DEVOPS_EXT_PAT", "0a1b2c3d4e5f", "0a1b2c3d4e5f"),
        ("SLACK_WEBHOOK_URL", "https://host/services/T0/0a1b2c3d4e5f", "https://host/services/T0/0a1b2c3d4e5f"),
        ("ALL", '{"accounts": [{"token": "0a1b2c3d4e5f"}]}', "0a1b2c3d4e5f"),
        ("ALL", '[{"name": "x", "tokens": ["0a1b2c3d4e5f"]}]', "0a1b2c3d4e5f"),
        # by their shapes
        ("HEADER", "Authorization: Bearer 0a1b2c3d4e5f", "0a1b2c3d4e5f"),
        ("A", "ghp_0123456789abcdefghij0123", "ghp_0123456789abcdefghij0123"),
        ("A", "x github_pat_0123456789abcdefghij y", "github_pat_0123456789abcdefghij"),
        ("A", "AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
        ("A", "sk-proj-0123456789abcdefghij", "sk-proj-0123456789abcdefghij"),
        ("A", "xoxb-0123456789-abc", "xoxb-0123456789-abc"),
        ("A", "eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl", "eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl"),
        ("A", PEM, PEM.strip()),
        # in addresses and connection strings
        ("DATABASE_URL", "postgresql://ann:s3cr%2Ft@host:5432/db", "s3cr/t"),
        ("UV_INDEX", "https://host/simple x=https://t0ken-of-index@host.org/simple", "t0ken-of-index"),
        ("HTTPS_PROXY", "http://ann:p@ss-word@proxy:8080", "p@ss-word"),
        ("STORE", "AccountName=x;AccountKey=abcd1234/+==;EndpointSuffix=core", "abcd1234/+=="),
        ("DSN", "host=db user=ann password=s3cret-of-db", "s3cret-of-db"),
        ("URL", "https://host/x?sig=a1b2c3d4&v=1", "a1b2c3d4"),
    ],
)
def test_a_credential_is_hidden_in_every_spelling(name: str, value: str, secret: str) -> None:
    learn({name: value, "HOME": "/home/ann", "SHELL": "/bin/sh"})
    basic = base64.b64encode(f"ann:{secret}".encode()).decode()
    middle = base64.b64encode(secret.encode()).decode().rstrip("=")[:-1]
    spelt = [secret, json.dumps(secret), repr(secret), html.escape(secret), quote(secret, safe=""), quote(secret)]
    for text in spelt:
        assert secret not in masked(f"a {text} b")
        assert masked(f"a {text} b").strip("ab \"'") == HIDDEN, masked(f"a {text} b")
    assert middle not in masked(base64.b64encode(secret.encode()).decode())
    assert masked(basic) != basic
    assert HIDDEN in masked(basic)
    assert masked([{"x": [1, secret]}, None]) == [{"x": [1, HIDDEN]}, None]
    for line in secret.splitlines():
        assert line not in masked(f"|{line}|")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOKENIZERS_PARALLELISM", "false"),
        ("MAX_TOKENS", "4096"),
        ("USE_AUTH", "1"),
        ("X_TOKEN", "1234567"),
        ("CACHE_KEY", "main"),
        ("POSTGRES_PASSWORD", "postgres"),
        ("DATABASE_URL", "postgres://penguins:penguins@localhost/penguins"),
        ("GOOGLE_APPLICATION_CREDENTIALS", str(Path(__file__).with_name("key.json"))),
        ("SSH_AUTH_SOCK", "/usr/bin/agent"),
        ("GIT_AUTHOR_NAME", "Ann Example"),
        ("AUTH_TYPE", "kerberos"),
        ("UV_KEYRING_PROVIDER", "subprocess"),
        ("MY_TOKEN", "notebook-ci"),
        ("REPOSITORY", "git+https://github.com/acme/penguins@v1.0.0"),
        ("PYTHONPATH", "/work/penguins"),
        ("STATE_KEY", "acme/penguins"),
        ("FILE_PATTERN", "part-*.csv"),
        ("ALL", "[1, 2"),
        ("ALL", '{"tokens": [1, null, []]}'),
    ],
)
def test_what_is_no_credential_is_shown(name: str, value: str) -> None:
    learn({name: value, "GITHUB_REPOSITORY": "acme/penguins", "PWD": "/work/penguins"})
    told = f"{value} in v1.0.0 of /acme/penguins/key.json by kerberos; notebook-ci, Ann Example   postgres"
    assert masked(told) == told


def test_the_longer_of_two_is_hidden_as_a_whole() -> None:
    learn({"A_TOKEN": "abcdefgh", "B_TOKEN": "abcdefgh-ijkl"})
    assert masked("abcdefgh abcdefgh-ijkl") == f"{HIDDEN} {HIDDEN}"


def test_what_is_learnt_later_is_hidden_too() -> None:
    learn({"A_TOKEN": "abcdefgh"})
    assert masked("abcdefgh of-a-file") == f"{HIDDEN} of-a-file"
    learn({"UV_INDEX": "https://ann:of-a-file@host"})
    assert masked("abcdefgh of-a-file") == f"{HIDDEN} {HIDDEN}"


def test_a_spelling_that_stands_in_many_texts_is_shown() -> None:
    learn({"A_KEY": "%20%20%20", "B_KEY": "%61-bcde"})
    assert masked("   %20%20%20 a-bcde") == f"   {HIDDEN} {HIDDEN}"


def test_bytes_that_are_no_text_do_no_harm() -> None:
    learn({"A_TOKEN": os.fsdecode(b"abc\xffdefgh")})
    assert masked(os.fsdecode(b"x abc\xffdefgh")) == f"x {HIDDEN}"


def test_hiding_is_fast() -> None:
    learn({f"TOKEN_{number}": f"{number}-abcdefgh-{number}" for number in range(20)})
    began = time.process_time()
    assert len(masked("abcdefg " * 200_000)) == 1_600_000
    assert time.process_time() - began < 5
    began = time.process_time()
    assert len(masked([{"output_type": "stream", "name": "stdout"}] * 200_000)) == 200_000
    assert time.process_time() - began < 5


def test_each_writer_hides_what_was_learnt(tmp_path: Path) -> None:
    learn({"A_TOKEN": "100%\nab_cd*ef", "B_TOKEN": "abcdefgh"})
    files = {name: str(tmp_path / name) for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    stream = io.StringIO()
    shown = console({"GITHUB_ACTIONS": "true", **files}, stream)
    shown.annotate([Problem(severity="error", message="got 100%\nab_cd*ef", title="abcdefgh", file="abcdefgh.py")])
    shown.progress("abcdefgh")
    shown.output("abcdefgh")
    shown.set_outputs({"x": "abcdefgh"})
    shown.summarize(Summary("abcdefgh", ""))
    written = "".join([stream.getvalue(), *(Path(path).read_text() for path in files.values())])
    assert "::error file=***.py,title=***::got ***\n" in written
    assert "abcdefgh" not in written
    assert "ab_cd" not in written
    assert to_json(["abcdefgh", {"x": Path("/abcdefgh")}]) == [HIDDEN, {"x": f"/{HIDDEN}"}]
