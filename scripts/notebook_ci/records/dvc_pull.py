"""The record of dvc-pull."""

from dataclasses import dataclass, field

from notebook_ci.records.record import Record


@dataclass(frozen=True, kw_only=True)
class PulledData:
    """An output that DVC tracks."""

    path: str  # the file or folder, relative to the workspace
    pointer: str  # the `.dvc` or `dvc.lock` file that has its hash
    hash_name: str  # `md5`, or `md5-dos2unix` in pointers of DVC 2
    hash: str
    bytes: int
    files: int


@dataclass(kw_only=True)
class Pulled:
    """What the worker finds out."""

    dvc_version: str = ""
    data_digest: str = ""  # SHA-256 of the tracked data
    files: int = 0
    bytes: int = 0
    downloaded_files: int = 0  # the number of files that this stage downloaded
    downloaded_bytes: int = 0
    data: list[PulledData] = field(default_factory=list)


@dataclass(kw_only=True)
class DvcPullRecord(Pulled, Record):
    remote: str = ""  # names of the remotes, separated by commas
    remote_url: str = ""  # without credentials
    scheme: str = ""  # kinds of the remotes, separated by commas: local, s3, http, ssh, gs or azure
    verified: bool = False  # whether the content of all files was compared with the pointers

    @property
    def headline(self) -> dict[str, str]:
        return {"data-digest": self.data_digest, "files": str(self.files), "bytes": str(self.bytes)}
