"""The one way inputs come in: JSON from a runner, flags from a shell, the file `notebook-ci.toml`.

A stage declares its inputs as a frozen dataclass whose fields are made by `given`; the model is the only place of
names, kinds, defaults and descriptions, and action.yml, README and `--help` are made from it. A value given by the step
or on the command line wins over `notebook-ci.toml`, which wins over the default. An empty string means "not given".
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

from notebook_ci.errors import InputError

CONFIG = "notebook-ci.toml"
FROM_STDIN = "--inputs-from-stdin"
CHECK_ONLY = "--check-inputs"
STAGES = ("setup-env", "dvc-pull", "validate-data", "execute-notebook", "build-image", "log-run")
# Stages that are not there yet: what they will do. Their tables in notebook-ci.toml are let be.
COMING = {
    "dvc-pull": "Pull data versioned by DVC, and check its content.",
    "validate-data": "Validate data against Great Expectations suites.",
    "build-image": "Build an immutable image of environment and notebooks.",
    "log-run": "Log parameters, metrics and artifacts of a run to MLflow.",
}
EXAMPLES = {
    "setup-env": "--requirements requirements.txt --python-version 3.12",
    "execute-notebook": "--notebooks 'reports/*.ipynb' --exclude reports/draft.ipynb --cell-timeout 600",
}
LONGEST_QUOTE = 80


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


def _yaml_map(value: object) -> dict[str, Any] | str:
    if not isinstance(value, dict | str):
        raise ValueError
    return value


MOST_SECONDS = 10 * 24 * 3600
PATH = Kind("text", _text, "PATH")
BOOLEAN = Kind("`true` or `false`", _boolean, "true|false")
SECONDS = Kind("a number of seconds above 0, at most ten days (864000)", _seconds, "SECONDS")
GLOBS = Kind("one entry a line", _lines, "GLOB", many=True)
SLUG = Kind("up to 64 letters, digits, `.`, `_` and `-`, not beginning with `.` or `-`", _slug, "NAME")
PYTHON_VERSION = Kind(
    "a version such as `3.12` or `3.12.4` (in quotes, or 3.10 is read as 3.1)", _python_version, "VERSION"
)
# Text is read as YAML 1.2 later, by `yaml12.mapping`: its parser is in the tool environment, not yet made perhaps.
YAML_MAP = Kind("YAML: `name: value`, one a line", _yaml_map, "YAML")


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
        cwd: Where `notebook-ci.toml` is looked for.

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
    values = _from_config(cwd / CONFIG, stage, inputs)
    if flags["inputs_from_stdin"]:
        values |= _from_runner(stdin.read(), inputs)
    values |= from_flags
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
        prog=f"launch.sh {stage}",
        description=model.__doc__,
        epilog=f"The workspace is the folder you run it from.\n"
        f"Each value can stand in {CONFIG} too, in the table [{stage}].\n\n"
        f"Example:\n  launch.sh {stage} {EXAMPLES.get(stage, '')}",
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


def _from_config(path: Path, stage: str, inputs: Mapping[str, Input]) -> dict[str, Any]:
    """Return what `notebook-ci.toml` says of a stage."""
    text, config = _read_config(path)
    for name, table in config.items():
        line = _line_of(text, rf"\[\s*{_key(name)}\s*[\].]|{_key(name)}\s*[=.]")
        if name not in STAGES:
            if name in inputs or not isinstance(table, dict):
                raise _outside(name, stage if name in inputs else "", line, is_table=isinstance(table, dict))
            raise _unknown(f"{CONFIG} has an unknown table {quote(name)}", name, STAGES, file=CONFIG, line=line)
        if not isinstance(table, dict):
            raise InputError(f"{name} must be a table: [{name}] on a line of its own.", file=CONFIG, line=line)
    values = {}
    for name, raw in config.get(stage, {}).items():
        line = _line_of(text, rf"{_key(name)}\s*[=.]|\[\s*{_key(stage)}\.{_key(name)}\s*[\].]", after=stage)
        if name not in inputs:
            raise _unknown(f"[{stage}] has an unknown key {quote(name)}", name, inputs, file=CONFIG, line=line)
        values[name] = _value(inputs[name], raw, origin=f"{name} in [{stage}]", file=CONFIG, line=line)
    return _given(values)


def _outside(name: str, stage: str, line: int | None, *, is_table: bool) -> InputError:
    """Return the error for a key that stands in no table of a stage; of which one it is an input, `stage` says."""
    there = " or ".join(f"[{each}]" for each in STAGES if each not in COMING)
    hint = f"Write [{stage}.{name}]." if is_table else f"Write {f'[{stage}]' if stage else there} on a line above it."
    where = f"[{stage}]" if stage else "the table of its stage"
    return InputError(f"{quote(name)} must stand under {where}.", hint=hint, file=CONFIG, line=line)


def _read_config(path: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        return text, tomllib.loads(text)
    except FileNotFoundError:
        return "", {}
    except OSError as error:
        raise InputError(f"{CONFIG} cannot be read: {error.strerror}.", file=CONFIG) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{CONFIG} is not UTF-8 text.", hint="Save it as UTF-8.", file=CONFIG) from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        found = re.search(r"at line (\d+)", str(error))
        hint = "TOML writes `true` and `false`, and text in quotes." if "Invalid value" in str(error) else ""
        line = int(found[1]) if found else None
        raise InputError(f"{CONFIG} is not TOML: {error}.", hint=hint, file=CONFIG, line=line) from error


def _key(name: str) -> str:
    """Return a pattern for a key of TOML, bare or quoted."""
    return rf"[\"']?{re.escape(name)}[\"']?"


def _line_of(text: str, pattern: str, after: str = "") -> int | None:
    """Return the line that begins with `pattern`, below the header of the table `after`."""
    header = re.search(rf"^\s*\[\s*{_key(after)}\s*[\].]", text, re.MULTILINE) if after else None
    found = re.compile(rf"^\s*(?:{pattern})", re.MULTILINE).search(text, header.start() if header else 0)
    return text.count("\n", 0, found.end()) + 1 if found else None


def _unknown(
    what: str, name: str, known: Collection[str], *, file: str | None = None, line: int | None = None
) -> InputError:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {close[0]}? " if close else ""
    shown = [each for each in known if each not in COMING]
    return InputError(f"{what}.", hint=f"{hint}Known are {', '.join(shown)}.", file=file, line=line)
