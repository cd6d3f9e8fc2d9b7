"""The sets of parameters of a sweep, and their names."""

import re

from notebook_ci.base.errors import InputError
from notebook_ci.base.texts import quote
from notebook_ci.base.values import YamlKind
from notebook_ci.base.yaml12 import Value, Values

HINT = "Write a list of sets, `- {alpha: 0.1, seed: 1}` one per line, or `small: {alpha: 0.1}` with names."
MOST_SETS = 10_000

# Allowed in file names on every system, and in the artifact names of a workflow.
_NAME = re.compile(r"[A-Za-z0-9_=,.+-]{1,80}")


def sets(value: Value, origin: str) -> dict[str, Values]:
    """Return the sets of parameters by name; sets in a list are named after their content.

    Raises InputError if the value has another form, or a name cannot be part of a file name.
    """
    if value is None:
        return {}
    if not isinstance(value, list | dict):
        raise InputError(f"{origin} is {quote(value)}, which is neither a list nor a map.", hint=HINT)
    if len(value) > MOST_SETS:
        raise InputError(f"{origin} has {len(value)} sets, more than {MOST_SETS}.", hint=HINT)
    found = [_set(each, origin) for each in (value.values() if isinstance(value, dict) else value)]
    named = dict(zip(value, found, strict=True)) if isinstance(value, dict) else _named(found)
    for name in named:
        if not _NAME.fullmatch(name):
            raise InputError(
                f"{origin} has the name {quote(name)}, which cannot be part of a file name.",
                hint="Use up to 80 letters, digits and `_=,.+-`.",
            )
    return named


def _set(value: Value, origin: str) -> Values:
    if not isinstance(value, dict) or not value:
        raise InputError(f"{origin} has {quote(value)}, which is not a set of parameters.", hint=HINT)
    return value


def _named(listed: list[Values]) -> dict[str, Values]:
    """Name sets after their content (`alpha=0.1,seed=1`), or by their number if that is not a valid name."""
    named: dict[str, Values] = {}
    for number, values in enumerate(listed, 1):
        text = ",".join(f"{name}={value}" for name, value in values.items())
        named[text if _NAME.fullmatch(text) and text not in named else f"set-{number}"] = values
    return named


SETS = YamlKind("YAML: a list of maps, or a map of them by name", sets, "YAML", hint=HINT)
