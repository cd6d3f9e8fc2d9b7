"""Reads what a checkpoint of a Great Expectations project checks, without using Great Expectations.

A project is a folder with `great_expectations.yml`, and next to it one folder each for suites (dots in their names are
folders) and checkpoints: of 1.x JSON files that name others, the validation definitions; of 0.x YAML files.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from notebook_ci.base import yaml12
from notebook_ci.base.errors import InputError, NotebookCiError, located
from notebook_ci.base.files import read_text
from notebook_ci.base.texts import did_you_mean, quote
from notebook_ci.validate_data import suites
from notebook_ci.validate_data.sources import Data, Project, Request
from notebook_ci.validate_data.suites import Suite, at

FOLDERS, CONFIG = ("gx", "great_expectations"), "great_expectations.yml"  # in the order of 0.18
VERSIONS, VERSION_1 = (2, 3, 4), 4
FILES = "TupleFilesystemStoreBackend"
GIVE_BOTH = "Set `data` and `suite` instead of `checkpoint`."
SAVE_AGAIN = "Save it again with Great Expectations 1.x."
ENTRY_HINT = "An entry of `validations` has a `batch_request`, and an `expectation_suite_name` that is text."
SUITE = "expectation_suite_name"
STORING = "Store"  # begins the classes of actions that only store results


@dataclass(frozen=True)
class Checkpoint:
    checks: tuple[tuple[Data | None, Suite], ...]  # None: the data is given
    actions: tuple[str, ...]  # names of its actions
    files: tuple[str, ...]  # the files that define it, without suites, relative to the workspace


@dataclass(frozen=True)
class _Validation:
    suite: str
    request: Request
    file: str  # that states it
    parameters: Mapping[str, Any]  # values for `$PARAMETER`s


def read(name: str, cwd: Path, *, has_data: bool) -> tuple[Checkpoint, list[NotebookCiError]]:
    """Read a checkpoint and its suites, and find its data.

    With `has_data`, what it says about its data is not used: it may be a dataframe, or a file of another machine. The
    errors are those of its suites and data, which are left out. Raises InputError if the project, the checkpoint, or
    something that it names does not exist or is wrong.
    """
    project = _project(cwd)
    is_1 = project.config["config_version"] >= VERSION_1
    suffix = ".json" if is_1 else ".yml"
    file = _named(project, _folder(project, "checkpoint_store", "checkpoints"), name, "checkpoint", suffix)
    text = read_text(cwd / file, file)
    content = suites.parsed(text, file) if is_1 else yaml12.mapping(text, origin=f"`{file}`", file=file)
    with located(file, 1):
        validations = list(_of_1(content, file, project) if is_1 else _of_0(content, file))
        listed = at(content, list, f"`{file}`", "actions" if is_1 else "action_list", default=[], hint=SAVE_AGAIN)
    if not validations:
        what = "validation definitions" if is_1 else "validations"
        raise InputError(f"The checkpoint {quote(name)} has no {what}.", file=file, line=1)
    assets = {f"{each.request.source}/{each.request.asset}" for each in validations}
    if has_data and len(assets) > 1:
        message = f"The checkpoint {quote(name)} checks several data: {', '.join(map(quote, sorted(assets)))}."
        raise InputError(message, hint="Use `rules` to say which suite is for which file.", file=file, line=1)
    suite_folder = _folder(project, "expectations_store", "expectations")
    errors: list[NotebookCiError] = []
    checks = []
    for each in validations:
        with located(each.file, 1):
            suite_file = _named(project, suite_folder, each.suite.replace(".", "/"), "suite", ".json")
        suite, wrong = suites.read(cwd / suite_file, suite_file)
        data = None
        try:
            data = None if has_data else project.find(each.request)
        except InputError as error:
            wrong.append(error)
        errors += wrong
        if suite and (data or has_data):
            checks.append((data, replace(suite, parameters={**suite.parameters, **each.parameters})))
    actions = [str(each.get("name")) for each in listed if isinstance(each, dict) and not _is_storing(each)]
    files = dict.fromkeys([project.file, file, *(each.file for each in validations)])
    return Checkpoint(tuple(checks), tuple(actions), tuple(files)), errors


def _of_1(content: Any, file: str, project: Project) -> Iterator[_Validation]:
    folder = _folder(project, "validation_definition_store", "validation_definitions")
    for each in at(content, list, f"`{file}`", "validation_definitions", default=[], hint=SAVE_AGAIN):
        name = at(each, str, f"A validation definition in `{file}`", "name", hint=SAVE_AGAIN)
        path = _named(project, folder, name, "validation definition", ".json")
        definition = suites.parsed(read_text(project.cwd / path, path), path)
        with located(path, 1):
            source, asset, batch = (
                at(definition, str, f"`{path}`", "data", part, "name", hint=SAVE_AGAIN)
                for part in ("datasource", "asset", "batch_definition")
            )
            suite = at(definition, str, f"`{path}`", "suite", "name", hint=SAVE_AGAIN)
        yield _Validation(suite, Request(source, asset, definition=batch), path, {})


def _of_0(content: Any, file: str) -> Iterator[_Validation]:
    where = f"`{file}`"
    if content.get("template_name"):
        raise InputError(f"{where} has a `template_name`: another checkpoint, which is not read.", hint=GIVE_BOTH)
    for each in at(content, list, where, "batches", default=[], hint=ENTRY_HINT):  # until 0.13
        kwargs = at(each, dict, f"An entry of `batches` in {where}", "batch_kwargs", hint="It names a file as `path`.")
        asset = kwargs.get("data_asset_name") or kwargs.get("path") or kwargs.get("table")
        path = at(kwargs, str, where, "path", default="", hint="Name a file.")
        request = Request("", str(asset), path=path, passed={"batch_spec_passthrough": kwargs})
        for suite in at(each, list, where, "expectation_suite_names", hint="List the names of suites."):
            yield _Validation(str(suite), request, file, {})
    is_one = content.get("batch_request") or content.get(SUITE)
    for each in at(content, list, where, "validations", default=[], hint=ENTRY_HINT) or ([{}] if is_one else []):
        if not isinstance(each, dict):
            raise InputError(f"{where} has {quote(each)} in `validations`.", hint=ENTRY_HINT)
        suite = at(each, str, where, SUITE, default=content.get(SUITE) or "", hint=ENTRY_HINT)
        if not suite:
            raise InputError(f"{where} has a validation without `{SUITE}`.", hint=ENTRY_HINT)
        batch, parameters = (
            at(content, dict, where, key, default={}, hint=ENTRY_HINT)
            | at(each, dict, where, key, default={}, hint=ENTRY_HINT)
            for key in ("batch_request", "evaluation_parameters")
        )
        yield _Validation(suite, _request(batch, where), file, parameters)


def _request(content: Mapping[str, Any], where: str) -> Request:
    query, options, runtime = (
        at(content, dict, where, key, default={}, hint=ENTRY_HINT)
        for key in ("data_connector_query", "options", "runtime_parameters")
    )
    wanted = options | at(query, dict, where, "batch_filter_parameters", default={}, hint=ENTRY_HINT)
    source, asset, connector = (
        at(content, str, where, key, default="", hint=ENTRY_HINT)
        for key in ("datasource_name", "data_asset_name", "data_connector_name")
    )
    return Request(
        source,
        asset,
        connector=connector,
        path=at(runtime, str, where, "path", default="", hint="Name a file."),
        wanted={key: str(value) for key, value in wanted.items() if value is not None},
        index=query.get("index", query.get("limit", content.get("batch_slice"))),
        passed=content,
    )


def _is_storing(action: Mapping[str, Any]) -> bool:
    settings = action.get("action")
    return isinstance(settings, dict) and str(settings.get("class_name")).startswith(STORING)


def _project(cwd: Path) -> Project:
    folder = next((each for each in FOLDERS if (cwd / each / CONFIG).exists()), FOLDERS[0])
    file = f"{folder}/{CONFIG}"
    folders = " or ".join(map(quote, FOLDERS))
    hint = f"Commit the project in the folder {folders}, or set `data` and `suite` instead of `checkpoint`."
    text = read_text(cwd / file, file, hint=hint)
    config = yaml12.mapping(text, origin=file, file=file)
    if (version := config.get("config_version")) not in VERSIONS:
        known = ", ".join(map(str, VERSIONS))
        message = f"`{file}` has the `config_version` {quote(version)}; known are {known}."
        raise InputError(message, hint=GIVE_BOTH, file=file)
    return Project(folder, config, text, cwd)


def _folder(project: Project, store: str, usual: str) -> str:
    """Return the folder of a store, relative to the workspace. Raises InputError if the store does not use files."""
    with located(project.file, 1):
        name = at(project.config, str, f"`{project.file}`", f"{store}_name", default=store, hint=GIVE_BOTH)
        keys = ("stores", name, "store_backend")
        backend = at(project.config, dict, f"`{project.file}`", *keys, default={}, hint=GIVE_BOTH)
    kind, folder = backend.get("class_name", FILES), backend.get("base_directory", usual)
    if kind != FILES or not isinstance(folder, str):
        message = f"`{store}` of `{project.file}` is a {quote(kind)}, but validate-data reads only projects of files."
        raise InputError(message, hint="Set `data` and `suite` instead.", file=project.file)
    return f"{project.folder}/{folder.strip('/')}"


def _named(project: Project, folder: str, name: str, what: str, suffix: str) -> str:
    file = f"{folder}/{name}{suffix}"
    if (project.cwd / file).is_file() and ".." not in Path(name).parts:
        return file
    root = project.cwd / folder
    there = sorted(path.relative_to(root).as_posix().removesuffix(suffix) for path in root.rglob(f"*{suffix}"))
    known = f"Known: {', '.join(map(quote, there[:10]))}." if there else f"`{folder}` has none."
    hint = f"{did_you_mean(there, name)} {known}".lstrip()
    raise InputError(f"The project `{project.folder}` has no {what} {quote(name)}.", hint=hint)
