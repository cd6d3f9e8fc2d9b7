"""Reads what a checkpoint of a Great Expectations project validates, without using Great Expectations.

The layout is that of a file context of 1.x: `gx/great_expectations.yml`, and next to it one folder of JSON files each
for expectation suites (dots in their names are folders), validation definitions and checkpoints.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from notebook_ci.base import yaml12
from notebook_ci.base.errors import InputError, NotebookCiError, located
from notebook_ci.base.files import read_text
from notebook_ci.base.texts import did_you_mean, quote
from notebook_ci.validate_data import suites
from notebook_ci.validate_data.sources import CONFIG, FOLDER, Batch, Project
from notebook_ci.validate_data.suites import Suite, Type

OLD_CONFIG = "great_expectations/great_expectations.yml"
OLDEST_CONFIG_VERSION = 4
SAVE_AGAIN = "Save it again with Great Expectations 1.x."
FILES = "TupleFilesystemStoreBackend"
OPEN_IN_1 = (
    "Create data sources and checkpoints again with 1.x. Until then, set `data` and `suite`: suites of 0.x can be used."
)


@dataclass(frozen=True)
class Checkpoint:
    batches: tuple[tuple[Batch | None, Suite], ...]  # each with its suite; None: the data is given
    actions: tuple[str, ...]  # names of its actions
    files: tuple[str, ...]  # the files that define it, without suites, relative to the workspace


def read(name: str, cwd: Path, *, has_data: bool) -> tuple[Checkpoint, list[NotebookCiError]]:
    """Read a checkpoint, its validation definitions and their suites.

    With `has_data`, what it says about its data is not used: it may be a dataframe, or a file of another machine. The
    errors are those of its suites; the checkpoint is returned without the suites that are wrong. Raises InputError
    if the project, the checkpoint, or something that it names does not exist or is wrong.
    """
    project = _project(cwd)
    if not has_data:
        project.refuse_code(cwd)
    file = _named(_folder(project, "checkpoint_store", "checkpoints"), name, "checkpoint", cwd)
    content = _json(file, cwd)
    definitions = _part(content, list, file, "validation_definitions", default=[])
    if not definitions:
        raise InputError(f"The checkpoint {quote(name)} has no validation definitions.", file=file, line=1)
    definition_folder = _folder(project, "validation_definition_store", "validation_definitions")
    suite_folder = _folder(project, "expectations_store", "expectations")
    files = [CONFIG, file]
    batches: list[tuple[Batch | None, Suite]] = []
    assets = set()
    errors: list[NotebookCiError] = []
    for each in definitions:
        with located(file, 1):
            where = f"A validation definition in `{file}`"
            definition_name = suites.at(each, str, where, "name", hint=SAVE_AGAIN)
        files.append(_named(definition_folder, definition_name, "validation definition", cwd))
        definition = _json(files[-1], cwd)
        source, asset, data = (
            _part(definition, str, files[-1], "data", part, "name")
            for part in ("datasource", "asset", "batch_definition")
        )
        suite_name = _part(definition, str, files[-1], "suite", "name").replace(".", "/")
        suite_file = _named(suite_folder, suite_name, "suite", cwd)
        suite, wrong = suites.read(cwd / suite_file, suite_file)
        assets.add(f"{source}/{asset}")
        batch = None if has_data else project.batch(source, asset, data)
        batches += [(batch, suite)] if suite else []
        errors += wrong
    if has_data and len(assets) > 1:
        message = f"The checkpoint {quote(name)} checks several data: {', '.join(map(quote, sorted(assets)))}."
        raise InputError(message, hint="Use `rules` to say which suite is for which file.", file=file, line=1)
    listed: list[object] = _part(content, list, file, "actions", default=[])
    actions = tuple(str(each.get("name")) for each in listed if isinstance(each, dict))
    return Checkpoint(tuple(batches), actions, tuple(files)), errors


def _project(cwd: Path) -> Project:
    if not (cwd / CONFIG).exists() and (cwd / OLD_CONFIG).exists():
        raise _old(OLD_CONFIG, "it is in the folder `great_expectations`")
    hint = f"Commit the project in the folder `{FOLDER}`, or set `data` and `suite` instead of `checkpoint`."
    text = read_text(cwd / CONFIG, CONFIG, hint=hint)
    config = yaml12.mapping(text, origin=CONFIG, file=CONFIG)
    version = config.get("config_version")
    if not isinstance(version, int | float) or version < OLDEST_CONFIG_VERSION:
        raise _old(CONFIG, f"`config_version` is {quote(version)}, in 1.x it is 4")
    return Project(config, text)


def _old(file: str, reason: str) -> InputError:
    message = f"`{file}` is a project of Great Expectations 0.18 or older: {reason}."
    return InputError(message, hint=OPEN_IN_1, file=file)


def _folder(project: Project, store: str, usual: str) -> str:
    """Return the folder of a store, relative to the workspace. Raises InputError if the store does not use files."""
    backend: dict[str, object] = _part(project.config, dict, CONFIG, "stores", store, "store_backend", default={})
    kind, folder = backend.get("class_name", FILES), backend.get("base_directory", usual)
    if kind != FILES or not isinstance(folder, str):
        message = f"`{store}` of `{CONFIG}` is a {quote(kind)}, but validate-data reads only projects of files."
        raise InputError(message, hint="Set `data` and `suite` instead.", file=CONFIG)
    return f"{FOLDER}/{folder.strip('/')}"


def _named(folder: str, name: str, what: str, cwd: Path) -> str:
    file = f"{folder}/{name}.json"
    if (cwd / file).is_file() and ".." not in Path(name).parts:
        return file
    there = sorted(path.relative_to(cwd / folder).with_suffix("").as_posix() for path in (cwd / folder).rglob("*.json"))
    known = f"Known: {', '.join(map(quote, there[:10]))}." if there else f"`{folder}` has none."
    raise InputError(
        f"The project `{FOLDER}` has no {what} {quote(name)}.", hint=f"{did_you_mean(there, name)} {known}".lstrip()
    )


def _json(file: str, cwd: Path) -> Any:
    return suites.parsed(read_text(cwd / file, file), file)


def _part(content: object, kind: type[Type], file: str, *keys: str, default: Type | None = None) -> Type:
    with located(file, 1):
        return suites.at(content, kind, f"`{file}`", *keys, default=default, hint=SAVE_AGAIN)
