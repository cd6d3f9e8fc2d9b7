"""Reads YAML 1.2: `no` is text, `1e-3` is a number. The only module that uses ruamel.yaml."""

import itertools
from collections.abc import Iterator
from datetime import date, time
from pathlib import Path
from typing import Any, TypeAlias

from notebook_ci.base.errors import InputError, located
from notebook_ci.base.texts import quote

MOST_NODES = 100_000
MOST_INTEGER_BITS = 10_000  # Python refuses to convert more than 4300 digits to text
MAP_HINT = "Write `name: value`, one per line."

Value: TypeAlias = "bool | int | float | str | list[Value] | Values | None"
Values: TypeAlias = "dict[str, Value]"


def read(raw: object, *, origin: str, hint: str, file: str | Path | None = None) -> Value:
    """Return a number, text, a boolean, null, or a list or map of these. Dates become text (ISO 8601).

    `raw` is YAML 1.2 as text, or a value that another parser has read. `origin` is the subject of messages. Raises
    InputError if it is not YAML, contains other values, or more than `MOST_NODES` values.
    """
    with located(file):
        try:
            value = _load(raw, origin, file, hint=hint) if isinstance(raw, str) else raw
            return _plain(value, origin, itertools.count(1))
        except RecursionError as error:
            raise InputError(f"{origin} is nested too deeply, or contains itself.") from error


def with_lines(text: str, *, origin: str, hint: str, file: str | Path) -> Any:
    """Return YAML whose maps and lists know their lines: see `line`. Raises InputError if it is not valid."""
    with located(file):
        return _load(text, origin, file, hint=hint, kind="rt")


def line(node: Any, key: object) -> int | None:
    """Return the line of a value in a map, or of an item in a list; None if it was merged in (`<<`)."""
    found = (node.lc.data or {}).get(key)
    return found[-2] + 1 if found else None


def mapping(text: str, *, origin: str, file: str | Path | None = None) -> Values:
    with located(file):
        return as_map(read(text, origin=origin, hint=MAP_HINT, file=file), origin)


def as_map(value: Value, origin: str) -> Values:
    """Return a map; null becomes an empty one. Raises InputError for anything else."""
    if isinstance(value, dict) or value is None:
        return value or {}
    shown = "a list" if isinstance(value, list) else quote(value)
    raise InputError(f"{origin} is {shown}, not a map.", hint=MAP_HINT)


def as_lists(value: Value, origin: str, hint: str) -> dict[str, tuple[str, ...]]:
    """Return a map of names to one or several others, each once. Raises InputError for anything else."""
    found = {}
    for name, given in as_map(value, origin).items():
        items = given if isinstance(given, list) else [given]
        others = [item.strip() for item in items if isinstance(item, str)]
        if len(others) < len(items) or not all([others, name.strip(), *others]):
            raise InputError(
                f"{origin} has {quote(given)} for {quote(name)}, not a name or a list of names.", hint=hint
            )
        found[name.strip()] = tuple(dict.fromkeys(others))
    return found


def _load(text: str, origin: str, file: str | Path | None, *, hint: str, kind: str = "safe") -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        return YAML(typ=kind, pure=True).load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        reason = " ".join(filter(None, (error.context, error.problem)))
        reason = reason.partition(" with value ")[0]  # of a key that is there twice: it may be a credential
        where = f" (line {line})" if line and not file else ""
        raise InputError(
            f"{origin} is not valid YAML{where}: {reason}.", hint=hint, file=file, line=line if file else None
        ) from error
    except RecursionError as error:
        raise InputError(f"{origin} is nested too deeply.", hint=hint) from error
    except (YAMLError, ValueError) as error:
        raise InputError(f"{origin} is not valid YAML: {quote(str(error))}.") from error


def _plain(value: object, origin: str, numbers: Iterator[int]) -> Value:
    """Copy a value. `numbers` counts the values: with aliases, a few lines of YAML can expand to billions."""
    if next(numbers) > MOST_NODES:
        raise InputError(
            f"{origin} contains more than {MOST_NODES} values.",
            hint="Put the data in a file, and read that in the notebook.",
        )
    match value:
        case dict():
            return {_name(name, origin): _plain(item, origin, numbers) for name, item in value.items()}
        case list():
            return [_plain(item, origin, numbers) for item in value]
        case date() | time():
            return value.isoformat()
        case int() if value.bit_length() > MOST_INTEGER_BITS:
            raise InputError(f"{origin} contains a number with more than 3000 digits.")
        case None | bool() | int() | float() | str():
            return value
    raise InputError(
        f"{origin} contains {quote(str(value))}, a {type(value).__name__}.",
        hint="Use numbers, text, booleans, null, lists and maps.",
    )


def _name(name: object, origin: str) -> str:
    if isinstance(name, str):
        return name
    raise InputError(f"{origin} has the name {quote(str(name))}, which is not text.", hint="Put it in quotes.")
