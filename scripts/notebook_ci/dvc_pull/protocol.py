"""The JSON messages between the stage and its worker."""

from dataclasses import dataclass, field
from typing import Any

from notebook_ci.dvc_pull.pointers import Pointer

PROGRESS = "PROGRESS "


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to pull. `targets`, `remote` and `verify` are the inputs of `DvcPullInputs`."""

    workspace: str  # paths are shown relative to it
    directory: str  # the working directory; targets are relative to it
    root: str  # the folder that contains `.dvc`
    pointers: list[Pointer]
    targets: list[str]
    remote: str
    jobs: int  # 0: as many as the remote's settings say
    verify: bool
    manifest: str  # path of the list of all files, which the worker writes


@dataclass(kw_only=True)
class Result:
    dvc_version: str = ""
    data: list[dict[str, Any]] = field(default_factory=list)  # fields of `PulledData`, one entry per tracked output
    digest: str = ""  # SHA-256 over the outputs
    files: int = 0
    bytes: int = 0
    downloaded_files: int = 0
    downloaded_bytes: int = 0
    notices: list[list[Any]] = field(default_factory=list)  # message, file, line
    warnings: list[list[Any]] = field(default_factory=list)  # message, file, line
    faults: list[dict[str, Any]] = field(default_factory=list)  # see `NotebookCiError.as_json`
