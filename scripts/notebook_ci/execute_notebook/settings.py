"""Settings of single notebooks: from the input `for`, and from a notebook's own metadata."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from notebook_ci.base.errors import InputError
from notebook_ci.base.inputs import unknown
from notebook_ci.base.texts import quote
from notebook_ci.base.values import GLOBS, RETRIES, SECONDS, Kind, YamlKind, choice
from notebook_ci.base.yaml12 import Value
from notebook_ci.records.execute_notebook import ALLOW
from notebook_ci.records.record import now

METADATA = "notebook-ci"  # the key in the metadata of a notebook
NOTEBOOKS = "notebooks"
MOST_REASON = 300  # characters
HINT = "Write `- {notebooks: NAME.ipynb, retries: 2}`, one per line. Put text that contains `: ` in quotes."


def _last_day(value: object) -> date | None:
    if value == "never":
        return None
    text = value.strip() if isinstance(value, str) and value.isprintable() else ""
    found = re.fullmatch(rf"until +(\d{{4}}-\d\d-\d\d): *\S.{{,{MOST_REASON}}}", text)
    if not found:
        raise ValueError
    return date.fromisoformat(found[1])


ON_CELL_ERROR = choice("stop", "continue")
SHELL_ERRORS = choice("warn", "fail", "ignore")
KINDS: Mapping[str, Kind] = {
    "cell-timeout": SECONDS,
    "notebook-timeout": SECONDS,
    "on-cell-error": ON_CELL_ERROR,
    "shell-errors": SHELL_ERRORS,
    "retries": RETRIES,
    ALLOW: Kind("`until 2027-03-01: reason` (the last day, and why) or `never`", _last_day, "TEXT"),
}
OF_INPUTS = [name for name in KINDS if name != ALLOW]  # the inputs of the same names apply to all other notebooks


@dataclass(frozen=True)
class NotebookRule:
    """An entry of `for`."""

    notebooks: tuple[str, ...]  # globs
    settings: Mapping[str, object]  # by name, as written


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What applies to one notebook."""

    cell_timeout: float | None = None
    notebook_timeout: float | None = None
    on_cell_error: str = "stop"
    shell_errors: str = "warn"
    retries: int = 0
    allow_failure: date | None = None  # the last day, in UTC
    given: Mapping[str, object] = field(default_factory=dict)  # by name, as written: those not from the inputs
    own: Collection[str] = ()  # names of those that come from the notebook's own metadata

    @property
    def may_fail(self) -> bool:
        return self.allow_failure is not None and self.allow_failure >= now().date()


def settings(common: Mapping[str, Any], rules: Iterable[NotebookRule], metadata: Mapping[str, Any]) -> Settings:
    """Return the settings of an execution that these rules match: the last one wins.

    `common` are the values of the inputs. Rules win over the notebook's `metadata`, which win over `common`.
    Raises InputError if the metadata are wrong.
    """
    ruled = dict(pair for rule in rules for pair in rule.settings.items())
    own = _checked(metadata.get(METADATA, {}), f"`{METADATA}` in the notebook's metadata", KINDS)
    given = own | ruled
    values = {**common, **{name: KINDS[name].parse(raw) for name, raw in given.items()}}
    fields = {name.replace("-", "_"): value for name, value in values.items()}
    return Settings(**fields, given=given, own=own.keys() - ruled.keys())


def rules(value: Value, origin: str) -> tuple[NotebookRule, ...]:
    """Return the entries of `for`. Raises InputError."""
    found = []
    for entry in value if isinstance(value, list) else [value]:
        given = dict(_checked(entry, origin, {NOTEBOOKS: GLOBS, **KINDS}))
        globs = GLOBS.parse(given.pop(NOTEBOOKS, ""))
        if not globs or not given:
            raise InputError(f"{origin} has {quote(entry)}, without notebooks or without settings.", hint=HINT)
        found.append(NotebookRule(globs, given))
    return tuple(found)


def _checked(value: object, origin: str, kinds: Mapping[str, Kind]) -> dict[str, Any]:
    if not isinstance(value, dict):
        hint = f"Write a map of {', '.join(map(quote, kinds))}."
        raise InputError(f"{origin} has {quote(value)}, which is not a map.", hint=hint)
    for name in value:
        if name not in kinds:
            raise unknown(f"{origin} has an unknown key {quote(name)}", name, kinds)
        kinds[name].read(value[name], f"`{name}` of {origin}")
    return value


FOR = YamlKind("YAML: a list of maps with `notebooks` and settings", rules, "YAML", hint=HINT)
