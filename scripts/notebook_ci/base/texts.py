"""Texts for people: lists that stay short, sizes, addresses without credentials, commands to paste."""

import json
import re
import shlex
from collections.abc import Sequence

KILO = 1000
LONGEST_QUOTE = 80


def quote(value: object) -> str:
    """Return a value for a message: short, on one line."""
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    text = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    return f"`{text[:LONGEST_QUOTE]}…`" if len(text) > LONGEST_QUOTE else f"`{text}`"


def listed(texts: Sequence[str], most: int) -> str:
    """Return texts on one line: the first `most` of them, and how many more there are."""
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def size(number: float) -> str:
    """Return bytes as people say them: `19 B`, `53.1 kB`, `1.8 GB`."""
    unit = "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if number < KILO:
            break
        number, unit = number / KILO, larger
    return f"{number:.0f} B" if unit == "B" else f"{number:.1f} {unit}"


def without_users(text: str) -> str:
    """Return a text, the addresses in it without user and password.

    A password may have any character in it, unquoted: then all up to the last `@` of the word is removed. An `@` in a
    path (`git+https://host/x@v1`) or in a query stays.
    """
    return re.sub(r"(?<=://)[^\s'\"]*@[^\s'\"]*", lambda found: _without_user(found[0]), text)


def _without_user(address: str) -> str:
    """Return an address, given without its scheme, without user and password."""
    authority = re.split("[/?#]", address, maxsplit=1)[0]
    user, at, host = authority.rpartition("@")
    # Behind a password with `@` and `/` in it, this "host" is a piece of the password.
    piece = ":" in user and not re.search(r"[.:]|^localhost$", host)
    if piece or not re.fullmatch(r"(\[.*\]|[^:]*)(:\d*)?", host):
        return address.rpartition("@")[2]
    return without_users(address[len(user + at) :])


def command_line(template: str, *words: object) -> str:
    """Return a command in backticks, with a word for each `{}`, quoted to be pasted into bash or zsh."""
    return f"`{template.format(*map(_word, words))}`"


def _word(value: object) -> str:
    text = f"./{value}" if str(value).startswith("-") else str(value)  # else it would be an option
    if text.isprintable() and not re.search("[`|]|  |^ | $", text):
        return shlex.quote(text)
    # On one line, with nothing that Markdown or a page would change on the way.
    data = text.encode("utf-8", "surrogateescape")
    return "$'" + re.sub(rb"[^\w./-]", lambda found: b"\\x%02x" % found[0][0], data).decode() + "'"
