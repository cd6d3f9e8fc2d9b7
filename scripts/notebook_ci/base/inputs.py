"""The one way inputs come in: JSON from a runner, flags from a shell, the file `notebook-ci.toml`.

A stage declares its inputs as a frozen dataclass whose fields are made by `given`; the model is the only place of
names, kinds, defaults and descriptions, and action.yml, README and `--help` are made from it. A value given by the step
or on the command line wins over `notebook-ci.toml` (or the file that `config` names), which wins over the default. An
empty string means "not given".
"""

import argparse
import dataclasses
import difflib
import functools
import json
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TextIO, TypeVar

from notebook_ci.base.errors import InputError
from notebook_ci.base.files import read_text
from notebook_ci.base.launcher import COMMAND
from notebook_ci.base.texts import quote
from notebook_ci.base.values import BOOLEAN, PATH, SLUG, Kind

CONFIG = "notebook-ci.toml"
FROM_STDIN = "--inputs-from-stdin"
CHECK_ONLY = "--check-inputs"
NAME_CACHE = "--name-cache"
PLAN = "--plan"
STAGES = ("setup-env", "dvc-pull", "validate-data", "execute-notebook", "build-image", "log-run")
# The tables of notebook-ci.toml: one a stage, and one for the chain of them.
TABLES = (*STAGES, "pipeline")
EXAMPLES = {
    "setup-env": "--requirements requirements.txt --python-version 3.12",
    "dvc-pull": "--targets data/raw.csv.dvc --remote storage",
    "validate-data": "--data 'data/*.csv' --suite suites/penguins.json",
    "execute-notebook": "--notebooks 'reports/*.ipynb' --exclude reports/draft.ipynb --cell-timeout 600",
    "build-image": "--image ghcr.io/team/penguins --tags latest --push",
    "log-run": "--run-dir .notebook-ci/runs/demo --tracking-uri http://localhost:5000 --experiment penguins",
    "pipeline": "--stages execute-notebook --stages log-run --parameters 'seed: 1'",
}


def given(kind: Kind, description: str, *, default: object, shown_default: str, tuning: bool = False) -> Any:
    """Declare an input.

    Args:
        kind: How its value is read.
        description: Sentences for action.yml, README and `--help`.
        default: The value when it is not given.
        shown_default: The default, as documents say it.
        tuning: Whether it stands in the table "Tuning" of the README: few need it.
    """
    metadata = {"kind": kind, "description": description, "shown_default": shown_default, "tuning": tuning}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=default.copy, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class StageInputs:
    """The inputs that every stage has."""

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
        shown_default="none",
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
        """Check what only several inputs together tell.

        Raises:
            InputError: They contradict each other.
        """

    def as_given(self) -> dict[str, Any]:
        """Return the inputs by their names, for the record."""
        return {name: getattr(self, item.field) for name, item in declared(type(self)).items()}


Model = TypeVar("Model", bound=StageInputs)


@dataclass(frozen=True)
class Input:
    """What is known of one input: see `Kind` and `given`."""

    name: str
    field: str
    kind: Kind
    description: str
    shown_default: str
    tuning: bool


def declared(model: type[StageInputs]) -> dict[str, Input]:
    """Return the inputs a model declares, by their kebab-case names: its own before those of every stage."""
    common = [field.name for field in dataclasses.fields(StageInputs)]
    own = [field for field in dataclasses.fields(model) if field.metadata]
    fields = sorted(own, key=lambda field: field.name in common)
    inputs = (Input(field.name.replace("_", "-"), field.name, **field.metadata) for field in fields)
    return {item.name: item for item in inputs}


def load(model: type[Model], stage: str, argv: Sequence[str], stdin: TextIO, cwd: Path) -> Model:
    """Read the inputs of a stage.

    Args:
        model: The dataclass of the inputs.
        stage: The name of the stage, e.g. `execute-notebook`.
        argv: Arguments of the command line, the program's name left out.
        stdin: JSON of the action's inputs, read where `argv` has `--inputs-from-stdin`.
        cwd: Where `notebook-ci.toml` is looked for, and what paths are relative to.

    Raises:
        InputError: An unknown name or a malformed value.
        SystemExit: After `--help`.
    """
    inputs = declared(model)
    parser = _parser(model, stage)
    try:
        flags = _flags(parser, argv, inputs)
        from_flags = _from_flags(flags, inputs)
    except InputError as error:
        error.hint = f"{error.hint} See {parser.prog} --help.".lstrip()
        raise
    given = _from_runner(stdin.read(), inputs) | from_flags if flags["inputs_from_stdin"] else from_flags
    direct = {name: value for name, (value, _) in given.items()}
    values = _Config.read(cwd, direct.get("config", "")).of(stage, inputs) | direct
    texts = {name: raw for name, (_, raw) in given.items() if isinstance(raw, str)}
    loaded = model(**{inputs[name].field: value for name, value in values.items()}, texts=texts)
    loaded.check()
    return loaded


