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
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TextIO, TypeVar

from notebook_ci.base.errors import InputError
from notebook_ci.base.files import read_text
from notebook_ci.base.launcher import COMMAND

CONFIG = "notebook-ci.toml"
FROM_STDIN = "--inputs-from-stdin"
CHECK_ONLY = "--check-inputs"
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
LONGEST_QUOTE = 80
MOST_COUNTED = 10_000


@dataclass(frozen=True)
class Kind:
    """How a value of an input is read.

    Attributes:
        accepts: What is accepted, to stand after "Accepted is".
        parse: Returns the value; raises ValueError.
        metavar: What stands for a value in `--help`.
        many: Whether a flag can be repeated on the command line.
    """

    accepts: str
    parse: Callable[[Any], Any]
    metavar: str
    many: bool = False


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError
    return str(value).strip()


def _boolean(value: object) -> bool:
    match value:
        case bool():
            return value
        case "true" | "false":
            return value == "true"
    raise ValueError


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError
    count = int(value)
    if not 0 < count <= MOST_COUNTED:
        raise ValueError
    return count


def _seconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError
    seconds = float(value)
    if not 0 < seconds <= MOST_SECONDS:
        raise ValueError
    return seconds


def _lines(value: object) -> tuple[str, ...]:
    items = value.splitlines() if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise ValueError
    return tuple(item.strip() for item in items if item.strip())


def _slug(value: object) -> str:
    text = _text(value)
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}", text):
        raise ValueError
    return text


def _python_version(value: object) -> str:
    text = _text(value)
    # 3.1 and 3.2 are what YAML and TOML make of 3.10 and 3.20 without quotes: refused.
    if not re.fullmatch(r"3\.([6-9]|\d\d)(\.\d{1,2})?", text):
        raise ValueError
    return text


def _workers(value: object) -> int | None:
    return None if value == "auto" else _count(value)


