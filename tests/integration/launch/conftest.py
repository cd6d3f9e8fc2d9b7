"""Fixtures of the tests of the launcher: an index with real wheels, and copies of the launcher, cold and warm."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path

import pytest

from integration.index_server import IndexServer, digest, make_wheel, serve
from integration.launch.checkouts import BASE, ROOT, STAGE, VERSION, Checkout
from servers.shared import shared


def make_checkout(folder: Path, wheels: Path, environ: Mapping[str, str]) -> Checkout:
    """Copy the launcher to a folder with a blank and a letter beyond ASCII in its path.

    The cache is in a folder `tests`: in packages, code in a folder of that name is not compiled.
    """
    checkout = Checkout(folder / "check out ü", folder / "home", folder / "tests" / "cache ö", dict(environ))
    checkout.home.mkdir()
    scripts = checkout.folder / "scripts"
    shutil.copytree(
        ROOT / "scripts" / "notebook_ci", scripts / "notebook_ci", ignore=shutil.ignore_patterns("_*_", ".*")
    )
    for name in ("launch.sh", "launch.py"):
        shutil.copy(ROOT / "scripts" / name, scripts)
    (scripts / "demo.py").write_text(STAGE)
    locks = checkout.folder / "requirements"
    locks.mkdir()
    for name in ("uv.txt", "pipeline.txt"):
        shutil.copy(ROOT / "requirements" / name, locks)
    (locks / "demo.txt").write_text(f"nbdemo==1.0 --hash=sha256:{digest(wheels / 'nbdemo-1.0-py3-none-any.whl')}\n")
    return checkout


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the real wheel of uv and one of nbdemo."""
    with shared(tmp_path_factory, "wheels", lambda folder: nullcontext(_wheels(folder))) as made:
        yield made


def _wheels(scratch: Path) -> Path:
    folder, environment = scratch / "wheels", scratch / "pip"
    lock = ROOT / "requirements" / "uv.txt"
    flags = ["--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:", "--dest", folder, "-r", lock]
    # A Python of Debian has a pip in virtual environments alone.
    subprocess.run([BASE / f"python{VERSION}", "-m", "venv", environment], check=True)
    subprocess.run([environment / "bin" / "python", "-m", "pip", "download", *map(str, flags)], check=True)
    make_wheel(folder, "nbdemo")
    return folder


@pytest.fixture
def index(wheels: Path) -> Iterator[IndexServer]:
    with serve(IndexServer(wheels)) as server:
        yield server


@pytest.fixture
def bare(tmp_path: Path, wheels: Path) -> Checkout:
    """A checkout with nothing in its cache, that knows of no index but the public one."""
    return make_checkout(tmp_path, wheels, {})


@pytest.fixture(scope="session")
def first(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> Iterator[Checkout]:
    """A checkout whose environments were made once."""
    with shared(tmp_path_factory, "first", lambda folder: nullcontext(_first(folder, wheels))) as made:
        yield made


def _first(folder: Path, wheels: Path) -> Checkout:
    with serve(IndexServer(wheels)) as index:
        checkout = make_checkout(folder, wheels, {"UV_DEFAULT_INDEX": index.url()})
        done = checkout.launch("demo")
    assert done.code == 0, done.err
    return checkout


@pytest.fixture
def with_uv(bare: Checkout, first: Checkout) -> Checkout:
    """A checkout with uv's own environment alone: copied, which is quicker than making it."""
    for path in first.cache.glob("uv-*"):
        shutil.copytree(path, bare.cache / path.name)
    return bare
