"""Dataclasses to JSON and back."""

import builtins
import contextlib
import dataclasses
import functools
import json
import math
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from notebook_ci.base.masking import masked
from notebook_ci.base.texts import quote

Type = TypeVar("Type")

DEEPEST = 100  # levels of lists and objects in a value of a field; a notebook may report more than Python can handle
_NOT_FINITE = ("nan", "inf", "-inf")  # JSON has no such numbers: they are written as text
_CALLED: Mapping[object, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "`true` or `false`",
    dict: "an object",
    list: "a list",
}


def to_json(value: object, deepest: int = DEEPEST) -> Any:
    """Return `value` for JSON, without credentials: tuples as lists, NaN, infinity and other objects as text."""
    return masked(_to_json(value, deepest))


def _to_json(value: object, deepest: int = DEEPEST) -> Any:
    match value:
        case dict() | list() | tuple() if not deepest:
            return "…"
        case dict():
            return {_encodable(key): _to_json(item, deepest - 1) for key, item in value.items()}
        case list() | tuple():
            return [_to_json(item, deepest - 1) for item in value]
        case float() if not math.isfinite(value):
            pass
        case None | bool() | int() | float():
            return value
    if dataclasses.is_dataclass(value):
        return {field.name: _to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return _encodable(value)


def _encodable(value: object) -> str:
    # A file name that is not valid text is written as an escape.
    return str(value).encode("utf-8", "backslashreplace").decode()


def parse(text: str) -> Any:
    """Return the value of JSON text. Raises ValueError, also for what Python reads, but cannot be written again."""
    try:
        value = json.loads(text)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()  # no NaN, no half of a surrogate pair
    except RecursionError as error:
        raise ValueError("lists or objects are nested too deeply") from error
    return value


def from_json(kind: type[Type], value: object) -> Type:
    """Return the dataclass that `to_json` wrote. Unknown fields are ignored; missing ones get their default.

    Raises ValueError, which names the field, if the value does not have the fields or types of the dataclass.
    """
    built: Type = _object(kind, value, "")
    return built


def _object(kind: Any, value: object, name: str) -> Any:
    """Return a dataclass. `name` is the path of the field that has the value, such as `notebooks[0].failure`."""
    if not isinstance(value, dict):
        raise _mismatch(name, value, dict)
    hints = _hints(kind)
    found = {}
    for field in dataclasses.fields(kind):
        path = f"{name}.{field.name}" if name else field.name
        if field.name in value:
            found[field.name] = _built(hints[field.name], value[field.name], path)
        elif field.default is field.default_factory is dataclasses.MISSING:
            raise ValueError(f"`{path}` is missing")
    return kind(**found)


@functools.cache  # a run may have a thousand results
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _built(kind: Any, value: Any, name: str) -> Any:
    arguments = typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _object(kind, value, name)
    if isinstance(kind, types.UnionType):
        (some,) = (each for each in arguments if each is not types.NoneType)
        return None if value is None else _built(some, value, name)
    match typing.get_origin(kind), value:
        case builtins.list, list():
            return [_built(arguments[0], item, f"{name}[{index}]") for index, item in enumerate(value)]
        case builtins.dict, dict():
            return {key: _built(arguments[1], item, f"{name}.{key}") for key, item in value.items()}
        case typing.Literal, _ if value in arguments:
            return value
    return _plain(kind, value, name)


def _plain(kind: Any, value: Any, name: str) -> Any:
    if kind is object or type(value) is kind:
        return value
    if kind is float and (type(value) is int or value in _NOT_FINITE):
        with contextlib.suppress(OverflowError):  # an integer may be too large
            return float(value)
    raise _mismatch(name, value, kind)


def _mismatch(name: str, value: object, kind: Any) -> ValueError:
    called = _CALLED.get(typing.get_origin(kind) or kind) or " or ".join(map(quote, typing.get_args(kind)))
    return ValueError(f"{quote(name)} is {quote(value)}, not {called}" if name else f"it is not {called}")
