"""What dvc-pull takes and gives."""

from dataclasses import dataclass

from notebook_ci.base.inputs import StageInputs, given
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
    )
    cache: bool | None = given(
        BOOLEAN,
        "Cache the DVC cache between workflow runs. Pull requests from forks can read it.",
        default=None,
        shown_default="`true`; in a public repository, `false`",
    )
    dvc_dir: str = given(
        PATH,
        "Folder of the DVC repository, or a folder in it, if it is not the workspace. `targets` are relative to it.",
        default="",
        shown_default="the workspace",
    )
