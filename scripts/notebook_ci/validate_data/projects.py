"""Reads what a checkpoint of a Great Expectations project checks, without using Great Expectations.

A project is a folder with `great_expectations.yml`, and next to it one folder each for suites (dots in their names are
folders) and checkpoints: of 1.x JSON files that name others, the validation definitions; of 0.x YAML files.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from notebook_ci.base import yaml12
from notebook_ci.base.errors import InputError, NotebookCiError, located
from notebook_ci.base.files import read_text
from notebook_ci.base.texts import did_you_mean, quote
from notebook_ci.validate_data import suites
from notebook_ci.validate_data.sources import THE_LAST, Data, Project, Validation
from notebook_ci.validate_data.suites import Suite, at

FOLDERS, CONFIG = ("gx", "great_expectations"), "great_expectations.yml"  # in the order of 0.18
VERSIONS, VERSION_1 = (2, 3, 4), 4
FILES = "TupleFilesystemStoreBackend"
GIVE_BOTH = "Set `data` and `suite` instead of `checkpoint`."
SAVE_AGAIN = "Save it again with Great Expectations 1.x."
ENTRY_HINT = "An entry of `validations` has a `batch_request`, and an `expectation_suite_name` that is text."
BATCH_HINT = "An entry of `batches` has `batch_kwargs` with a `path`, and a list of `expectation_suite_names`."
STORING = "store_"  # begins the usual names of actions of 0.x that only store results
SUITE = "expectation_suite_name"


@dataclass(frozen=True)
class Checkpoint:
    checks: tuple[tuple[Data | None, Suite], ...]  # None: the data is given
    actions: tuple[str, ...]  # names of its actions
    files: tuple[str, ...]  # the files that define it, without suites, relative to the workspace


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
        listed = at(content, list, "actions" if is_1 else "action_list", where=f"`{file}`", default=[], hint=SAVE_AGAIN)
    if not validations:
        what = "validation definitions" if is_1 else "validations"
        raise InputError(f"The checkpoint {quote(name)} has no {what}.", file=file, line=1)
    assets = {f"{each.source}/{each.asset}" for each in validations}
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
            data = None if has_data else project.find(each)
        except InputError as error:
            wrong.append(error)
        errors += wrong
        if suite and (data or has_data):
            checks.append((data, replace(suite, parameters={**suite.parameters, **each.parameters})))
    names = [str(each.get("name")) for each in listed if isinstance(each, dict)]
    actions = [name for name in names if not name.startswith(STORING)]
    files = dict.fromkeys([project.file, file, *(each.file for each in validations)])
    return Checkpoint(tuple(checks), tuple(actions), tuple(files)), errors


def _of_1(content: Any, file: str, project: Project) -> Iterator[Validation]:
    folder = _folder(project, "validation_definition_store", "validation_definitions")
    for each in at(content, list, "validation_definitions", where=f"`{file}`", default=[], hint=SAVE_AGAIN):
        name = at(each, str, "name", where=f"A validation definition in `{file}`", hint=SAVE_AGAIN)
        path = _named(project, folder, name, "validation definition", ".json")
        definition = suites.parsed(read_text(project.cwd / path, path), path)
        keys = (("data", "datasource"), ("data", "asset"), ("data", "batch_definition"), ("suite",))
        with located(path, 1):
            source, asset, batch, suite = (
                at(definition, str, *key, "name", where=f"`{path}`", hint=SAVE_AGAIN) for key in keys
            )
        yield Validation(suite, path, source, asset, batch)


def _of_0(content: Any, file: str) -> Iterator[Validation]:
    part = partial(at, where=f"`{file}`", hint=ENTRY_HINT)
    if content.get("template_name"):
        raise InputError(f"`{file}` has a `template_name`: another checkpoint, which is not read.", hint=GIVE_BOTH)
    for each in part(content, list, "batches", default=[]):  # until 0.13
        kwargs = part(each, dict, "batch_kwargs", hint=BATCH_HINT)
        asset = kwargs.get("data_asset_name") or kwargs.get("path") or kwargs.get("table")
        passed = {"batch_spec_passthrough": kwargs}
        for suite in part(each, list, "expectation_suite_names", hint=BATCH_HINT):
            yield Validation(
                str(suite), file, "", str(asset), path=part(kwargs, str, "path", default=""), passed=passed
            )
    is_one = content.get("batch_request") or content.get(SUITE)
    for each in part(content, list, "validations", default=[]) or ([{}] if is_one else []):
        suite = part(each, str, SUITE) if not isinstance(each, dict) or each.get(SUITE) else part(content, str, SUITE)
        batch, parameters = (
            part(content, dict, key, default={}) | part(each, dict, key, default={})
            for key in ("batch_request", "evaluation_parameters")
        )
        if variable := next((each for each in parameters.values() if isinstance(each, str) and "$" in each), ""):
            message = (
                f"`{file}` has {quote(variable)} in `evaluation_parameters`: variables of a project are not replaced."
            )
            raise InputError(message, hint="Write the value itself.")
        query, options, runtime = (
            part(batch, dict, key, default={}) for key in ("data_connector_query", "options", "runtime_parameters")
        )
        indices = (query.get("index"), query.get("limit"), batch.get("limit"), batch.get("batch_slice"))
        filters = options | part(query, dict, "batch_filter_parameters", default={})
        yield Validation(
            suite,
            file,
            part(batch, str, "datasource_name", default=""),
            part(batch, str, "data_asset_name", default=""),
            connector=part(batch, str, "data_connector_name", default=""),
            path=part(runtime, str, "path", default=""),
            filters={key: str(value) for key, value in filters.items() if value is not None},
            index=next((each for each in indices if each not in THE_LAST), None),
            passed=batch,
            parameters=parameters,
        )


def _project(cwd: Path) -> Project:
    folder = next((each for each in FOLDERS if (cwd / each / CONFIG).exists()), FOLDERS[0])
    file = f"{folder}/{CONFIG}"
    folders = " or ".join(map(quote, FOLDERS))
    hint = f"Commit the project in the folder {folders}, or set `data` and `suite` instead of `checkpoint`."
    text = read_text(cwd / file, file, hint=hint)
    config = yaml12.mapping(text, origin=f"`{file}`", file=file)
    if (version := config.get("config_version")) not in VERSIONS:
        known = ", ".join(map(str, VERSIONS))
        message = f"`{file}` has the `config_version` {quote(version)}; known are {known}."
        raise InputError(message, hint=GIVE_BOTH, file=file)
    return Project(folder, config, text, cwd)


def _folder(project: Project, store: str, usual: str) -> str:
    """Return the folder of a store, relative to the workspace. Raises InputError if the store does not use files."""
    part = partial(at, where=f"`{project.file}`", hint=GIVE_BOTH)
    with located(project.file, 1):
        name = part(project.config, str, f"{store}_name", default=store)
        backend = part(project.config, dict, "stores", name, "store_backend", default={})
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
