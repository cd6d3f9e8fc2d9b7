"""The record of dvc-pull."""

from dataclasses import dataclass, field

from notebook_ci.records.record import Record


@dataclass(frozen=True, kw_only=True)
class PulledData:
    """One tracked output.

    Attributes:
        path: The file or folder, relative to the workspace.
        pointer: The `.dvc` or `dvc.lock` file that says what it must be.
        hash_name: `md5`, or `md5-dos2unix` in pointers that DVC 2 wrote.
        hash: The hash that the pointer has.
        bytes: Size of its files.
        files: Their number.
    """

    path: str
    pointer: str
    hash_name: str
    hash: str
    bytes: int
    files: int


@dataclass(kw_only=True)
class DvcPullRecord(Record):
    """The record of dvc-pull.

    Attributes:
        remote: Name of the remote; several are separated by commas.
        remote_url: Its address, without credentials.
        scheme: Its kind: local, s3, http, ssh, gs or azure.
        dvc_version: The DVC that pulled.
        verified: Whether the content of all files was compared with the pointers.
        data_digest: SHA-256 of the tracked data.
        files: Number of files.
        bytes: Their size.
        downloaded_files: How many of them came from the remote now.
        downloaded_bytes: Their size.
        data: The tracked outputs.
    """

    remote: str = ""
    remote_url: str = ""
    scheme: str = ""
    dvc_version: str = ""
    verified: bool = False
    data_digest: str = ""
    files: int = 0
    bytes: int = 0
    downloaded_files: int = 0
    downloaded_bytes: int = 0
    data: list[PulledData] = field(default_factory=list)

    @property
    def headline(self) -> dict[str, str]:
        """The values of `OUTPUTS`."""
        return {"data-digest": self.data_digest, "files": str(self.files), "bytes": str(self.bytes)}
