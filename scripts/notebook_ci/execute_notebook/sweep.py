"""The sets of parameters of a sweep, and their names."""

import re
from collections.abc import Mapping
from typing import Any

from notebook_ci.base import yaml12
from notebook_ci.base.errors import InputError
from notebook_ci.base.inputs import quote

ORIGIN = "The input sweep"
HINT = "Write a list of sets, `- {alpha: 0.1, seed: 1}` one a line, or `small: {alpha: 0.1}` with names."
MOST_SETS = 10_000

# What stands in a file's name on every system, and in an artifact of a workflow.
_NAME = re.compile(r"[A-Za-z0-9_=,.+-]{1,80}")


def sets(value: str | list[Any] | dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return sets of parameters by their names.

    Args:
        value: The input: YAML, or what stands in notebook-ci.toml. Sets of a list are named after what is in them.

    Raises:
        InputError: It is something else, or a name cannot be that of a file.
    """
    told = (
        yaml12.read(value, origin=ORIGIN, hint=HINT) if isinstance(value, str) else yaml12.plain(value, origin=ORIGIN)
    )
    if told is None:
        return {}
    if not isinstance(told, list | dict):
        raise InputError(f"{ORIGIN} is {quote(told)}: neither a list nor a map.", hint=HINT)
    if len(told) > MOST_SETS:
        raise InputError(f"{ORIGIN} holds {len(told)} sets, more than {MOST_SETS}.", hint=HINT)
    for each in told.values() if isinstance(told, dict) else told:
        if not isinstance(each, dict) or not each:
            raise InputError(f"{ORIGIN} holds {quote(each)}, which is no set of parameters.", hint=HINT)
    named = told if isinstance(told, dict) else _named(told)
    for name in named:
        if not _NAME.fullmatch(name):
            raise InputError(
                f"{ORIGIN} has the name {quote(name)}: it is to be part of a file's name.",
                hint="Use up to 80 letters, digits and `_=,.+-`.",
            )
    return named


def _named(listed: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return sets by what is in them (`alpha=0.1,seed=1`), or by their place in the list where that is no name."""
    named: dict[str, dict[str, Any]] = {}
    for number, values in enumerate(listed, 1):
        text = _text(values)
        named[text if _NAME.fullmatch(text) and text not in named else f"set-{number}"] = values
    return named


def _text(values: Mapping[str, Any]) -> str:
    return ",".join(f"{name}={value}" for name, value in values.items())
