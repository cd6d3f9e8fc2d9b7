"""Hides values of the step's environment that look like credentials, in logs and in all files that are written.

GitHub hides secrets only in logs: not in summaries, artifacts or executed notebooks.
"""

import base64
import contextlib
import html
import itertools
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from notebook_ci.base.files import exists

HIDDEN = "***"
_NAME = re.compile(
    r"token|secret|passw|passphrase|credential|signature|webhook|cookie|auth(?!or(?!i))|"
    r"(?<![a-z])(pass|pat|pwd|sig)(?![a-z])|keys?$|[_-]key(?![a-z])",
    re.IGNORECASE,
)
_ABOUT_IT = re.compile(r"(type|method|mode|scheme|provider|host|endpoint|name|version)$", re.IGNORECASE)
# Tokens of GitHub, GitLab, AWS, OpenAI and others, Hugging Face, Slack, Google, PyPI, npm; a JSON Web Token; a token in
# a header; a private key.
_SHAPE = re.compile(
    r"gh[a-z]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|(?:AKIA|ASIA)[A-Z0-9]{16}|sk-[\w-]{20,}|hf_\w{20,}|"
    r"xox[a-z]-[\w-]{10,}|AIza[\w-]{30,}|pypi-[\w-]{20,}|npm_\w{20,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]+|"
    r"(?<=[Bb]earer )\S{8,}|-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*)"
)
_USER = re.compile(r"://(?:([^\s/:@]*):(?!\d*/))?([^\s/]+)@")
_PAIR = re.compile(r"([\w-]+)=([^\s;&'\"]+)")  # in a query or a connection string
_COMMON = {"anonymous", "disabled", "localhost", "notebook-ci", "password", "postgres", "required", "subprocess"}
_PATHS = (
    *("PATH", "HOME", "PWD", "RUNNER_TEMP", "RUNNER_TOOL_CACHE", "GITHUB_WORKSPACE", "GITHUB_REPOSITORY"),
    *("CI_PROJECT_DIR", "CI_PROJECT_PATH", "AGENT_TEMPDIRECTORY", "BUILD_SOURCESDIRECTORY", "BUILD_REPOSITORY_NAME"),
)
_LONG_LINE = 12
_forms: list[str] = []


def masked(value: Any) -> Any:
    """Return a text or a JSON value with all learnt credentials hidden; keys stay."""
    match value:
        case str() if _forms and len(value) >= len(_forms[-1]):  # a notebook has many short texts
            for form in _forms:
                value = value.replace(form, HIDDEN)
        case dict() if _forms:
            return type(value)({name: masked(item) for name, item in value.items()})
        case list() if _forms:
            return list(map(masked, value))
    return value


def learn(environ: Mapping[str, Any]) -> None:
    """Hide the credentials of an environment from now on, in all their spellings."""
    public = " ".join([__file__, *(environ.get(name, "") for name in _PATHS)])
    found = {value.strip() for value in _credentials(environ) if value not in public}
    _forms[:] = sorted({*_forms, *itertools.chain(*map(_spelt, found))}, key=len, reverse=True)


def _credentials(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the values that a name or a shape marks as credentials, also inside URLs, pairs and JSON."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _credentials(value)
        elif isinstance(value, list):
            yield from itertools.chain(*(_credentials({name: each}) for each in value))
        elif isinstance(value, str):
            if _NAME.search(name) and not _ABOUT_IT.search(name) and not _is_path(value):
                yield value
            yield from _SHAPE.findall(value)
            yield from (password for user, password in _USER.findall(value) if user != password)
            yield from _credentials(dict(_PAIR.findall(value)))
            with contextlib.suppress(ValueError, RecursionError):
                yield from _credentials({"": json.loads(value)} if value.lstrip().startswith(("{", "[")) else {})


def _is_path(value: str) -> bool:
    parent = Path(value).parent
    return parent.is_absolute() and parent.name != "" and exists(parent)  # some tokens begin with `/`


def _is_rare(value: str) -> bool:
    # A shorter value may appear in other texts by chance.
    return len(value) >= (8 if value.isalpha() or value.isdigit() else 6) and value.lower() not in _COMMON


def _spelt(value: str) -> Iterator[str]:
    # GitHub, uv and docker show single lines of a credential.
    lines = (line.strip() for line in value.splitlines() if len(line) > _LONG_LINE)
    for text in filter(_is_rare, {value, unquote(value), *lines}):
        data = text.encode(errors="surrogateescape")
        yield from (text, html.escape(text), json.dumps(text)[1:-1], repr(text)[1:-1])
        yield from (quote(data), quote(data, safe=""))
        for before in range(3):  # base64 groups 3 bytes; in `Authorization: Basic` the user name comes first
            encoded = base64.b64encode(bytes(before) + data).decode()
            yield encoded[(before * 8 + 5) // 6 : (before + len(data)) * 8 // 6]


learn(os.environ)
