"""What the stage and its worker tell each other, as JSON."""

from dataclasses import dataclass, field
from typing import Any

PROGRESS = "PROGRESS "


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be pulled.

    Attributes:
        workspace: The folder that paths are shown relative to.
        directory: The folder to work in, and that targets are relative to.
        root: The folder that `.dvc` stands in.
        targets: See `DvcPullInputs`.
        remote: See `DvcPullInputs`.
        jobs: See `DvcPullInputs`; 0: as many as the remote's settings say.
        verify: See `DvcPullInputs`.
        manifest: Where the list of all files is written.
    """

    workspace: str
    directory: str
    root: str
    targets: list[str]
    remote: str
    jobs: int
    verify: bool
    manifest: str


@dataclass(kw_only=True)
class Result:
    """What came of it.

    Attributes:
        dvc_version: The version of DVC.
        data: Fields of `PulledData`, one a tracked output.
        digest: SHA-256 of them.
        files: Number of files.
        bytes: Their size.
        downloaded_files: How many came from a remote.
        downloaded_bytes: Their size.
        notices: What should be known: message, file, line.
        warnings: What should be looked at: message, file, line.
        faults: What went wrong: see `NotebookCiError.as_json`.
    """

    dvc_version: str = ""
    data: list[dict[str, Any]] = field(default_factory=list)
    digest: str = ""
    files: int = 0
    bytes: int = 0
    downloaded_files: int = 0
    downloaded_bytes: int = 0
    notices: list[list[Any]] = field(default_factory=list)
    warnings: list[list[Any]] = field(default_factory=list)
    faults: list[dict[str, Any]] = field(default_factory=list)
