"""Settings of single notebooks: from the input `for`, and from a notebook's own metadata."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from notebook_ci.base.texts import quote
from notebook_ci.base.values import ATOL, RETRIES, RTOL, SECONDS, Kind, YamlKind, choice, several
from notebook_ci.base.yaml12 import Value, as_map
from notebook_ci.compare import normalise
from notebook_ci.notebooks.settings import METADATA, OF_JOBS, OWN, NotebookRule, checked, kind_of_rules
from notebook_ci.records.execute_notebook import ALLOW
from notebook_ci.records.record import now

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
COMPARE = choice("off", "numbers", "strict", "lax", "warn")
KEEP = several(*normalise.NAMES)
HIDE = several(*normalise.ON_REQUEST)


def _tolerances(value: Value, origin: str) -> dict[str, float]:
    return {name: RTOL.read(each, f"{quote(name)} in {origin}") for name, each in as_map(value, origin).items()}


TOLERANCES = YamlKind("YAML: `name: number`, one per line", _tolerances, "YAML", hint="Write `price: 0.01`.")
KINDS: Mapping[str, Kind] = {
    "cell-timeout": SECONDS,
    "notebook-timeout": SECONDS,
    "on-cell-error": ON_CELL_ERROR,
    "shell-errors": SHELL_ERRORS,
    "retries": RETRIES,
    "compare": COMPARE,
    "rtol": RTOL,
    "atol": ATOL,
    ALLOW: Kind("`until 2027-03-01: reason` (the last day, and why) or `never`", _last_day, "TEXT"),
}
OF_INPUTS = [name for name in KINDS if name != ALLOW]  # the inputs of the same names apply to all other notebooks


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What applies to one notebook."""

    cell_timeout: float | None = None
    notebook_timeout: float | None = None
    on_cell_error: str = "stop"
    shell_errors: str = "warn"
    retries: int = 0
    compare: str = "off"
    rtol: float = 0.0
    atol: float = 0.0
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
    checked_own = checked(metadata.get(METADATA, {}), OWN, {**KINDS, **OF_JOBS})
    own = {name: raw for name, raw in checked_own.items() if name in KINDS}
    given = own | ruled
    values = {**common, **{name: KINDS[name].parse(raw) for name, raw in given.items()}}
    fields = {name.replace("-", "_"): value for name, value in values.items()}
    return Settings(**fields, given=given, own=own.keys() - ruled.keys())


FOR = kind_of_rules(KINDS, HINT)
