"""The run directory: one immutable record per stage, and the artifacts beside it.

A run directory is append-only. Each stage takes a name in it (`execute-notebook`, `execute-notebook-py311`, followed by
`-2` if that is taken), keeps its artifacts in the folder of that name, and writes `<name>.json` at its end. The
directories of several jobs are merged by copying them into one.
"""

import contextlib
import dataclasses
import json
import re
import secrets
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Any

from notebook_ci.base.errors import InputError, Problem
from notebook_ci.base.files import is_folder, read_text, unwritable, write
from notebook_ci.base.inputs import SECRETS
from notebook_ci.base.masking import learn_named
from notebook_ci.base.texts import quote
from notebook_ci.base.typed_json import from_json, parse, to_json
from notebook_ci.base.workspace import ELSEWHERE, PRIVATE_FOLDER, Workspace, private_folder
from notebook_ci.records.build_image import BuildImageRecord
from notebook_ci.records.collect_runs import CollectRunsRecord
from notebook_ci.records.comment_run import CommentRunRecord
from notebook_ci.records.compare_environments import CompareEnvironmentsRecord
from notebook_ci.records.dvc_pull import DvcPullRecord
from notebook_ci.records.execute_notebook import ExecuteRecord
from notebook_ci.records.log_run import LogRunRecord
from notebook_ci.records.plan_notebooks import PlanNotebooksRecord
from notebook_ci.records.record import SCHEMA, SCHEMA_NAME, Record, StageRecord, now
from notebook_ci.records.report_run import ReportRunRecord
from notebook_ci.records.setup_env import SetupEnvRecord
from notebook_ci.records.test_notebook import PytestRecord
from notebook_ci.records.validate_data import ValidateRecord

# A file in every run directory: notebooks below it are outputs and never executed.
RUN_MARKER = ".notebook-ci-run"
RUN_DIR = "set `run-dir` to another folder"
# A bigger file would block a job for hours; no notebook, page or report is that big.
MOST_ARTIFACT = 2**30
OF_STAGE: Mapping[str, type[Record]] = {
    "setup-env": SetupEnvRecord,
    "dvc-pull": DvcPullRecord,
    "validate-data": ValidateRecord,
    "execute-notebook": ExecuteRecord,
    "test-notebook": PytestRecord,
    "build-image": BuildImageRecord,
    "log-run": LogRunRecord,
    "plan-notebooks": PlanNotebooksRecord,
    "collect-runs": CollectRunsRecord,
    "compare-environments": CompareEnvironmentsRecord,
    "report-run": ReportRunRecord,
    "comment-run": CommentRunRecord,
}
_NAME = re.compile(r"[\w.-]{1,64}", re.ASCII)
_COMMON = [field.name for field in dataclasses.fields(Record)]


@dataclass(frozen=True)
class StageFiles:
    """The files of one stage in the run directory."""

    name: str  # `<stage>[-<slug>][-<n>]`
    root: Path  # the run directory

    @property
    def artifacts(self) -> Path:
        return self.root / self.name

    @property
    def record(self) -> Path:
        return self.root / f"{self.name}.json"

    @property
    def started(self) -> Path:
        """The file that says, until the record does, in which folder of the repository the stage runs."""
        return self.root / f"{self.name}.started"

    def relative(self, path: Path) -> str:
        """Return `path` relative to the run directory if it is inside, so that a moved run stays complete."""
        try:
            return path.resolve().relative_to(self.root.resolve()).as_posix()
        except ValueError:
            return path.as_posix()

    def write_json(self, what: str, path: Path, value: object) -> Any:
        """Write a new JSON file into the run directory, and return its content: masked. `what` is e.g. `record`.

        Raises SurroundingsError if it cannot be written.
        """
        content = to_json(value)
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        try:
            write(path, text, new=True)
        except OSError as error:
            raise unwritable(f"The {what} `{path}` cannot be written", self.root, error, RUN_DIR) from error
        return content

    def write(self, record: StageRecord) -> StageRecord:
        """Write the record completely or not at all, and never over another. Return it as it is read: masked.

        Raises SurroundingsError if it cannot be written.
        """
        content = self.write_json("record", self.record, record)
        with contextlib.suppress(OSError):
            self.started.unlink(missing_ok=True)
            self.artifacts.rmdir()  # succeeds only if the stage created no artifacts
        return from_json(type(record), content)

    def remove_links(self) -> list[str]:
        """Remove all links among the artifacts, which somebody else has put there, and return their paths.

        Raises SurroundingsError if one cannot be removed.
        """
        removed: list[str] = []
        left = [self.artifacts]  # no recursion: folders may be nested deeper than calls
        try:
            while left:
                path = left.pop()
                if path.is_symlink():
                    path.unlink()
                    removed.append(path.relative_to(self.root).as_posix())
                elif path.is_dir():
                    left.extend(path.iterdir())
        except OSError as error:
            raise unwritable(f"Links in `{self.artifacts}` cannot be removed", self.root, error, RUN_DIR) from error
        return sorted(removed)

    def write_text(self, name: str, text: str) -> None:
        """Write a file of the stage. Raises SurroundingsError if it cannot be written."""
        path = self.artifacts / name
        try:
            self.artifacts.mkdir(exist_ok=True)
            write(path, text)
        except OSError as error:
            raise unwritable(f"`{path}` cannot be written", self.root, error, RUN_DIR) from error


