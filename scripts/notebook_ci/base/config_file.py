"""The file `notebook-ci.toml`: one table per stage; keys are input names."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from notebook_ci.base.errors import InputError, Problem, located
from notebook_ci.base.files import parse_toml, read_text
from notebook_ci.base.inputs import CONFIG, SECRETS, Input, unknown
from notebook_ci.base.masking import learn_named
from notebook_ci.base.texts import quote
from notebook_ci.base.working_directory import INPUT
from notebook_ci.base.workspace import Workspace
from notebook_ci.stages import ALL_STAGES

# The names of its tables.
TABLES = (*ALL_STAGES, "pipeline")
DECIDING = (INPUT, "config")  # the inputs that decide which file is read


def read(workspace: Workspace, named: str, stage: str, inputs: Mapping[str, Input]) -> dict[str, Any]:
    """Return the values for a stage from the file that was named, or else from `notebook-ci.toml`, if it exists.

    From now on, the secrets that the file names for notebooks are hidden.
    """
    file = named or CONFIG  # as the user knows it
    if not named and not (workspace.cwd / file).exists():
        return {}
    text = read_text(workspace.cwd / file, file)
    tables = parse_toml(text, file)
    for name, table in tables.items():
        with located(file, _line(text, rf"\[\s*{_key(name)}\s*[\].]|{_key(name)}\s*[=.]")):
            if name not in TABLES or not isinstance(table, dict):
                raise _not_of_a_stage(file, name, table, stage, inputs)
    learn_named(tables.get("execute-notebook", {}).get(SECRETS), workspace.environ)
    values = {}
    known = {name: item for name, item in inputs.items() if name not in DECIDING}
    shared = {name: item.also_in for name, item in known.items() if name in tables.get(item.also_in, {})}
    for name, table in (shared | dict.fromkeys(tables.get(stage, {}), stage)).items():
        line = _line(text, rf"{_key(name)}\s*[=.]|\[+\s*{_key(table)}\.{_key(name)}\s*[\].]", after=table)
        with located(file, line):
            if name in DECIDING:
                hint = "Set it where the action is used, or on the command line."
                raise InputError(f"{quote(name)} decides which file is read, so it cannot be set in a file.", hint=hint)
            if name not in known:
                raise unknown(f"`[{stage}]` has an unknown key {quote(name)}", name, known)
            values[name] = known[name].read(tables[table][name], f"`{name}` in `[{table}]`")
    return {name: value for name, value in values.items() if value is not None}


def _not_of_a_stage(file: str, name: str, value: object, stage: str, inputs: Mapping[str, Input]) -> InputError:
    is_table = isinstance(value, dict)
    if name in TABLES:
        return InputError(f"`{name}` is not a table.", hint=f"Write `[{name}]` on a line of its own.")
    if is_table and name not in inputs:
        return unknown(f"`{file}` has an unknown table {quote(name)}", name, TABLES)
    header = f"`[{stage}]`" if name in inputs else f"the name of a stage, for example `[{ALL_STAGES[0]}]`,"
    hint = f"Write `[{stage}.{name}]`." if is_table else f"Write {header} on a line above it."
    return InputError(f"{quote(name)} is not in the table of a stage.", hint=hint)


def _line(text: str, pattern: str, after: str = "") -> int | None:
    """Return the line that begins with `pattern`, below the header of the table `after`."""
    header = re.search(rf"^\s*\[+\s*{_key(after)}\s*[\].]", text, re.MULTILINE) if after else None
    begin = header.start() if header else 0
    found = re.compile(rf"^\s*(?:{pattern})", re.MULTILINE).search(text, begin)
    return text.count("\n", 0, found.end()) + 1 if found else None


def _key(name: str) -> str:
    """Return a pattern for a key of TOML, bare or quoted."""
    return rf"[\"']?{re.escape(name)}[\"']?"


def missed_config(workspace: Workspace, named: str) -> list[Problem]:
    """Return a warning if a run reads no file, but the root folder of its git repository has one."""
    cwd, root = workspace.cwd, workspace.repository
    if named or root == cwd or (cwd / CONFIG).exists() or not (root / CONFIG).is_file():
        return []
    message = f"`{root / CONFIG}` is not read, because the working directory is `{cwd}`."
    other = quote(Path(os.path.relpath(root / CONFIG, cwd)).as_posix())
    hint = f"Set `{INPUT}` to the folder of the file, write one for this folder, or set `config` to {other}."
    return [Problem(severity="warning", message=message, hint=hint)]