def _preload(value: object) -> tuple[str, ...] | None:
    names = _lines(value)
    if names == ("auto",):
        return None
    if names == ("off",):
        return ()
    if not all(re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", name) for name in names):
        raise ValueError
    return names


def _size(value: object) -> int:
    found = re.fullmatch(r"(\d{1,9})\s*(kB|MB|GB|)", _text(value))
    if not found or not int(found[1]):
        raise ValueError
    return int(found[1]) * _BYTES[found[2]]


def _yaml_sets(value: object) -> list[Any] | dict[str, Any] | str:
    if not isinstance(value, list | dict | str):
        raise ValueError
    return value


def _yaml_map(value: object) -> dict[str, Any] | str:
    if not isinstance(value, dict | str):
        raise ValueError
    return value


MOST_SECONDS = 10 * 24 * 3600
_BYTES = {"": 1, "kB": 1000, "MB": 1000**2, "GB": 1000**3}
TEXT = Kind("text", _text, "TEXT")
PATH = Kind("text", _text, "PATH")
COUNT = Kind(f"a whole number from 1 to {MOST_COUNTED}", _count, "NUMBER")
WORKERS = Kind(f"`auto` or a whole number from 1 to {MOST_COUNTED}", _workers, "auto|NUMBER")
PRELOAD = Kind("`auto`, `off`, or names of modules, one a line", _preload, "auto|off|MODULE", many=True)
SIZE = Kind("a number of bytes, also with `kB`, `MB` or `GB` behind it", _size, "SIZE")
BOOLEAN = Kind("`true` or `false`", _boolean, "true|false")
SECONDS = Kind("a number of seconds above 0, at most ten days (864000)", _seconds, "SECONDS")
LINES = Kind("one entry a line", _lines, "TEXT", many=True)
GLOBS = Kind("one entry a line", _lines, "GLOB", many=True)
SLUG = Kind("up to 64 letters, digits, `.`, `_` and `-`, not beginning with `.` or `-`", _slug, "NAME")
PYTHON_VERSION = Kind(
    "a version such as `3.12` or `3.12.4` (in quotes, or 3.10 is read as 3.1)", _python_version, "VERSION"
)
# Text is read as YAML 1.2 later, by `yaml12.mapping`: its parser is in the tool environment, not yet made perhaps.
YAML_MAP = Kind("YAML: `name: value`, one a line", _yaml_map, "YAML")
YAML_SETS = Kind("YAML: a list of maps, or a map of them by name", _yaml_sets, "YAML")


def choice(*accepted: str) -> Kind:
    """Return the kind of an input that is one of a few words."""

    def parse(value: object) -> str:
        if value not in accepted:
            raise ValueError
        return str(value)

    return Kind(" or ".join(f"`{each}`" for each in accepted), parse, "|".join(accepted))


def given(kind: Kind, description: str, *, default: object, shown_default: str) -> Any:
    """Declare an input.

    Args:
        kind: How its value is read.
        description: Sentences for action.yml, README and `--help`.
        default: The value when it is not given.
        shown_default: The default, as documents say it.
    """
    metadata = {"kind": kind, "description": description, "shown_default": shown_default}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class StageInputs:
    """The inputs that every stage has."""

    run_dir: str = given(
        PATH,
        "Run directory, for records and artifacts.",
        default="",
        shown_default="`$RUNNER_TEMP/notebook-ci`, on a laptop a new folder in `.notebook-ci/runs`",
    )
    slug: str = given(
        SLUG,
        "Name of this use of the action in the run: a leg of a matrix, a second call.",
        default="",
        shown_default="none",
    )
    config: str = given(
        PATH,
        "File with the inputs that are not given here, in TOML: a table a stage, keys as the inputs.",
        default="",
        shown_default=f"`{CONFIG}`, if it is there",
    )


Model = TypeVar("Model", bound=StageInputs)


@dataclass(frozen=True)
class Input:
    """What is known of one input: see `Kind` and `given`."""

    name: str
    field: str
    kind: Kind
    description: str
    shown_default: str


def declared(model: type[StageInputs]) -> dict[str, Input]:
    """Return the inputs a model declares, by their kebab-case names: its own before those of every stage."""
    common = [field.name for field in dataclasses.fields(StageInputs)]
    fields = sorted(dataclasses.fields(model), key=lambda field: field.name in common)
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
    from_step = _from_runner(stdin.read(), inputs) if flags["inputs_from_stdin"] else {}
    direct = from_step | from_flags
    values = _Config.read(cwd, direct.get("config", "")).of(stage, inputs) | direct
    return model(**{inputs[name].field: value for name, value in values.items()})


def missed_config(cwd: Path) -> Path | None:
    """Return the `notebook-ci.toml` of the folder above that is a git repository, where `cwd` has none of its own."""
    if (cwd / CONFIG).exists():
        return None
    root = next((folder for folder in cwd.parents if (folder / ".git").exists()), None)
    return root / CONFIG if root and not (cwd / ".git").exists() and (root / CONFIG).is_file() else None


def as_given(inputs: StageInputs) -> dict[str, Any]:
    """Return the inputs by their names, for the record."""
    return {name: getattr(inputs, item.field) for name, item in declared(type(inputs)).items()}


def quote(value: object) -> str:
    """Return a value for a message: short, on one line."""
    text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
    text = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
    return f"`{text[:LONGEST_QUOTE]}…`" if len(text) > LONGEST_QUOTE else f"`{text}`"


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


def _from_flags(flags: Mapping[str, Any], inputs: Mapping[str, Input]) -> dict[str, Any]:
    """Return what the command line gives."""
    return _given(
        {
            name: _value(item, "\n".join(flag) if item.kind.many else flag, origin=f"--{name}")
            for name, item in inputs.items()
            if (flag := flags[item.field]) is not None
        }
    )


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values without those that say "not given"."""
    return {name: value for name, value in values.items() if value is not None}


class _Parser(argparse.ArgumentParser):
    """Raises what is wrong instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"The command line was not understood: {message}.")


def _parser(model: type[StageInputs], stage: str) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=f"{COMMAND} {stage}",
        description=model.__doc__,
        epilog=f"The workspace is the folder you run it from.\n"
        f"Each value can stand in {CONFIG} too, in the table [{stage}].\n\n"
        f"Example:\n  {COMMAND} {stage} {EXAMPLES.get(stage, '')}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    # For the launcher alone.
    for flag in (FROM_STDIN, CHECK_ONLY):
        parser.add_argument(flag, action="store_true", help=argparse.SUPPRESS)
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
        raise InputError(f"{origin} has a NUL character in it.", hint="Take it out.", file=file, line=line)
    try:
        return item.kind.parse(raw)
    except (ValueError, OverflowError) as error:
        message = f"{origin} is {quote(raw)}. Accepted is {item.kind.accepts}."
        raise InputError(message, file=file, line=line) from error


def _from_runner(text: str, inputs: Mapping[str, Input]) -> dict[str, Any]:
    """Return what the step gives. The runner keeps the letter case of the caller, and GitHub ignores it."""
    try:
        step = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"The inputs of the step are not JSON: {error}.") from error
    if not isinstance(step, dict):
        raise InputError(f"The inputs of the step are {quote(step)}, not a JSON object.")
    values = {}
    for name, raw in step.items():
        item = inputs.get(name.lower())
        if item is None:
            raise _unknown(f"The action has no input {quote(name)}", name.lower(), inputs)
        values[item.name] = _value(item, raw, origin=f"The input {item.name}")
    return _given(values)


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
            values[name] = _value(inputs[name], raw, origin=f"{name} in [{stage}]", file=self.file, line=line)
        return _given(values)

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
