"""Finds the files that a Great Expectations project names as its data: in data sources of 1.x, and in those of 0.x.

Great Expectations (0.13.49, 0.18.22, 1.24) sorts the files that match by name, and checks the last one. It would also
import what `module_name` names, put `plugins_directory` before its own modules, read pickles, and open URLs. It never
sees the project.
"""

import glob
import os
import posixpath
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from notebook_ci.base.errors import InputError, located
from notebook_ci.base.texts import did_you_mean, listed, quote
from notebook_ci.validate_data import options
from notebook_ci.validate_data.formats import MOST_LISTED, matches
from notebook_ci.validate_data.suites import Type, at

Json = Mapping[str, Any]
SOURCE_TYPES = ("pandas", "pandas_filesystem")
# Types of assets -> the argument that holds the path in a source of type `pandas`. They are formats, too, but one.
ASSET_TYPES = {"csv": "filepath_or_buffer", "json": "path_or_buf", "parquet": "path", "excel": "io", "feather": "path"}
FORMATS = {"feather": "arrow"}
NAMING_KEYS = ("type", "id", "name", "batch_definitions", "batch_metadata", "batching_regex", "connect_options")
# Data connectors of 0.x. A pattern of the first is for all assets: their name is one of its groups.
INFERRED, CONFIGURED = "InferredAssetFilesystemDataConnector", "ConfiguredAssetFilesystemDataConnector"
ASSET = "data_asset_name"
# Options of pandas that `read` has by another name, and those that change nothing.
AS_READ = {"delimiter": "sep", "sheet_name": "sheet", "parse_dates": "dates"}
WITHOUT_EFFECT = ("engine", "low_memory", "compression", "order_by")
PARTS = ("splitter_method", "sampling_method")
# Keys of a batch request, and of its `data_connector_query`.
BATCH_KEYS = (
    *("datasource_name", "data_connector_name", "data_asset_name", "data_connector_query", "batch_filter_parameters"),
    *("index", "limit", "options", "batch_slice", "batch_spec_passthrough", "batch_identifiers", "runtime_parameters"),
)
THE_LAST = (None, -1, "-1", "[-1:]")
# `://` and `::` mark URLs (fsspec), `$` and `|` mark variables and secrets; JSON text would be read as data.
NOT_IN_PATHS = frozenset(':$|"{}\n\0')
GIVE_DATA = "To use the suites of the checkpoint for other data, set `data` as well."


@dataclass(frozen=True)
class Validation:
    """One check of a checkpoint, as its project says it."""

    suite: str
    file: str  # where it is said
    source: str
    asset: str
    definition: str = ""  # of 1.x
    connector: str = ""  # of 0.x, if the data source is not one of the kinds of 1.x
    path: str = ""  # of 0.x: the file itself
    filters: Json = field(default_factory=dict)  # what groups of the pattern must be
    index: object = None  # which of several files
    passed: Json = field(default_factory=dict)  # how the file is read
    parameters: Json = field(default_factory=dict)  # values for `$PARAMETER`s


@dataclass(frozen=True)
class Data:
    """What a checkpoint checks."""

    file: str  # relative to the workspace
    read: Json  # the arguments of `Options`
    passed_over: int = 0  # number of files that match, too, and are not checked


@dataclass(frozen=True)
class _Asset:
    """Files of a folder whose path in it matches a pattern."""

    folder: str
    directive: str  # a glob
    pattern: str
    read: Json
    missing: str = ""  # the file that must be missing if none matches
    filters: Json = field(default_factory=dict)  # what groups of the pattern must be
    names: Sequence[object] = ()  # of these groups
    order: Sequence[object] = ()  # groups by which files are sorted, before their names
    is_reordered: bool = False  # sorted in another way, which is not known here


