"""Fixtures of the tests of the launcher: an index with real wheels, and copies of the launcher, cold and warm."""

import os
import shutil
import stat
import subprocess
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from integration.index_server import IndexServer, digest, make_wheel, serve
from integration.launch.checkouts import BASE, ROOT, STAGE, VERSION, Checkout, Wheels
from servers.shared import made_once


def make_checkout(folder: Path, wheels: Wheels, environ: Mapping[str, str]) -> Checkout:
    """Copy the launcher to a folder with a blank and a letter beyond ASCII in its path.

    The cache is in a folder `tests`: in packages, code in a folder of that name is not compiled.
    """
    checkout = Checkout(folder / "check out ü", folder / "home", folder / "tests" / "cache ö", dict(environ))
    checkout.home.mkdir()
    checkout.cache.parent.mkdir()
    scripts = checkout.folder / "scripts"
    shutil.copytree(wheels.scripts, scripts, copy_function=os.link)
    (scripts / "demo.py").write_text(STAGE)
    locks = checkout.folder / "requirements"
    locks.mkdir()
    for name in ("uv.txt", "pipeline.txt"):
        shutil.copy(ROOT / "requirements" / name, locks)
    (locks / "demo.txt").write_text(locked("nbdemo", wheels.folder / "nbdemo-1.0-py3-none-any.whl"))
    return checkout


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Wheels:
    return made_once(tmp_path_factory, "wheels", _wheels)


def _wheels(scratch: Path) -> Wheels:
    folder, environment, scripts = scratch / "wheels", scratch / "pip", scratch / "scripts"
    lock = ROOT / "requirements" / "uv.txt"
    flags = ["--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:", "--dest", folder, "-r", lock]
    python = BASE / f"python{VERSION}"
    if subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode:
        # A Python of Debian has a pip in virtual environments alone.
        subprocess.run([python, "-m", "venv", environment], check=True)
        python = environment / "bin" / "python"
    subprocess.run([python, "-m", "pip", "download", *map(str, flags)], check=True)
    [real] = folder.glob("uv-*.whl")
    make_wheel(folder, "nbdemo")
    # Times are kept, by which Python knows whether byte-code is current.
    shutil.copytree(
        ROOT / "scripts" / "notebook_ci", scripts / "notebook_ci", ignore=shutil.ignore_patterns("_*_", ".*")
    )
    for name in ("launch.sh", "launch.py"):
        shutil.copy2(ROOT / "scripts" / name, scripts)
    modules = [scripts / "notebook_ci" / folder for folder in ("base", "tools")]  # those that create environments
    subprocess.run([BASE / f"python{VERSION}", "-m", "compileall", "-q", *modules], check=True)
    return Wheels(folder, locked("uv", _small(real, scratch / "uv")), scripts)


def _small(real: Path, folder: Path) -> Path:
    """Make a wheel of uv beside the real one, whose program becomes the real one. It takes pip no time to install."""
    with zipfile.ZipFile(real) as archive:
        [program] = [name for name in archive.namelist() if name.endswith(".data/scripts/uv")]
        archive.extract(program, folder)
    (folder / program).chmod(0o755)
    stem = program.partition(".data")[0]
    name, version = stem.split("-")
    wheel, info, script = real.with_name(f"{stem}-py3-none-any.whl"), f"{stem}.dist-info", zipfile.ZipInfo(program)
    script.external_attr = (stat.S_IFREG | 0o755) << 16
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(script, f"#!/bin/sh\nexec '{folder / program}' \"$@\"\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return wheel


def locked(name: str, wheel: Path) -> str:
    return f"{name}=={wheel.name.split('-')[1]} --hash=sha256:{digest(wheel)}\n"


@pytest.fixture
def index(wheels: Wheels) -> Iterator[IndexServer]:
    with serve(IndexServer(wheels.folder)) as server:
        yield server


@pytest.fixture
def bare(tmp_path: Path, wheels: Wheels) -> Checkout:
    """A checkout with nothing in its cache, that knows of no index but the public one. Its lock of uv is the small."""
    checkout = make_checkout(tmp_path, wheels, {})
    (checkout.folder / "requirements" / "uv.txt").write_text(wheels.small)
    return checkout


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory, wheels: Wheels) -> Checkout:
    """A checkout whose environments were made once."""
    return made_once(tmp_path_factory, "first", lambda folder: _first(folder, wheels))


def _first(folder: Path, wheels: Wheels) -> Checkout:
    with serve(IndexServer(wheels.folder)) as index:
        checkout = make_checkout(folder, wheels, {"UV_DEFAULT_INDEX": index.url()})
        done = checkout.launch("demo")
    assert done.code == 0, done.err
    return checkout


@pytest.fixture
def with_uv(tmp_path: Path, wheels: Wheels, first: Checkout) -> Checkout:
    """A checkout with uv's own environment alone: a link to one that was made from the real lock and wheel."""
    checkout = make_checkout(tmp_path, wheels, {})
    checkout.cache.mkdir()
    for path in first.cache.glob("uv-*"):
        (checkout.cache / path.name).symlink_to(path)
    return checkout
