"""Describes the records of a run directory in MLflow's terms and within its limits."""

import hashlib
import json
import re
import stat
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from notebook_ci.base.files import sha256
from notebook_ci.base.texts import quote
from notebook_ci.log_run.names import MOST_PARAMETER, MOST_TAG, bounded, valid_names
from notebook_ci.records.build_image import BuildImageRecord
from notebook_ci.records.dvc_pull import DvcPullRecord
from notebook_ci.records.execute_notebook import ExecuteRecord, NotebooksRecord
from notebook_ci.records.record import Record
from notebook_ci.records.run_directory import MOST_ARTIFACT, not_a_record
from notebook_ci.records.setup_env import SetupEnvRecord
from notebook_ci.records.shards import joined
from notebook_ci.records.validate_data import ValidateRecord

# Limits of MLflow 3.17 (mlflow/utils/validation.py).
MOST_DATASET_NAME = 500
MOST_DATASET_DIGEST = 36
# Characters with a meaning in URLs that MLflow 3.17 does not escape.
_UNSAFE = re.compile(r"[#?%;\\\x00-\x1f\x7f]")
IDENTITY_TAG = "notebook-ci.identity"


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


@dataclass(frozen=True)
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


def describe(
    records: Mapping[str, Record], root: Path, *, identity: str, name: str, context: Mapping[str, str]
) -> Description:
    """Return what to log of a run.

    `records` maps file names without suffix to records, in the order the stages began; shards are joined. `identity`
    makes it this run.
    `context` are tags about the origin of code and run. Raises InputError if the time of a record is not one.
    """
    shown = joined(records)
    spans = {label: _span(record, root / f"{label}.json") for label, record in [*records.items(), *shown.items()]}
    ends = {label: end for label, (_, end) in spans.items()}
    tags = {IDENTITY_TAG: identity, **context}
    for label, record in shown.items():
        tags |= _tags(label, record)
    notices: list[str] = []
    return Description(
        identity=identity,
        name=name,
        status="FINISHED" if all(record.status in {"passed", "skipped"} for record in records.values()) else "FAILED",
        start=min(start for start, _ in spans.values()),
        end=max(ends.values()),
        datasets=_datasets(shown.values()),
        artifacts=[each for label, record in records.items() for each in _artifacts(label, record, root, notices)],
        parameters=_parameters(shown, notices),
        metrics=_metrics(shown, ends, notices),
        tags=bounded(valid_names(tags, notices), MOST_TAG, "tag", notices),
        notices=notices,
    )


def _span(record: Record, path: Path) -> tuple[int, int]:
    """Return begin and end of a stage, in milliseconds since 1970."""
    try:
        started = datetime.fromisoformat(record.started)
        end = started + timedelta(seconds=record.duration)
        times = int(started.timestamp() * 1000), int(end.timestamp() * 1000)
    except (OverflowError, ValueError) as error:
        raise not_a_record(path, f"its times are invalid: {error}") from error
    if min(times) < 0:  # MLflow 3.17 refuses such a time
        raise not_a_record(path, "its times are before 1970")
    return times


# --- Tags and counts


def _known(record: Record) -> tuple[dict[str, str], dict[str, int]]:
    """Return the values that users search runs for, and the numbers that are worth a chart over several runs.

    Nothing is known about an image that was not built and pushed as requested.
    """
    match record:
        case SetupEnvRecord():
            names = {"python_version": record.python_version, "lock_file": record.lock_file}
            return {"env_digest": record.env_digest, **names}, {"packages": len(record.packages)}
        case DvcPullRecord():
            counts = {"files": record.files, "bytes": record.bytes, "downloaded_bytes": record.downloaded_bytes}
            return {"data_digest": record.data_digest, "remote_url": record.remote_url}, counts
        case ValidateRecord():
            return {}, {"evaluated": record.evaluated, "failed": record.failed}
        case NotebooksRecord():
            found = {"failed": record.failed, "allowed": record.allowed, "flaky": record.flaky}
            counts = {"executed": len(record.begun), **{name: len(each) for name, each in found.items()}}
            version = {"python_version": record.python_version} if isinstance(record, ExecuteRecord) else {}
            return {**version, "read_digest": _digest_of(record.read)}, counts
        case BuildImageRecord(status="passed"):
            digests = {"digest": record.digest, "base_digest": record.base_digest}
            return {"image": record.image, "image_id": record.image_id, **digests}, {"bytes": record.bytes}
    return {}, {}


def _tags(label: str, record: Record) -> dict[str, str]:
    searched, _ = _known(record)
    tags = {f"notebook-ci.{label}.{name}": value for name, value in searched.items() if value}
    if isinstance(record, BuildImageRecord) and record.status == "passed":
        tags |= {"mlflow.docker.image.uri": record.image, "mlflow.docker.image.id": record.image_id}
    return {f"notebook-ci.status.{label}": record.status, **tags}


def _digest_of(files: Mapping[str, str]) -> str:
    """Return one digest of files: SHA-256 of lines as `sha256sum` writes them; empty if there are none."""
    lines = "".join(f"{digest}  {path}\n" for path, digest in sorted(files.items()))
    return hashlib.sha256(lines.encode()).hexdigest() if files else ""


# --- Parameters


