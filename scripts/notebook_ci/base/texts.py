"""Texts for people: short lists, sizes, URLs without credentials, commands to copy."""

import difflib
import json
import re
import shlex
from collections.abc import Iterable, Sequence

KILO = 1000
LONGEST_QUOTE = 80
LONGEST_PATH = 300  # a path that is cut cannot be found


def printable(text: str) -> str:
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def quote(value: object) -> str:
    """Return a value for a message: short (unless it may be a path), on one line, in backticks."""
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    text = printable(text)
    most = LONGEST_PATH if isinstance(value, str) and "/" in value else LONGEST_QUOTE
    return f"`{text[:most]}…`" if len(text) > most else f"`{text}`"


def listed(texts: Sequence[str], most: int) -> str:
    """Return the first `most` texts on one line, and how many more there are."""
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def did_you_mean(known: Iterable[str], *names: str, cutoff: float = 0.6) -> str:
    """Return a question with the `known` names that are closest to wrong ones; empty if none is close."""
    known = list(known)
    close = [found for name in names for found in difflib.get_close_matches(name, known, n=1, cutoff=cutoff)]
    return f"Did you mean {' and '.join(map(quote, close))}?" if close else ""


def size(number: float) -> str:
    """`19 B`, `53.1 kB`, `1.8 GB`."""
    unit = "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if number < KILO:
            break
        number, unit = number / KILO, larger
    return f"{number:.0f} B" if unit == "B" else f"{number:.1f} {unit}"


def without_users(text: str) -> str:
    """Return a text without the user and password of the URLs in it.

    A password may contain any unquoted character: if so, everything up to the last `@` of the word is removed. An `@`
    in a path (`git+https://host/x@v1`) or in a query stays.
    """
    return re.sub(r"(?<=://)[^\s'\"]*@[^\s'\"]*", lambda found: _without_user(found[0]), text)


def without_secrets(text: str) -> str:
    """Return a tool's output with user, password and query removed from each URL."""
    return re.sub(r"(://[^\s?#'\"]*)[?#][^\s'\"]*", r"\1", without_users(text))


def _without_user(address: str) -> str:
    """Return a URL without user and password. Both URLs are without scheme."""
    authority = re.split("[/?#]", address, maxsplit=1)[0]
    user, at, host = authority.rpartition("@")
    # If the password contains `@` and `/`, this "host" is a part of the password.
    piece = ":" in user and not re.search(r"[.:]|^localhost$", host)
    if piece or not re.fullmatch(r"(\[.*\]|[^:]*)(:\d*)?", host):
        return address.rpartition("@")[2]
    return without_users(address[len(user + at) :])


def command_line(template: str, *words: object) -> str:
    """Return a command in backticks. Each `{}` becomes a word, quoted for bash and zsh."""
    return f"`{template.format(*map(_word, words))}`"


def _word(value: object) -> str:
    text = f"./{value}" if str(value).startswith("-") else str(value)  # else it would be read as an option
    if text.isprintable() and not re.search("[`|]|  |^ | $", text):
        return shlex.quote(text)
    # On one line, without characters that Markdown or a web page would change.
    data = text.encode("utf-8", "surrogateescape")
    return "$'" + re.sub(rb"[^\w./-]", lambda found: b"\\x%02x" % found[0][0], data).decode() + "'"
