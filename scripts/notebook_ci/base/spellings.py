"""Finds known credentials in text, in whatever way they are written there."""

import base64
import functools
import html.entities
import re
from array import array
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

LONGEST = 64  # characters of a part; longer credentials are known by their parts
_WORD = 3  # pairs of bytes
_BEGIN = 4  # characters by which a credential that goes on in the next line is known
_SHORTEST_BEGIN = 2  # at the end of a line
_WINDOW = 2 * _WORD + 1  # bytes: wherever it stands in a text, it contains a word of aligned pairs
_IN_GAPS = b" \t\r\nnr\\"
_COLOUR = r"\x1b\[[0-9;]*[mK]"  # of a terminal, with the rest of the line
# A line break, also an escaped one, and what indents the next line; backslashes that quote the next character; colours.
GAP = re.compile(rf"(?:{_COLOUR})*(?:[ \t]*(?:[\r\n]|\\+[rn])(?:[ \t\r\n]|\\+[rn]|{_COLOUR})*)?\\*")
_ANY_BLANK = rf"(?:[ \t\r\n+]|\\+[rnt]|%(?:25)*(?:20|0[aAdD9])|{_COLOUR})*\\*"
_ESCAPED_TWICE = ("%(?:25)*", "&(?:amp;)*")  # as by another program that quotes a URL or a page again


@dataclass(frozen=True)
class Spelling:
    """One way to write a credential: itself, reversed, in base64 or hexadecimal. Each may be escaped and wrapped."""

    kind: str  # what the credential is
    text: str

    @functools.cached_property
    def anchor(self) -> bytes:
        """The longest part that no escape changes, compact; empty if there is none."""
        parts = re.findall(rb"[A-Za-z0-9]+", self.text.encode("ascii", "replace"))
        return max(map(_compact, parts), key=len, default=b"")

    @functools.cached_property
    def pattern(self) -> re.Pattern[str]:
        pieces = re.split(r"[ \t\r\n]+", self.text)
        return re.compile(_ANY_BLANK.join(GAP.pattern.join(map(_escaped, piece)) for piece in pieces))


class Known:
    """Credentials to find. 100 MB of text take half a second, more if it has some, or many are short."""

    def __init__(self) -> None:
        self._texts: set[str] = set()
        self._begins: set[str] = set()
        # By the groups of `_words`: its first pair, and the two behind it.
        self._by_word: dict[tuple[str, ...], list[tuple[Spelling, int]]] = defaultdict(list)
        self._words: re.Pattern[str] | None = None  # finds all words of `_by_word`, and some others
        self._short: list[Spelling] = []

    def add(self, kind: str, credential: str) -> None:
        for text in {part for start in _starts(credential) for part in _spelt(credential[start : start + LONGEST])}:
            if text in self._texts:
                continue
            self._texts.add(text)
            self._begins |= {text[:length] for length in range(_SHORTEST_BEGIN, _BEGIN + 1)}
            spelling = Spelling(kind, text)
            if len(spelling.anchor) < _WINDOW:
                self._short.append(spelling)
                continue
            for skipped in range(2):
                word = _pairs(spelling.anchor[skipped : skipped + 2 * _WORD])
                self._by_word[word[0], word[1:]].append((spelling, skipped))
            self._words = None

    def find(self, text: str, in_ascii: bytes) -> Iterator[tuple[int, int, str]]:
        """Yield begin, end and kind of each credential in a text, which is also given in ASCII. They may overlap."""
        data = _compact(in_ascii)
        found = dict.fromkeys(self._find_anchors(data)) if self._by_word else {}
        for spelling in [*found, *(each for each in self._short if each.anchor in data)]:
            yield from ((*match.span(), spelling.kind) for match in spelling.pattern.finditer(text))

    def _find_anchors(self, data: bytes) -> Iterator[Spelling]:
        words = self._words
        if not words:
            first, second, third = ("".join(set(pairs)) for pairs in zip(*map("".join, self._by_word), strict=True))
            self._words = words = re.compile(f"([{first}])(?=([{second}][{third}]))")
        for word in words.finditer(_pairs(data)):
            for spelling, skipped in self._by_word.get(word.groups(), ()):
                if data.startswith(spelling.anchor, 2 * word.start() - skipped):
                    yield spelling

    def may_go_on(self, text: str) -> bool:
        """Return whether a credential that begins near the end of a text may go on in the next line."""
        end = "".join(re.sub(_COLOUR, "", text[-2 * LONGEST :]).split())
        return any(end[start : start + _BEGIN] in self._begins for start in range(len(end) - _SHORTEST_BEGIN + 1))


def _compact(data: bytes) -> bytes:
    """Return a text without the characters of `GAP`: also without each `n` and `r`, which may belong to an escape.

    To remove only those of escapes would take most of the time.
    """
    if b"\x1b" in data:
        data = re.sub(_COLOUR.encode(), b"", data)
    return data.translate(None, _IN_GAPS)


def _pairs(data: bytes) -> str:
    """Return ASCII as text of half the length, because a regular expression searches it in half the steps.

    A search per credential, or a regular expression of bytes, would take ten times longer.
    """
    return data.decode("utf-16-le", "ignore")


def _starts(credential: str) -> Iterator[int]:
    """Yield where the parts of a credential start: the last one is as long as the others."""
    yield from range(0, max(len(credential) - LONGEST, 0), LONGEST)
    yield max(len(credential) - LONGEST, 0)


def _spelt(part: str) -> Iterator[str]:
    data = part.encode(errors="surrogateescape")
    yield from (part, part[::-1], data.hex(), data.hex().upper())
    for before in range(3):  # base64 groups 3 bytes; in `Authorization: Basic` the user name comes first
        encoded = base64.b64encode(bytes(before) + data).decode()
        yield encoded[(before * 8 + 5) // 6 : (before + len(data)) * 8 // 6]


@functools.cache
def _escaped(character: str) -> str:
    """Return a pattern for a character as it stands in text, URLs, JSON, Python, HTML and XML."""
    if character.isascii() and character.isalnum():
        return character
    code, percent, ampersand = ord(character), *_ESCAPED_TWICE
    name = {"'": "apos"}.get(character) or html.entities.codepoint2name.get(code, "")
    in_url = "".join(f"{percent}{byte:02x}" for byte in character.encode(errors="surrogateescape"))
    units = array("H", character.encode("utf-16", "surrogatepass")[2:])
    in_json = "".join(rf"\\+u{unit:04x}" for unit in units)
    in_html = rf"{ampersand}(?:#0*{code}|#x0*{code:x}{f'|{name}' if name else ''});"
    itself = {"+": "[+-]", "/": "[/_]", "\\": r"\\*"}.get(character) or re.escape(character)  # base64 has two alphabets
    return rf"(?:(?i:{in_url}|{in_json}|\\+[ux]0*{code:x}|{in_html})|{itself})"