def missed_config(cwd: Path) -> Path | None:
    """Return the `notebook-ci.toml` of the folder above that is a git repository, where `cwd` has none of its own."""
    if (cwd / CONFIG).exists():
        return None
    root = next((folder for folder in cwd.parents if (folder / ".git").exists()), None)
    return root / CONFIG if root and not (cwd / ".git").exists() and (root / CONFIG).is_file() else None


def _flags(parser: argparse.ArgumentParser, argv: Sequence[str], inputs: Mapping[str, Input]) -> dict[str, Any]:
    """Return the values of the flags as the command line has them.

    Raises:
        InputError: One is unknown, or lacks its value.
        SystemExit: After `--help`.
    """
    flags, unknown = parser.parse_known_args(list(argv))
    if unknown:
        name = unknown[0].partition("=")[0]
        flags_known = [f"--{each}" for each in inputs]
        raise _unknown(f"The command line has an unknown argument {quote(name)}", name, flags_known)
    return vars(flags)


def _from_flags(flags: Mapping[str, Any], inputs: Mapping[str, Input]) -> dict[str, tuple[Any, Any]]:
    """Return what the command line gives: values, and the text of each."""
    return _values(
        (item, "\n".join(flag) if item.kind.many else flag, f"`--{name}`")
        for name, item in inputs.items()
        if (flag := flags[item.field]) is not None
    )


def _values(given: Iterable[tuple[Input, object, str]]) -> dict[str, tuple[Any, Any]]:
    """Return values by name, each with what it was read from; what is "not given" is left out.

    Args:
        given: Inputs, what is given for each, and what that is called in messages.
    """
    read = ((item.name, _value(item, raw, origin=origin), raw) for item, raw, origin in given)
    return {name: (value, raw) for name, value, raw in read if value is not None}


