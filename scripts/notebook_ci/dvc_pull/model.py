"""What dvc-pull takes, gives and records."""

from dataclasses import dataclass, field

from notebook_ci.base.inputs import StageInputs, given
from notebook_ci.base.records import Record
from notebook_ci.base.values import BOOLEAN, COUNT, LINES, PATH, TEXT

OUTPUTS = {
    "data-digest": "SHA-256 over path, hash and size of each tracked output; the same on every machine.",
    "files": "Number of files that were pulled or already existed.",
    "bytes": "Total size of these files, in bytes.",
}
MANIFEST = "files.json"


@dataclass(frozen=True, kw_only=True)
class DvcPullInputs(StageInputs):
    """Pull data that DVC tracks, and check its content."""

    targets: tuple[str, ...] = given(
        LINES,
        "What to pull: `.dvc` files, data files and folders, folders that contain `.dvc` files, stages of `dvc.yaml`.",
        default=(),
        shown_default="all data of the repository",
    )
    remote: str = given(
        TEXT,
        "Name of the DVC remote to pull from.",
        default="",
        shown_default="the remote of each output, else the default remote of `.dvc/config`",
    )
    jobs: int = given(
        COUNT,
        "How many files to download at the same time.",
        default=0,
        shown_default="`jobs` of the remote, else four per CPU, as in DVC",
    )
    verify: bool = given(
        BOOLEAN,
        "Hash the pulled files and compare them with the hashes in `.dvc` files and `dvc.lock`. DVC does not do this.",
        default=True,
        shown_default="`true`",
    )
    cache: bool | None = given(
        BOOLEAN,
        "Cache the DVC cache between workflow runs. Pull requests from forks can read it.",
        default=None,
        shown_default="`true`; in a public repository, `false`",
    )
    working_directory: str = given(
        PATH,
        "Folder of the DVC repository, or a folder in it. `targets` are relative to it.",
        default="",
        shown_default="the workspace",
    )


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
