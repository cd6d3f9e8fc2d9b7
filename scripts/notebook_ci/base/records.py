"""The run directory: one immutable record per stage, the artifacts beside it, and digests.

A run directory is append-only. Each stage takes a name in it (`execute-notebook`, `execute-notebook-py311`, followed by
`-2` if that is taken), keeps its artifacts in the folder of that name, and writes `<name>.json` at its end. The
directories of several jobs are merged by copying them into one.
"""

import contextlib
import dataclasses
import hashlib
import json
import math
import platform
import secrets
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from notebook_ci import VERSION
from notebook_ci.base import git
from notebook_ci.base.errors import InputError, NotebookCiError
from notebook_ci.base.files import read_text, unwritable, write
from notebook_ci.base.masking import masked

SCHEMA_NAME = "notebook-ci/record/"
SCHEMA = f"{SCHEMA_NAME}1"
# A file in every run directory: notebooks below it are outputs and never executed.
RUN_MARKER = ".notebook-ci-run"
PRIVATE_FOLDER = ".notebook-ci"
# If a workspace is read-only, everything written there by default has to go to other folders.
ELSEWHERE = (
    "Name folders that can be written, with these inputs: `run-dir`, `venv` of setup-env, `tracking-uri` of log-run "
    "(`sqlite:////FOLDER/mlflow.db`). For `pipeline`, put the last two into the file that `config` names."
)
# A file in the environments that setup-env creates, which says what they were created from.
ENVIRONMENT_MARKER = "notebook-ci.json"

RUN_DIR = "name another folder with the input run-dir"

Severity = Literal["error", "warning", "notice"]
Status = Literal["passed", "failed", "skipped", "error"]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Something a person should look at.

    Attributes:
        severity: `error` makes the stage fail.
        message: What is wrong.
        hint: What to do next, or nothing.
        title: A few words, shown above the message.
        file: The file it stands in, relative to the working directory, with `/`.
        line: The line in that file, counted from 1.
    """

    severity: Severity
    message: str
    hint: str = ""
    title: str = ""
    file: str | None = None
    line: int | None = None

    @classmethod
    def of(cls, error: NotebookCiError) -> "Problem":
        return cls(severity="error", message=error.message, hint=error.hint, file=error.file, line=error.line)

    @property
    def text(self) -> str:
        between = "\n" if "\n" in self.message else " "
        return f"{self.message}{between}{self.hint}" if self.hint else self.message


@dataclass(kw_only=True)
class Record:
    """What a stage did. Each stage's record adds its own fields."""

    schema: str = SCHEMA
    stage: str
    slug: str = ""  # the name of this use of the stage: a leg of a matrix, a second use
    status: Status = "passed"  # `failed`: an error in notebooks or data; `error`: something else failed
    started: str = ""  # in UTC (ISO 8601)
    duration: float = 0.0  # seconds
    inputs: dict[str, Any] = field(default_factory=dict)  # as they were used
    source: dict[str, str] = field(default_factory=dict)  # commit, repository, workflow run
    platform: str = field(default_factory=platform.platform)
    notebook_ci: str = VERSION
    # SHA-256 by path of the files that were read, relative to the working directory.
    read: dict[str, str] = field(default_factory=dict)
    # SHA-256 by path of the files that were created, relative to the run directory if they are in it.
    made: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)  # the stage's own
    problems: list[Problem] = field(default_factory=list)

    def add(self, error: NotebookCiError) -> None:
        """Add an expected failure as a problem of the stage, and set the status from its exit code."""
        for other in error.others:
            self.add(other)
        self.problems.append(Problem.of(error))
        if self.status != "error":
            self.status = "failed" if error.exit_code == 1 else "error"


