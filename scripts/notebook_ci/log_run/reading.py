"""Reads the records of a run directory, and refuses what no stage writes: others can put files there, too."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from notebook_ci.base.errors import InputError
from notebook_ci.base.records import RunDirectory

Json = Mapping[str, Any]

STAGE = "log-run"
# Fields read from every record, in addition to those that `RunDirectory.record` checks.
_KINDS: Mapping[str, type | tuple[type, ...]] = {"duration": (int, float), "made": dict, "metrics": dict, "read": dict}


def records(run_directory: RunDirectory) -> dict[str, Json]:
    """Return the records of the other stages by file name without suffix, in the order the stages began.

    Raises:
        InputError: A file is not a record, or not what a stage writes.
    """
    names = {file.removesuffix(".json") for file in run_directory.names()}
    found = {name: run_directory.record(name) for name in names}
    others = {name: record for name, record in found.items() if record["stage"] != STAGE}
    for name, record in others.items():
        if wrong := _wrong(name, record):
            raise not_written(run_directory.path / f"{name}.json", record, wrong)
    return dict(sorted(others.items(), key=lambda item: (item[1]["started"], item[0])))


def not_written(path: Path, record: Json, reason: str) -> InputError:
    return InputError(
        f"{path} is not what {record['stage']} writes: {reason}.", hint="Take it out of the run directory."
    )


def _wrong(name: str, record: Json) -> str:
    for field, kind in _KINDS.items():
        if not isinstance(record.get(field), kind):
            return f"{field} is missing, or of another type"
    if not all(isinstance(value, str) for value in record["source"].values()):
        return "source holds something else than text"
    try:
        # JSON can contain half a surrogate pair, but a file, request or database cannot.
        json.dumps([name, record], ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        return str(error)
    return ""