@dataclass(frozen=True)
class Project:
    folder: str  # `gx` or `great_expectations`
    config: dict[str, Any]
    text: str = field(repr=False)  # the configuration as text, to find lines
    cwd: Path

    @property
    def file(self) -> str:
        return f"{self.folder}/great_expectations.yml"

    def find(self, said: Validation) -> Data:
        """Return the data that a checkpoint names. Raises InputError, without a file if there may be data later."""
        for key in (*said.passed, *(said.passed.get("data_connector_query") or ())):
            if key not in BATCH_KEYS:
                message = f"A batch request in `{said.file}` has the unknown key {quote(key)}."
                hint = f"{did_you_mean(BATCH_KEYS, str(key))} {GIVE_DATA}".lstrip()
                raise InputError(message, hint=hint, file=said.file, line=1)
        passed = self._passed(said.passed)
        if said.path:
            return Data(self._path(said.path, "path", "", self.folder), passed)
        if not (said.source and said.asset):
            raise InputError("The checkpoint names no file as its data.", hint=GIVE_DATA, file=self.file, line=1)
        asset = self._of_connector(said) if said.connector else self._of_fluent(said)
        there = matches(f"{glob.escape(asset.folder)}/{asset.directive}", self.cwd)
        paths = [os.path.relpath(each, asset.folder) for each in there]
        found = self._fitting(paths, asset, said) or self._fitting([asset.missing], asset, said)
        if not found:
            message = f"No file in `{asset.folder}` is {quote(said.asset)}: none matches {quote(asset.pattern)}."
            raise InputError(message, hint=f"If DVC tracks it, run dvc-pull first. {GIVE_DATA}")
        if len(found) > 1 and (asset.is_reordered or said.index not in THE_LAST):
            names = listed([quote(path) for path in found], MOST_LISTED)
            raise self._error(
                f"{quote(said.asset)} has several files; only the last can be checked: {names}.", said.asset
            )
        return Data(posixpath.normpath(f"{asset.folder}/{found[-1]}"), {**asset.read, **passed}, len(found) - 1)

    def _fitting(self, paths: Iterable[str], asset: _Asset, said: Validation) -> list[str]:
        """Return the paths that match, in the order in which Great Expectations takes them."""
        try:
            pattern = re.compile(asset.pattern)
        except re.error as error:
            message = f"{quote(asset.pattern)} is not a regular expression: {error}."
            raise self._error(message, asset.pattern) from error
        filters = {**asset.filters, **said.filters}
        fitting = []
        for path in filter(None, paths):
            if match := pattern.match(path):
                groups = match.groupdict() or dict(zip(map(str, asset.names), match.groups(), strict=False))
                values = {ASSET: "DEFAULT_ASSET_NAME", "path": path, **groups}
                if filters.items() <= values.items():
                    fitting.append(([values.get(str(name)) or "" for name in asset.order], path))
        return [path for _, path in sorted(fitting)]

    def _of_fluent(self, said: Validation) -> _Asset:
        """Return an asset of 1.x, which 0.18 has, too."""
        what = f"The data source {quote(said.source)}"
        source = self._named(self.config, "fluent_datasources", said.source, "data source")
        kind = self._one_of(SOURCE_TYPES, source, "type", what)
        asset = self._named(source, "assets", said.asset, f"asset of the data source {quote(said.source)},")
        what = f"The asset {quote(said.asset)}"
        form = self._one_of(ASSET_TYPES, asset, "type", what)
        path_key = ASSET_TYPES[form]
        batches: Json = {"regex": asset.get("batching_regex"), "sort_ascending": not asset.get("order_by")}
        if said.definition:
            of = f"batch definition of {quote(said.asset)},"
            definition = self._named(asset, "batch_definitions", said.definition, of)
            batches = self._part(definition, dict, "partitioner", {})
        given = {key: value for key, value in asset.items() if key not in (*NAMING_KEYS, path_key)}
        read = self._read({**given, "format": FORMATS.get(form, form)}, quote(said.asset))
        if kind == "pandas":
            folder, name = os.path.split(self._path(asset.get(path_key), path_key, "", self.folder))
            return _Asset(folder or ".", glob.escape(name), re.escape(name), read, name)
        root = self._path(source.get("data_context_root_directory") or ".", "data_context_root_directory", "")
        folder = self._path(source.get("base_directory"), "base_directory", root, self.folder)
        options_ = self._part(asset, dict, "connect_options", {})
        directive = self._path(options_.get("glob_directive", "**/*"), "glob_directive", "")
        pattern, order = self._part(batches, str, "regex", ".*"), self._part(batches, list, "param_names", [])
        is_reordered = batches.get("sort_ascending") is False
        return _Asset(folder, directive, pattern, read, order=order, is_reordered=is_reordered)

    def _of_connector(self, said: Validation) -> _Asset:
        """Return an asset of 0.x."""
        what = f"The data source {quote(said.source)}"
        source = self._named(self.config, "datasources", said.source, "data source")
        self._one_of(("PandasExecutionEngine",), self._part(source, dict, "execution_engine", {}), "class_name", what)
        of = f"data connector of {quote(said.source)},"
        connector = self._named(source, "data_connectors", said.connector, of)
        what = f"The data connector {quote(said.connector)}"
        kind = self._one_of((INFERRED, CONFIGURED), connector, "class_name", what)
        folder, asset = self._path(connector.get("base_directory"), "base_directory", self.folder), {}
        if kind == CONFIGURED:
            asset = self._named(connector, "assets", said.asset, f"asset of {quote(said.connector)},")
            folder = self._path(asset.get("base_directory") or ".", "base_directory", folder)
        regex = {**self._part(connector, dict, "default_regex", {}), **asset}
        usual = "**/*" if kind == CONFIGURED else "*"
        directive = asset.get("glob_directive") or connector.get("glob_directive", usual)
        read = {**self._passed(connector), **self._passed(asset)}
        names = self._part(regex, list, "group_names", [] if kind == CONFIGURED else [ASSET])
        pattern = self._part(regex, str, "pattern", "(.*)")
        directive = self._path(directive, "glob_directive", "")
        is_reordered = bool(connector.get("sorters"))
        filters = {ASSET: said.asset} if kind == INFERRED else {}
        return _Asset(folder, directive, pattern, read, said.asset, filters, names, is_reordered=is_reordered)

    def _passed(self, settings: Json) -> dict[str, Any]:
        """Return how 0.x reads a file."""
        passed = self._part(settings, dict, "batch_spec_passthrough", {})
        reader = self._part(passed, str, "reader_method", "").removeprefix("read_")
        if reader and reader not in ASSET_TYPES:
            raise self._error(f"`reader_method` is {quote(reader)}; accepted: {', '.join(ASSET_TYPES)}.", reader)
        if part := next((key for key in PARTS if passed.get(key)), ""):
            raise self._error(f"`{part}` chooses a part of a file, but validate-data checks whole files.", passed[part])
        given = self._part(passed, dict, "reader_options", {})
        return self._read({**given, "format": FORMATS.get(reader, reader) or None}, "`reader_options`")

    def _read(self, given: Json, what: str) -> dict[str, Any]:
        """Return options of pandas as arguments of `Options`."""
        read = {AS_READ.get(key, key): value for key, value in given.items() if key not in WITHOUT_EFFECT}
        if read.pop("lines", False):
            read["format"] = "jsonl"
        unset = [key for key, value in read.items() if value is None and (key != "header" or read.get("names"))]
        try:
            return options.parse({key: value for key, value in read.items() if key not in unset}, what)
        except InputError as error:
            raise self._error(error.message, what) from error

    def _named(self, settings: Json, key: str, name: str, what: str) -> dict[str, Any]:
        known = self._part(settings, dict, key, {})
        if name in known:
            return self._part(known, dict, name, {})
        hint = did_you_mean(known, name) or f"Known: {listed(list(map(quote, known)), MOST_LISTED) or 'none'}."
        message = f"`{self.file}` has no {what} {quote(name)}."
        raise InputError(message, hint=f"{hint} {GIVE_DATA}", file=self.file, line=1)

    def _part(self, settings: Json, kind: type[Type], key: str, default: Type) -> Type:
        with located(self.file, 1):
            return at(settings, kind, key, where=f"The project `{self.folder}`", default=default, hint=GIVE_DATA)

    def _one_of(self, accepted: Collection[str], settings: Json, key: str, what: str) -> str:
        found = settings.get(key)
        if isinstance(found, str) and found in accepted:
            return found
        message = f"{what} has the {key.removesuffix('_name')} {quote(found)}; accepted: {', '.join(accepted)}."
        raise self._error(message, found)

    def _path(self, value: object, key: str, *roots: str) -> str:
        """Return a path in the workspace, which is relative to one of these folders."""
        text = value.replace("\\", "/") if isinstance(value, str) else ""
        if text and NOT_IN_PATHS.isdisjoint(text) and not text.startswith(("~", "/")):
            for root in roots:
                path = posixpath.normpath(posixpath.join(root, text))
                if path != ".." and not path.startswith("../"):
                    return path
        hint = f"Write it relative to the workspace, without variables. {GIVE_DATA}"
        raise self._error(f"`{key}` is {quote(value)}, not a path in the workspace.", value, hint)

    def _error(self, message: str, value: object, hint: str = GIVE_DATA) -> InputError:
        """Return the error about a value, with the first line of the configuration that contains it."""
        pattern = rf":\s*[\"']?{re.escape(str(value))}"
        lines = (number for number, line in enumerate(self.text.splitlines(), 1) if re.search(pattern, line))
        return InputError(message, hint=hint, file=self.file, line=next(lines, 1))
