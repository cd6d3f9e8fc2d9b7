"""The locks: what each .in asks for, with a wheel for every supported platform and Python, and no index named."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from dev import lock as locking
from notebook_ci.base import indexes

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = ROOT / "requirements"
NAMES = sorted(path.stem for path in REQUIREMENTS.glob("*.in"))
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
UNIX = ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu", "aarch64-apple-darwin")
# What only developers of the suite use runs on fewer platforms.
PLATFORMS = {
    name: UNIX
    if name in {"bench", "bench-real", "dev", "go", "gx-0.18", "mutants"}
    else (*UNIX, "x86_64-pc-windows-msvc")
    for name in NAMES
}
SOURCE_ONLY = """\
antlr4-python3-runtime==4.9.3 --hash=sha256:f224469b4168294902bb1efa80a8bf7855f24c99aef99cbefc1bcd3cce77881b
"""


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment for uv: the index of whoever runs this, and a cache of its own."""
    settings = indexes.read(os.environ, ROOT).for_uv()
    return indexes.without_settings(os.environ) | settings | {"UV_CACHE_DIR": str(tmp_path_factory.mktemp("uv"))}


@pytest.fixture(scope="module")
def uv() -> Path:
    """The uv of the environment that runs the tests, which the locks pin."""
    return Path(sys.executable).with_name("uv")


def resolve(uv: Path, lock: Path, platform: str, python: str, environ: dict[str, str]) -> str:
    """Return what stands against installing a lock from wheels on a platform; nothing if nothing does."""
    command: list[str | Path] = [uv, "pip", "install", "--dry-run", "--require-hashes", "--no-deps"]
    command += ["--only-binary", ":all:"]
    command += ["--python-platform", platform, "--python-version", python, "--python", sys.executable]
    command += ["--target", f"{environ['UV_CACHE_DIR']}-target", "-r", lock]
    # What the index has answered these tests before need not be asked again.
    for more in (["--offline"], []):
        done = subprocess.run([*command, *more], env=environ, capture_output=True, text=True, check=False)
        if not done.returncode:
            return ""
    return str(done.stderr)


@pytest.mark.parametrize(("name", "platform"), [(name, platform) for name in NAMES for platform in PLATFORMS[name]])
def test_every_package_has_a_wheel(uv: Path, environ: dict[str, str], name: str, platform: str) -> None:
    for python in PYTHONS:
        assert not resolve(uv, REQUIREMENTS / f"{name}.txt", platform, python, environ)


def test_a_package_without_wheels_is_found_out(uv: Path, environ: dict[str, str], tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text(SOURCE_ONLY)
    assert "has no usable wheels" in resolve(uv, lock, UNIX[0], "3.12", environ)


def test_a_package_without_a_hash_is_found_out(uv: Path, environ: dict[str, str], tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("packaging==26.0\n")
    assert "--require-hashes" in resolve(uv, lock, UNIX[0], "3.12", environ)


@pytest.mark.parametrize("name", NAMES)
def test_a_lock_is_what_compiling_gives(uv: Path, environ: dict[str, str], name: str) -> None:
    assert locking.is_fresh(uv, REQUIREMENTS / f"{name}.in", environ), (
        f"requirements/{name}.txt is stale: run `make lock`"
    )


@pytest.mark.parametrize("change", ["another request", "wrong hash", "missing hash", "no lock"])
def test_a_stale_lock_is_found_out(uv: Path, environ: dict[str, str], tmp_path: Path, change: str) -> None:
    source, lock = tmp_path / "setup-env.in", tmp_path / "setup-env.txt"
    asked, locked = ((REQUIREMENTS / path.name).read_text() for path in (source, lock))
    source.write_text(asked + ("idna\n" if change == "another request" else ""))
    if change == "wrong hash":
        locked = re.sub(r"sha256:[0-9a-f]{64}", "sha256:" + "0" * 64, locked, count=1)
    elif change == "missing hash":
        locked = re.sub(r" \\\n    --hash=\S+", "", locked, count=1)
    if change != "no lock":
        lock.write_text(locked)
    assert not locking.is_fresh(uv, source, environ)


def test_other_settings_of_the_developer_do_not_reach_a_lock(uv: Path, environ: dict[str, str]) -> None:
    hostile = {"UV_EXCLUDE_NEWER": "2000-01-01", "UV_RESOLUTION": "lowest", "UV_EMIT_INDEX_URL": "1"}
    assert locking.is_fresh(uv, REQUIREMENTS / "setup-env.in", environ | hostile)


@pytest.mark.parametrize("path", sorted(REQUIREMENTS.iterdir()), ids=lambda path: path.name)
def test_no_file_names_an_index(path: Path) -> None:
    assert not names_of_hosts(path.read_text())


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("setup_env/locks/*/*")), ids=lambda path: path.name)
def test_no_lock_beside_the_tests_names_an_index(path: Path) -> None:
    assert "://" not in path.read_text()


def test_a_named_index_is_found_out() -> None:
    assert names_of_hosts("--index-url https://packages/simple\nuv==1\n")
    assert names_of_hosts("# from mirror.example.org\n")


def names_of_hosts(text: str) -> list[str]:
    return re.findall(r"://\S+|^-\S+|\b[\w-]+\.(?:org|com|net|io|dev)\b", text, re.MULTILINE)


def test_each_lock_has_its_request_and_each_request_its_lock() -> None:
    assert sorted(path.stem for path in REQUIREMENTS.glob("*.txt")) == NAMES


def test_mlflow_can_show_what_log_run_writes() -> None:
    """Another version has another schema of the database."""
    locks = [(REQUIREMENTS / f"mlflow-{name}.txt").read_text() for name in ("thin", "full")]
    assert len({line for lock in locks for line in re.findall(r"^mlflow-skinny==\S+", lock, re.MULTILINE)}) == 1


def test_one_version_of_uv_is_pinned() -> None:
    pins = {line for path in REQUIREMENTS.iterdir() for line in re.findall(r"^uv\b\S*", path.read_text(), re.MULTILINE)}
    assert len(pins) == 1
    assert next(iter(pins)).startswith("uv==")
