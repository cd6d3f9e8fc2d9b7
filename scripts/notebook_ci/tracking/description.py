"""Describes a run to MLflow: what the records of a run directory say, in MLflow's terms and within its limits."""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from notebook_ci.errors import InputError
from notebook_ci.inputs import quote
from notebook_ci.records import sha256
from notebook_ci.tracking.names import MOST_PARAMETER, MOST_TAG, bounded, valid_names

Json = Mapping[str, Any]

STAGE = "log-run"
# Limits of MLflow 3.17 (mlflow/utils/validation.py).
MOST_DATASET_NAME = 500
MOST_DATASET_DIGEST = 36
# What has a meaning in addresses, and MLflow 3.17 does not escape.
_UNSAFE = re.compile(r"[#?%;\\\x00-\x1f\x7f]")
IDENTITY_TAG = "notebook-ci.identity"
# Numbers of the records that are worth a curve over the runs: fields by stage.
COUNTS = {
    "dvc-pull": ("files", "bytes", "downloaded_bytes"),
    "validate-data": ("evaluated", "failed"),
    "build-image": ("bytes",),
}
# Values of the records that one searches runs for: fields by stage.
DIGESTS = {
    "setup-env": ("env_digest", "python_version", "lock_file"),
    "dvc-pull": ("data_digest", "remote_url"),
    "execute-notebook": ("python_version",),
    "build-image": ("image", "image_id", "digest", "base_digest"),
}


@dataclass(frozen=True)
class Metric:
    """A number of the run.

    Attributes:
        name: Its name.
        value: Its value, which may be no finite number.
        timestamp: When it came to be, in milliseconds since 1970: that of the record, so that logging it again adds
            nothing.
    """

    name: str
    value: float
    timestamp: int


@dataclass(frozen=True)
class Dataset:
    """Data that the run has read, as MLflow describes it.

    Attributes:
        name: Its path in the workspace.
        digest: What tells its content, at most 36 characters.
        source_type: `dvc`, or `local` for a file of the workspace.
        source: Where it comes from: JSON.
        profile: What is known of it: JSON.
    """

    name: str
    digest: str
    source_type: str
    source: str
    profile: str


@dataclass(frozen=True)
class Artifact:
    """A file of the run directory, or one that a record names.

    Attributes:
        path: The file.
        folder: Its folder among the artifacts, with `/`; empty: on top.
        name: Its name there.
        bytes: Its size.
    """

    path: str
    folder: str
    name: str
    bytes: int


@dataclass
class Description:
    """A run, as MLflow takes it.

    Attributes:
        identity: SHA-256 of what makes it this run.
        name: Its name.
        status: `FINISHED` or `FAILED`.
        start: When its first stage began, in milliseconds since 1970.
        end: When its last stage ended.
        parameters: What the notebooks were given.
        metrics: Numbers that they reported, durations, counts.
        tags: Where code and run come from, and digests.
        datasets: Data that was read.
        artifacts: Files.
        notices: What was changed to fit.
    """

    identity: str
    name: str
    status: str
    start: int
    end: int
    parameters: dict[str, str] = field(default_factory=dict)
    metrics: list[Metric] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)
    datasets: list[Dataset] = field(default_factory=list)
    artifacts: list[Artifact] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


def describe(
    records: Mapping[str, Json], root: Path, *, slug: str, name: str, context: Mapping[str, str]
) -> Description:
    """Return what to log of a run.

    Args:
        records: The records by the names of their files without suffix, in the order the stages began.
        root: The run directory.
        slug: The name of this use of log-run.
        name: The name of the run.
        context: Tags of where code and run come from.

    Raises:
        InputError: A record does not have what its stage writes.
    """
    passed = all(record["status"] in {"passed", "skipped"} for record in records.values())
    identity = _identity(next(iter(records.values())), slug)
    described = Description(identity, name, "FINISHED" if passed else "FAILED", 0, 0)
    spans = []
    for label, record in records.items():
        try:
            spans.append(_span(record))
            _add(described, label, record, root)
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            raise InputError(
                f"{root / label}.json is not what {record['stage']} writes: {type(error).__name__}: {error}.",
                hint="Take it out of the run directory.",
            ) from error
    described.start, described.end = min(start for start, _ in spans), max(end for _, end in spans)
    described.parameters = _parameters(records, described.notices)
    described.metrics = _metrics(records, described.notices)
    described.tags = bounded(
        {**context, **described.tags, IDENTITY_TAG: described.identity}, MOST_TAG, "tag", described.notices
    )
    return described


