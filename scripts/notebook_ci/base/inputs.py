"""How a stage declares its inputs.

The model of a stage is a frozen dataclass whose fields are created by `given`. Only it has names, kinds, defaults
and descriptions: action.yml, README and `--help` are generated from it.
"""

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from notebook_ci.base.errors import InputError
from notebook_ci.base.texts import did_you_mean, quote
from notebook_ci.base.values import PATH, SLUG, Kind

CONFIG = "notebook-ci.toml"
SECRETS = "secret-parameters"  # the input of execute-notebook whose values all stages hide


def given(
    kind: Kind, description: str, *, default: object, shown_default: str = "", tuning: bool = False, also_in: str = ""
) -> Any:
    """Declare an input. `description` is for documents; the README lists `tuning` ones apart.

    `shown_default` is for documents, too, where `default` does not say what happens without the input. `also_in` is the
    stage in whose table of the config file the value is looked for, too.
    """
    shown_default = shown_default or ("none" if default in ("", (), {}, None) else quote(default))
    metadata = {"kind": kind, "description": description, "shown_default": shown_default, "tuning": tuning}
    metadata["also_in"] = also_in
    if isinstance(default, dict):
        return dataclasses.field(default_factory=default.copy, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class StageInputs:
    """The inputs that every stage has."""

    working_directory: str = given(
        PATH,
        f"Folder of the project, if a repository has several: paths start there, and `{CONFIG}` is read there.",
        default="",
        shown_default="the workspace; on a laptop, the current folder",
    )
    run_dir: str = given(
        PATH,
        "Run directory: the folder for the records and files of this run.",
        default="",
        shown_default="`$RUNNER_TEMP/notebook-ci`; on a laptop, a new folder in `.notebook-ci/runs`",
    )
    slug: str = given(
        SLUG,
        "Name for this use of the action, if a run uses it more than once: a matrix job, a second step.",
        default="",
    )
    config: str = given(
        PATH,
        "TOML file with inputs: one table per stage; keys are input names. Inputs given here override it.",
        default="",
        shown_default=f"`{CONFIG}`, if it exists",
    )
    # By input, the text that the step or the command line gave.
    texts: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False, compare=False)

    def check(self) -> None:
        """Raise InputError if the inputs contradict each other."""

    def as_given(self) -> dict[str, Any]:
        """Return the inputs by their names, for the record."""
        return {name: getattr(self, item.field) for name, item in declared(type(self)).items()}


@dataclass(frozen=True)
class Input:
    name: str
    field: str
    kind: Kind
    description: str
    shown_default: str
    tuning: bool
    also_in: str

    def read(self, raw: object, origin: str) -> Any:
        """Return the value of `raw`, which messages call `origin`; None means "not given"."""
        if raw == [] or (isinstance(raw, str) and not raw.strip()):
            return None
        if any("\0" in text for text in (raw if isinstance(raw, list) else [raw]) if isinstance(text, str)):
            raise InputError(f"{origin} contains a NUL character.", hint="Remove it.")
        return self.kind.read(raw, origin)


def declared(model: type[StageInputs]) -> dict[str, Input]:
    """Return the inputs a model declares, by their kebab-case names: its own before those of every stage."""
    common = [field.name for field in dataclasses.fields(StageInputs)]
    own = [field for field in dataclasses.fields(model) if field.metadata]
    fields = sorted(own, key=lambda field: field.name in common)
    # The name of a field may end with `_`, if it is a keyword of Python.
    inputs = (Input(field.name.rstrip("_").replace("_", "-"), field.name, **field.metadata) for field in fields)
    return {item.name: item for item in inputs}


def values_of(given: Iterable[tuple[Input, object, str]]) -> dict[str, tuple[Any, Any]]:
    """Return values by name, each with what it was read from: see `Input.read`."""
    read = ((item.name, item.read(raw, origin), raw) for item, raw, origin in given)
    return {name: (value, raw) for name, value, raw in read if value is not None}


def unknown(what: str, name: str, known: Collection[str]) -> InputError:
    """Return the error for a name that is not one of `known`; `what` is the sentence without its full stop."""
    return InputError(f"{what}.", hint=f"{did_you_mean(known, name)} Known: {', '.join(map(quote, known))}.")
