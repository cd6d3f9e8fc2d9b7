"""What an environment contains, and where each package came from: for `environment.json`, and for the digest."""

import contextlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from email.message import Message
from email.parser import HeaderParser
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit
from urllib.request import url2pathname

from notebook_ci.base.project import normal_name, table
from notebook_ci.base.texts import without_secrets
from notebook_ci.setup_env.uv import Installed

_LONGEST_LICENSE = 100  # a longer one is its text


@dataclass(frozen=True, kw_only=True)
class Package:
    name: str
    version: str
    origin: Literal["index", "url", "git", "path", "conda"]
    url: str = ""  # without credentials; a path is relative to the workspace, if it is inside
    editable: bool = False
    commit: str = ""  # of git
    sha256: str = ""  # of the downloaded file, if known
    build: str = ""  # these three are of conda
    subdir: str = ""
    channel: str = ""
    licenses: list[str] = field(default_factory=list)  # as the package writes them


def packages(prefix: Path, installed: Installed, workspace: Path) -> list[Package]:
    """Return the packages of an environment, by name."""
    of_conda = list(map(_of_conda, sorted(prefix.glob("conda-meta/*.json"))))
    folders = [str(path) for pattern in ("lib/*/site-packages", "Lib/site-packages") for path in prefix.glob(pattern)]
    found = dict(_distributions(folders))
    names = (name for name in installed.packages if name in found)
    of_uv = [name for name in names if not of_conda or (found[name].read_text("INSTALLER") or "").strip() == "uv"]
    others = (_of_index(name, installed.packages[name], found[name], workspace) for name in of_uv)
    return sorted([*of_conda, *others], key=lambda each: (each.name, each.origin))


def as_json(installed: Installed, digest: str, found: Iterable[Package]) -> dict[str, object]:
    """Return the content of `environment.json`; what is not known of a package is left out."""
    identity = {name: getattr(installed, name) for name in ("version", "implementation", "platform")}
    known = [{name: value for name, value in asdict(each).items() if value} for each in found]
    return {"python": identity, "digest": digest, "packages": known}


def commits(found: Iterable[Package]) -> dict[str, str]:
    """Return what identifies the content of packages beside their versions and builds."""
    return {each.name: each.commit for each in found if each.commit}


def _distributions(folders: list[str]) -> Iterator[tuple[str, Distribution]]:
    for each in distributions(path=folders):
        if name := _metadata(each).get("Name"):
            yield normal_name(name), each


def _metadata(distribution: Distribution) -> Message:
    return HeaderParser().parsestr(distribution.read_text("METADATA") or "")


def _of_conda(path: Path) -> Package:
    content = json.loads(path.read_text(encoding="utf-8"))
    text = {name: value for name, value in content.items() if isinstance(value, str)}
    return Package(
        name=text["name"],
        version=text["version"],
        origin="conda",
        url=without_secrets(text.get("url", "")),
        sha256=text.get("sha256", ""),
        build=text["build"],
        subdir=text.get("subdir", ""),
        channel=without_secrets(text.get("channel", "")),
        licenses=[text["license"]] if text.get("license") else [],
    )


def _of_index(name: str, version: str, distribution: Distribution, workspace: Path) -> Package:
    """Return a package of the index; or of another place, according to "The Direct URL Data Structure" (PEP 610)."""
    given: object = {}
    with contextlib.suppress(ValueError):  # the file of a package may be anything
        given = json.loads(distribution.read_text("direct_url.json") or "{}")
    source = table({"": given}, "")
    url = _shown(str(source.get("url", "")), workspace)
    return Package(
        name=name,
        version=version,
        origin="git" if "vcs_info" in source else "index" if not url else "url" if "://" in url else "path",
        url=url,
        editable=bool(table(source, "dir_info").get("editable")),
        commit=str(table(source, "vcs_info").get("commit_id", "")),
        sha256=str(table(source, "archive_info", "hashes").get("sha256", "")),
        licenses=_licenses(distribution),
    )


def _shown(url: str, workspace: Path) -> str:
    if not url.startswith("file:"):
        return without_secrets(url)
    path = Path(url2pathname(urlsplit(url).path)).resolve()
    root = workspace.resolve()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def _licenses(distribution: Distribution) -> list[str]:
    """Return the license as the package writes it (PEP 639), or as before in one line, or as classifiers."""
    metadata = _metadata(distribution)
    for name in ("License-Expression", "License"):
        text = str(metadata.get(name) or "").strip()
        if text and text != "UNKNOWN" and "\n" not in text and len(text) <= _LONGEST_LICENSE:
            return [text]
    classifiers = (str(each) for each in metadata.get_all("Classifier", []))
    return sorted(each.rpartition(" :: ")[2] for each in classifiers if each.startswith("License :: "))