@dataclass(frozen=True)
class Place:
    name: str  # `<stage>[-<slug>][-<n>]`
    root: Path  # the run directory

    @property
    def artifacts(self) -> Path:
        return self.root / self.name

    @property
    def record(self) -> Path:
        return self.root / f"{self.name}.json"

    def relative(self, path: Path) -> str:
        """Return `path` relative to the run directory if it is inside, so that a moved run stays complete."""
        try:
            return path.resolve().relative_to(self.root.resolve()).as_posix()
        except ValueError:
            return path.as_posix()

    def write(self, record: Record) -> Path:
        """Write the record completely or not at all, and never over another. Return its path.

        Raises SurroundingsError if it cannot be written.
        """
        text = json.dumps(jsonable(dataclasses.asdict(record)), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        try:
            write(self.record, text, new=True)
        except OSError as error:
            raise unwritable(f"The record {self.record} cannot be written", self.root, error, RUN_DIR) from error
        with contextlib.suppress(OSError):
            self.artifacts.rmdir()  # succeeds only if the stage created no artifacts
        return self.record


@dataclass(frozen=True)
class RunDirectory:
    path: Path

    @staticmethod
    def location(given: str, environ: Mapping[str, str], cwd: Path) -> Path:
        """Return the run directory, or the folder that `open` creates a new one in."""
        if given:
            return cwd / given
        if runner_temp := environ.get("RUNNER_TEMP"):
            return Path(runner_temp) / "notebook-ci"
        return cwd / PRIVATE_FOLDER / "runs"

    @classmethod
    def open(cls, given: str, environ: Mapping[str, str], cwd: Path) -> "RunDirectory":
        """Return the run directory; create it if it does not exist.

        If `given`, the input `run-dir`, is empty, it is `$RUNNER_TEMP/notebook-ci` on a runner, else a new folder in
        `.notebook-ci/runs/`, which git ignores. Raises InputError if it cannot be created, or contains the workspace or
        other notebooks.
        """
        path = cls.location(given, environ, cwd)
        try:
            if path == cwd / PRIVATE_FOLDER / "runs":
                path = private_folder(cwd, "runs") / _new_run_id()
            _refuse_workspace(path, cwd)
            path.mkdir(parents=True, exist_ok=True)
            if path.resolve().is_relative_to(cwd.resolve()) and not any(path.iterdir()):
                (path / ".gitignore").write_text("*\n", encoding="utf-8")
            (path / RUN_MARKER).touch()
        except (OSError, ValueError) as error:
            raise InputError(
                f"The run directory cannot be made: {getattr(error, 'strerror', '') or error}.",
                hint=ELSEWHERE,
            ) from error
        return cls(path.resolve())  # before a notebook can replace it with a link

    def take(self, stage: str, slug: str) -> Place:
        """Reserve a name for a stage, and create its artifacts folder. Raises SurroundingsError if that fails."""
        stem = f"{stage}-{slug}" if slug else stage
        for name in _numbered(stem):
            place = Place(name, self.path)
            try:
                place.artifacts.mkdir()  # atomic: two stages at once never get the same name
            except FileExistsError:
                continue
            except OSError as error:
                what = f"Nothing can be written into the run directory {self.path}"
                raise unwritable(what, self.path, error, RUN_DIR) from error
            if not place.record.exists():
                return place
            place.artifacts.rmdir()
        raise AssertionError

    def names(self) -> set[str]:
        # A notebook may create a link or a pipe here: only regular files are records.
        return {path.name for path in self.path.glob("*.json") if stat.S_ISREG(path.lstat().st_mode)}

    def next_name(self, stage: str, slug: str) -> str:
        """Return the name that `take` would reserve now."""
        stem = f"{stage}-{slug}" if slug else stage
        places = (Place(name, self.path) for name in _numbered(stem))
        return next(place.name for place in places if not (place.artifacts.exists() or place.record.exists()))

    def record(self, name: str) -> dict[str, Any]:
        """Return the record that a stage wrote under its name.

        Raises InputError if it does not exist, or is not a record of this version.
        """
        return _read_record(self.path / f"{name}.json")

    def records(self) -> list[dict[str, Any]]:
        """Return all records, in the order in which the stages began.

        Raises InputError if a file in the directory is not a record of this version.
        """
        found = [_read_record(self.path / name) for name in sorted(self.names())]
        return sorted(found, key=lambda record: str(record["started"]))

    def last(self, stage: str, slug: str) -> dict[str, Any] | None:
        """Return the newest record of a stage: of that slug, else of any slug."""
        found = [record for record in self.records() if record["stage"] == stage]
        return next(reversed([record for record in found if record["slug"] == slug] or found), None)


def now() -> datetime:
    return datetime.now(UTC)


def timestamp() -> str:
    return now().isoformat(timespec="milliseconds")


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def jsonable(value: object) -> Any:
    """Return `value` for JSON, without credentials: tuples as lists, NaN, infinity and other objects as text."""
    match value:
        case dict():
            return {_encodable(key): jsonable(item) for key, item in value.items()}
        case list() | tuple():
            return [jsonable(item) for item in value]
        case float() if not math.isfinite(value):
            return str(value)
        case None | bool() | int() | float():
            return value
        case _:
            return masked(_encodable(value))


def _encodable(value: object) -> str:
    # A file name that is not valid text is written as an escape.
    return str(value).encode("utf-8", "backslashreplace").decode()


def describe_source(environ: Mapping[str, str], cwd: Path) -> dict[str, str]:
    """Return the origin of the code: from the runner's variables, else from git."""
    names = {
        "repository": "GITHUB_REPOSITORY",
        "commit": "GITHUB_SHA",
        "ref": "GITHUB_REF",
        "workflow": "GITHUB_WORKFLOW",
        "job": "GITHUB_JOB",
        "run": "GITHUB_RUN_ID",
        "attempt": "GITHUB_RUN_ATTEMPT",
        "event": "GITHUB_EVENT_NAME",
    }
    if environ.get("GITHUB_ACTIONS") == "true":
        return {name: environ[variable] for name, variable in names.items() if environ.get(variable)}
    commit = git.answer(cwd, environ, "rev-parse", "HEAD")
    return {"commit": commit} if commit else {}


def environment_marker(environment: Path) -> dict[str, Any]:
    """Return what setup-env wrote about an environment; empty if it did not create it, or another version did."""
    try:
        return dict(json.loads((environment / ENVIRONMENT_MARKER).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return {}


def default_environment(slug: str, environ: Mapping[str, str], cwd: Path) -> Path:
    """Return where setup-env creates the environment of a slug. Local runs of execute-notebook look there, too."""
    behind = f"-{slug}" if slug else ""
    if runner_temp := environ.get("RUNNER_TEMP"):
        return Path(runner_temp) / f"notebook-ci-venv{behind}"
    return cwd / PRIVATE_FOLDER / f"venv{behind}"


def _refuse_workspace(path: Path, cwd: Path) -> None:
    """Refuse a run directory that contains the workspace or its notebooks: they would count as outputs."""
    is_foreign = path.is_dir() and not (path / RUN_MARKER).exists()
    if cwd.resolve().is_relative_to(path.resolve()) or (is_foreign and any(path.rglob("*.ipynb"))):
        raise InputError(
            f"run-dir is {path}, which holds the notebooks themselves.",
            hint="Name a folder of its own with the input run-dir.",
        )


def refuse_link(folder: Path, cwd: Path) -> None:
    """Raise InputError if a folder below `cwd` is a link or behind one: a stranger's branch may contain it."""
    if folder.resolve() != cwd.resolve() / folder.relative_to(cwd):
        raise InputError(f"{folder} is a link, or lies behind one. Nothing is written there.", hint="Delete the link.")


def private_folder(cwd: Path, *below: str) -> Path:
    """Return `.notebook-ci/`, which keeps itself out of git, or a folder in it, which may not exist yet.

    Raises InputError if it is a link, which a stranger's branch may contain; OSError if it cannot be written.
    """
    root = cwd / PRIVATE_FOLDER
    folder = root.joinpath(*below)
    refuse_link(folder, cwd)
    root.mkdir(exist_ok=True)
    with contextlib.suppress(FileExistsError), (root / ".gitignore").open("x") as ignore:
        ignore.write("*\n")
    return folder


def _new_run_id() -> str:
    return f"{now():%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def _numbered(stem: str) -> Iterator[str]:
    yield stem
    number = 1
    while True:
        number += 1
        yield f"{stem}-{number}"


# The fields that other stages read, and their types.
_READ_BY_OTHERS: Mapping[str, type] = {
    "outputs": dict,
    "problems": list,
    "slug": str,
    "source": dict,
    "stage": str,
    "started": str,
    "status": str,
}


def _read_record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(read_text(path, str(path)))
    except (ValueError, RecursionError) as error:
        raise _no_record(path, str(error)) from error
    schema = record.get("schema") if isinstance(record, dict) else None
    if not isinstance(schema, str) or not schema.startswith(SCHEMA_NAME):
        raise _no_record(path, "it does not say so")
    if schema != SCHEMA:
        raise InputError(
            f"{path} is a record of another version of notebook-ci ({schema}, here {SCHEMA}).",
            hint="Use one version of notebook-ci for all jobs of a run.",
        )
    if wrong := [name for name, kind in _READ_BY_OTHERS.items() if not isinstance(record.get(name), kind)]:
        raise _no_record(path, f"it lacks {', '.join(wrong)}")
    return dict(record)


def _no_record(path: Path, reason: str) -> InputError:
    return InputError(f"{path} is no record of notebook-ci: {reason}.", hint="Take it out of the run directory.")
