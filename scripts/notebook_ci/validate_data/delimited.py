"""Reads text with separators, such as CSV. What is certain from the content is used and said; nothing is guessed.

Encodings of one byte per letter cannot be told apart: charset-normalizer (3.5) takes `café;élève` for Cyrillic. Such a
file is refused with its text in each of them, for a person to choose.
"""

import codecs
import contextlib
import csv
import io
import json
import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from notebook_ci.base.errors import CheckFailed
from notebook_ci.base.texts import quote
from notebook_ci.validate_data.formats import UTF_16, File
from notebook_ci.validate_data.options import BLANKS, Options

if TYPE_CHECKING:
    import pandas as pd

USUAL = {"csv": ",", "tsv": "\t"}
SEPARATORS = {";": "semicolons", "\t": "tabs", ",": "commas", "|": "vertical bars"}
ENCODINGS = {"cp1252": "Western Europe", "cp1250": "Central Europe", "cp1251": "Cyrillic"}
SAMPLE = 65_536  # characters; fewer than the longest field of the module `csv`
# What Latin-1 letters become in UTF-8. In another encoding it is, for example, `Ã©`, which nobody writes.
LATIN_IN_UTF_8 = re.compile(rb"\xc3[\x80-\xbf]")
# A number that is 1234 with a decimal comma, and 1.234 with a decimal point.
EITHER = r"[+-]?(?:0|[1-9][0-9]{0,2}(?:\.[0-9]{3})?)"
BETWEEN_WORDS = re.compile(rb"[\s;,|\"]")
Rows = Sequence[Sequence[str]]


def encoding_of(head: bytes, options: Options) -> tuple[str, list[str]]:
    """Return the encoding of text with this beginning, and what a person should know about it."""
    if options.encoding or not head.startswith(UTF_16):
        return options.encoding or "utf-8-sig", []
    return "utf-16", ["is text in UTF-16, and is read as that. To say so: `read: {encoding: utf-16}`."]


def refuse_wrong_encoding(file: File, encoding: str) -> None:
    """Raise CheckFailed if text is UTF-8 but would be read otherwise, which turns `é` into `Ã©`."""
    if codecs.lookup(encoding).name in {"utf-8", "utf-8-sig"}:
        return
    content = file.content()
    with contextlib.suppress(UnicodeDecodeError):
        text = content.decode("utf-8-sig")
        if "\0" not in text and text != content.decode(encoding, "replace"):
            message = f"`{file.shown}` is text in UTF-8, but `read` says {quote(encoding)}: `é` would become `Ã©`."
            raise CheckFailed(message, hint="Remove `encoding` from `read`.", file=file.shown)


def not_utf_8(file: File) -> CheckFailed:
    """Return the error about text that is not UTF-8, with its first such word in the usual encodings."""
    content, shown = file.content(), file.shown
    begin = _first_wrong(content)
    line = content.count(b"\n", 0, begin) + 1
    if LATIN_IN_UTF_8.search(content):
        message = f"`{shown}` mixes UTF-8 and another encoding, in line {line}."
        return CheckFailed(message, hint="Save all of it as UTF-8.", file=shown, line=line)
    word = BETWEEN_WORDS.split(content[:begin])[-1][-20:] + BETWEEN_WORDS.split(content[begin:])[0][:20]
    decoded = {name: word.decode(name, "replace") for name in ENCODINGS}
    seen = ", ".join(f"{quote(text)} in {name} ({ENCODINGS[name]})" for name, text in decoded.items())
    hint = "Write the encoding in which it is right, such as `read: {encoding: cp1252}`, or save it as UTF-8."
    return CheckFailed(f"`{shown}` is not UTF-8 text: line {line} has {seen}.", hint=hint, file=shown, line=line)


def _first_wrong(content: bytes) -> int:
    try:
        return len(content.decode("utf-8"))
    except UnicodeDecodeError as error:
        return error.start


