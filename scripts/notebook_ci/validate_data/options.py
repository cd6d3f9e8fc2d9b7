"""The options of `read`: how data is read. Those that pandas has, too, have its names and meanings."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from notebook_ci.base.errors import InputError
from notebook_ci.base.texts import did_you_mean, quote
from notebook_ci.base.values import TEXT, Kind, choice
from notebook_ci.base.yaml12 import Value, as_map

BLANKS = r"\s+"
HINT = 'Write `read: {sep: ";", decimal: ","}`, for example.'
_OF_VALUES = ("decimal", "thousands", "text", "dates")
_OF_TABLES = ("header", "names", "na_values", *_OF_VALUES)
# Formats -> options that they have; `format` itself is for all.
BY_FORMAT = {
    "csv": ("sep", "encoding", *_OF_TABLES),
    "tsv": ("sep", "encoding", *_OF_TABLES),
    "json": ("encoding", *_OF_VALUES),
    "jsonl": ("encoding", *_OF_VALUES),
    "parquet": _OF_VALUES,
    "arrow": _OF_VALUES,
    "excel": ("sheet", *_OF_TABLES),
    "database": ("table", *_OF_VALUES),
}


@dataclass(frozen=True)
class Options:
    format: str = ""  # one of `BY_FORMAT`; empty: as the suffix says
    sep: str = ""  # empty: found in the data
    decimal: str = ""
    thousands: str = ""
    encoding: str = ""
    header: int | None = None  # line with the names, from 0; None: the first, or none if there are `names`
    names: tuple[str, ...] = ()
    na_values: tuple[str, ...] = ()
    text: tuple[str, ...] = ()  # columns that stay text
    dates: Mapping[str, str] = field(default_factory=dict)  # columns -> format of strftime; empty: ISO 8601
    sheet: str = ""
    table: str = ""

    def check(self, kind: str, shown: str) -> None:
        """Raise InputError if data of this format does not have one of the options that are set."""
        given = [name for name in KINDS if getattr(self, name) != getattr(Options(), name)]
        if unused := [name for name in given if name not in ("format", *BY_FORMAT[kind])]:
            hint = f"Options of {kind}: {', '.join(map(quote, BY_FORMAT[kind]))}."
            raise InputError(f"`read` has `{unused[0]}`, which {kind} (`{shown}`) does not have.", hint=hint)

    def of_table(self) -> dict[str, Any]:
        """Return the arguments of pandas' readers of CSV and Excel for names and missing values."""
        return {
            "header": self.header if self.header is not None or self.names else 0,
            "names": list(self.names) or None,
            "na_values": list(self.na_values),
        }


def parse(value: Value, origin: str) -> dict[str, Any]:
    """Return the arguments of `Options`. Raises InputError."""
    found = {}
    for name, raw in as_map(value, origin).items():
        if name not in KINDS:
            hint = f"{did_you_mean(KINDS, name)} Known: {', '.join(map(quote, KINDS))}."
            raise InputError(f"{origin} has an unknown option {quote(name)}.", hint=hint)
        found[name] = KINDS[name].read(raw, f"`{name}` in {origin}")
    if found.get("thousands") and found["thousands"] == found.get("decimal", "."):
        hint = 'Write both, such as `read: {decimal: ",", thousands: "."}`.'
        raise InputError(f"`thousands` and `decimal` in {origin} are the same.", hint=hint)
    return found


def _separator(value: object) -> str:
    if not isinstance(value, str) or not (value == BLANKS or re.fullmatch(r"[^\w\"'\r\n.+-]", value)):
        raise ValueError
    return value


def _encoding(value: object) -> str:
    try:
        "a".encode(str(value))
    except LookupError as error:
        raise ValueError from error
    return str(value)


def _line(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError
    return value


def _texts(value: object) -> tuple[str, ...]:
    texts = (value,) if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not texts or not all(isinstance(each, str) and each for each in texts):
        raise ValueError
    if len(set(texts)) < len(texts):
        raise ValueError
    return tuple(texts)


def _dates(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        return dict.fromkeys(_texts(value), "")
    if not value or not all(isinstance(each, str) and "%" in each for each in value.values()):
        raise ValueError
    return value


_LIST = Kind("a list of different texts", _texts, "")
KINDS = {
    "format": choice(*BY_FORMAT),
    "sep": Kind(f"one character, such as `;`, or `{BLANKS}`", _separator, ""),
    "decimal": choice(",", "."),
    "thousands": choice(".", ",", " ", "'"),
    "encoding": Kind("a name such as `cp1252` or `utf-16`", _encoding, ""),
    "header": Kind("the number of a line, counted from 0", _line, ""),
    "names": _LIST,
    "na_values": _LIST,
    "text": _LIST,
    "dates": Kind('a list of columns with ISO dates, or a map such as `{day: "%d.%m.%Y"}`', _dates, ""),
    "sheet": TEXT,
    "table": TEXT,
}