@dataclass(frozen=True)
class RunDirectory:
    path: Path

    @staticmethod
    def location(given: str, workspace: Workspace) -> Path:
        """Return the run directory, or the folder that `open` creates a new one in."""
        if given:
            return workspace.cwd / given
        if workspace.runner_temp:
            return workspace.runner_temp / "notebook-ci"
        return workspace.cwd / PRIVATE_FOLDER / "runs"

    @classmethod
    def open(cls, given: str, workspace: Workspace) -> "RunDirectory":
        """Return the run directory; create it if it does not exist.

        If `given`, the input `run-dir`, is empty, it is `$RUNNER_TEMP/notebook-ci` on a runner, else a new folder in
        `.notebook-ci/runs/`, which git ignores. Raises InputError if it cannot be created, or contains the workspace or
        other notebooks.
        """
        path, cwd = cls.location(given, workspace), workspace.cwd
        try:
            if path == cwd / PRIVATE_FOLDER / "runs":
                path = private_folder(cwd, "runs") / f"{now():%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"
            _refuse_workspace(path, cwd)
            path.mkdir(parents=True, exist_ok=True)
            if path.resolve().is_relative_to(cwd.resolve()) and not any(path.iterdir()):
                (path / ".gitignore").write_text("*\n", encoding="utf-8")
            (path / RUN_MARKER).touch()
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", "") or error
            raise InputError(f"The run directory cannot be created: {reason}.", hint=ELSEWHERE) from error
        return cls(path.resolve())  # before a notebook can replace it with a link

    @classmethod
    def existing(cls, given: str, workspace: Workspace) -> "RunDirectory":
        """Return a run directory with records: the given one or the only one in that folder; by default the newest.

        Raises InputError if there is none.
        """
        hint = "Name the run directory of a run. Unpack a downloaded artifact first."
        folder = workspace.cwd / given if given else cls.location("", workspace)
        if given and not is_folder(folder):
            raise InputError(f"{quote(str(folder))} is not a folder.", hint=hint)
        found = [path for path in (folder, *folder.glob("*/")) if any(path.glob("*.json"))]
        if not found:
            raise InputError(f"{quote(str(folder))} has no records of a run.", hint=hint)
        if given and folder not in found and len(found) > 1:
            raise InputError(f"{quote(str(folder))} has several folders with records.", hint="Name one of them.")
        return cls(folder if folder in found else max(found, key=lambda path: path.stat().st_mtime))

    def take(self, stage: str, slug: str, directory: str = "") -> StageFiles:
        """Reserve a name for a stage, and create its artifacts folder. Raises SurroundingsError if that fails.

        `directory` is the folder of the repository in which the stage runs.
        """
        for files in self._numbered(stage, slug):
            try:
                files.artifacts.mkdir()  # atomic: two stages at once never get the same name
                if not files.record.exists():
                    files.started.write_text(directory, encoding="utf-8")
                    return files
                files.artifacts.rmdir()
            except FileExistsError:
                continue
            except OSError as error:
                what = f"Nothing can be written to the run directory {self.path}"
                raise unwritable(what, self.path, error, RUN_DIR) from error
        raise AssertionError

    def next_name(self, stage: str, slug: str) -> str:
        """Return the name that `take` would reserve now."""
        every = self._numbered(stage, slug)
        return next(files.name for files in every if not (files.artifacts.exists() or files.record.exists()))

    def _numbered(self, stage: str, slug: str) -> Iterator[StageFiles]:
        stem = f"{stage}-{slug}" if slug else stage
        return (StageFiles(stem if number == 1 else f"{stem}-{number}", self.path) for number in count(1))

    def record(self, name: str) -> Record:
        """Return the record that a stage wrote under its name. Raises InputError: see `read`."""
        return read(self.path / f"{name}.json")

    def records(self) -> dict[str, Record]:
        """Return all records by name, in the order in which the stages began.

        Raises InputError if a file in the directory is not a record of this version.
        """
        found = {path.stem: read(path) for path in self._files("*.json")}
        return dict(sorted(found.items(), key=lambda item: (item[1].started, item[0])))

    def _files(self, pattern: str) -> list[Path]:
        # A notebook may create a link or a pipe here: only regular files are records.
        return [path for path in self.path.glob(pattern) if stat.S_ISREG(path.lstat().st_mode)]

    def hide_secrets(self, environ: Mapping[str, str]) -> None:
        """Hide the values of the variables that earlier steps of this job have given to notebooks as secrets.

        Not for the records of a stranger, who could name any variable.
        """
        for path in self._files("execute-notebook*.json"):
            with contextlib.suppress(InputError):  # left to those who need the record
                learn_named(read(path).inputs.get(SECRETS), environ)

    def records_of(self, directory: str) -> dict[str, Record]:
        """Return the records of a project: of stages in this folder of the repository and below. Raises as `records`.

        A job may run several projects, which share its run directory.
        """
        records = self.records()
        folders = {name: PurePosixPath(each.source.get("directory", "")) for name, each in records.items()}
        return {name: records[name] for name, folder in folders.items() if folder.is_relative_to(directory)}

    def unfinished(self, directory: str = "") -> Iterator[Record]:
        """Yield a record of each stage of a project that has a folder in the run directory, and no record.

        A downloaded run may no longer say of which project a stage is: it may be this one.
        """
        for folder in sorted(self.path.glob("*/")):
            files, own = StageFiles(folder.name, self.path), directory
            stage = next((each for each in OF_STAGE if f"{files.name}-".startswith(f"{each}-")), "")
            with contextlib.suppress(InputError):
                own = read_text(files.started, str(files.started))
            if stage and not files.record.exists() and PurePosixPath(own).is_relative_to(directory):
                message = f"{quote(folder.name)} left no record: it was killed, or it still runs."
                problem = Problem(severity="error", message=message, hint="See its log.")
                yield OF_STAGE[stage](stage=stage, status="error", problems=[problem])

    def last(self, kind: type[StageRecord], slug: str, workspace: Workspace) -> StageRecord | None:
        """Return the newest record of a stage in this working directory: of that slug, else of any slug."""
        here = str(workspace.cwd)
        of_kind = (record for record in self.records().values() if isinstance(record, kind))
        found = [record for record in of_kind if record.source.get("workspace") == here]
        return next(reversed([record for record in found if record.slug == slug] or found), None)


