"""What is accepted of a Great Expectations project: data sources of files, and no code of the repository.

Great Expectations (1.24) itself would import what a project names in `module_name`, put its `plugins_directory` before
its own modules, read pickles, and open URLs. It never sees the project, only what is returned here.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from notebook_ci.base.errors import InputError
from notebook_ci.base.texts import did_you_mean, quote
from notebook_ci.validate_data.conditions import members

FOLDER = "gx"
CONFIG = f"{FOLDER}/great_expectations.yml"
OWN_MODULES = "great_expectations."
# Types of data sources -> keys that they can have in addition to their assets.
SOURCE_TYPES = {"pandas": (), "pandas_filesystem": ("base_directory", "data_context_root_directory")}
# Types of assets -> argument that holds the path in a source of type `pandas`.
ASSET_TYPES = {"csv": "filepath_or_buffer", "json": "path_or_buf", "parquet": "path"}
PATH_KEYS = {"base_directory", "data_context_root_directory", "glob_directive", *ASSET_TYPES.values()}
NAMING_KEYS = {"type", "id", "name", "assets", "batch_definitions"}
# `://` and `::` mark URLs (fsspec), `$` and `|` mark variables and secrets; JSON text would be read as data.
NOT_IN_PATHS = frozenset(':$|"\\{}\n\0')
GIVE_DATA = "If `data` is set as well, only the suites of the checkpoint are used."
NOT_RUN = f"validate-data does not run code of the repository. {GIVE_DATA}"


@dataclass(frozen=True)
class Batch:
    """Data of a project: a data source with one asset and one batch definition, as passed to Great Expectations."""

    source: str  # its name
    source_type: str  # one of `SOURCE_TYPES`
    source_options: dict[str, Any]  # its folder
    asset: str
    asset_type: str  # one of `ASSET_TYPES`
    asset_options: dict[str, Any]  # options of pandas' reader, including the path
    definition: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.source}/{self.asset}/{self.definition['name']}"


@dataclass(frozen=True)
class Project:
    config: dict[str, Any]
    text: str  # the configuration as text, to find lines

    def refuse_code(self, cwd: Path) -> None:
        """Raise InputError if it names a module outside Great Expectations, or has plugins."""
        for key, value in members(self.config):
            if key == "module_name" and value is not None and not str(value).startswith(OWN_MODULES):
                raise self._error(f"The project names a module outside Great Expectations: {quote(value)}.", value)
        plugins = self.config.get("plugins_directory")
        if plugins is None:
            return
        folder = cwd / FOLDER / self._path(plugins, "plugins_directory")
        if found := sorted(folder.rglob("*.py")):
            shown = found[0].relative_to(cwd).as_posix()
            raise InputError(f"The project has Python plugins: `{shown}`.", hint=NOT_RUN, file=shown, line=1)

    def batch(self, source: str, asset: str, definition: str) -> Batch:
        """Return the data of these names. Raises InputError if it does not exist, or is not accepted."""
        its_source = self._named(self.config.get("fluent_datasources"), source, "data source")
        source_type = self._type(its_source, SOURCE_TYPES, f"The data source {quote(source)}")
        its_asset = self._named(its_source.get("assets"), asset, f"asset of the data source {quote(source)},")
        asset_type = self._type(its_asset, ASSET_TYPES, f"The asset {quote(asset)}")
        batch = self._named(its_asset.get("batch_definitions"), definition, f"batch definition of {quote(asset)},")
        options = {key: its_source[key] for key in SOURCE_TYPES[source_type] if its_source.get(key) is not None}
        asset_options = {key: value for key, value in its_asset.items() if key not in NAMING_KEYS}
        for key, value in members([options, asset_options]):
            if key in PATH_KEYS:
                self._path(value, key)
        return Batch(source, source_type, options, asset, asset_type, asset_options, {**batch, "name": definition})

    def _named(self, there: object, name: str, what: str) -> dict[str, Any]:
        known = there if isinstance(there, dict) else {}
        if name in known and isinstance(settings := known[name] or {}, dict):
            return settings
        hint = did_you_mean(known, name) or f"Known: {', '.join(map(quote, sorted(known)[:10])) or 'none'}."
        raise InputError(f"`{CONFIG}` has no {what} {quote(name)}.", hint=hint, file=CONFIG, line=1)

    def _type(self, settings: dict[str, Any], accepted: Collection[str], what: str) -> str:
        found = settings.get("type")
        if isinstance(found, str) and found in accepted:
            return found
        message = f"{what} has the type {quote(found)}; allowed are {', '.join(accepted)}."
        raise self._error(message, found, GIVE_DATA)

    def _path(self, value: object, key: str) -> str:
        if isinstance(value, str) and NOT_IN_PATHS.isdisjoint(value) and not value.startswith("~"):
            path = PurePosixPath(value)
            if not path.is_absolute() and ".." not in path.parts:
                return value
        message = f"`{key}` is {quote(value)}, not a path in the workspace."
        raise self._error(message, value, f"Write it relative to the workspace, without variables. {GIVE_DATA}")

    def _error(self, message: str, value: object, hint: str = NOT_RUN) -> InputError:
        """Return the error about a value, with the first line that contains it."""
        pattern = rf":\s*[\"']?{re.escape(str(value))}"
        lines = (number for number, line in enumerate(self.text.splitlines(), 1) if re.search(pattern, line))
        return InputError(message, hint=hint, file=CONFIG, line=next(lines, 1))
