"""Describes the records of a run directory in MLflow's terms and within its limits."""

import dataclasses
import hashlib
import json
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from notebook_ci.base.records import sha256
from notebook_ci.base.texts import quote
from notebook_ci.log_run.names import MOST_PARAMETER, MOST_TAG, bounded, valid_names
from notebook_ci.log_run.reading import Json, not_written

# Limits of MLflow 3.17 (mlflow/utils/validation.py).
MOST_DATASET_NAME = 500
MOST_DATASET_DIGEST = 36
# A bigger file would block the job for hours; no notebook, page or report is that big.
MOST_ARTIFACT = 2**30
# Characters with a meaning in URLs that MLflow 3.17 does not escape.
_UNSAFE = re.compile(r"[#?%;\\\x00-\x1f\x7f]")
IDENTITY_TAG = "notebook-ci.identity"
# Numbers of records that are worth a chart over several runs: stage -> fields.
COUNTS = {
    "dvc-pull": ("files", "bytes", "downloaded_bytes"),
    "validate-data": ("evaluated", "failed"),
    "build-image": ("bytes",),
}
# Values of records that users search runs for: stage -> fields.
DIGESTS = {
    "setup-env": ("env_digest", "python_version", "lock_file"),
    "dvc-pull": ("data_digest", "remote_url"),
    "execute-notebook": ("python_version",),
    "build-image": ("image", "image_id", "digest", "base_digest"),
}


@dataclass(frozen=True)
class Metric:
    name: str
    value: float  # may be infinite or NaN
    timestamp: int  # milliseconds since 1970; the record's time, so that logging again adds nothing


@dataclass(frozen=True)
class Dataset:
    """Data that the run has read, as MLflow describes it."""

    name: str  # path in the workspace
    digest: str  # identifies its content, at most 36 characters
    source_type: str  # `dvc`, or `local` for a file of the workspace
    source: str  # where it comes from, as JSON
    profile: str  # what is known about it, as JSON


@dataclass(frozen=True)
class Artifact:
    """A file of the run directory."""

    path: str
    folder: str  # folder among the artifacts, with `/`; empty: top level
    name: str  # file name among the artifacts
    bytes: int


@dataclass
class Description:
    """A run, as MLflow describes it. Times are in milliseconds since 1970."""

    identity: str  # SHA-256 of what makes it this run
    name: str
    status: str  # `FINISHED` or `FAILED`
    start: int  # when its first stage began
    end: int  # when its last stage ended
    parameters: dict[str, str] = field(default_factory=dict)
    metrics: list[Metric] = field(default_factory=list)  # reported numbers, durations, counts
    tags: dict[str, str] = field(default_factory=dict)  # origin of code and run, digests
    datasets: list[Dataset] = field(default_factory=list)
    artifacts: list[Artifact] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)  # what was changed to fit MLflow


@dataclass(frozen=True)
class _Part:
    """The data of one record, read completely here, so that a malformed record is found at once."""

    start: int  # milliseconds since 1970
    end: int
    given: Sequence[tuple[str, str, str]]  # name of the execution without suffix, parameter, value
    metrics: Mapping[str, float]  # reported by notebooks
    measured: Mapping[str, float]  # measured about the stage


def describe(
    records: Mapping[str, Json], root: Path, *, identity: str, name: str, context: Mapping[str, str]
) -> Description:
    """Return what to log of a run.

    `records` maps file names without suffix to records, in the order the stages began. `identity` makes it this run.
    `context` are tags about the origin of code and run.

    Raises:
        InputError: A record does not have the fields that its stage writes.
    """
    passed = all(record["status"] in {"passed", "skipped"} for record in records.values())
    described = Description(identity, name, "FINISHED" if passed else "FAILED", 0, 0)
    parts = {}
    for label, record in records.items():
        try:
            parts[label] = _part(label, record)
            _add(described, label, record, root)
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
            reason = f"{type(error).__name__}: {error}".rstrip(".")
            raise not_written(root / f"{label}.json", record, reason) from error
    described.start, described.end = (
        min(part.start for part in parts.values()),
        max(part.end for part in parts.values()),
    )
    described.parameters = _parameters(parts, described.notices)
    described.metrics = _metrics(parts, described.notices)
    tags = valid_names({**context, **described.tags, IDENTITY_TAG: identity}, described.notices)
    described.tags = bounded(tags, MOST_TAG, "tag", described.notices)
    return described


def _part(label: str, record: Json) -> _Part:
    start, end = _span(record)
    metrics = {name: float(value) for name, value in record["metrics"].items()}  # NaN and infinity are text there
    measured = {name: float(value) for name, value in _measured(label, record)}
    return _Part(start, end, list(_given(record)), metrics, measured)


def _add(described: Description, label: str, record: Json, root: Path) -> None:
    described.tags[f"notebook-ci.status.{label}"] = record["status"]
    for name in _fields(DIGESTS, record):
        if value := record[name]:
            described.tags[f"notebook-ci.{label}.{name}"] = str(value)
    if record["stage"] == "build-image" and record["status"] == "passed":
        described.tags |= {
            "mlflow.docker.image.uri": str(record["image"]),
            "mlflow.docker.image.id": str(record["image_id"]),
        }
    if record["stage"] == "execute-notebook" and record["read"]:
        described.tags[f"notebook-ci.{label}.read_digest"] = _digest_of(record["read"])
    described.datasets = _merged([*described.datasets, *_datasets(record)])
    described.artifacts += _artifacts(label, record, root, described.notices)


