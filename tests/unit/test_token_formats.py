"""Credentials that nobody has named are found by their formats, and ordinary texts have none."""

import base64
import hashlib
import json
import random
import string
import uuid
from typing import Any

import pytest

from notebook_ci.base import masking, token_formats
from notebook_ci.base.masking import HIDDEN, kinds, masked
from notebook_ci.base.spellings import Known

CHANCE = random.Random(7)  # noqa: S311 - nothing secret
HEX, LETTERS = string.hexdigits[:16], string.ascii_letters + string.digits


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_known", Known())


def some(length: int, alphabet: str = LETTERS) -> str:
    return "".join(CHANCE.choices(alphabet, k=length))


def json64(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


BODY = "\n".join(some(64) for _ in range(12))
TOKENS = {  # written so that no scanner takes this file for a leak
    "GitHub token": [f"gh{kind}_{some(36)}" for kind in "pousr"] + [f"github_pat_{some(22)}_{some(59)}"],
    "GitLab token": [
        f"glpat-{some(20)}",
        f"gldt-{some(20)}",
        f"glpat-{some(27)}.01.{some(9)}",
        f"glft-{some(20)}",
        f"gloas-{some(64)}",
    ],
    "AWS access key": [f"AKIA{some(16, string.ascii_uppercase + '234567')}", f"ASIA{some(16, string.ascii_uppercase)}"],
    "Slack token": [
        f"xoxb-{some(12, string.digits)}-{some(12, string.digits)}-{some(24)}",
        f"xapp-1-A{some(10)}-{some(60)}",
    ],
    "Slack webhook": [f"hooks.slack.com/services/T{some(10)}/B{some(10)}/{some(24)}"],
    "Databricks token": [f"dapi{some(32, HEX)}", f"dapi{some(32, HEX)}-2"],
    "Perplexity key": [f"pplx-{some(48)}"],
    "Stripe key": [f"sk_live_{some(24)}", f"rk_test_{some(99)}"],
    "Google API key": [f"AIza{some(35)}"],
    "Azure key": [f"AccountKey={some(86)}==", f"SharedAccessKey={some(43)}="],
    "OpenAI key": [f"sk-{some(48)}", f"sk-proj-{some(74)}_{some(20)}"],
    "Anthropic key": [f"sk-ant-api03-{some(80)}-{some(12)}"],
    "Hugging Face token": [f"hf_{some(34, string.ascii_letters)}"],
    "PyPI token": [f"pypi-AgEIcHlwaS5vcmc{some(140)}"],
    "npm token": [f"npm_{some(36)}"],
    "SendGrid key": [f"SG.{some(22)}.{some(43)}"],
    "Twilio key": [f"SK{some(32, HEX)}"],
    "JSON Web Token": [f"{json64({'alg': 'HS256'})}.{json64({'sub': '1234567890', 'iat': 1})}.{some(43)}"],
    "private key": [
        f"-----BEGIN {kind}PRIVATE KEY-----\n{head}{BODY}\n-----END {kind}PRIVATE KEY-----"
        for kind, head in {"": "", "RSA ": "Proc-Type: 4,ENCRYPTED\n\n", "OPENSSH ": "", "EC ": ""}.items()
    ],
}


@pytest.mark.parametrize(("kind", "token"), [(kind, token) for kind, tokens in TOKENS.items() for token in tokens])
def test_a_token_is_hidden_and_named(kind: str, token: str) -> None:
    for text in (f"{token}", f"x = '{token}'", f"?key={token}&v=1", json.dumps(f"x\n{token}\ny"), f"a%3D{token} b"):
        assert kinds(text) == [kind]
        assert masked(text) == text.replace(token, HIDDEN).replace(json.dumps(token)[1:-1], HIDDEN)
    assert kinds(f"\tkey: {token},\n{token}\n") == [kind]


def test_a_private_key_that_is_cut_is_hidden() -> None:
    begin = "-----BEGIN PRIVATE KEY-----"
    assert masked(f"x {begin}\n{BODY}\n[the rest was left out]") == f"x {HIDDEN}[the rest was left out]"
    shown = f"{begin}\n...\n-----END PRIVATE KEY----- and {begin}"
    assert masked(shown) == shown


def test_only_the_password_in_a_url_is_hidden() -> None:
    text = "postgresql://ann:%s@db.example.org/x and git@github.com:acme/x"
    assert masked(text % "hunter22") == text % HIDDEN
    assert kinds(text % "hunter22") == ["password in a URL"]
    for placeholder in ("ann", "password", "<token>", "$TOKEN", "{token}", "***", "your-token", "8080/x"):
        assert masked(text % placeholder) == text % placeholder


@pytest.mark.parametrize(
    "text",
    [
        "sk-estimator-doc-link fitted sk-toggleable__label-arrow sk-container-id-1",  # scikit-learn's pages
        "task-based-learning-of-representations risk-0123456789abcdefghijklmnop desk-ant-0123",
        "ghp_short github_pat_ glpat-short hf_ npm_install_dependencies_of_a_package pypi-2.0",
        "dapi dapi0123456789abcdef xdapi"
        + some(32, HEX)
        + " hooks.slack.com/services/ xhooks.slack.com/x pplx-70b-online",
        "AKIA AKIAIOSFODNN AIzaSy SK0123 SG.x.y xoxb-your-token-here xoxb-",
        "eyJ.eyJ. AccountKey=abc= eyJhbGciOiJIUzI1NiJ9",
        "-----BEGIN CERTIFICATE-----\n" + BODY + "\n-----END CERTIFICATE-----",
        "xghp_" + some(36) + " 0AKIA" + some(16, string.ascii_uppercase) + " aSK" + some(32, HEX),
        "https://localhost:8080/@x http://host:80 mailto:ann@example.org",
    ],
)
def test_what_only_looks_like_a_token_is_shown(text: str) -> None:
    assert masked(text) == text


def notebook(chance: random.Random) -> dict[str, Any]:
    """Return a notebook with what public ones have, and what measures of randomness take for credentials."""
    digests = [hashlib.new(name, chance.randbytes(9)).hexdigest() for name in ("md5", "sha1", "sha256", "sha512")]
    words = [some(chance.randint(2, 11), string.ascii_lowercase) for _ in range(200)]
    rows = [
        f"| {chance.gauss(0, 1e3):.6f} | {uuid.UUID(int=chance.getrandbits(128), version=4)} | {chance.choice(words)} |"
        for _ in range(150)
    ]
    image = base64.b64encode(chance.randbytes(20_000)).decode()
    html = "".join(f"<tr><td>{row}</td><td>{chance.choice(digests)[:7]}</td></tr>" for row in rows)
    outputs = [
        {"output_type": "stream", "name": "stdout", "text": "\n".join(rows)},
        {"output_type": "display_data", "metadata": {}, "data": {"image/png": image, "text/html": html}},
        {"output_type": "display_data", "metadata": {}, "data": {"text/plain": " ".join(words), "x/y": digests}},
        {"output_type": "display_data", "metadata": {}, "data": {"image/svg+xml": f"data:font/woff2;base64,{image}"}},
    ]
    source = f"# commit {digests[1]}\n!pip install x=={digests[0][:3]} --hash=sha256:{digests[2]}\n" + "\n".join(words)
    code = {"cell_type": "code", "id": digests[0][:8], "metadata": {}, "source": source, "outputs": outputs}
    urls = f"![](https://example.org/{digests[1]}/{words[0]}.png?v={chance.random()}) ann@example.org:{words[1]}"
    text = {"cell_type": "markdown", "id": digests[0][8:16], "metadata": {}, "source": f"{urls} {' '.join(words)}"}
    integrity = "sha512-" + base64.b64encode(chance.randbytes(64)).decode()
    session = base64.urlsafe_b64encode(chance.randbytes(3000)).decode()
    return {"cells": [text, code], "metadata": {"widgets": {str(uuid.uuid5(uuid.NAMESPACE_URL, integrity)): session}}}


def test_300_clean_notebooks_give_no_false_alarm() -> None:
    masking.learn({f"SERVICE_{number}_TOKEN": some(CHANCE.randint(12, 40)) for number in range(20)})
    chance = random.Random(1)  # noqa: S311 - nothing secret
    for _ in range(300):
        clean = notebook(chance)
        assert kinds(clean) == []
        assert masked(clean) is clean
        assert masked(json.dumps(clean, indent=1)) == json.dumps(clean, indent=1)


def test_each_format_has_an_example() -> None:
    assert {kind for kind, _, _ in token_formats._FORMATS} == TOKENS.keys()
