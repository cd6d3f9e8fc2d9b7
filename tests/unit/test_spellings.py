"""Known credentials are found however they are written, and nothing else is."""

import base64
import html
import json
import random
import re
import textwrap
from collections.abc import Callable
from urllib.parse import quote, quote_plus
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from notebook_ci.base import masking
from notebook_ci.base.masking import HIDDEN, hide, kinds, masked
from notebook_ci.base.spellings import LONGEST, Known, Spelling
from notebook_ci.notebooks.tracebacks import strip_ansi

ENCODED: dict[str, Callable[[str], str]] = {
    "plain": str,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "base64 of a login": lambda text: base64.b64encode(f"ann:{text}".encode()).decode(),
    "base64 of a line": lambda text: base64.b64encode(f"a={text}\nb=1\n".encode()).decode(),
    "base64 in a URL": lambda text: quote(base64.b64encode(text.encode()), safe=""),
    "hex": lambda text: text.encode().hex(),
    "HEX": lambda text: text.encode().hex().upper(),
    "reversed": lambda text: text[::-1],
    "URL": quote,
    "whole URL": lambda text: quote(text, safe=""),
    "form": quote_plus,
    "URL twice": lambda text: quote(quote(text)),
    "JSON": lambda text: json.dumps(text)[1:-1],
    "JSON of today": lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    "JSON twice": lambda text: json.dumps(json.dumps(text))[3:-3],
    "Python": lambda text: repr(text)[1:-1],
    "HTML": html.escape,
    "HTML of JSON": lambda text: html.escape(json.dumps(text)[1:-1]),
    "XML": lambda text: quoteattr(text)[1:-1],
    "URL, all but letters": lambda text: _but_letters(text, lambda each: quote(each, safe="").replace("-", "%2D")),
    "script": lambda text: _but_letters(text, lambda each: f"\\u{ord(each):04x}"),
    "form of Java": lambda text: quote_plus(text).replace("~", "%7E"),
}
VALUES = st.text(st.characters(min_codepoint=32, exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=9)
ALWAYS_THE_SAME = settings(derandomize=True, deadline=None, database=None)
WRAPS: dict[str, Callable[[str], str]] = {
    "not": str,
    "at 64": lambda text: "\n".join(_pieces(text, 64)),
    "at 76": lambda text: "\r\n".join(_pieces(text, 76)),
    "at 7, indented": lambda text: "\n    ".join(_pieces(text, 7)),
    "in colours": lambda text: "\x1b[m\x1b[K\x1b[01;31m".join(_pieces(text, 9)),
    "in colours at 20": lambda text: "\x1b[0m\n  \x1b[32m".join(_pieces(text, 20)),
    "at 20, quoted": lambda text: r"\n".join(_pieces(text, 20)),
}


def _but_letters(text: str, escape: Callable[[str], str]) -> str:
    """Escape all but ASCII letters and digits, as some programs do."""
    return "".join(each if each.isascii() and each.isalnum() else escape(each) for each in text)


def _pieces(text: str, width: int) -> list[str]:
    return [text[start : start + width] for start in range(0, len(text), width)]


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masking, "_known", Known())


def forget() -> None:
    masking._known = Known()  # hypothesis uses the fixture once for all its examples


@settings(ALWAYS_THE_SAME, max_examples=60)
@given(value=VALUES, before=st.text(max_size=20), after=st.text(max_size=20))
@example(value="p&w<x>\"y'z", before="", after="")
@example(value=r"C:\new\table\u0041", before="\\", after="\\n")
@example(value="12345678901234567890" * 12, before="1", after="2")
@example(value="a%25&amp;+/-_=?", before="%", after=";")
def test_a_credential_is_found_however_it_is_written(value: str, before: str, after: str) -> None:
    forget()
    assume(masking.is_rare(value))
    hide("MY_TOKEN", value)
    for name, encode in ENCODED.items():
        text = encode(value)
        shown = masked(f"{before} {text} {after}")
        assert text not in shown, name
        assert HIDDEN in shown, name
        assert kinds([text]) == ["value of `MY_TOKEN`"], name


