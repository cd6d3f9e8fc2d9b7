"""The command line of a stage: one flag per input."""

import argparse
import functools
from collections.abc import Sequence
from typing import Any

from notebook_ci.base.errors import InputError
from notebook_ci.base.inputs import CONFIG, StageInputs, declared, unknown, values_of
from notebook_ci.base.launcher import COMMAND
from notebook_ci.base.texts import quote
from notebook_ci.base.values import BOOLEAN

PLAN = "--plan"
# For the launcher and the actions:
FROM_STDIN = "--inputs-from-stdin"
CHECK_ONLY = "--check-inputs"
NAME_CACHE = "--name-cache"
# Exit codes for the launcher, of a script that checks its inputs:
NOTHING_TO_DO = 64  # the plan was all (shown, or no cache to name): the launcher exits with 0, installs nothing
LIBRARY_NEEDED = 65  # the check needs the YAML library
EXAMPLES = {
    "setup-env": "--requirements requirements.txt --python-version 3.12",
    "dvc-pull": "--targets data/raw.csv.dvc --remote storage",
    "validate-data": "--data 'data/*.csv' --suite suites/penguins.json",
    "execute-notebook": "--notebooks 'reports/*.ipynb' --exclude reports/draft.ipynb --cell-timeout 600",
    "build-image": "--image ghcr.io/team/penguins --tags latest --push",
    "log-run": "--run-dir .notebook-ci/runs/demo --tracking-uri http://localhost:5000 --experiment penguins",
    "pipeline": "--stages execute-notebook --stages log-run --parameters 'seed: 1'",
}


def read(model: type[StageInputs], stage: str, argv: Sequence[str]) -> tuple[dict[str, tuple[Any, Any]], bool]:
    """Return what the command line gives, as `values_of`, and whether standard input gives more.

    Raises InputError, and SystemExit after `--help`.
    """
    parser, inputs = _parser(model, stage), declared(model)
    see = f"See `{parser.prog} --help`."
    try:
        found, others = parser.parse_known_args(list(argv))
        if others:
            name = others[0].partition("=")[0]
            known = [f"--{each}" for each in inputs]
            raise unknown(f"The command line has an unknown argument {quote(name)}", name, known)
        flags = vars(found)
        values = values_of(
            (item, "\n".join(flag) if item.kind.many else flag, f"`--{name}`")
            for name, item in inputs.items()
            if (flag := flags[item.field]) is not None
        )
    except argparse.ArgumentError as error:
        raise InputError(f"The command line was not understood: {error}.", hint=see) from error
    except InputError as error:
        error.hint = f"{error.hint} {see}".lstrip()
        raise
    return values, flags["inputs_from_stdin"]


def _parser(model: type[StageInputs], stage: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"{COMMAND} {stage}",
        description=model.__doc__,
        epilog=f"The workspace is the current folder.\n"
        f"Inputs can also be set in {CONFIG}, in the table [{stage}].\n\n"
        f"Example:\n  {COMMAND} {stage} {EXAMPLES.get(stage, '')}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        exit_on_error=False,
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
