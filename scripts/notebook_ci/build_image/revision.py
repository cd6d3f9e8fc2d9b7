"""What git says about the workspace: its commit, origin and files."""

import re
import tarfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from notebook_ci.base import git, systems
from notebook_ci.base.errors import InputError, SurroundingsError
from notebook_ci.base.files import TMPDIR, unwritable
from notebook_ci.base.masking import masked
from notebook_ci.base.texts import quote, without_users
from notebook_ci.base.workspace import Workspace
from notebook_ci.build_image.faults import sentence
from notebook_ci.notebooks import selection, text_notebooks
from notebook_ci.records.record import now

UID = 1000
# `https://host/x`, `git@host:x`, or a path: an address has no `@` after its user.
_ADDRESS = re.compile(r"(?:[\w.-]+@)?[^@\s]+")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True)
class Revision:
    workspace: Workspace
    commit: str  # empty: the workspace is not in git, or has no commit yet

    @classmethod
    def of(cls, workspace: Workspace) -> "Revision":
        commit = git.answer(workspace, "rev-parse", "--verify", "HEAD")
        return cls(workspace, commit if _COMMIT.fullmatch(commit) else "")

    def created(self) -> str:
        """Return the creation time of the image (RFC 3339); two builds of one commit give the same image.

        It is SOURCE_DATE_EPOCH (reproducible-builds.org), else the time of the commit, else now. Raises InputError.
        """
        epoch = self.workspace.environ.get("SOURCE_DATE_EPOCH", "")
        if not epoch and self.commit:
            epoch = git.answer(self.workspace, "show", "--no-patch", "--format=%ct", "HEAD")
        try:
            moment = datetime.fromtimestamp(int(epoch), UTC) if epoch else now()
        except (ValueError, OverflowError, OSError) as error:
            message = f"`SOURCE_DATE_EPOCH` is not a number: {quote(epoch)}."
            raise InputError(message, hint="Set it to seconds since 1970.") from error
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    def source(self) -> str:
        """Return the address of the repository without credentials.

        It is empty if there is none, or if its form does not show which part is a password. It becomes a label.
        """
        if url := systems.describe(self.workspace.environ).get("url"):
            return str(masked(url))
        if not self.commit:
            return ""
        url = git.answer(self.workspace, "remote", "get-url", "origin")
        address = without_users(url).removesuffix(".git")
        return str(masked(address)) if _ADDRESS.fullmatch(address) else ""

    def changed(self) -> list[str]:
        """Return the tracked files that differ from the commit, relative to the workspace; none without a commit."""
        if not self.commit:
            return []
        done = git.run(self.workspace, "diff", "--no-ext-diff", "--name-only", "-z", "--relative", "HEAD")
        return [name for name in done.stdout.split("\0") if name]

    def untracked_notebooks(self) -> list[str]:
        """Return the notebooks that git neither tracks nor ignores, relative to the workspace.

        Those in hidden folders, such as Jupyter's `.ipynb_checkpoints`, are left out: they are never executed.
        """
        patterns = [f"*{suffix}" for suffix in selection.SUFFIXES]
        done = git.run(self.workspace, "ls-files", "--others", "--exclude-standard", "-z", "--", *patterns)
        names = [name for name in done.stdout.split("\0") if name and "/." not in f"/{name}"]
        return [name for name in names if not text_notebooks.is_other(self.workspace.cwd / name)]

    def archive(self, path: Path, folder: str) -> None:
        """Write the commit's files below the workspace into `folder` of an archive that depends only on the commit.

        Raises InputError if the commit has no files there, SurroundingsError if git failed or the disk is full.
        """
        raw = path.with_suffix(".raw")
        options = ("--format=tar", f"--prefix={folder}/", "--output", raw)
        done = git.run(self.workspace, "archive", *options, "HEAD")
        if done.returncode:
            raise SurroundingsError(f"git cannot archive the files of the commit: {sentence(done.output)}")
        try:
            with tarfile.open(raw) as taken, tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as kept:
                members = [_plain(member) for member in taken]
                for member in members:
                    kept.addfile(member, taken.extractfile(member) if member.isreg() else None)
        except OSError as error:
            what = f"The files of the commit cannot be written to `{path.parent}`"
            raise unwritable(what, path, error, TMPDIR) from error
        raw.unlink()
        if not any(member.isreg() for member in members):
            message = f"The commit {self.commit[:12]} has no files in `{self.workspace.cwd}`."
            raise InputError(message, hint="Commit the notebooks: only files that git tracks get into the image.")


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    """Return a member with modes that do not depend on git's settings, owned by the image's user."""
    member.uid = member.gid = UID
    member.uname = member.gname = ""
    if not member.issym():
        member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    return member
