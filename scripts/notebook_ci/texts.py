"""Texts for people: lists that stay short, addresses without credentials."""

import re
from collections.abc import Sequence


def listed(texts: Sequence[str], most: int) -> str:
    """Return texts on one line: the first `most` of them, and how many more there are."""
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def without_users(text: str) -> str:
    """Return a text, the addresses in it without user and password.

    A password may have any character in it, written wrongly: all up to the last `@` of the word is taken out.
    """
    return re.sub(r"(?<=://)[^\s'\"]*@", "", text)
