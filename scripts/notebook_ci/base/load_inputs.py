"""Loads the inputs of a stage: JSON from a runner, flags from a shell, the file `notebook-ci.toml`.

A value given by the step or on the command line wins over the file, which wins over the default. An empty string means
"not given".
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any, TextIO, TypeVar

from notebook_ci.base import config_file, working_directory
from notebook_ci.base.errors import InputError
from notebook_ci.base.inputs import CONFIG, Input, StageInputs, declared, unknown, values_of
from notebook_ci.base.launcher import COMMAND
from notebook_ci.base.texts import quote
from notebook_ci.base.values import BOOLEAN
from notebook_ci.base.workspace import Workspace

PLAN = "--plan"
JSON = "--json"
# For the launcher and the actions:
FROM_STDIN = "--inputs-from-stdin"
CHECK_ONLY = "--check-inputs"
NAME_CACHE = "--name-cache"
AHEAD = "--ahead"  # started by the chain before its turn: the inputs come later, or never
# Exit codes for the launcher, of a script that checks its inputs:
NOTHING_TO_DO = 64  # the plan was all (shown, or no cache to name): the launcher exits with 0, installs nothing
LIBRARY_NEEDED = 65  # the check needs the YAML library
EXAMPLES = {
    "setup-env": "--requirements requirements.txt --python-version 3.12",
    "dvc-pull": "--targets data/raw.csv.dvc --remote storage",
    "validate-data": "--data 'data/*.csv' --suite suites/penguins.json",
    "execute-notebook": "--notebooks 'reports/*.ipynb' --exclude reports/draft.ipynb --cell-timeout 600",
    "test-notebook": "--tests tests --test-timeout 60 --coverage",
    "build-image": "--image ghcr.io/team/penguins --tags latest --push",
    "log-run": "--run-dir .notebook-ci/runs/demo --tracking-uri http://localhost:5000 --experiment penguins",
    "report-run": "--run-dir .notebook-ci/runs/demo --baseline .notebook-ci/runs/main",
    "collect-runs": "--runs artifacts",
    "plan-notebooks": "--notebooks 'reports/*.ipynb' --shards 8 --base main",
    "comment-run": "--result success --plan",
    "compare-environments": "--base requirements.txt --head requirements.new.txt",
    "pipeline": "--stages execute-notebook log-run --parameters 'seed: 1'",
}
Model = TypeVar("Model", bound=StageInputs)


def load(
    model: type[Model], stage: str, argv: Sequence[str], stdin: TextIO, workspace: Workspace
) -> tuple[Model, Workspace]:
    """Enter `working-directory`, and read the inputs of a stage. Raises InputError, and SystemExit after `--help`.

    `argv` comes without the program's name. `stdin` has the inputs of the step as JSON, if `argv` says so. Returns the
    inputs, and the workspace that they are for.
    """
    inputs = declared(model)
    flags = _of_flags(model, stage, argv)
    given = (_of_step(stdin.read(), inputs) if FROM_STDIN in argv else {}) | flags
    direct = {name: value for name, (value, _) in given.items()}
    workspace = working_directory.enter(direct.get(working_directory.INPUT, ""), workspace)
    values = config_file.read(workspace, direct.get("config", ""), stage, inputs) | direct
    texts = {name: raw for name, (_, raw) in given.items() if isinstance(raw, str)}
    loaded = model(**{inputs[name].field: value for name, value in values.items()}, texts=texts)
    loaded.check()
    return loaded, workspace


def parser_of_run(command: str, description: str) -> argparse.ArgumentParser:
    """Return the parser of a command about a run, which is not a stage."""
    parser = argparse.ArgumentParser(prog=f"{COMMAND} {command}", description=description)
    parser.add_argument("run", metavar="RUN", nargs="?", default="", help="A run directory. Default: the newest one.")
    return parser


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


def _of_flags(model: type[StageInputs], stage: str, argv: Sequence[str]) -> dict[str, tuple[Any, Any]]:
    """Return what the command line gives, as `values_of`."""
    parser, inputs = _parser(model, stage), declared(model)
    see = f"See `{parser.prog} --help`."
    try:
        found, others = parser.parse_known_args(list(argv))
        if others:
            name = others[0].partition("=")[0]
            known = [f"--{each}" for each in inputs]
            raise unknown(f"The command line has an unknown argument {quote(name)}", name, known)
        flags = vars(found)
        return values_of(
            (item, "\n".join(flag) if item.kind.many else flag, f"`--{name}`")
            for name, item in inputs.items()
            if (flag := flags[item.field]) is not None
        )
    except argparse.ArgumentError as error:
        raise InputError(f"The command line was not understood: {error}.", hint=see) from error
    except InputError as error:
        error.hint = f"{error.hint} {see}".lstrip()
        raise


def _parser(model: type[StageInputs], stage: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"{COMMAND} {stage}",
        description=model.__doc__,
        epilog=f"The workspace is the current folder, or --{working_directory.INPUT}.\n"
        f"Inputs can also be set in {CONFIG}, in the table [{stage}].\n\n"
        f"Example:\n  {COMMAND} {stage} {EXAMPLES.get(stage, '')}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        exit_on_error=False,
    )
    # For the launcher and the actions.
    for flag in (FROM_STDIN, CHECK_ONLY, NAME_CACHE, AHEAD):
        parser.add_argument(flag, action="store_true", help=argparse.SUPPRESS)
    either = parser.add_mutually_exclusive_group()
    either.add_argument(PLAN, action="store_true", help="Show what would run, without running it.")
    either.add_argument(JSON, action="store_true", help="Print the records as JSON, all else to standard error.")
    for item in declared(model).values():
        values: dict[str, Any] = {}
        if item.kind is BOOLEAN:
            values = {"nargs": "?", "const": "true"}
        elif item.kind.many:
            values = {"nargs": "+", "action": "extend"}
        text = f"{item.description} Default: {item.shown_default}.".replace("%", "%%")
        parser.add_argument(f"--{item.name}", dest=item.field, metavar=item.kind.metavar, help=text, **values)
    return parser
