"""Finds credentials that nobody has named, by the formats of those who issue them.

Only formats that are nearly never something else. Measures of randomness would report digests, UUIDs and images. So
would the rules of gitleaks and detect-secrets for any value beside a word such as `key`: they are left out.
This is our own table because it is used before any tool environment exists. It was compared with the rules of gitleaks
(July 2026). detect-secrets (1.5, of 2024) takes one pass per detector and line.
"""

import itertools
import re
from collections.abc import Iterator, Sequence

_BEGINS = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt])|(?<=%[0-9A-F]{2}))"  # a word, perhaps after an escape
_ENDS = r"(?![A-Za-z0-9])"
_BODY = r"(?:(?:[^-]|-(?!-)){40,20000}?-----END [A-Z ]+-----|(?:[A-Za-z0-9+/=\s]|\\+[nr]){40,})"
# Kind; what stands before a rare character; this character, and what follows it. Python looks for a single character
# with the speed of memory, and for all else of a pattern fifty times slower.
_FORMATS: Sequence[tuple[str, str, str]] = (
    ("GitHub token", "gh[opsur]", "_[A-Za-z0-9]{20,}"),
    ("GitHub token", "github_pat", r"_\w{20,}"),
    ("Hugging Face token", "hf", f"_[A-Za-z0-9]{{30,40}}{_ENDS}"),
    ("npm token", "npm", f"_[A-Za-z0-9]{{36}}{_ENDS}"),
    ("Stripe key", "[rs]k", "_(?:live|test)_[A-Za-z0-9]{16,}"),
    ("GitLab token", "gl(?:cbt|imt|oas|pat|ptt)", r"-[\w-]{20,}(?:\.[\w-]+)*"),
    ("GitLab token", "gl[dfr]t", r"-[\w-]{20,}"),
    ("Anthropic key", "sk", r"-ant-[\w-]{32,}"),
    ("OpenAI key", "sk", r"-(?:admin|proj|svcacct)-[\w-]{20,}"),
    ("OpenAI key", "sk", f"-[A-Za-z0-9]{{20,}}{_ENDS}"),
    ("Perplexity key", "pplx", f"-[A-Za-z0-9]{{48}}{_ENDS}"),
    ("PyPI token", "pypi", r"-AgE[\w-]{32,}"),
    ("private key", "----", rf"-BEGIN (?:[A-Z0-9]+ ){{0,2}}PRIVATE KEY(?: BLOCK)?-----{_BODY}"),
    ("Slack token", "xox[abeoprs]", r"-\d[\w-]{12,}"),
    ("Slack token", "xapp", r"-\d-[\w-]{20,}"),
    ("AWS access key", "A[KS]", f"IA[A-Z0-9]{{16}}{_ENDS}"),
    ("Google API key", "(?<![+/])A", r"Iza[\w-]{35}(?![\w/+-])"),
    ("Twilio key", "S", f"K[0-9a-f]{{32}}{_ENDS}"),
    ("Azure key", "Account", "Key=[A-Za-z0-9+/]{86}=="),
    ("Azure key", "SharedAccess", "Key=[A-Za-z0-9+/]{43}="),
    ("SendGrid key", "S", r"G\.[\w-]{16,}\.[\w-]{16,}"),
    ("JSON Web Token", "ey", r"J[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}"),
    ("Databricks token", "da", f"pi[0-9a-f]{{32}}(?:-\\d)?{_ENDS}"),
    ("Slack webhook", r"hooks\.slac", r"k\.com/(?:services|triggers|workflows)/[A-Za-z0-9+/]{20,}"),
)
_ALSO = {
    "G": ".",
    "J": ".",
    "p": "dapi",
    "k": "hooks.slack.com/",
}  # what else a text with such a credential contains: images in base64 do not
_BEFORE = {  # for speed, of all formats: mostly something else
    "-": "(?<=[-abeikoprstx]-)",
    "_": "(?<=[fkmoprstu]_)",
    "I": "(?<=[AKS]I)",
    "K": "(?<=[Sst]K)",
}
_URL = re.compile(r"://([^\s/:@]{0,100}):([^\s/@:'\"`<>{}$*\\]{6,})@")
_PLACEHOLDER = re.compile("pass|pwd|secret|token|xxx|your", re.IGNORECASE)


def _pattern(formats: Sequence[tuple[int, str, str]]) -> re.Pattern[bytes]:
    """Return a pattern with a group per format, which begins where the credential begins."""
    character = formats[0][2][0]
    found = [
        f"(?<={before}{character})(?<=(?P<k{number}>{_BEGINS}{before}{character})){rest[1:]}"
        for number, before, rest in formats
    ]
    return re.compile(f"{character}{_BEFORE.get(character, '')}(?:{'|'.join(found)})".encode())


def _by_character() -> Iterator[tuple[str, re.Pattern[bytes]]]:
    numbered = [(number, before, rest) for number, (_, before, rest) in enumerate(_FORMATS)]
    for character, formats in itertools.groupby(numbered, lambda each: each[2][0]):
        yield character, _pattern(list(formats))


_PATTERNS = tuple(_by_character())


def find(text: str, in_ascii: bytes) -> Iterator[tuple[int, int, str]]:
    """Yield begin, end and kind of each credential in a text, which is also given in ASCII."""
    for character, pattern in _PATTERNS:
        if _ALSO.get(character, "") in text:
            for match in pattern.finditer(in_ascii):
                group = match.lastgroup or ""
                yield match.start(group), match.end(), _FORMATS[int(group[1:])][0]
    for url in _URL.finditer(text) if "@" in text else ():
        user, password = url.groups()
        if password != user and not _PLACEHOLDER.match(password):
            yield *url.span(2), "password in a URL"
