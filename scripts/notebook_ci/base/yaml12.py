"""Reads YAML 1.2: `no` is text, `1e-3` is a number. The one adapter of ruamel.yaml."""

from datetime import date, time
from pathlib import Path
from typing import Any

from notebook_ci.base.errors import InputError
from notebook_ci.base.inputs import quote

MOST_NODES = 100_000
MOST_INTEGER_BITS = 10_000  # Python refuses to write one of more than 4300 digits as text


def mapping(text: str, *, origin: str, file: str | Path | None = None) -> dict[str, Any]:
    """Read a YAML mapping of names to plain values (numbers, text, booleans, null, lists and maps of these).

    Args:
        text: YAML 1.2.
        origin: What it is, for messages: `The input parameters`.
        file: The file it comes from, if it comes from one.

    Raises:
        InputError: It is not YAML, or not such a mapping.
    """
    value = _load(text, origin, file, hint="Write `name: value`, one a line.")
    if value is None:
        return {}
    if not isinstance(value, dict):
        shown = quote(value) if isinstance(value, str) else f"a {type(value).__name__}"  # aliases can make it endless
        raise InputError(f"{origin} is {shown}, not a map.", hint="Write `name: value`, one a line.", file=file)
    return plain_mapping(value, origin=origin, file=file)


def read(text: str, *, origin: str, hint: str) -> Any:
    """Read YAML: a plain value, or a list or map of such.

    Args:
        text: YAML 1.2.
        origin: What it is, for messages.
        hint: How it is to be written.

    Raises:
        InputError: It is not YAML, or not such a value.
    """
    return plain(_load(text, origin, None, hint=hint), origin=origin)


def _load(text: str, origin: str, file: str | Path | None, *, hint: str) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        return YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        reason = " ".join(filter(None, (error.context, error.problem)))
        where = f", line {line}" if line and not file else ""
        raise InputError(
            f"{origin} is not YAML{where}: {reason}.", hint=hint, file=file, line=line if file else None
        ) from error
    except (YAMLError, ValueError, RecursionError) as error:
        raise InputError(f"{origin} is not YAML: {quote(str(error))}.", file=file) from error


def plain_mapping(value: dict[Any, Any], *, origin: str, file: str | Path | None = None) -> dict[str, Any]:
    """Return a parsed mapping with plain values; see `plain`."""
    return dict(plain(value, origin=origin, file=file))


def plain(value: object, *, origin: str, file: str | Path | None = None) -> Any:
    """Return a parsed value as a plain one; dates become text as ISO 8601.

    Raises:
        InputError: A name is not text, or a value is none of the plain ones, or there are more than `MOST_NODES`.
    """
    try:
        return _Plain(origin, file).convert(value)
    except RecursionError as error:
        raise InputError(f"{origin} is nested too deeply, or holds itself.", file=file) from error


class _Plain:
    """Copies values. Counts them, because aliases let a few lines of YAML stand for billions."""

    def __init__(self, origin: str, file: str | Path | None) -> None:
        self.origin = origin
        self.file = file
        self.nodes = 0

    def convert(self, value: object) -> Any:
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise InputError(
                f"{self.origin} holds more than {MOST_NODES} values.",
                hint="Let the notebook read a file.",
                file=self.file,
            )
        match value:
            case dict():
                return {self._name(name): self.convert(item) for name, item in value.items()}
            case list():
                return [self.convert(item) for item in value]
            case date() | time():
                return value.isoformat()
            case int() if value.bit_length() > MOST_INTEGER_BITS:
                raise InputError(f"{self.origin} holds a number of more than 3000 digits.", file=self.file)
            case None | bool() | int() | float() | str():
                return value
        raise InputError(
            f"{self.origin} holds {quote(str(value))}, a {type(value).__name__}.",
            hint="Values are numbers, text, booleans, null, lists and maps.",
            file=self.file,
        )

    def _name(self, name: object) -> str:
        if isinstance(name, str):
            return name
        raise InputError(
            f"{self.origin} has the name {quote(str(name))}, which is not text.", hint="Quote it.", file=self.file
        )
