"""The one way inputs come in: JSON from a runner, flags from a shell, the file `notebook-ci.toml`.

A stage declares its inputs as a frozen dataclass whose fields are made by `given`; the model is the only place of
names, kinds, defaults and descriptions, and action.yml, README and `--help` are made from it. A value given by the step
or on the command line wins over `notebook-ci.toml`, which wins over the default. An empty string means "not given".
"""

import argparse
import dataclasses
import difflib
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
LONGEST_QUOTE = 80


@dataclass(frozen=True)
class Kind:
    """How a value of an input is read.

    Attributes:
        accepts: What is accepted, to stand after "Accepted is".
        parse: Returns the value; raises ValueError with or without a reason.
        many: Whether a flag can be repeated on the command line.
    """

    accepts: str
    parse: Callable[[Any], Any]
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
TEXT = Kind("text", _text)
BOOLEAN = Kind("`true` or `false`", _boolean)
SECONDS = Kind("a number of seconds above 0, at most ten days (864000)", _seconds)
LINES = Kind("one entry a line", _lines, many=True)
SLUG = Kind("up to 64 letters, digits, `.`, `_` and `-`, not beginning with `.` or `-`", _slug)
PYTHON_VERSION = Kind("a version such as `3.12` or `3.12.4` (in quotes, or 3.10 is read as 3.1)", _python_version)
# Text is read as YAML 1.2 later, by `yaml12.mapping`: its parser is in the tool environment, not yet made perhaps.
YAML_MAP = Kind("YAML: `name: value`, one a line", _yaml_map)


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
        TEXT,
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
    flags = _flags(_parser(model, stage), argv, inputs)
    values = _from_config(cwd / CONFIG, stage, inputs)
    if flags["inputs_from_stdin"]:
        values |= _from_runner(stdin.read(), inputs)
    values |= _given(
        {
            name: _value(item, "\n".join(flag) if item.kind.many else flag, origin=f"--{name}")
            for name, item in inputs.items()
            if (flag := flags[item.field]) is not None
        }
    )
    return model(**{inputs[name].field: value for name, value in values.items()})


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


def _given(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values without those that say "not given"."""
    return {name: value for name, value in values.items() if value is not None}


class _Parser(argparse.ArgumentParser):
    """Raises what is wrong instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        raise InputError(f"The command line was not understood: {message}.", hint=f"See {self.prog} --help.")


def _parser(model: type[StageInputs], stage: str) -> argparse.ArgumentParser:
    parser = _Parser(
        prog=f"launch.sh {stage}",
        description=model.__doc__,
        epilog=f"Each value can stand in {CONFIG} too, in the table [{stage}].",
        allow_abbrev=False,
    )
    parser.add_argument(
        FROM_STDIN, action="store_true", help="read the inputs as JSON from standard input, as the action does"
    )
    parser.add_argument(CHECK_ONLY, action="store_true", help="check the inputs and stop")
    for item in declared(model).values():
        text = f"{item.description} Default: {item.shown_default}.".replace("%", "%%")
        if item.kind is BOOLEAN:
            parser.add_argument(
                f"--{item.name}", dest=item.field, nargs="?", const="true", metavar="true|false", help=text
            )
        elif item.kind.many:
            text = f"{text} Can be repeated."
            parser.add_argument(f"--{item.name}", dest=item.field, action="append", metavar="TEXT", help=text)
        else:
            parser.add_argument(f"--{item.name}", dest=item.field, metavar="TEXT", help=text)
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
        raise InputError(
            f"{CONFIG} is not TOML: {error}.", file=CONFIG, line=int(found[1]) if found else None
        ) from error


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
    return InputError(f"{what}.", hint=f"{hint}Known are {', '.join(known)}.", file=file, line=line)