def _identity(first: Json, slug: str) -> str:
    """Return what makes a run this one and no other.

    The first record of a run directory never changes, goes where the directory goes, and no two jobs write the same:
    better than a number of the workflow's run, which all legs of a matrix have.
    """
    text = json.dumps([first, slug], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _add(described: Description, label: str, record: Json, root: Path) -> None:
    """Take over what each record has for itself."""
    described.tags[f"notebook-ci.status.{label}"] = record["status"]
    for name in DIGESTS.get(record["stage"], ()):
        if value := record[name]:
            described.tags[f"notebook-ci.{label}.{name}"] = str(value)
    if record["stage"] == "build-image" and record["image"]:
        described.tags |= {
            "mlflow.docker.image.uri": record["image"],
            "mlflow.docker.image.id": record["image_id"],
        }
    if record["stage"] == "execute-notebook" and record["read"]:
        described.tags[f"notebook-ci.{label}.read_digest"] = _digest_of(record["read"])
    described.datasets = _merged([*described.datasets, *_datasets(record)])
    described.artifacts += _artifacts(label, record, root, described.notices)


def _digest_of(files: Mapping[str, str]) -> str:
    """Return one digest of files: of lines as `sha256sum` writes them."""
    lines = "".join(f"{digest}  {path}\n" for path, digest in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _span(record: Json) -> tuple[int, int]:
    """Return begin and end of a stage, in milliseconds since 1970."""
    started = datetime.fromisoformat(record["started"])
    end = started + timedelta(seconds=float(record["duration"]))
    return int(started.timestamp() * 1000), int(end.timestamp() * 1000)


# --- Parameters


def _parameters(records: Mapping[str, Json], notices: list[str]) -> dict[str, str]:
    """Return the parameters of all notebooks; where they differ, each with its notebook before it."""
    given: dict[str, dict[str, str]] = {}
    several = sum(record["stage"] == "execute-notebook" for record in records.values()) > 1
    for label, record in records.items():
        if record["stage"] != "execute-notebook":
            continue
        for notebook in record["notebooks"]:
            path = notebook["path"].removesuffix(".ipynb")
            for name, value in notebook["parameters"].items():
                given.setdefault(name, {})[f"{label}.{path}" if several else path] = _text(value)
    wanted: dict[str, str] = {}
    for name, values in given.items():
        if len(set(values.values())) == 1:
            wanted[name] = next(iter(values.values()))
        else:
            wanted |= {f"{path}.{name}": value for path, value in values.items()}
    return bounded(valid_names(wanted, notices), MOST_PARAMETER, "parameter", notices)


def _text(value: object) -> str:
    """Return a value as MLflow itself would log it; lists and maps as JSON."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


# --- Metrics


def _metrics(records: Mapping[str, Json], notices: list[str]) -> list[Metric]:
    """Return the numbers of all records. A name that several records have gets the record's before it."""
    found: dict[str, tuple[float, int]] = {}
    of_notebooks = [name for record in records.values() for name in record["metrics"]]
    for label, record in records.items():
        _, end = _span(record)
        for name, value in record["metrics"].items():
            known = f"{label}.{name}" if of_notebooks.count(name) > 1 else name
            found[known] = (float(value), end)  # what is no finite number stands in a record as text
        found |= {f"notebook-ci/{name}": (float(value), end) for name, value in _own_metrics(label, record)}
    named = valid_names(found, notices)
    return [Metric(name, value, timestamp) for name, (value, timestamp) in named.items()]


def _own_metrics(label: str, record: Json) -> Iterator[tuple[str, float]]:
    """Yield what is measured of a stage."""
    if record["status"] == "skipped":
        return
    yield f"seconds/{label}", record["duration"]
    for name in COUNTS.get(record["stage"], ()):
        yield f"{label}/{name}", record[name]
    if record["stage"] == "setup-env":
        yield f"{label}/packages", len(record["packages"])
    if record["stage"] == "execute-notebook":
        begun = [notebook for notebook in record["notebooks"] if notebook["status"] != "skipped"]
        yield f"{label}/executed", len(begun)
        yield f"{label}/failed", sum(notebook["status"] == "failed" for notebook in begun)
        for notebook in begun:
            yield f"seconds/{label}/{notebook['path'].removesuffix('.ipynb')}", notebook["duration"]


# --- Datasets


def _datasets(record: Json) -> Iterator[Dataset]:
    if record["stage"] == "dvc-pull":
        for data in record["data"]:
            source = {"uri": record["remote_url"], "path": data["path"], "pointer": data["pointer"]}
            profile = {"bytes": data["bytes"], "files": data["files"], data["hash_name"]: data["hash"]}
            yield _dataset(data["path"], data["hash"], "dvc", source, profile)
    if record["stage"] == "validate-data":
        for rule in record["results"]:
            profile = {"num_rows": rule["rows"], "sha256": rule["sha256"], "suite": rule["suite"]}
            profile |= {"expectations": rule["evaluated"], "failed": rule["failed"]}
            yield _dataset(rule["data"], rule["sha256"], "local", {"uri": rule["data"]}, profile)


def _dataset(name: str, digest: str, source_type: str, source: Json, profile: Json) -> Dataset:
    return Dataset(
        name=name[:MOST_DATASET_NAME],
        digest=(digest or "unknown")[:MOST_DATASET_DIGEST],
        source_type=source_type,
        source=json.dumps(source, ensure_ascii=False),
        profile=json.dumps(profile, ensure_ascii=False),
    )


def _merged(datasets: Iterable[Dataset]) -> list[Dataset]:
    """Return one dataset a path: what DVC says of its origin, and all that is known of it."""
    merged: dict[str, Dataset] = {}
    for each in datasets:
        if known := merged.get(each.name):
            profile = json.dumps(json.loads(known.profile) | json.loads(each.profile), ensure_ascii=False)
            origin = each if each.source_type == "dvc" else known
            each = Dataset(each.name, origin.digest, origin.source_type, origin.source, profile)  # noqa: PLW2901
        merged[each.name] = each
    return list(merged.values())


# --- Artifacts


def _artifacts(label: str, record: Json, root: Path, notices: list[str]) -> Iterator[Artifact]:
    """Yield a record, and the files it has made, laid out as the run directory is.

    A file that is another one by now is left out: what a record vouches for is logged, and nothing else that a
    notebook may have put into its place. Files outside of the run directory (an `output-dir` of the user's) go into a
    folder of the record's name.
    """
    yield _artifact(root / f"{label}.json", Path())
    outside = [Path(name).parent for name in record["made"] if Path(name).is_absolute()]
    common = os.path.commonpath(outside) if outside else ""
    for name, digest in record["made"].items():
        folder = Path(name).parent
        if folder.is_absolute():
            folder = Path(label) / folder.relative_to(common)
        if fault := _fault(root / name, digest):
            notices.append(f"Not logged: {quote(name)}, which {label} has made, {fault}.")
        else:
            yield _artifact(root / name, folder)


def _fault(path: Path, digest: str) -> str:
    """Return what is wrong with a file that a record names."""
    try:
        return "" if sha256(path) == digest else "is another one by now"
    except FileNotFoundError:
        return "is not there any more"
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"


def _artifact(path: Path, folder: Path) -> Artifact:
    parts = [_UNSAFE.sub("_", part) for part in (*folder.parts, path.name)]
    return Artifact(str(path.resolve()), "/".join(parts[:-1]), parts[-1], path.stat().st_size)