class _Parser(argparse.ArgumentParser):
    """Raises what is wrong instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"The command line was not understood: {message}.")


def _parser(model: type[StageInputs], stage: str) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=f"{COMMAND} {stage}",
        description=model.__doc__,
        epilog=f"The workspace is the current folder.\n"
        f"Inputs can also be set in {CONFIG}, in the table [{stage}].\n\n"
        f"Example:\n  {COMMAND} {stage} {EXAMPLES.get(stage, '')}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    # For the launcher and the actions.
    for flag in (FROM_STDIN, CHECK_ONLY, NAME_CACHE):
        parser.add_argument(flag, action="store_true", help=argparse.SUPPRESS)
    parser.add_argument(PLAN, action="store_true", help="Show what would run, without running it.")
    for item in declared(model).values():
        text = f"{item.description} Default: {item.shown_default}.".replace("%", "%%")
        add = functools.partial(parser.add_argument, f"--{item.name}", dest=item.field, metavar=item.kind.metavar)
        if item.kind is BOOLEAN:
            add(nargs="?", const="true", help=text)
        elif item.kind.many:
            add(action="append", help=f"{text} Can be repeated.")
        else:
            add(help=text)
    return parser


def _value(item: Input, raw: object, *, origin: str, file: str | None = None, line: int | None = None) -> Any:
    """Return the value of an input; None means "not given"."""
    if raw == [] or (isinstance(raw, str) and not raw.strip()):
        return None
    if any("\0" in text for text in (raw if isinstance(raw, list) else [raw]) if isinstance(text, str)):
        raise InputError(f"{origin} has a NUL character in it.", hint="Remove it.", file=file, line=line)
    try:
        return item.kind.read(raw, origin)
    except InputError as error:
        error.file, error.line = error.file or file, error.line or line
        raise


def _from_runner(text: str, inputs: Mapping[str, Input]) -> dict[str, tuple[Any, Any]]:
    """Return what the step gives. The runner keeps the letter case of the caller, and GitHub ignores it."""
    try:
        step = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"The inputs of the step are not JSON: {error}.") from error
    if not isinstance(step, dict):
        raise InputError(f"The inputs of the step are {quote(step)}, not a JSON object.")
    for name in step:
        if name.lower() not in inputs:
            raise _unknown(f"The action has no input {quote(name)}", name.lower(), inputs)
    return _values((item := inputs[name.lower()], raw, f"`{item.name}`") for name, raw in step.items())


@dataclass(frozen=True)
class _Config:
    """The file of inputs.

    Attributes:
        file: Its name, as the user knows it.
        text: What stands in it.
        tables: The same, read.
    """

    file: str
    text: str
    tables: Mapping[str, Any]

    @classmethod
    def read(cls, cwd: Path, named: str) -> "_Config":
        """Read the file that was named, or else `notebook-ci.toml`, which need not be there."""
        file = named or CONFIG
        if not named and not (cwd / file).exists():
            return cls(file, "", {})
        text = read_text(cwd / file, file)
        try:
            return cls(file, text, tomllib.loads(text))
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            found = re.search(r"at line (\d+)", str(error))
            hint = "TOML writes `true` and `false`, and text in quotes." if "Invalid value" in str(error) else ""
            line = int(found[1]) if found else None
            raise InputError(f"{file} is not TOML: {error}.", hint=hint, file=file, line=line) from error

    def of(self, stage: str, inputs: Mapping[str, Input]) -> dict[str, Any]:
        """Return what the file says of a stage."""
        for name, table in self.tables.items():
            self._check(name, table, stage, inputs)
        values = {}
        for name, raw in self.tables.get(stage, {}).items():
            line = self._line(rf"{_key(name)}\s*[=.]|\[\s*{_key(stage)}\.{_key(name)}\s*[\].]", after=stage)
            if name not in inputs or name == "config":
                known = [each for each in inputs if each != "config"]
                raise _unknown(f"[{stage}] has an unknown key {quote(name)}", name, known, file=self.file, line=line)
            values[name] = _value(inputs[name], raw, origin=f"`{name}` in [{stage}]", file=self.file, line=line)
        return {name: value for name, value in values.items() if value is not None}

    def _check(self, name: str, table: object, stage: str, inputs: Mapping[str, Input]) -> None:
        """Refuse what is no table of a stage."""
        line = self._line(rf"\[\s*{_key(name)}\s*[\].]|{_key(name)}\s*[=.]")
        if name in TABLES:
            if not isinstance(table, dict):
                message = f"{name} must be a table: [{name}] on a line of its own."
                raise InputError(message, file=self.file, line=line)
        elif name in inputs or not isinstance(table, dict):
            raise self._outside(name, stage if name in inputs else "", line, is_table=isinstance(table, dict))
        else:
            raise _unknown(f"{self.file} has an unknown table {quote(name)}", name, TABLES, file=self.file, line=line)

    def _outside(self, name: str, stage: str, line: int | None, *, is_table: bool) -> InputError:
        """Return the error for a key that stands in no table; of which stage it is an input, `stage` says."""
        there = f"[{stage}]" if stage else f"its name, for example [{STAGES[0]}],"
        hint = f"Write [{stage}.{name}]." if is_table else f"Write {there} on a line above."
        where = f"[{stage}]" if stage else "the table of its stage"
        return InputError(f"{quote(name)} must stand under {where}.", hint=hint, file=self.file, line=line)

    def _line(self, pattern: str, after: str = "") -> int | None:
        """Return the line that begins with `pattern`, below the header of the table `after`."""
        header = re.search(rf"^\s*\[\s*{_key(after)}\s*[\].]", self.text, re.MULTILINE) if after else None
        begin = header.start() if header else 0
        found = re.compile(rf"^\s*(?:{pattern})", re.MULTILINE).search(self.text, begin)
        return self.text.count("\n", 0, found.end()) + 1 if found else None


def _key(name: str) -> str:
    """Return a pattern for a key of TOML, bare or quoted."""
    return rf"[\"']?{re.escape(name)}[\"']?"


def _unknown(
    what: str, name: str, known: Collection[str], *, file: str | None = None, line: int | None = None
) -> InputError:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {close[0]}? " if close else ""
    return InputError(f"{what}.", hint=f"{hint}Known are {', '.join(known)}.", file=file, line=line)
