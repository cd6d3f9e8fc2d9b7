"""What validate-data takes and gives."""

from dataclasses import dataclass

from notebook_ci.base.errors import InputError
from notebook_ci.base.inputs import StageInputs, given
from notebook_ci.base.values import GLOBS, PATH, TEXT, YamlKind
from notebook_ci.base.yaml12 import Value, as_lists

NOTHING_GIVEN = "No `suite`, `rules` or `checkpoint` is set: nothing says what the data should be."
EXAMPLE = "data/penguins.csv: suites/penguins.json"
RULES_HINT = f"Write `data: suite`, one per line, such as `{EXAMPLE}`."

OUTPUTS = {
    "success": "`true` if the data meets every expectation of severity `critical`, else `false`.",
    "evaluated": "Number of expectations that were checked.",
    "failed": "Number of expectations that make the stage fail: `critical` and not met, or impossible to evaluate.",
}


def _rules(value: Value, origin: str) -> dict[str, tuple[str, ...]]:
    rules = as_lists(value, origin, RULES_HINT)
    if not rules:
        raise InputError(f"{origin} is empty.", hint=RULES_HINT)
    return rules


RULES = YamlKind("YAML: `data: suite`, one per line", _rules, "YAML", hint=RULES_HINT)


@dataclass(frozen=True, kw_only=True)
class ValidateInputs(StageInputs):
    """Check data against Great Expectations suites, and annotate each violation on its line of the suite."""

    data: tuple[str, ...] = given(
        GLOBS,
        "Data to check against `suite`: files or globs, one per line, relative to the workspace. The suffix gives the "
        "format: `.csv`, `.tsv`, `.parquet`, `.json`, `.jsonl`, `.ndjson`; all except Parquet also with `.gz`.",
        default=(),
    )
    suite: str = given(
        PATH, "Great Expectations suite (1.x or 0.x), a JSON file, relative to the workspace.", default=""
    )
    rules: dict[str, tuple[str, ...]] = given(
        RULES,
        "Several data files, each with its suites, instead of `data` and `suite`. YAML: `data: suite` or "
        "`data: [suite, suite]`. Data can be globs.",
        default={},
    )
    checkpoint: str = given(
        TEXT,
        "Name of a checkpoint in the Great Expectations 1.x project in the folder `gx` of the workspace. Its data is "
        "checked; its actions are not run.",
        default="",
    )

    @property
    def pairs(self) -> dict[str, tuple[str, ...]]:
        """Suites by data, as `rules` or the other two have them."""
        return self.rules or dict.fromkeys(self.data, (self.suite,))

    def check(self) -> None:
        """See `StageInputs.check`."""
        ways = {"`data`": self.data or self.suite, "`rules`": self.rules, "`checkpoint`": self.checkpoint}
        chosen = [name for name, value in ways.items() if value]
        if len(chosen) > 1:
            hint = "Keep one of them. `rules` takes any number of data files and suites."
            raise InputError(f"{', '.join(chosen[:-1])} and {chosen[-1]} cannot be combined.", hint=hint)
        if bool(self.data) != bool(self.suite):
            present, missing = ("data", "suite") if self.data else ("suite", "data")
            hint = f"Set both, or use `rules`: `{EXAMPLE}`."
            raise InputError(f"`{present}` is set but `{missing}` is not.", hint=hint)
