"""The kinds of values that inputs have, and how text becomes one."""

import math
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from notebook_ci.base import yaml12
from notebook_ci.base.errors import InputError
from notebook_ci.base.texts import quote

MOST_COUNTED, MOST_RETRIES, MOST_RUNS = 10_000, 10, 10


@dataclass(frozen=True)
class Kind:
    accepts: str  # for the sentence "Use ..."
    parse: Callable[..., Any]  # returns the value; raises ValueError
    metavar: str  # the placeholder of a value in `--help`
    many: bool = False  # whether a flag can be repeated on the command line

    def read(self, raw: object, origin: str) -> Any:
        """Return the value of text, or of what a TOML file has. Raises InputError, which calls the value `origin`."""
        try:
            return self.parse(raw)
        except (ValueError, OverflowError) as error:
            raise InputError(f"{origin} does not accept {quote(raw)}.", hint=f"Use {self.accepts}.") from error


@dataclass(frozen=True)
class YamlKind(Kind):
    """An input in YAML 1.2. A table of a TOML file stands for what the YAML means.

    `parse` gets plain values and their origin, and raises InputError.
    """

    hint: str = yaml12.MAP_HINT  # how it is written

    def read(self, raw: object, origin: str) -> Any:
        return self.parse(yaml12.read(raw, origin=origin, hint=self.hint), origin)


def _scalar(value: object, *types: type) -> Any:
    if isinstance(value, bool) or not isinstance(value, types):
        raise ValueError
    return value


def _text(value: object) -> str:
    return str(_scalar(value, str, int, float)).strip()


def _boolean(value: object) -> bool:
    match value:
        case bool():
            return value
        case "true" | "false":
            return value == "true"
    raise ValueError


def _count(value: object, *, least: int = 1, most: int = MOST_COUNTED) -> int:
    count = int(_scalar(value, str, int))
    if not least <= count <= most:
        raise ValueError
    return count


def _seconds(value: object) -> float:
    seconds = float(_scalar(value, str, int, float))
    if not 0 < seconds <= MOST_SECONDS:
        raise ValueError
    return seconds


def _fraction(value: object, *, most: float) -> float:
    number = float(_scalar(value, str, int, float))
    if not 0 <= number < most:
        raise ValueError
    return number


def _lines(value: object) -> tuple[str, ...]:
    items = value.splitlines() if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise ValueError
    return tuple(item.strip() for item in items if item.strip())


def _arguments(value: object) -> tuple[str, ...]:
    """Text is divided as a shell does; in a list, each item is one argument."""
    return tuple(shlex.split(value)) if isinstance(value, str) else _lines(value)


def _matching(pattern: str) -> Callable[[object], str]:
    def parse(value: object) -> str:
        text = _text(value)
        if not re.fullmatch(pattern, text):
            raise ValueError
        return text

    return parse


def _workers(value: object) -> int | None:
    return None if value == "auto" else _count(value)


def _determinism(value: object) -> int:
    return 0 if value == "off" else _count(value, least=2, most=MOST_RUNS)


def _preload(value: object) -> tuple[str, ...] | None:
    names = _lines(value)
    if names == ("auto",):
        return None
    if names == ("off",):
        return ()
    if not all(re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", name) and name not in {"auto", "off"} for name in names):
        raise ValueError
    return names


def _size(value: object) -> int:
    found = re.fullmatch(r"(\d{1,9})\s*(kB|MB|GB|)", _text(value))
    if not found or not int(found[1]):
        raise ValueError
    return int(found[1]) * _BYTES[found[2]]


MOST_SECONDS = 10 * 24 * 3600
_BYTES = {"": 1, "kB": 1000, "MB": 1000**2, "GB": 1000**3}
TEXT = Kind("text", _text, "TEXT")
PATH = Kind("text", _text, "PATH")
WORKERS = Kind(f"`auto` or a whole number from 1 to {MOST_COUNTED}", _workers, "auto|NUMBER")
DETERMINISM = Kind(f"`off` or a whole number from 2 to {MOST_RUNS}", _determinism, "off|NUMBER")
PRELOAD = Kind("`auto`, `off`, or module names, one per line", _preload, "auto|off|MODULE", many=True)
SIZE = Kind("a number of bytes, or a size such as `500 MB` (`kB`, `MB`, `GB`)", _size, "SIZE")
BOOLEAN = Kind("`true` or `false`", _boolean, "true|false")
SECONDS = Kind("a number of seconds above 0, at most ten days (864000)", _seconds, "SECONDS")
LINES = Kind("one entry per line", _lines, "TEXT", many=True)
GLOBS = Kind("one entry per line", _lines, "GLOB", many=True)
ARGUMENTS = Kind("arguments as in a shell, with quotes in pairs", _arguments, "ARGUMENTS")
RTOL = Kind("a number from 0 to 1, such as `1e-6`", partial(_fraction, most=1), "NUMBER")
ATOL = Kind("a number, 0 or above, such as `1e-12`", partial(_fraction, most=math.inf), "NUMBER")
SLUG = Kind(
    "up to 64 letters, digits, `.`, `_` and `-`, not beginning with `.` or `-`",
    _matching(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}"),
    "NAME",
)
PYTHON_VERSION = Kind(
    "a version such as `3.12` or `3.12.4` (in quotes, or 3.10 is read as 3.1)",
    _matching(r"3\.([6-9]|\d\d)(\.\d{1,2})?"),  # not 3.1 and 3.2: 3.10 and 3.20 without quotes
    "VERSION",
)
YAML_MAP = YamlKind("YAML: `name: value`, one per line", yaml12.as_map, "YAML")


def whole_number(least: int, most: int) -> Kind:
    parse = partial(_count, least=least, most=most)
    return Kind(f"a whole number from {least} to {most}", parse, "NUMBER")


COUNT = whole_number(1, MOST_COUNTED)
RETRIES = whole_number(0, MOST_RETRIES)


def choice(*accepted: str) -> Kind:
    """Return the kind of an input that is one of a few words."""

    def parse(value: object) -> str:
        if value not in accepted:
            raise ValueError
        return str(value)

    return Kind(" or ".join(f"`{each}`" for each in accepted), parse, "|".join(accepted))


def several(*accepted: str) -> Kind:
    """Return the kind of an input that is any number of these words."""

    def parse(value: object) -> tuple[str, ...]:
        words = _lines(value)
        if not set(words).issubset(accepted):
            raise ValueError
        return words

    return Kind(f"one per line: {', '.join(f'`{each}`' for each in accepted)}", parse, "NAME", many=True)
