"""What an environment contains, and where each package came from: for `environment.json`, and for the digest."""

import contextlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

from notebook_ci.base.project import normal_name, table
from notebook_ci.base.texts import without_secrets

if TYPE_CHECKING:
    from importlib.metadata import Distribution, PackageMetadata

# What is known of a package. `origin` is `index`, `url`, `git`, `path` (of the repository) or `conda`.
Package: TypeAlias = dict[str, Any]


def installed(prefix: Path) -> "dict[str, Distribution]":
    """Return what Python finds in an environment, by normalized name (PEP 503)."""
    from importlib.metadata import distributions  # takes 10 ms to import, which a refusal does not need

    folders = [str(path) for path in (*prefix.glob("lib/*/site-packages"), prefix / "Lib" / "site-packages")]
    return {normal_name(name): each for each in distributions(path=folders) if (name := each.name)}


def packages(prefix: Path, shown: Callable[[Path], str]) -> list[Package]:
    """Return the packages of an environment, by name. `shown` is how the user knows a path."""
    of_conda = [json.loads(path.read_text(encoding="utf-8")) for path in prefix.glob("conda-meta/*.json")]
    every = [_of_conda(each) for each in of_conda]
    for name, each in installed(prefix).items():
        if not of_conda or (each.read_text("INSTALLER") or "").strip() == "uv":
            metadata = each.metadata  # parsed each time
            licenses = _licenses(metadata)
            every.append({"name": name, "version": metadata["Version"], **_source(each, shown), "licenses": licenses})
    known = ({name: value for name, value in each.items() if value} for each in every)
    return sorted(known, key=lambda each: str(each["name"]))


def _of_conda(meta: Mapping[str, Any]) -> Package:
    kept = {name: meta.get(name) for name in ("name", "version", "build", "subdir", "sha256")}
    urls = {name: without_secrets(meta.get(name) or "") for name in ("channel", "url")}
    return {**kept, "origin": "conda", **urls, "licenses": [meta["license"]] if meta.get("license") else []}


def _source(distribution: "Distribution", shown: Callable[[Path], str]) -> Package:
    """Return where a package came from: "The Direct URL Data Structure" (PEP 610)."""
    given = None
    with contextlib.suppress(ValueError):  # the file of a package may be anything
        given = json.loads(distribution.read_text("direct_url.json") or "{}")
    source = table({"": given}, "")
    url = without_secrets(str(source.get("url", "")))
    if url.startswith("file:"):
        from urllib.request import url2pathname  # takes 10 ms to import

        url = shown(Path(url2pathname(urlsplit(url).path)))
    return {
        "origin": "git" if "vcs_info" in source else "index" if not url else "url" if "://" in url else "path",
        "url": url,
        "editable": table(source, "dir_info").get("editable"),
        "commit": table(source, "vcs_info").get("commit_id"),
        "sha256": table(source, "archive_info", "hashes").get("sha256"),
    }


def _licenses(metadata: "PackageMetadata") -> list[str]:
    """Return the license as the package states it: an expression (PEP 639), or as before, a line or classifiers."""
    fields = metadata.json
    stated = str(fields.get("license_expression") or fields.get("license") or "UNKNOWN")
    if stated != "UNKNOWN" and "\n" not in stated:  # else it is the text of the license
        return [stated]
    return [each.rpartition(" :: ")[2] for each in fields.get("classifier", ()) if each.startswith("License :: ")]