def _parameters(records: Mapping[str, Record], notices: list[str]) -> dict[str, str]:
    """Return the parameters of all notebooks; if values differ, each name is prefixed with its notebook."""
    executed = {label: record.notebooks for label, record in records.items() if isinstance(record, NotebooksRecord)}
    several = sum(any(notebook.parameters for notebook in notebooks) for notebooks in executed.values()) > 1
    given: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for label, notebooks in executed.items():
        for notebook in notebooks:
            path = notebook.name.removesuffix(".ipynb")
            for name, value in notebook.parameters.items():
                # As MLflow itself would log it, but lists and maps as JSON.
                text = _json(value) if isinstance(value, dict | list) else str(value)
                given[name][f"{label}.{path}" if several else path] = text
    logged: dict[str, str] = {}
    for name, values in given.items():
        differ = len(set(values.values())) > 1
        logged |= {f"{path}.{name}" if differ else name: value for path, value in values.items()}
    return bounded(valid_names(logged, notices), MOST_PARAMETER, "parameter", notices)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


# --- Metrics


def _metrics(records: Mapping[str, Record], ends: Mapping[str, int], notices: list[str]) -> list[Metric]:
    """Return the metrics of all records; a name in several records is prefixed with the record's name."""
    found: dict[str, tuple[float, int]] = {}
    known = Counter(name for record in records.values() for name in record.metrics)
    for label, record in records.items():
        for name, value in record.metrics.items():
            found[f"{label}.{name}" if known[name] > 1 else name] = (value, ends[label])
        if record.status != "skipped":
            found |= {f"notebook-ci/{name}": (value, ends[label]) for name, value in _measured(label, record)}
    named = valid_names(found, notices)
    return [Metric(name, float(value), timestamp) for name, (value, timestamp) in named.items()]


def _measured(label: str, record: Record) -> Iterator[tuple[str, float]]:
    yield f"seconds/{label}", record.duration
    _, counts = _known(record)
    for name, number in counts.items():
        yield f"{label}/{name}", number
    for notebook in record.begun if isinstance(record, NotebooksRecord) else ():
        yield f"seconds/{label}/{notebook.name.removesuffix('.ipynb')}", notebook.duration


# --- Datasets


def _datasets(records: Iterable[Record]) -> list[Dataset]:
    """Return one dataset per path: with the origin from DVC if known, and all that is known about it."""
    found: dict[str, tuple[str, str, dict[str, str]]] = {}
    profiles: defaultdict[str, dict[str, object]] = defaultdict(dict)
    # Those of dvc-pull come last.
    for record in sorted(records, key=lambda record: isinstance(record, DvcPullRecord)):
        if isinstance(record, ValidateRecord):
            for rule in record.results:
                found[rule.data] = (rule.sha256, "local", {"uri": rule.data})
                profiles[rule.data] |= {"num_rows": rule.rows, "sha256": rule.sha256, "suite": rule.suite}
                profiles[rule.data] |= {"expectations": rule.evaluated, "failed": rule.failed}
        if isinstance(record, DvcPullRecord):
            for data in record.data:
                source = {"uri": record.remote_url, "path": data.path, "pointer": data.pointer}
                found[data.path] = (data.hash, "dvc", source)
                profiles[data.path] |= {"bytes": data.bytes, "files": data.files, data.hash_name: data.hash}
    return [
        Dataset(
            name=name[:MOST_DATASET_NAME],
            digest=(digest or "unknown")[:MOST_DATASET_DIGEST],
            source_type=source_type,
            source=_json(source),
            profile=_json(profiles[name]),
        )
        for name, (digest, source_type, source) in found.items()
    ]


# --- Artifacts


def _artifacts(label: str, record: Record, root: Path, notices: list[str]) -> Iterator[Artifact]:
    """Yield a record and the files that its stage wrote, with the layout of the run directory.

    A notebook, or whoever wrote the record, may have named or replaced files. So these are not logged: a file that has
    changed, a link, a pipe, a device, a file outside the run directory.
    """
    root = root.resolve()
    yield _artifact(root / f"{label}.json", root)
    for name, digest in record.created.items():
        if reason := _reason(root / name, root, digest):
            notices.append(f"Not logged: {quote(name)}, which {label} created, {reason}.")
        else:
            yield _artifact(root / name, root)


def _reason(path: Path, root: Path, digest: str) -> str:
    try:
        if not path.parent.resolve().is_relative_to(root):
            return "is outside the run directory"
        found = path.lstat()  # checked before opening: a pipe blocks forever, and a device never ends
        if not stat.S_ISREG(found.st_mode):
            return "is not a regular file"
        if found.st_size > MOST_ARTIFACT:
            return f"is larger than {MOST_ARTIFACT // 2**30} GiB"
        return "" if sha256(path) == digest else "has changed since"
    except (FileNotFoundError, NotADirectoryError):
        return "no longer exists"
    except (OSError, RuntimeError, ValueError) as error:  # ValueError: a name with a null byte
        return f"cannot be read ({getattr(error, 'strerror', None) or error})"


def _artifact(path: Path, root: Path) -> Artifact:
    path = path.parent.resolve() / path.name
    parts = [_UNSAFE.sub("_", part) for part in path.relative_to(root).parts]
    return Artifact(str(path), "/".join(parts[:-1]), parts[-1], path.lstat().st_size)