@settings(ALWAYS_THE_SAME, max_examples=24)
@given(value=st.text("abcXYZ0189+/-_=&%\"'\\ é", min_size=20, max_size=300).map(str.strip))
def test_a_credential_is_found_over_lines(value: str) -> None:
    forget()
    assume(len(value) >= 20)
    hide("MY_TOKEN", value)
    for encoding in ("plain", "base64", "base64 for URLs", "hex", "HEX", "reversed", "base64 of a line"):
        for name, wrap in WRAPS.items():
            text = wrap(ENCODED[encoding](value))
            shown = masked(f"{{'x': '{text}'}}")
            assert strip_ansi(text) not in strip_ansi(shown), (encoding, name)
            plain = strip_ansi(shown)
            longest = max(plain.replace("\\n", "\n").replace("***", "\n").splitlines(), key=len)
            assert len(longest) < 16, (encoding, name, shown)  # no line of it is left


@pytest.mark.parametrize("around", ["", "x" * 10_000, r"\\nr" + "x" * 10_000])
def test_a_credential_is_found_over_lines_that_begin_like_escapes(around: str) -> None:
    hide("MY_TOKEN", "nr0123456789+nr/abcdefghij")
    for width in range(1, 20):
        for gap in ("\n", r"\n", r"\r\n", r"\\n"):
            text = gap.join(_pieces("nr0123456789+nr/abcdefghij", width))
            assert masked(f"{around} {text}.") == f"{around} {HIDDEN}.", (width, gap)


@pytest.mark.parametrize("name", ENCODED)
def test_a_credential_is_hidden_in_lines_that_come_one_by_one(name: str) -> None:
    hide("MY_TOKEN", "abc0123456789+nr/defghij")
    text = ENCODED[name]("abc0123456789+nr/defghij")
    for cut in (2, 3, 12, len(text) - 1):
        shown: list[str] = []
        lines = masking.Lines(shown.append)
        told = ["first", f"before: {text[:cut]}", f"  {text[cut:]}", *["after"] * 40]
        for line in told:
            lines.add(line)
        assert shown[0] == "first", "it begins nothing"
        assert shown[-1] == "after"
        lines.end()
        assert "\n".join(map(masked, shown)) == masked("\n".join(told)) != "\n".join(told)
    endless = masking.Lines(shown.append)
    for _ in range(1000):
        endless.add("abc012")
    assert shown[-1].count("abc012") > 50


GAPS = ("", "\n", r"\n", r"\r\n", r"\\n", "\r\n\t ", "\\", "%0A", "n", "\x1b[31m")


@settings(ALWAYS_THE_SAME, max_examples=40)
@given(
    value=st.text("nrtu0189abXY._~-+/=&%\"'\\ é", min_size=9, max_size=70).map(str.strip),
    chosen=st.lists(st.sampled_from(sorted(ENCODED)), min_size=1, max_size=4),
    around=st.lists(st.text("nrtu01\\%& ", max_size=4), min_size=5, max_size=5),
    chance=st.randoms(use_true_random=False),
)
@example(value="n0123456789", chosen=["plain"], around=["\\"] * 5, chance=random.Random(1))  # noqa: S311 - nothing secret
@example(value=r"r01\nabcdefghijklmn", chosen=["plain", "JSON twice"], around=["\\"] * 5, chance=random.Random(2))  # noqa: S311 - nothing secret
def test_the_fast_search_finds_what_a_search_for_each_spelling_finds(
    value: str, chosen: list[str], around: list[str], chance: random.Random
) -> None:
    forget()
    assume(masking.is_rare(value))
    hide("MY_TOKEN", value)
    shown = [ENCODED[name](value) for name in chosen]
    gaps = chance.choices(GAPS, [90, *[1] * 9], k=500)
    wrapped = ["".join(map("".join, zip(text, gaps, strict=False))) for text in shown]
    text = "".join(map("".join, zip(around, [*wrapped, *shown], strict=False)))
    known = masking._known
    each = {
        (*match.span(), "value of `MY_TOKEN`")
        for known_text in known._texts
        for match in Spelling("", known_text).pattern.finditer(text)
    }
    assert set(known.find(text, masking._in_ascii(text))) == each