def read(path: Path) -> Record:
    """Return the record in a file. That of a stage which only another version of notebook-ci has is a plain `Record`.

    Raises InputError if the file does not exist, or is not a record that this version can read: others can put files
    into a run directory, too.
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
        record = from_json(OF_STAGE.get(str(content["stage"]), Record), content)
    except ValueError as error:
        raise not_a_record(path, str(error)) from error
    for name, value in {"stage": record.stage, "slug": record.slug or "-"}.items():
        if not _NAME.fullmatch(value):  # summaries show it as it is
            raise not_a_record(path, f"`{name}` is {quote(value)}, not a name")
    return record


def not_a_record(path: Path, reason: str) -> InputError:
    return InputError(f"{path} is not a notebook-ci record ({reason}).", hint="Remove it from the run directory.")


def _refuse_workspace(path: Path, cwd: Path) -> None:
    """Refuse a run directory that contains the workspace or its notebooks: they would count as outputs."""
    is_foreign = path.is_dir() and not (path / RUN_MARKER).exists()
    if cwd.resolve().is_relative_to(path.resolve()) or (is_foreign and any(path.rglob("*.ipynb"))):
        raise InputError(
            f"`run-dir` is {path}, which contains your notebooks.", hint="Name a separate folder with `run-dir`."
        )
