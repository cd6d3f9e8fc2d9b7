"""The program that installs packages of conda: a worker (see `base/worker.py`) in an environment with py-rattler."""

import asyncio
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

# Python runs with -I, so it does not search this file's folder, whose modules would shadow others.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import rattler
from rattler.config import Config
from rattler.exceptions import InvalidMatchSpecError
from rattler.install import InstallerReporter
from rattler.networking import Client
from rattler.package_cache import PackageCache, PackageCacheLayer, ValidationMode
from rattler.repo_data import PackageRecord, RepoDataRecord
from rattler.virtual_package import VirtualPackageOverrides

from notebook_ci.base import worker
from notebook_ci.base.conda import PACKAGE
from notebook_ci.base.errors import InputError, NotebookCiError
from notebook_ci.base.texts import size
from notebook_ci.conda import faults
from notebook_ci.conda.activation import activated
from notebook_ci.conda.protocol import Installation, Solution

CACHE = Path(sys.prefix).parent / "conda-packages"  # among the tool environments


def work(installation: Installation, reply: Solution) -> None:
    scratch = Path(installation.scratch)
    if installation.credentials:
        file = scratch / "credentials.json"
        file.write_text(json.dumps(installation.credentials), encoding="utf-8")
        os.environ["RATTLER_AUTH_FILE"] = str(file)
    try:
        client = Client.from_config(Config.from_toml("" if installation.verifies else "tls-no-verify = true"))
        asyncio.run(_solve_and_install(installation, client, scratch, reply))
    except (NotebookCiError, OSError):
        raise
    except Exception as error:
        raise faults.explain(type(error).__name__, str(error)) from error
    if installation.reports_activation:
        before = dict(os.environ)
        after = activated(before, Path(installation.prefix))
        reply.activation = dict(after.items() - before.items())


async def _solve_and_install(installation: Installation, client: Client, scratch: Path, reply: Solution) -> None:
    known = [*map(_listed, installation.urls), *(_again(each, scratch) for each in installation.records)]
    records = known or await _solved(installation, client, scratch)
    if installation.prefix:
        await _install(records, installation, client, scratch)
    reply.records = [] if known else sorted(record.to_json() for record in records)
    if installation.finds_misfits:
        reply.misfits = dict(_misfits(records))


async def _install(records: list[RepoDataRecord], installation: Installation, client: Client, scratch: Path) -> None:
    total = sum(record.size or 0 for record in records)
    worker.progress(f"  Installing {len(records)} packages of conda{f', {size(total)}' if total else ''}")
    for record in records:
        if record.url.startswith("file:"):
            _check(record)
    # Without a SHA-256, rattler takes any package of the same name, version and build from the cache.
    cache = CACHE if installation.uses_cache and all(record.sha256 for record in records) else scratch
    # An edit of an installed file also changes the cache, where it has a hard link: all files are checked.
    layer = PackageCacheLayer(cache).with_validation_mode(ValidationMode.full())
    await rattler.install(
        records,
        target_prefix=installation.prefix,
        package_cache=PackageCache.from_layers([layer]),
        client=client,
        reporter=_Reporter(len(records)),
        execute_link_scripts=True,  # as conda does
    )
    # Of a list of URLs, rattler (0.28) keeps only what an address says.
    for meta in Path(installation.prefix, "conda-meta").glob("*.json") if installation.urls else ():
        known = json.loads(meta.read_text(encoding="utf-8"))
        index = Path(known["extracted_package_dir"], "info", "index.json").read_text(encoding="utf-8")
        meta.write_text(json.dumps({**known, **json.loads(index)}), encoding="utf-8")
    # Where conda keeps the variables of an environment.
    state = Path(installation.prefix, "conda-meta", "state")
    state.write_text(json.dumps({"version": 1, "env_vars": installation.variables}), encoding="utf-8")


class _Reporter(InstallerReporter):  # type: ignore[misc] # mypy cannot see rattler
    """Says how far an installation is."""

    def __init__(self, total: int) -> None:
        self._total, self._downloaded, self._installed = total, 0, 0

    def on_populate_cache_complete(self, _: int) -> None:
        self._downloaded += 1
        self._say()

    def on_link_complete(self, _: int) -> None:
        self._installed += 1
        self._say()

    def _say(self) -> None:
        of_all = f"of {self._total} packages of conda"
        worker.step(f"{self._downloaded} {of_all} downloaded, {self._installed} installed")


async def _solved(installation: Installation, client: Client, scratch: Path) -> list[RepoDataRecord]:
    worker.progress(f"  Solving for {rattler.Subdir.current()}")
    solved: list[RepoDataRecord] = await rattler.solve(
        sources=[rattler.Channel(url) for url in installation.channels],
        specs=[_spec(each) for each in installation.packages],
        constraints=[_spec(each) for each in installation.constraints],
        gateway=rattler.Gateway(cache_dir=scratch / "channels", client=client),
        virtual_packages=rattler.VirtualPackage.detect(VirtualPackageOverrides.from_env()),
        channel_priority=rattler.ChannelPriority[installation.priority],
    )
    return solved


def _misfits(records: list[RepoDataRecord]) -> Iterator[tuple[str, list[str]]]:
    """Yield what packages require and the others do not give, each with the names of both."""
    given = {record.name.normalized: record for record in records}
    for name, record in given.items():
        for text in (*record.depends, *record.constrains):
            spec = rattler.MatchSpec(text)
            other = spec.name.normalized
            is_missing = other not in given and text in record.depends and not other.startswith("__")  # of the machine
            if is_missing or (other in given and not spec.matches(given[other])):
                yield f"{name} {text}", [name, other]


def _check(record: RepoDataRecord) -> None:
    """Check the hashes of a package in a folder; rattler (0.28) does it only for others."""
    for kind, expected in (("sha256", record.sha256), ("md5", record.md5)):
        with Path(url2pathname(urlsplit(record.url).path)).open("rb") as file:
            if expected and hashlib.file_digest(file, kind).digest() != expected:
                raise faults.explain("InstallerError", f"failed to fetch {record.file_name}: hash mismatch")


def _spec(package: str) -> rattler.MatchSpec:
    try:
        return rattler.MatchSpec(package)
    except InvalidMatchSpecError as error:
        message = f"`{package}` is not valid: {error}."
        raise InputError(message, hint="Write `numpy`, `numpy=2.1` or `numpy>=2`.") from error


def _again(solved: str, scratch: Path) -> RepoDataRecord:
    """Return a package of a solution."""
    values, file = json.loads(solved), scratch / "record.json"
    file.write_text(solved, encoding="utf-8")
    record = PackageRecord.from_index_json(file, *(values.get(key) for key in ("size", "sha256", "md5")))
    return RepoDataRecord(record, values["fn"], values["url"], values["channel"])


def _listed(address: str) -> RepoDataRecord:
    """Return a package of a list of URLs; what else is to know about it is in the package."""
    found = PACKAGE.fullmatch(address)
    if not found:
        raise InputError(f"`{address}` is not a package of conda.")
    if found["subdir"] not in {str(rattler.Subdir.current()), "noarch"}:
        raise InputError(f"`{address}` is for another platform than {rattler.Subdir.current()}.")
    hashes = {kind: bytes.fromhex(found[kind]) for kind in ("md5", "sha256") if found[kind]}
    build, url = rattler.BuildString(found["build"]), address.partition("#")[0]
    record = PackageRecord(found["name"], found["version"], build, 0, found["subdir"], **hashes)
    return RepoDataRecord(record, found["file"], url, url.rpartition("/")[0].rpartition("/")[0])


if __name__ == "__main__":
    worker.serve(Installation, Solution(), work)
