"""Reads records. Others can put files into a run directory, too: what no stage writes is refused."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from notebook_ci.base.errors import InputError
from notebook_ci.base.files import read_text
from notebook_ci.base.texts import quote
from notebook_ci.base.typed_json import from_json, parse
from notebook_ci.records.build_image import BuildImageRecord
from notebook_ci.records.dvc_pull import DvcPullRecord
from notebook_ci.records.execute_notebook import ExecuteRecord
from notebook_ci.records.log_run import LogRunRecord
from notebook_ci.records.record import SCHEMA, SCHEMA_NAME, Record
from notebook_ci.records.setup_env import SetupEnvRecord
from notebook_ci.records.validate_data import ValidateRecord

OF_STAGE: Mapping[str, type[Record]] = {
    "setup-env": SetupEnvRecord,
    "dvc-pull": DvcPullRecord,
    "validate-data": ValidateRecord,
    "execute-notebook": ExecuteRecord,
    "build-image": BuildImageRecord,
    "log-run": LogRunRecord,
}
_COMMON = [field.name for field in dataclasses.fields(Record)]


def read(path: Path) -> Record:
    """Return the record in a file. That of a stage which only another version of notebook-ci has is a plain `Record`.

    Raises InputError if the file does not exist, or is not a record that this version can read.
    """
    try:
        content = parse(read_text(path, str(path)))
    except ValueError as error:
        raise not_a_record(path, str(error)) from error
    schema = content.get("schema") if isinstance(content, dict) else None
    if not (isinstance(schema, str) and schema.startswith(SCHEMA_NAME)):
        raise not_a_record(path, f"its `schema` is not `{SCHEMA}`" if schema else "no `schema` field")
    if schema != SCHEMA:
        raise InputError(
            f"{path} was written by another version of notebook-ci (its `schema` is {quote(schema)}, not `{SCHEMA}`).",
            hint="Use one version of notebook-ci for all jobs of a run.",
        )
    if missing := [f"`{name}`" for name in _COMMON if name not in content]:
        raise not_a_record(path, f"no field {', '.join(missing)}")
    try:
        return from_json(OF_STAGE.get(str(content["stage"]), Record), content)
    except ValueError as error:
        raise not_a_record(path, str(error)) from error


def not_a_record(path: Path, reason: str) -> InputError:
    return InputError(f"{path} is not a notebook-ci record ({reason}).", hint="Remove it from the run directory.")
