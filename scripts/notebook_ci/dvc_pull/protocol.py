"""The messages between the stage and its worker."""

from dataclasses import dataclass, field

from notebook_ci.base.errors import Problem
from notebook_ci.base.worker import Reply
from notebook_ci.dvc.pointers import Entry
from notebook_ci.records.dvc_pull import Pulled


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to pull. `targets`, `remote` and `verify` are the inputs of `DvcPullInputs`."""

    workspace: str  # paths are shown relative to it
    root: str  # the folder that contains `.dvc`
    entries: list[Entry]
    targets: list[str]  # relative to the working directory
    remote: str
    jobs: int  # 0: as many as the remote's settings say
    verify: bool
    manifest: str  # path of the list of all files, which the worker writes


@dataclass(kw_only=True)
class Result(Pulled, Reply):
    problems: list[Problem] = field(default_factory=list)  # warnings and notices
