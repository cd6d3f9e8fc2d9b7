"""What all records have in common."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, TypeVar

from notebook_ci import VERSION
from notebook_ci.base import git, systems
from notebook_ci.base.errors import NotebookCiError, Problem
from notebook_ci.base.typed_json import from_json, to_json
from notebook_ci.base.workspace import Workspace

SCHEMA_NAME = "notebook-ci/record/"
# Its number changes if older versions of notebook-ci cannot read the records of newer ones: they ignore new fields.
SCHEMA = f"{SCHEMA_NAME}1"

Status = Literal["passed", "failed", "skipped", "error"]
StageRecord = TypeVar("StageRecord", bound="Record")


def system() -> str:
    """Name, release and machine of this system. `platform.platform()` would start the program `uname`."""
    return f"{platform.system()}-{platform.release()}-{platform.machine()}"


@dataclass(kw_only=True)
class Record:
    """What a stage did. Each stage's record adds its own fields."""

    schema: str = SCHEMA
    stage: str
    slug: str = ""  # the name of this use of the stage: a leg of a matrix, a second use
    status: Status = "passed"  # `failed`: an error in notebooks or data; `error`: something else failed
    started: str = ""  # in UTC (ISO 8601)
    duration: float = 0.0  # seconds
    inputs: dict[str, object] = field(default_factory=dict)  # as they were used
    # Commit, repository, run of a CI system; `directory`: the working directory in the repository, unless it is its
    # root; `workspace`: the same on the machine of the stage.
    source: dict[str, str] = field(default_factory=dict)
    platform: str = field(default_factory=system)
    notebook_ci: str = VERSION
    # SHA-256 by path of the files that were read, relative to the working directory.
    read: dict[str, str] = field(default_factory=dict)
    # SHA-256 by path of the files that were created, relative to the run directory if they are in it.
    created: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)  # NaN and infinity are texts: `nan`, `inf`, `-inf`
    outputs: dict[str, str] = field(default_factory=dict)  # the stage's own
    problems: list[Problem] = field(default_factory=list)

    def add(self, error: NotebookCiError) -> None:
        """Add an expected failure as a problem of the stage, and set the status from its exit code."""
        for other in error.others:
            self.add(other)
        self.problems.append(Problem.of(error))
        if self.status != "error":
            self.status = "failed" if error.exit_code == 1 else "error"

    @property
    def headline(self) -> Mapping[str, str]:
        """The values of the stage's own outputs."""
        return {}

    @property
    def has_failed(self) -> bool:
        return self.status in {"failed", "error"}

    @property
    def errors(self) -> list[Problem]:
        return [problem for problem in self.problems if problem.severity == "error"]


def as_written(record: StageRecord) -> StageRecord:
    """Return a record as it is read from its file: without credentials."""
    return from_json(type(record), to_json(record))


def now() -> datetime:
    return datetime.now(UTC)


def timestamp() -> str:
    return now().isoformat(timespec="milliseconds")


def describe_source(workspace: Workspace) -> dict[str, str]:
    """Return the origin of the code: from the variables of a CI system, else from git."""
    found = systems.describe(workspace.environ) or {"commit": git.answer(workspace, "rev-parse", "HEAD")}
    found |= {"directory": workspace.directory, "workspace": str(workspace.cwd)}
    return {name: value for name, value in found.items() if value}
