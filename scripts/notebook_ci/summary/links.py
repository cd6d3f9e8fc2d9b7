"""Links in the summary of a job on GitHub; on other systems, there are none."""

import contextlib
import hashlib
import posixpath
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from notebook_ci.base import git, systems
from notebook_ci.base.errors import InputError
from notebook_ci.base.files import read_bytes
from notebook_ci.base.markdown import link
from notebook_ci.base.workspace import Workspace

_COMMITTED = re.compile(r"100\d{3} blob (\w+)\t(.+)", re.DOTALL)  # a line of `git ls-tree`


@dataclass(frozen=True)
class Links:
    files: Mapping[str, str] = field(default_factory=dict)  # addresses by path, relative to the working directory
    run: str = ""

    def line(self, shown: str, file: str | None, line: int | None) -> str:
        """Return a link to a line of a file. `shown` is Markdown."""
        address = self.files.get(file or "", "")
        return link(shown, address + _anchor(line)) if address else shown


NO_LINKS = Links()


def find(files: Iterable[str], workspace: Workspace) -> Links:
    """Return links to those files whose content, and therefore each line, is that of the commit."""
    if systems.system(workspace.environ) is not systems.GITHUB:
        return NO_LINKS
    here = systems.describe(workspace.environ) | {"directory": workspace.directory}
    found = {path: address for path in sorted(set(files)) if (address := address_of(here, path))}
    committed = _committed(list(found), here.get("commit", ""), workspace)
    return Links({path: found[path] for path in committed}, here.get("run_url", ""))


def address_of(source: Mapping[str, str], path: str, line: int | None = None) -> str:
    """Return the address of a file of the commit on GitHub; empty elsewhere. `source` is that of a record."""
    url, commit = source.get("url", ""), source.get("commit", "")
    if source.get("system") != systems.GITHUB.name or not commit or not is_web(url):
        return ""
    file = posixpath.join(source.get("directory", ""), path)
    return f"{url}/blob/{quote(commit)}/{quote(file)}?plain=1{_anchor(line)}"


def is_web(url: str) -> bool:
    return url.startswith(("http://", "https://"))


def _anchor(line: int | None) -> str:
    return f"#L{line}" if line else ""


def _committed(files: list[str], commit: str, workspace: Workspace) -> list[str]:
    # A path outside of the repository would be an error of git.
    inside = [file for file in files if not posixpath.isabs(file) and ".." not in file.split("/")]
    answer = git.answer(workspace, "ls-tree", "-z", commit, "--", *inside) if inside else ""
    found = filter(None, map(_COMMITTED.fullmatch, answer.split("\0")))
    return [path for blob, path in (each.groups() for each in found) if _blob(workspace, path, len(blob)) == blob]


def _blob(workspace: Workspace, path: str, digits: int) -> str:
    """Return the name that git has for the content of a file: a hash, as long as those of the repository."""
    with contextlib.suppress(InputError):
        content = read_bytes(workspace.cwd / path, path)
        kind = hashlib.sha1 if digits == len(hashlib.sha1(usedforsecurity=False).hexdigest()) else hashlib.sha256
        return kind(b"blob %d\0%b" % (len(content), content), usedforsecurity=False).hexdigest()
    return ""
