"""The options of `read`: how data is read. Those that pandas has, too, have its names and meanings."""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from notebook_ci.base.errors import InputError
from notebook_ci.base.inputs import unknown
from notebook_ci.base.texts import quote
from notebook_ci.base.values import TEXT, Kind, choice
from notebook_ci.base.yaml12 import Value, as_map

BLANKS = r"\s+"
HINT = 'Write `read: {sep: ";", decimal: ","}`, for example.'
DELIMITED, TABLES = ("csv", "tsv"), ("csv", "tsv", "excel")
FORMATS = ("csv", "tsv", "json", "jsonl", "parquet", "arrow", "excel", "database")


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


SEPARATOR = Kind(f"one character, such as `;`, or `{BLANKS}`", _separator, "")
ENCODING = Kind("a name such as `cp1252` or `utf-16`", _encoding, "")
LINE = Kind("the number of a line, counted from 0", _line, "")
LIST = Kind("a list of different texts", _texts, "")
DATES = Kind('a list of columns with ISO dates, or a map such as `{day: "%d.%m.%Y"}`', _dates, "")


def _option(kind: Kind, formats: tuple[str, ...] = FORMATS, default: object = "") -> Any:
    """Declare an option that data of these formats has."""
    metadata = {"kind": kind, "formats": formats}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=dict, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Options:
    format: str = _option(choice(*FORMATS))  # empty: as the suffix says
    sep: str = _option(SEPARATOR, DELIMITED)  # empty: found in the data
    encoding: str = _option(ENCODING, (*DELIMITED, "json", "jsonl"))
    sheet: str = _option(TEXT, ("excel",))
    table: str = _option(TEXT, ("database",))
    header: int | None = _option(LINE, TABLES, None)  # line of names; None: the first, or none if `names` is set
    names: tuple[str, ...] = _option(LIST, TABLES, ())
    na_values: tuple[str, ...] = _option(LIST, TABLES, ())
    decimal: str = _option(choice(",", "."))
    thousands: str = _option(choice(".", ",", " ", "'"))
    text: tuple[str, ...] = _option(LIST, default=())  # columns that stay text
    dates: Mapping[str, str] = _option(DATES, default={})  # columns -> format of strftime; empty: ISO 8601

    def check(self, kind: str, shown: str) -> None:
        """Raise InputError if data of this format does not have one of the options that are set."""
        for name, option in OPTIONS.items():
            if kind not in option["formats"] and getattr(self, name) != getattr(Options(), name):
                known = [other for other in OPTIONS if kind in OPTIONS[other]["formats"] and other != "format"]
                hint = f"Options of {kind}: {', '.join(map(quote, known))}."
                raise InputError(f"`read` has `{name}`, which {kind} (`{shown}`) does not have.", hint=hint)

    def of_table(self) -> dict[str, Any]:
        """Return the arguments of pandas' readers of CSV and Excel for names and missing values."""
        return {
            "header": self.header if self.header is not None or self.names else 0,
            "names": list(self.names) or None,
            "na_values": list(self.na_values),
        }


OPTIONS: dict[str, Mapping[str, Any]] = {each.name: each.metadata for each in dataclasses.fields(Options)}


def parse(value: Value, origin: str) -> dict[str, Any]:
    """Return the arguments of `Options`. Raises InputError."""
    found = {}
    for name, raw in as_map(value, origin).items():
        if name not in OPTIONS:
            raise unknown(f"{origin} has an unknown option {quote(name)}", name, OPTIONS)
        found[name] = OPTIONS[name]["kind"].read(raw, f"`{name}` in {origin}")
    if found.get("thousands") and found["thousands"] == found.get("decimal", "."):
        hint = 'Write both, such as `read: {decimal: ",", thousands: "."}`.'
        raise InputError(f"`thousands` and `decimal` in {origin} are the same.", hint=hint)
    return found
