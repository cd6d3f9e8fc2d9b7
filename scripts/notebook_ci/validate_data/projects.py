"""Reads what a checkpoint of a Great Expectations project validates, without using Great Expectations.

The layout is that of a file context of 1.x: `gx/great_expectations.yml`, and next to it one folder of JSON files each
for expectation suites (dots in their names are folders), validation definitions and checkpoints.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from notebook_ci.base import yaml12
from notebook_ci.base.errors import InputError, NotebookCiError
from notebook_ci.base.files import read_text
from notebook_ci.base.texts import did_you_mean, quote
from notebook_ci.validate_data import suites
from notebook_ci.validate_data.sources import Project, Source
from notebook_ci.validate_data.suites import Suite

FOLDER = "gx"
CONFIG = f"{FOLDER}/great_expectations.yml"
OLD_CONFIG = "great_expectations/great_expectations.yml"
OLDEST_CONFIG_VERSION = 4
STORES = {
    "expectations_store": "expectations/",
    "validation_definition_store": "validation_definitions/",
    "checkpoint_store": "checkpoints/",
}
OPEN_IN_1 = (
    "Create data sources and checkpoints again with 1.x. Until then, set `data` and `suite`. To migrate a suite: "
    f"{suites.MIGRATE}"
)


@dataclass(frozen=True)
class Batch:
    """The names that identify data of a project."""

    source: str
    asset: str
    definition: str
    settings: Source = field(compare=False)  # what the project says about them

    def __str__(self) -> str:
        return f"{self.source}/{self.asset}/{self.definition}"


@dataclass(frozen=True)
class Checkpoint:
    name: str
    batches: tuple[tuple[Batch, Suite], ...]  # each with its suite
    actions: tuple[str, ...]  # names of its actions
    files: tuple[str, ...]  # the files that define it, without suites, relative to the workspace


def read(name: str, cwd: Path) -> tuple[Checkpoint, list[NotebookCiError]]:
    """Read a checkpoint, its validation definitions and their suites.

    The errors are those of its suites; the checkpoint is returned without the suites that are wrong.

    Raises:
        InputError: There is no such project or checkpoint, or something that it names is missing or wrong.
    """
    project = _project(cwd)
    folders = {store: _folder(project.config.get("stores"), store) for store in STORES}
    project.refuse_code(cwd)
    file = _named(folders["checkpoint_store"], name, "checkpoint", cwd)
    content = _object(file, cwd)
    definitions = [_name_of(each, file) for each in _list(content, "validation_definitions", file)]
    if not definitions:
        raise InputError(f"The checkpoint {quote(name)} has no validation definitions.", file=file, line=1)
    files = [CONFIG, file]
    batches: list[tuple[Batch, Suite]] = []
    errors: list[NotebookCiError] = []
    for definition in definitions:
        definition_file = _named(folders["validation_definition_store"], definition, "validation definition", cwd)
        files.append(definition_file)
        names, suite_file = _definition(definition_file, folders["expectations_store"], cwd)
        suite, wrong = suites.read(cwd / suite_file, suite_file)
        batch = Batch(*names, project.source(*names))
        batches += [(batch, suite)] if suite else []
        errors += wrong
    actions = (str(each.get("name")) for each in _list(content, "actions", file) if isinstance(each, dict))
    return Checkpoint(name, tuple(batches), tuple(actions), tuple(files)), errors


def _project(cwd: Path) -> Project:
    if not (cwd / CONFIG).exists() and (cwd / OLD_CONFIG).exists():
        raise _old(OLD_CONFIG, "it is in the folder `great_expectations`")
    hint = f"Commit the project in the folder `{FOLDER}`, or set `data` and `suite` instead of `checkpoint`."
    text = read_text(cwd / CONFIG, CONFIG, hint=hint)
    config = yaml12.mapping(text, origin=CONFIG, file=CONFIG)
    version = config.get("config_version")
    if not isinstance(version, int | float) or version < OLDEST_CONFIG_VERSION:
        raise _old(CONFIG, f"`config_version` is {quote(version)}, in 1.x it is 4")
    return Project(config, text, CONFIG)


def _folder(stores: object, store: str) -> str:
    """Return the folder of a store, relative to the workspace.

    Raises:
        InputError: The store does not use files.
    """
    settings = stores.get(store) if isinstance(stores, dict) else None
    backend = settings.get("store_backend") if isinstance(settings, dict) else None
    backend = backend if isinstance(backend, dict) else {}
    kind, folder = (
        backend.get("class_name", "TupleFilesystemStoreBackend"),
        backend.get("base_directory", STORES[store]),
    )
    if kind != "TupleFilesystemStoreBackend" or not isinstance(folder, str):
        message = f"`{store}` of `{CONFIG}` is a {quote(kind)}, but validate-data reads only projects of files."
        raise InputError(message, hint="Set `data` and `suite` instead.", file=CONFIG)
    return f"{FOLDER}/{folder.strip('/')}"


def _definition(file: str, suite_folder: str, cwd: Path) -> tuple[tuple[str, str, str], str]:
    """Return what a validation definition names: source, asset and batch definition; and the suite's file."""
    content = _object(file, cwd)
    data = content.get("data")
    if not isinstance(data, dict):
        raise InputError(f"The validation definition `{file}` names no data.", file=file, line=1)
    name = _name_of(content.get("suite"), file)
    suite_file = _named(suite_folder, name.replace(".", "/"), "suite", cwd)
    source, asset, definition = (_name_of(data.get(part), file) for part in ("datasource", "asset", "batch_definition"))
    return (source, asset, definition), suite_file


def _named(folder: str, name: str, what: str, cwd: Path) -> str:
    file = f"{folder}/{name}.json"
    if (cwd / file).is_file() and ".." not in Path(name).parts:
        return file
    there = sorted(path.relative_to(cwd / folder).with_suffix("").as_posix() for path in (cwd / folder).rglob("*.json"))
    known = f"Known: {', '.join(map(quote, there[:10]))}." if there else f"`{folder}` has none."
    raise InputError(
        f"The project `{FOLDER}` has no {what} {quote(name)}.", hint=f"{did_you_mean(there, name)} {known}".lstrip()
    )


def _object(file: str, cwd: Path) -> dict[str, Any]:
    content = suites.parsed(read_text(cwd / file, file), file)
    if not isinstance(content, dict):
        raise InputError(f"`{file}` is not a JSON object.", hint="Save it again with Great Expectations.", file=file)
    return content


def _list(content: Mapping[str, Any], key: str, file: str) -> list[Any]:
    value = content.get(key) or []
    if not isinstance(value, list):
        message = f"`{key}` in `{file}` is not a list."
        raise InputError(message, hint="Save it again with Great Expectations.", file=file)
    return value


def _name_of(value: object, file: str) -> str:
    """Return the name from a reference to another file of the project."""
    name = value.get("name") if isinstance(value, dict) else None
    if not isinstance(name, str) or not name:
        message = f"`{file}` has a reference without a name."
        raise InputError(message, hint="Save it again with Great Expectations.", file=file)
    return name


def _old(file: str, reason: str) -> InputError:
    return InputError(
        f"`{file}` is a project of Great Expectations 0.18 or older: {reason}.", hint=OPEN_IN_1, file=file
    )
