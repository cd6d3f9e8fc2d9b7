"""Hides credentials, in logs and in all files that are written: values of the step's environment, and known formats.

GitHub hides secrets only in logs: not in summaries, artifacts or executed notebooks.
"""

import contextlib
import itertools
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from notebook_ci.base import token_formats
from notebook_ci.base.files import exists
from notebook_ci.base.spellings import GAP, Known

HIDDEN = "***"
_NAME = re.compile(
    r"token|secret|passw|passphrase|credential|signature|webhook|cookie|auth(?!or(?!i))|"
    r"(?<![a-z])(pass|pat|pwd|sig)(?![a-z])|keys?$|[_-]key(?![a-z])",
    re.IGNORECASE,
)
_ABOUT_IT = re.compile(r"(type|method|mode|scheme|provider|host|endpoint|name|version)$", re.IGNORECASE)
_USER = re.compile(r"://(?:([^\s/:@]*):(?!\d*/))?([^\s/]+)@")
_BEARER = re.compile(r"(?<=[Bb]earer )\S{8,}")
_PAIR = re.compile(r"([\w-]+)=([^\s;&'\"]+)")  # in a query or a connection string
_COMMON = {"anonymous", "disabled", "localhost", "notebook-ci", "password", "postgres", "required", "subprocess"}
_PATHS = (
    *("PATH", "HOME", "PWD", "RUNNER_TEMP", "RUNNER_TOOL_CACHE", "GITHUB_WORKSPACE", "GITHUB_REPOSITORY"),
    *("CI_PROJECT_DIR", "CI_PROJECT_PATH", "AGENT_TEMPDIRECTORY", "BUILD_SOURCESDIRECTORY", "BUILD_REPOSITORY_NAME"),
)
_LONG_LINE = 12
_LONG_TEXT = 10_000
_SHORTEST = 6
_NUMBERS = range(10**7, 10**100)  # shorter ones are not hidden: see `is_rare`; Python refuses to write very long ones
_MOST_HELD = 100  # lines
# Names in the structure of a notebook or a record: hiding one would spoil the file.
_STRUCTURE = re.compile("[a-z_/]+")
_known = Known()


def masked(value: Any) -> Any:
    """Return a text or a JSON value with all credentials hidden."""
    match value:
        case str():
            return _hidden(value) if len(value) >= _SHORTEST else value
        # A notebook has many short texts, and mostly none of them contains a credential.
        case dict() | list() if any(map(_finds, _joined(_texts(value)))):
            return _all_hidden(value)
    return value


class Lines:
    """Takes lines one by one, and passes them on; several at once where a credential may be wrapped over them."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._held: list[str] = []

    def add(self, line: str) -> None:
        self._held.append(line)
        if len(self._held) > _MOST_HELD or not _known.may_go_on("\n".join(self._held)):
            self.end()

    def end(self) -> None:
        if self._held:
            self._write("\n".join(self._held))
        self._held.clear()


def kinds(value: Any) -> list[str]:
    """Return what kinds of credentials a text or a JSON value contains."""
    return list(dict.fromkeys(kind for text in _texts(value) for _, _, kind in _find(text)))


def learn(environ: Mapping[str, Any]) -> None:
    """Hide the credentials of an environment from now on, in all their spellings."""
    public = " ".join([__file__, *(environ.get(name, "") for name in _PATHS)])
    for name, value in environ.items():
        for credential in _credentials({name: value}):
            if credential.strip() not in public:
                hide(name, credential)


def learn_named(secret_parameters: object, environ: Mapping[str, str]) -> None:
    """Hide the values of the variables that an input `secret-parameters` names, in a stage that does not take it.

    `secret_parameters` is a map, or its text, which not every stage can parse.
    """
    for name in re.findall(r":\s*[\"']?([A-Za-z_]\w*)", str(secret_parameters)):
        if name not in _PATHS:
            hide(name, environ.get(name, ""))


def hide(name: str, credential: str) -> None:
    """Hide a credential from now on, in all its spellings. `name` is the variable that has it."""
    # GitHub, uv and docker show single lines of a credential.
    lines = (line.strip() for line in credential.splitlines() if len(line) > _LONG_LINE)
    for text in filter(is_rare, {credential.strip(), unquote(credential.strip()), *lines}):
        _known.add(f"value of `{name}`", text)


def _find(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield begin, end and kind of each credential in a text. They may overlap."""
    in_ascii = _in_ascii(text)
    yield from _known.find(text, in_ascii)
    yield from token_formats.find(text, in_ascii)


def _in_ascii(text: str) -> bytes:
    """Return a text in a form that is searched faster, and has the same positions."""
    return text.encode("ascii", "replace")


def _joined(texts: Iterator[str]) -> Iterator[str]:
    """Yield long texts as they are, because a copy takes time, and all short ones as one."""
    short = []
    for text in texts:
        if len(text) < _LONG_TEXT:
            short.append(text)
        else:
            yield text
    yield "\0".join(short)


def _finds(text: str) -> bool:
    return any(True for _ in _find(text))


def _hidden(text: str) -> str:
    pieces: list[str] = []
    end = 0
    for begin, until, _ in sorted(_find(text)):
        if not pieces or (begin > end and not GAP.fullmatch(text, end, begin)):
            pieces += [text[end:begin], HIDDEN]
        end = max(end, until)
    return "".join([*pieces, text[end:]])


def _all_hidden(value: Any) -> Any:
    match value:
        case dict():
            return type(value)(
                {
                    name if _STRUCTURE.fullmatch(name) else masked(name): _all_hidden(item)
                    for name, item in value.items()
                }
            )
        case list():
            return list(map(_all_hidden, value))
        case int() if abs(value) in _NUMBERS and _finds(str(value)):
            return HIDDEN
    return masked(value)


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts of a JSON value, names included, and long whole numbers."""
    match value:
        case str():
            yield value
        case int() if abs(value) in _NUMBERS:
            yield str(value)
        case dict():
            yield from value
            yield from itertools.chain.from_iterable(map(_texts, value.values()))
        case list():
            yield from itertools.chain.from_iterable(map(_texts, value))


def _credentials(values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the values that a name or a format marks as credentials, also inside URLs, pairs and JSON."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _credentials(value)
        elif isinstance(value, list):
            yield from itertools.chain(*(_credentials({name: each}) for each in value))
        elif isinstance(value, str):
            if _NAME.search(name) and not _ABOUT_IT.search(name) and not _is_path(value):
                yield value
            yield from (value[begin:end] for begin, end, _ in token_formats.find(value, _in_ascii(value)))
            yield from _BEARER.findall(value)
            yield from (password for user, password in _USER.findall(value) if user != password)
            yield from _credentials(dict(_PAIR.findall(value)))
            with contextlib.suppress(ValueError, RecursionError):
                yield from _credentials({"": json.loads(value)} if value.lstrip().startswith(("{", "[")) else {})


def _is_path(value: str) -> bool:
    parent = Path(value).parent
    return parent.is_absolute() and parent.name != "" and exists(parent)  # some tokens begin with `/`


def is_rare(value: str) -> bool:
    # A shorter value may appear in other texts by chance.
    return len(value) >= (8 if value.isalpha() or value.isdigit() else _SHORTEST) and value.lower() not in _COMMON


learn(os.environ)
