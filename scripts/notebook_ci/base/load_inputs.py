"""Loads the inputs of a stage: JSON from a runner, flags from a shell, the file `notebook-ci.toml`.

A value given by the step or on the command line wins over the file, which wins over the default. An empty string means
"not given".
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO, TypeVar

from notebook_ci.base import flags
from notebook_ci.base.config_file import Config
from notebook_ci.base.errors import InputError
from notebook_ci.base.inputs import Input, StageInputs, declared, unknown, values_of
from notebook_ci.base.texts import quote

Model = TypeVar("Model", bound=StageInputs)


def load(model: type[Model], stage: str, argv: Sequence[str], stdin: TextIO, cwd: Path) -> Model:
    """Read the inputs of a stage.

    Args:
        model: The dataclass of the inputs.
        stage: The name of the stage, e.g. `execute-notebook`.
        argv: Arguments of the command line, without the program's name.
        stdin: JSON of the action's inputs, read if `argv` has `--inputs-from-stdin`.
        cwd: Where `notebook-ci.toml` is looked for, and what paths are relative to.

    Raises:
        InputError: An unknown name or a malformed value.
        SystemExit: After `--help`.
    """
    inputs = declared(model)
    parser = flags.parser(model, stage)
    try:
        parsed = flags.parsed(parser, argv, inputs)
        from_flags = flags.values(parsed, inputs)
    except InputError as error:
        error.hint = f"{error.hint} See `{parser.prog} --help`.".lstrip()
        raise
    given = _from_runner(stdin.read(), inputs) | from_flags if parsed["inputs_from_stdin"] else from_flags
    direct = {name: value for name, (value, _) in given.items()}
    values = Config.read(cwd, direct.get("config", "")).of(stage, inputs) | direct
    texts = {name: raw for name, (_, raw) in given.items() if isinstance(raw, str)}
    loaded = model(**{inputs[name].field: value for name, value in values.items()}, texts=texts)
    loaded.check()
    return loaded


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
            raise unknown(f"The action has no input {quote(name)}", name.lower(), inputs)
    return values_of((item := inputs[name.lower()], raw, f"`{item.name}`") for name, raw in step.items())
