"""Texts for people: lists that stay short, addresses without credentials."""

import re
from collections.abc import Sequence


def listed(texts: Sequence[str], most: int) -> str:
    """Return texts on one line: the first `most` of them, and how many more there are."""
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def without_users(text: str) -> str:
    """Return a text, the addresses in it without user and password.

    A password may have any character in it, unquoted: then all up to the last `@` of the word is removed. An `@` in a
    path (`git+https://host/x@v1`) or in a query stays.
    """
    return re.sub(r"(?<=://)[^\s'\"]*@[^\s'\"]*", lambda found: _without_user(found[0]), text)


def _without_user(address: str) -> str:
    """Return an address without its user and password; its scheme is not given."""
    authority = re.split("[/?#]", address, maxsplit=1)[0]
    user, at, host = authority.rpartition("@")
    # Behind a password with `@` and `/` in it, this "host" is a piece of the password.
    piece = ":" in user and not re.search(r"[.:]|^localhost$", host)
    if piece or not re.fullmatch(r"(\[.*\]|[^:]*)(:\d*)?", host):
        return address.rpartition("@")[2]
    return without_users(address[len(user + at) :])
