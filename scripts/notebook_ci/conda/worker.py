"""The program that installs packages of conda: a worker (see `base/worker.py`) in an environment with py-rattler."""

import asyncio
import contextlib
import json
import os
import posixpath
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

# Python runs with -I, so it does not search this file's folder, whose modules would shadow others.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import rattler
from rattler.config import Config
from rattler.exceptions import InvalidMatchSpecError
from rattler.explicit_environment import ExplicitEnvironmentSpec
from rattler.install import InstallerReporter
from rattler.networking import Client
from rattler.package_cache import PackageCache, PackageCacheLayer, ValidationMode
from rattler.repo_data import PackageRecord, RepoDataRecord
from rattler.virtual_package import VirtualPackageOverrides

from notebook_ci.base import process, worker
from notebook_ci.base.errors import InputError, NotebookCiError
from notebook_ci.base.worker import Reply
from notebook_ci.conda import faults
from notebook_ci.conda.protocol import Installation

CACHE = Path(sys.prefix).parent / "conda-packages"  # among the tool environments
FILE = re.compile(r"(.+)-([^-]+)-([^-]+)\.(?:conda|tar\.bz2)")  # name, version, build
MD5_DIGITS = 32
SILENCE_SECONDS = 10


def install(installation: Installation, _: Reply) -> None:
    with tempfile.TemporaryDirectory(prefix="notebook-ci-conda-") as folder, _credentials(installation, Path(folder)):
        try:
            asyncio.run(_install(installation, Path(folder)))
        except (NotebookCiError, OSError):
            raise
        except Exception as error:
            raise faults.explain(type(error).__name__, str(error)) from error


async def _install(installation: Installation, scratch: Path) -> None:
    client = Client.from_config(Config.from_toml("" if installation.verifies else "tls-no-verify = true"))
    records = _listed(installation.explicit) if installation.explicit else await _solved(installation, client, scratch)
    if "python" not in {record.name.normalized for record in records}:
        raise InputError("it lists no Python, which notebooks need.", hint="Add `python`.")
    worker.progress(f"  Installing packages of conda: {len(records)}")
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
    # As all environments; a kernel would write the byte-code otherwise, and so change it.
    python = process.program_in(Path(installation.prefix))
    compiling = "import compileall, sysconfig as s; compileall.compile_dir(s.get_path('stdlib'), quiet=2, workers=0)"
    process.run([python, "-I", "-c", compiling], env=os.environ)
    # Where conda keeps the variables of an environment.
    state = Path(installation.prefix, "conda-meta", "state")
    state.write_text(json.dumps({"version": 1, "env_vars": installation.variables}), encoding="utf-8")


class _Reporter(InstallerReporter):  # type: ignore[misc] # mypy cannot see rattler
    """Says how far an installation is, so that it is not silent for long."""

    def __init__(self, total: int) -> None:
        self._total, self._downloaded, self._installed, self._said = total, 0, 0, time.monotonic()

    def on_populate_cache_complete(self, _: int) -> None:
        self._downloaded += 1
        self._say()

    def on_link_complete(self, _: int) -> None:
        self._installed += 1
        self._say()

    def _say(self) -> None:
        if time.monotonic() - self._said > SILENCE_SECONDS:
            self._said = time.monotonic()
            worker.progress(f"  {self._downloaded} of {self._total} downloaded, {self._installed} installed")


async def _solved(installation: Installation, client: Client, scratch: Path) -> list[RepoDataRecord]:
    worker.progress(f"  Solving for {rattler.Subdir.current()}")
    solved: list[RepoDataRecord] = await rattler.solve(
        sources=[rattler.Channel(url) for url in installation.channels],
        specs=[_spec(each) for each in installation.packages],
        gateway=rattler.Gateway(cache_dir=scratch / "channels", client=client),
        virtual_packages=rattler.VirtualPackage.detect(VirtualPackageOverrides.from_env()),
        channel_priority=rattler.ChannelPriority[installation.priority.capitalize()],
    )
    return solved


def _spec(package: str) -> rattler.MatchSpec:
    try:
        return rattler.MatchSpec(package)
    except InvalidMatchSpecError as error:
        message = f"`{package}` is not valid: {error}."
        raise InputError(message, hint="Write `numpy`, `numpy=2.1` or `numpy>=2`.") from error


def _listed(explicit: str) -> list[RepoDataRecord]:
    """Return the packages of a list of URLs; what else is to know about them is in the packages."""
    records = []
    for entry in ExplicitEnvironmentSpec.from_str(explicit).packages:
        url, _, digest = entry.url.partition("#")
        folder, file = posixpath.split(urlsplit(url).path)
        parts = FILE.fullmatch(file)
        if not parts:
            raise InputError(f"`{url}` is not a package of conda.")
        kind = "sha256" if "sha256" in digest or len(digest) > MD5_DIGITS else "md5"
        hashes = {kind: bytes.fromhex(digest.removeprefix("sha256:"))} if digest else {}
        name, version, build = parts.groups()
        record = PackageRecord(name, version, rattler.BuildString(build), 0, posixpath.basename(folder), **hashes)
        records.append(RepoDataRecord(record, file, url, url.rpartition("/")[0].rpartition("/")[0]))
    return records


@contextlib.contextmanager
def _credentials(installation: Installation, folder: Path) -> Iterator[None]:
    """Let rattler find the credentials, besides those that the user has stored for it."""
    if installation.credentials:
        theirs = os.environ.get("RATTLER_AUTH_FILE")
        stored = json.loads(Path(theirs).read_text(encoding="utf-8")) if theirs else {}
        file = folder / "credentials.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps({**stored, **json.loads(installation.credentials)}), encoding="utf-8")
        os.environ["RATTLER_AUTH_FILE"] = str(file)
    yield


if __name__ == "__main__":
    worker.serve(Installation, Reply(), install)