def _fields(table: Mapping[str, Sequence[str]], record: Json) -> Sequence[str]:
    """Return the fields to log; none of an image that was not built, or not pushed as asked."""
    is_image = record["stage"] != "build-image" or record["status"] == "passed"
    return table.get(record["stage"], ()) if is_image else ()


def _digest_of(files: Mapping[str, str]) -> str:
    """Return one digest of files: SHA-256 of lines as `sha256sum` writes them."""
    lines = "".join(f"{digest}  {path}\n" for path, digest in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _span(record: Json) -> tuple[int, int]:
    """Return begin and end of a stage, in milliseconds since 1970."""
    started = datetime.fromisoformat(record["started"])
    end = started + timedelta(seconds=record["duration"])
    if min(started.timestamp(), end.timestamp()) < 0:
        raise ValueError("before 1970")  # MLflow 3.17 refuses such a time
    return int(started.timestamp() * 1000), int(end.timestamp() * 1000)


# --- Parameters


def _given(record: Json) -> Iterator[tuple[str, str, str]]:
    """Yield the parameters of notebooks: name of the execution without suffix, name, value."""
    for notebook in record["notebooks"] if record["stage"] == "execute-notebook" else ():
        for name, value in notebook["parameters"].items():
            yield notebook["name"].removesuffix(".ipynb"), name, _text(value)


def _parameters(parts: Mapping[str, _Part], notices: list[str]) -> dict[str, str]:
    """Return the parameters of all notebooks; if values differ, each name is prefixed with its notebook."""
    given: dict[str, dict[str, str]] = {}
    several = sum(bool(part.given) for part in parts.values()) > 1
    for label, part in parts.items():
        for path, name, value in part.given:
            given.setdefault(name, {})[f"{label}.{path}" if several else path] = value
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


def _metrics(parts: Mapping[str, _Part], notices: list[str]) -> list[Metric]:
    """Return the metrics of all records; a name in several records is prefixed with the record's name."""
    found: dict[str, tuple[float, int]] = {}
    known = Counter(name for part in parts.values() for name in part.metrics)
    for label, part in parts.items():
        for name, value in part.metrics.items():
            found[f"{label}.{name}" if known[name] > 1 else name] = (value, part.end)
        found |= {f"notebook-ci/{name}": (value, part.end) for name, value in part.measured.items()}
    named = valid_names(found, notices)
    return [Metric(name, value, timestamp) for name, (value, timestamp) in named.items()]


def _measured(label: str, record: Json) -> Iterator[tuple[str, float]]:
    if record["status"] == "skipped":
        return
    yield f"seconds/{label}", record["duration"]
    for name in _fields(COUNTS, record):
        yield f"{label}/{name}", record[name]
    if record["stage"] == "setup-env":
        yield f"{label}/packages", len(record["packages"])
    if record["stage"] == "execute-notebook":
        begun = [notebook for notebook in record["notebooks"] if notebook["status"] != "skipped"]
        yield f"{label}/executed", len(begun)
        yield f"{label}/failed", sum(notebook["status"] == "failed" for notebook in begun)
        for notebook in begun:
            yield f"seconds/{label}/{notebook['name'].removesuffix('.ipynb')}", notebook["duration"]


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
        name=str(name)[:MOST_DATASET_NAME],
        digest=str(digest or "unknown")[:MOST_DATASET_DIGEST],
        source_type=source_type,
        source=json.dumps(source, ensure_ascii=False),
        profile=json.dumps(profile, ensure_ascii=False),
    )


def _merged(datasets: Iterable[Dataset]) -> list[Dataset]:
    """Return one dataset per path: with the origin from DVC if known, and all that is known about it."""
    merged: dict[str, Dataset] = {}
    for each in datasets:
        if known := merged.get(each.name):
            profile = json.dumps(json.loads(known.profile) | json.loads(each.profile), ensure_ascii=False)
            origin = each if each.source_type == "dvc" else known
            merged[each.name] = dataclasses.replace(origin, profile=profile)
        else:
            merged[each.name] = each
    return list(merged.values())


# --- Artifacts


def _artifacts(label: str, record: Json, root: Path, notices: list[str]) -> Iterator[Artifact]:
    """Yield a record and the files that its stage wrote, with the layout of the run directory.

    A notebook, or whoever wrote the record, may have named or replaced files. So these are not logged: a file that has
    changed, a link, a pipe, a device, a file outside the run directory.
    """
    root = root.resolve()
    yield _artifact(root / f"{label}.json", root)
    for name, digest in record["made"].items():
        if fault := _fault(root / name, root, digest):
            notices.append(f"Not logged: {quote(name)}, which {label} has made, {fault}.")
        else:
            yield _artifact(root / name, root)


def _fault(path: Path, root: Path, digest: str) -> str:
    try:
        if not path.parent.resolve().is_relative_to(root):
            return "is outside of the run directory"
        found = path.lstat()  # checked before opening: a pipe blocks forever, and a device never ends
        if not stat.S_ISREG(found.st_mode):
            return "is no regular file"
        if found.st_size > MOST_ARTIFACT:
            return f"is bigger than {MOST_ARTIFACT // 2**30} GiB"
        return "" if sha256(path) == digest else "is another one by now"
    except (FileNotFoundError, NotADirectoryError):
        return "is not there any more"
    except (OSError, RuntimeError, ValueError) as error:  # ValueError: a name with a null byte
        return f"cannot be read ({getattr(error, 'strerror', None) or error})"


def _artifact(path: Path, root: Path) -> Artifact:
    place = path.parent.resolve() / path.name
    parts = [_UNSAFE.sub("_", part) for part in place.relative_to(root).parts]
    return Artifact(str(place), "/".join(parts[:-1]), parts[-1], path.lstat().st_size)