@pytest.mark.parametrize("alphabet", ["0123456789abcdef", "nrabc", "nrABCXYZabcxyz0189"])
def test_of_many_credentials_the_fast_search_finds_what_plain_searches_find(alphabet: str) -> None:
    chance = random.Random(alphabet)  # noqa: S311 - nothing secret
    values = ["".join(chance.choices(alphabet, k=chance.randint(9, 40))) for _ in range(40)]
    for value in values:
        hide("MY_TOKEN", value)
    known = masking._known
    texts = sorted(known._texts)
    found = set()
    for _ in range(25):
        pieces = [chance.choice(texts) for _ in range(60)]
        cut = [
            piece[chance.randint(1, 2) :] if chance.random() < 0.8 else piece[: -chance.randint(1, 2)]
            for piece in pieces
        ]
        text = "".join([*cut[:30], chance.choice(texts), *cut[30:], *chance.choices(alphabet, k=chance.randint(0, 1))])
        plain = {match.span() for each in texts if each in text for match in re.finditer(re.escape(each), text)}
        assert {(begin, end) for begin, end, _ in known.find(text, masking._in_ascii(text))} == plain
        assert masked([text, {"x": "-" * 20_000 + text}]) == [masked(text), {"x": "-" * 20_000 + masked(text)}]
        found |= plain
    assert {begin % 2 for begin, _ in found} == {0, 1}


def test_a_credential_in_a_long_text_or_in_one_of_many_is_hidden() -> None:
    hide("MY_TOKEN", "s3cret-of-db")
    long = "-" * 20_000
    assert masked([long, "s3cret-of-db"]) == [long, HIDDEN]
    assert masked(["x", long + "s3cret-of-db", long]) == ["x", long + HIDDEN, long]
    assert masked(clean := [long, "s3cret-of-d", "b"]) is clean


@settings(ALWAYS_THE_SAME, max_examples=50)
@given(value=VALUES.filter(lambda text: len(text) <= LONGEST))  # the parts of a longer one are hidden
def test_a_part_of_a_credential_is_shown(value: str) -> None:
    forget()
    assume(masking.is_rare(value) and "%" not in value)
    hide("MY_TOKEN", value)
    text = f"a {value[1:]} b {value[:-1]} c {value[::-1][1:]} {value[:4]}?!{value[4:]}"
    assert masked(text) == text


def test_what_is_around_a_credential_stays() -> None:
    hide("MY_TOKEN", "abc def-ghi&jkl")
    for written in ("abc def-ghi&jkl", "abc\n   def-\nghi&amp;jkl", "abc%20def-ghi%26jkl", "abc+def-ghi%26jkl"):
        assert masked(f"<p>\n  x = '{written}'\n\\n</p>") == f"<p>\n  x = '{HIDDEN}'\n\\n</p>"
    assert masked("abc def -ghi&jkl") == "abc def -ghi&jkl"  # a blank is no line break
    assert masked("abc\n\ndef ghi&jkl") == "abc\n\ndef ghi&jkl"


def test_a_long_credential_is_hidden_by_its_parts() -> None:
    long = base64.b64encode(bytes(range(256)) * 8).decode()
    hide("KUBECONFIG_TOKEN", long)
    assert masked(f"x {long} y") == f"x {HIDDEN} y"
    assert masked(f"x {textwrap.fill(long, 76)} y") == f"x {HIDDEN} y"
    cut = long[100:900]
    assert len(masked(cut).replace(HIDDEN, "")) < 128


def test_names_of_the_structure_stay_and_others_are_hidden() -> None:
    hide("A_PASSWORD", "metadata")
    hide("B_PASSWORD", "s3cret-of-db")
    found = {"metadata": {"x": "metadata", "s3cret-of-db": [1, None, "of s3cret-of-db"]}}
    assert masked(found) == {"metadata": {"x": HIDDEN, HIDDEN: [1, None, f"of {HIDDEN}"]}}
    assert found["metadata"]["x"] == "metadata"
    assert kinds(found) == ["value of `A_PASSWORD`", "value of `B_PASSWORD`"]


def test_a_number_is_hidden_where_it_is_not_text() -> None:
    hide("ACCOUNT_TOKEN", "1234567890")
    shown = {"x": [1234567890, True, 12345, 1234567891, 0.5, 10**5000], "y": -1234567890}
    assert kinds(shown) == ["value of `ACCOUNT_TOKEN`"]
    assert masked(shown) == {"x": [HIDDEN, True, 12345, 1234567891, 0.5, 10**5000], "y": HIDDEN}


def test_a_credential_in_many_places_is_hidden() -> None:
    hide("MY_TOKEN", "s3cret-of-db")
    assert masked("x s3cret-of-db\n" * 100_000) == f"x {HIDDEN}\n" * 100_000
    for hard in ("s3cret-of-d " * 50_000, "s" * 500_000, "s\n " * 100_000, "s\\\\n" * 100_000 + "s3cret-of-db"):
        assert masked(hard).replace(HIDDEN, "s3cret-of-db") == hard