def read(file: File, encoding: str) -> "tuple[pd.DataFrame, list[str], set[str]]":
    """Return the data, what a person should know, and the columns of numbers that can be read in two ways.

    A row with more fields than the header is an error: if all rows have more, pandas (3.1) would use the first column
    as labels and shift the others. Raises CheckFailed, and pandas' errors.
    """
    import pandas as pd

    shown, options = file.shown, file.options
    with file.open() as content, io.TextIOWrapper(content, encoding, newline="") as text:
        sample = text.read(SAMPLE)
    if not sample.strip():
        raise CheckFailed(f"`{shown}` is empty.", hint="Check the step that writes it.", file=shown)
    sep, notes = (options.sep, []) if options.sep else separator(sample, file)
    refuse_names(rows_of(sample, sep, options), file)
    arguments: dict[str, Any] = {"sep": sep, "encoding": encoding, "index_col": False, **options.of_table()}
    types = dict.fromkeys((*options.text, *options.dates), str)  # as a number, `01022024` would lose its zero
    with file.open() as content:
        frame = pd.read_csv(content, decimal=options.decimal or ".", dtype=types, **arguments)
    floats = [name for name, kind in frame.dtypes.items() if kind == "float64"]
    if sep != ";" or options.decimal or not floats:
        return frame, notes, set()
    with file.open() as content:
        texts = pd.read_csv(content, dtype=str, **arguments)
    return frame, notes, {str(name) for name in floats if _is_either(texts[name].dropna())}


def _is_either(texts: Any) -> bool:
    return bool(texts.str.contains(".", regex=False).any() and texts.str.fullmatch(EITHER).all())


def rows_of(sample: str, sep: str, options: Options) -> Rows:
    """Return the rows of a sample, from the header on: not blank ones, nor the last if it may be cut."""
    if sep == BLANKS:
        rows = [line.split() for line in sample.splitlines()]
    else:
        rows = list(csv.reader(io.StringIO(sample, newline=""), delimiter=sep))
    rows = [row for row in (rows[:-1] if len(sample) == SAMPLE and len(rows) > 1 else rows) if row]
    return rows[options.header or 0 :]


def separator(sample: str, file: File) -> tuple[str, list[str]]:
    """Return the separator, and what a person should know about it: all sampled rows have as many fields as the header.

    Raises CheckFailed if another separator than the usual one is possible, but not certain.
    """
    usual, shown = USUAL[file.kind], file.shown
    if (said := re.match(r"sep=(.)\r?\n", sample)) and not file.options.header:
        hint = f'Write `read: {{sep: "{said[1]}", header: 1}}`.'
        raise CheckFailed(f"The first line of `{shown}` is `{said[0].strip()}`, for Excel.", hint=hint, file=shown)
    widths = {sep: [len(row) for row in rows_of(sample, sep, file.options)] for sep in SEPARATORS}
    possible = [sep for sep, found in widths.items() if found and found[0] > 1]
    fitting = [sep for sep in possible if len(set(widths[sep])) == 1]
    others = [sep for sep in fitting or possible if sep != usual]
    if not others or (usual in possible and not fitting):
        return usual, []
    write = f"`read: {{sep: {json.dumps(others[0])}}}`"
    if others == fitting and len(others) == 1 and usual not in possible:
        return others[0], [f"is separated by {SEPARATORS[others[0]]}, and is read so. To say so: {write}."]
    message = f"`{shown}` seems to be separated by {SEPARATORS[others[0]]}, not {SEPARATORS[usual]}."
    raise CheckFailed(message, hint=f"Write {write}, or `read: {{sep: {json.dumps(usual)}}}`.", file=shown)


def refuse_names(rows: Rows, file: File) -> None:
    """Raise CheckFailed if a column has the name of another, or names do not fit the first of these rows.

    pandas (3.1) renames the second of two equal names, so that no expectation would check it, and fills columns that
    have a name but no values.
    """
    shown, options = file.shown, file.options
    if not rows:
        raise CheckFailed(f"`{shown}` has no line {options.header or 0}, counted from 0, for its names.", file=shown)
    names = options.names or rows[0]
    if len(names) != len(rows[0]):
        message = f"`names` in `read` has {len(names)} names, but `{shown}` has {len(rows[0])} columns."
        raise CheckFailed(message, hint="Name each column.", file=shown)
    if repeated := [name for name, count in Counter(filter(None, names)).items() if count > 1]:
        message = f"`{shown}` has several columns with the name {quote(repeated[0])}."
        raise CheckFailed(message, hint="Give each column its own name.", file=shown, line=1)
