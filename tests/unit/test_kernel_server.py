"""What the server of kernels does that needs no kernel."""

import os
from pathlib import Path

import pytest

from kernel_server import server


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "real" / "file.py").touch()
    (tmp_path / "folder").symlink_to("real")
    (tmp_path / "real" / "link.py").symlink_to("deep")
    (tmp_path / "real" / "loop.py").symlink_to("loop.py")
    monkeypatch.chdir(tmp_path / "real")
    return tmp_path


@pytest.mark.parametrize(
    "path",
    [
        "{tree}/real/file.py", "{tree}/folder/file.py", "{tree}/folder/link.py", "{tree}/folder/link.py/../file.py",
        "{tree}/folder/missing.py", "{tree}/missing/file.py", "{tree}/real/loop.py", "{tree}/folder/..",
        "{tree}/folder/.", "{tree}/folder/", "{tree}//folder//file.py", "/file.py", "/", "file.py", "../folder/file.py",
        ".", "",
    ],
)  # fmt: skip
def test_a_real_path_is_what_python_says(tree: Path, path: str) -> None:
    given = path.format(tree=tree)
    for _ in range(2):  # the folder is known the second time
        assert server.real_path(given) == os.path.realpath(given)
