"""What validate-data takes and gives."""

from dataclasses import dataclass, field
from typing import Any

from notebook_ci.base.errors import InputError
from notebook_ci.base.inputs import StageInputs, given
from notebook_ci.base.texts import quote
from notebook_ci.base.values import GLOBS, PATH, TEXT, YamlKind
from notebook_ci.base.yaml12 import Value, as_lists, as_map
from notebook_ci.validate_data import options

NOTHING_GIVEN = "No `suite`, `rules` or `checkpoint` is set: nothing says what the data should be."
EXAMPLE = "data/penguins.csv: suites/penguins.json"
OPTIONS_HINT = 'Write `data: {suite: ..., read: {sep: ";"}}`.'
RULES_HINT = f"Write `data: suite`, one per line, such as `{EXAMPLE}`."

OUTPUTS = {
    "success": "`true` if the data meets every expectation of severity `critical`, else `false`.",
    "evaluated": "Number of expectations that were checked.",
    "failed": "Number of expectations that make the stage fail: `critical` and not met, or impossible to evaluate.",
}


@dataclass(frozen=True)
class Checks:
    """What a rule says about its data."""

    suites: tuple[str, ...]
    read: dict[str, Any] = field(default_factory=dict)  # the arguments of `Options`; empty: the input `read`


def _rules(value: Value, origin: str) -> dict[str, Checks]:
    rules = {}
    for name, said in as_map(value, origin).items():
        others = said if isinstance(said, dict) else {"suite": said}
        for key in others.keys() - {"suite", "read"}:
            raise InputError(f"{origin} has an unknown key {quote(key)} for {quote(name)}.", hint=OPTIONS_HINT)
        [suites] = as_lists({name: others.get("suite")}, origin, RULES_HINT).values()
        rules[name.strip()] = Checks(suites, options.parse(others.get("read"), f"`read` of {quote(name)}"))
    if not rules:
        raise InputError(f"{origin} is empty.", hint=RULES_HINT)
    return rules


RULES = YamlKind("YAML: `data: suite`, one per line", _rules, "YAML", hint=RULES_HINT)
READ = YamlKind("YAML: `option: value`, one per line", options.parse, "YAML", hint=options.HINT)


@dataclass(frozen=True, kw_only=True)
class ValidateInputs(StageInputs):
    """Check data against Great Expectations suites, and annotate each violation on its line of the suite."""

    data: tuple[str, ...] = given(
        GLOBS,
        "Data to check against `suite`, or against the suites of `checkpoint`: files, folders or globs, one per line, "
        "relative to the workspace. The suffix gives the format.",
        default=(),
    )
    suite: str = given(
        PATH, "Great Expectations suite (1.x or 0.x), a JSON file, relative to the workspace.", default=""
    )
    rules: dict[str, Checks] = given(
        RULES,
        "Several data files, each with its suites, instead of `data` and `suite`. YAML: `data: suite`, "
        "`data: [suite, suite]`, or `data: {suite: ..., read: {...}}`. Data can be folders and globs.",
        default={},
    )
    read: dict[str, Any] = given(
        READ,
        "How data is read, unless its rule has a `read` of its own. Options: "
        f"{', '.join(map(quote, options.OPTIONS))}.",
        default={},
    )
    checkpoint: str = given(
        TEXT,
        "Name of a checkpoint of a Great Expectations project (1.x or 0.x), which is the folder `gx` or "
        "`great_expectations` of the workspace. Its data is checked; its actions are not run.",
        default="",
    )

    @property
    def pairs(self) -> dict[str, Checks]:
        """What is checked by data, as `rules` or `data` and `suite` have it."""
        return self.rules or (dict.fromkeys(self.data, Checks((self.suite,))) if self.suite else {})

    def check(self) -> None:
        """See `StageInputs.check`."""
        ways = {"`suite`": self.suite, "`rules`": self.rules, "`checkpoint`": self.checkpoint}
        chosen = [name for name, value in ways.items() if value]
        if self.data and self.rules and not self.suite:
            chosen = ["`data`", *chosen]
        if len(chosen) > 1:
            hint = "Keep one of them. `rules` takes any number of data files and suites."
            raise InputError(f"{', '.join(chosen[:-1])} and {chosen[-1]} cannot be combined.", hint=hint)
        if (self.data and not chosen) or (self.suite and not self.data):
            present, missing = ("data", "suite") if self.data else ("suite", "data")
            hint = f"Set both, or use `rules`: `{EXAMPLE}`."
            raise InputError(f"`{present}` is set but `{missing}` is not.", hint=hint)
        if self.read and not (self.data or self.rules):
            raise InputError("`read` is set but `data` is not.", hint="Say which data to read.")
