"""The file `notebook-ci.toml`: one table per stage; keys are input names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from notebook_ci.base.errors import InputError, Problem, located
from notebook_ci.base.files import parse_toml, read_text
from notebook_ci.base.inputs import CONFIG, Input, unknown
from notebook_ci.base.texts import quote
from notebook_ci.stages import STAGES

# The names of its tables.
TABLES = (*STAGES, "pipeline")


@dataclass(frozen=True)
class ConfigFile:
    file: str  # its name, as the user knows it
    text: str
    tables: Mapping[str, Any]  # the same, parsed

    @classmethod
    def read(cls, cwd: Path, named: str) -> "ConfigFile":
        """Read the file that was named, or else `notebook-ci.toml`, which may be missing."""
        file = named or CONFIG
        if not named and not (cwd / file).exists():
            return cls(file, "", {})
        text = read_text(cwd / file, file)
        return cls(file, text, parse_toml(text, file))

    def of(self, stage: str, inputs: Mapping[str, Input]) -> dict[str, Any]:
        """Return the values that the file has for a stage."""
        for name, table in self.tables.items():
            with located(self.file, self._line(rf"\[\s*{_key(name)}\s*[\].]|{_key(name)}\s*[=.]")):
                self._check(name, table, stage, inputs)
        values = {}
        known = {name: item for name, item in inputs.items() if name != "config"}
        for name, raw in self.tables.get(stage, {}).items():
            line = self._line(rf"{_key(name)}\s*[=.]|\[\s*{_key(stage)}\.{_key(name)}\s*[\].]", after=stage)
            with located(self.file, line):
                if name not in known:
                    raise unknown(f"`[{stage}]` has an unknown key {quote(name)}", name, known)
                values[name] = known[name].read(raw, f"`{name}` in `[{stage}]`")
        return {name: value for name, value in values.items() if value is not None}

    def _check(self, name: str, table: object, stage: str, inputs: Mapping[str, Input]) -> None:
        """Refuse anything but tables of stages."""
        is_table = isinstance(table, dict)
        if name in TABLES:
            if not is_table:
                raise InputError(f"`{name}` is not a table.", hint=f"Write `[{name}]` on a line of its own.")
        elif name in inputs or not is_table:
            header = f"`[{stage}]`" if name in inputs else f"the name of a stage, for example `[{STAGES[0]}]`,"
            hint = f"Write `[{stage}.{name}]`." if is_table else f"Write {header} on a line above it."
            raise InputError(f"{quote(name)} is not in the table of a stage.", hint=hint)
        else:
            raise unknown(f"`{self.file}` has an unknown table {quote(name)}", name, TABLES)

    def _line(self, pattern: str, after: str = "") -> int | None:
        """Return the line that begins with `pattern`, below the header of the table `after`."""
        header = re.search(rf"^\s*\[\s*{_key(after)}\s*[\].]", self.text, re.MULTILINE) if after else None
        begin = header.start() if header else 0
        found = re.compile(rf"^\s*(?:{pattern})", re.MULTILINE).search(self.text, begin)
        return self.text.count("\n", 0, found.end()) + 1 if found else None


def _key(name: str) -> str:
    """Return a pattern for a key of TOML, bare or quoted."""
    return rf"[\"']?{re.escape(name)}[\"']?"


def missed_config(cwd: Path, named: str) -> list[Problem]:
    """Return a warning if a run in `cwd` reads no file, but the root folder of its git repository has one."""
    root = next((folder for folder in (cwd, *cwd.parents) if (folder / ".git").exists()), cwd)
    if named or root == cwd or (cwd / CONFIG).exists() or not (root / CONFIG).is_file():
        return []
    message = f"`{root / CONFIG}` is not read, because the stage runs in `{cwd}`. Run it in the file's folder."
    return [Problem(severity="warning", message=message)]
