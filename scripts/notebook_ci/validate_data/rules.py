"""Which data are held against which suites: nothing is read yet but the suites."""

import glob
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from notebook_ci.base import yaml12
from notebook_ci.base.errors import InputError, NotebookCiError
from notebook_ci.base.inputs import quote
from notebook_ci.validate_data import data, suites
from notebook_ci.validate_data.model import ValidateInputs
from notebook_ci.validate_data.projects import Batch
from notebook_ci.validate_data.suites import Suite

EXAMPLE = "data/penguins.csv: suites/penguins.json"
ORIGIN = "The input rules"
RULES_HINT = f"Write `data: suite`, one a line, such as `{EXAMPLE}`."


@dataclass(frozen=True)
class Rule:
    """Data and the suite they are held against.

    Attributes:
        data: A file, relative to the workspace; or a batch of a project.
        suite: The suite.
    """

    data: str | Batch
    suite: Suite


def refuse_nonsense(inputs: ValidateInputs) -> None:
    """Refuse inputs that do not go together.

    Raises:
        InputError: They do not, or there are none.
    """
    pair = {"data": inputs.data, "suite": inputs.suite}
    ways = {"data and suite": any(pair.values()), "rules": bool(inputs.rules), "checkpoint": bool(inputs.checkpoint)}
    taken = [name for name, is_taken in ways.items() if is_taken]
    if not taken:
        raise InputError(
            "There is nothing to validate: give data and suite, or rules, or checkpoint.",
            hint="For example data: data/penguins.csv and suite: suites/penguins.json.",
        )
    if len(taken) > 1:
        raise InputError(
            f"The inputs say in {len(taken)} ways what is validated: {'; '.join(taken)}.",
            hint="Keep one of them; rules can hold any number of data and suites.",
        )
    missing = [name for name, value in pair.items() if not value]
    if taken == ["data and suite"] and missing:
        given = next(name for name, value in pair.items() if value)
        raise InputError(
            f"The input {missing[0]} is missing: {given} is given alone.",
            hint=f"Give both, or write them as rules: `{EXAMPLE}`.",
        )


def pairs(inputs: ValidateInputs) -> dict[str, tuple[str, ...]]:
    """Return the suites by data (files or globs) as the inputs have them.

    Raises:
        InputError: The rules are no map of data to suites.
    """
    if not inputs.rules:
        return dict.fromkeys(inputs.data, (inputs.suite,))
    if isinstance(inputs.rules, str):
        given = yaml12.mapping(inputs.rules, origin=ORIGIN)
    else:
        given = yaml12.plain_mapping(inputs.rules, origin=ORIGIN)
    if not given:
        raise InputError(f"{ORIGIN} holds none.", hint=RULES_HINT)
    return {pattern.strip(): _suites_of(pattern, value) for pattern, value in given.items()}


def make(wanted: Mapping[str, Iterable[str]], cwd: Path) -> tuple[list[Rule], list[NotebookCiError]]:
    """Find the data and read the suites.

    Args:
        wanted: Suites by data, as `pairs` returns them.
        cwd: The workspace.

    Returns:
        The rules, each pair of data and suite once; and all that is wrong, data and suites alike.
    """
    errors: list[NotebookCiError] = []
    read: dict[str, Suite | None] = {}
    chosen: dict[tuple[str, str], Rule] = {}
    for pattern, names in wanted.items():
        files = _files(pattern, cwd, errors)
        for name in names:
            if name not in read:
                read[name], wrong = suites.read(cwd / name, Path(name).as_posix())
                errors += wrong
        wanted_suites = {name: suite for name in names if (suite := read[name])}
        chosen |= {(file, name): Rule(file, suite) for file in files for name, suite in wanted_suites.items()}
    return list(chosen.values()), errors


def _suites_of(pattern: str, value: Any) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    is_list = isinstance(names, list) and names and all(isinstance(name, str) and name.strip() for name in names)
    if not is_list or not pattern.strip():
        raise InputError(f"{ORIGIN} has {quote(value)} for the data {quote(pattern)}.", hint=RULES_HINT)
    return tuple(dict.fromkeys(name.strip() for name in names))


def _files(pattern: str, cwd: Path, errors: list[NotebookCiError]) -> list[str]:
    """Return the files a pattern means; what is wrong with them is added to `errors`."""
    matches = _matches(pattern, cwd)
    if not matches:
        message = f"No file matches {quote(pattern)} in {cwd}."
        errors.append(InputError(message, hint="Paths are relative to the workspace."))
    good = []
    for shown in matches:
        try:
            data.check_file(cwd / shown, shown)
            good.append(shown)
        except InputError as error:
            errors.append(error)
    return good


def _matches(pattern: str, cwd: Path) -> list[str]:
    """Return what a pattern matches, with `/`. A name that exists as it is written is not taken as a glob."""
    if os.path.lexists(cwd / pattern) or not glob.has_magic(pattern):
        return [Path(pattern).as_posix()]
    found = glob.glob(pattern, root_dir=cwd, recursive=True)  # noqa: PTH207 - takes absolute patterns, too
    return sorted(Path(path).as_posix() for path in found if not (cwd / path).is_dir())
