"""Loads the inputs of a stage: JSON from a runner, flags from a shell, the file `notebook-ci.toml`.

A value given by the step or on the command line wins over the file, which wins over the default. An empty string means
"not given".
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO, TypeVar

from notebook_ci.base import config_file, flags
from notebook_ci.base.errors import InputError
from notebook_ci.base.inputs import Input, StageInputs, declared, unknown, values_of
from notebook_ci.base.texts import quote

Model = TypeVar("Model", bound=StageInputs)


def load(model: type[Model], stage: str, argv: Sequence[str], stdin: TextIO, cwd: Path) -> Model:
    """Read the inputs of a stage. Raises InputError, and SystemExit after `--help`.

    `argv` comes without the program's name. `stdin` has the inputs of the step as JSON, if `argv` says so. In `cwd` is
    `notebook-ci.toml`, and relative paths start there.
    """
    inputs = declared(model)
    given, has_step = flags.read(model, stage, argv)
    given = (_of_step(stdin.read(), inputs) if has_step else {}) | given
    direct = {name: value for name, (value, _) in given.items()}
    values = config_file.read(cwd, direct.get("config", ""), stage, inputs) | direct
    texts = {name: raw for name, (_, raw) in given.items() if isinstance(raw, str)}
    loaded = model(**{inputs[name].field: value for name, value in values.items()}, texts=texts)
    loaded.check()
    return loaded


def _of_step(text: str, inputs: Mapping[str, Input]) -> dict[str, tuple[Any, Any]]:
    """Like `values_of`. The runner keeps the letter case of the caller, and GitHub ignores it."""
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
