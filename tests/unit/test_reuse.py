"""What decides whether an environment is used again."""

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from notebook_ci.base import uv_settings
from notebook_ci.base.locks import Lock
from notebook_ci.setup_env import venv
from notebook_ci.setup_env.venv import Venv
from notebook_ci.tools.installing import COMPILE

OTHERS = {"UV_DEFAULT_INDEX": "https://u:s3cret@h/simple", "UV_CACHE_DIR": "/c", "UV_NO_CACHE": "1", "NO_BINARY": "x"}


@pytest.fixture
def environment(tmp_path: Path) -> Venv:
    """A finished one, with a package that has tests."""
    folder = tmp_path / "test" / "venv"
    for path in ("bin", "lib/python3/site-packages/x/tests/__pycache__"):
        (folder / path).mkdir(parents=True)
    (folder / "bin" / "python").symlink_to(sys.executable)
    (folder / "lib/python3/site-packages/x/code.py").touch()
    (folder / "lib/python3/site-packages/x/tests/__pycache__/of_the_wheel.pyc").touch()
    Venv(folder).finish("key", {}, {}, is_checked=False)
    return Venv(folder)


@pytest.mark.parametrize(
    ("written", "is_whole"),
    [("x/tests/__pycache__/a.pyc", True), ("x/tests/a.py", False), ("x/__pycache__/code.pyc", False)],
)
def test_byte_code_of_tests_is_no_change(environment: Venv, written: str, *, is_whole: bool) -> None:
    """Python writes it when a notebook imports a module there; all other code was compiled."""
    path = environment.path / "lib/python3/site-packages" / written
    path.parent.mkdir(exist_ok=True)
    path.touch()
    assert bool(environment.whole()) == is_whole
    assert path.exists() != is_whole, "it is not trusted"


def test_byte_compiling_runs_no_code_of_packages_and_leaves_out_their_tests(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "v"], check=True)
    [packages] = (tmp_path / "v").glob("lib/*/site-packages")
    (packages / "x.pth").write_text(f"import pathlib; pathlib.Path({str(tmp_path / 'ran')!r}).touch()\n")
    (packages / "x/tests").mkdir(parents=True)
    for name in ("x/code.py", "x/wrong.py", "x/tests/code.py"):
        (packages / name).write_text("" if "code" in name else "1 +")
    subprocess.run([tmp_path / "v/bin/python", *COMPILE], cwd=tmp_path / "v", check=True)
    assert [each.parts[-3] for each in packages.rglob("*.pyc")] == ["x"]
    assert not (tmp_path / "ran").exists()


def key(folder: Path) -> str:
    return venv.key(Lock(folder, folder / "requirements.txt", "hashed"), Path(sys.executable), "")


def test_another_c_library_is_another_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images of Debian and Alpine have the same Python at the same path."""
    (tmp_path / "requirements.txt").write_text("six==1.16.0 --hash=sha256:0\n")
    keys = [key(tmp_path)]
    for found in (("glibc", "1.0"), ("", "")):
        monkeypatch.setattr(platform, "libc_ver", lambda found=found: found)
        keys.append(key(tmp_path))
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("variables", "files", "expected"),
    [
        (OTHERS, {}, []),
        ({**OTHERS, "UV_NO_BINARY_PACKAGE": "h5py", "UV_NO_DEV": "1"}, {}, ["NO_BINARY_PACKAGE=h5py", "NO_DEV=1"]),
        ({}, {"uv.toml": 'no-binary-package = ["h5py"]\nindex-url = "https://h"'}, ["NO_BINARY_PACKAGE=['h5py']"]),
        ({}, {"pyproject.toml": "[tool.uv.pip]\nno-binary = true\nno-index = true"}, ["NO_BINARY=True"]),
        ({"UV_NO_CONFIG": "1"}, {"uv.toml": "no-binary = true"}, []),
    ],
)
def test_settings_of_uv_that_no_resolution_shows(
    tmp_path: Path, variables: dict[str, str], files: dict[str, str], expected: list[str]
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    environ = {"HOME": str(tmp_path / "home"), **variables}
    found = uv_settings.of_installations(environ, tmp_path, "linux", tmp_path / "root")
    assert found == expected
    assert "s3cret" not in json.dumps(found)
