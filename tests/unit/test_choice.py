"""What a person is told about the file that says what to install."""

from pathlib import Path

import pytest

from notebook_ci.base import locks
from notebook_ci.setup_env import choice


@pytest.mark.parametrize("text", ["six\n", "six==1.17.0\n"])
def test_a_list_without_hashes_is_told_the_command_for_the_root(tmp_path: Path, text: str) -> None:
    path = tmp_path / "binder" / "requirements.txt"
    path.parent.mkdir()
    path.write_text(text)
    [notice] = choice.not_fixed(locks.find("", tmp_path))
    assert notice.text == (
        "`binder/requirements.txt` does not fix all versions by hash: another day may bring other packages. To fix "
        "them, run `uv pip compile binder/requirements.txt --output-file pylock.toml`, and commit `pylock.toml`."
    )
