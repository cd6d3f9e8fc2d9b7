"""Secrets as programs write them, and a byte search for them in all that would be uploaded."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

# Also the source of notebooks and tests that show secrets.
ENCODERS = """
import base64, html, json, textwrap, urllib.parse
def encoded(value):
    data = value.encode()
    b64 = base64.b64encode(b"user:" + data * 4).decode()
    yield from (value, base64.b64encode(data).decode(), urllib.parse.quote(value, safe=""), json.dumps(value))
    yield from (html.escape(value), data.hex(), data.hex().upper(), value[::-1], repr(value))
    yield from ("\\n".join(textwrap.wrap(b64, 64)), "\\n".join(textwrap.wrap(b64, 76)), value[:9] + "\\n" + value[9:])
"""
_defined: dict[str, Any] = {}
exec(ENCODERS, _defined)  # noqa: S102 - as a notebook does
encoded: Callable[[str], Iterator[str]] = _defined["encoded"]


def as_path(*values: str) -> str:
    """Return a path that shows values in those encodings that need no quotes in files and URLs."""
    return "/".join(text for value in values for text in encoded(value) if not set(text) & {"\n", '"', "'"})


def left(files: Mapping[bytes, str], planted: Iterable[str]) -> dict[str, list[str]]:
    """Return which of the planted texts are in which of the files, which are named by content."""
    found: dict[str, list[str]] = {}
    texts = {text.encode(): text for text in planted}
    for data, name in files.items():
        for compact in {data, data.replace(b"\\n", b"\n")}:
            for each in filter(compact.__contains__, texts):
                found.setdefault(name, []).append(texts[each])
    return found
