from datetime import UTC, datetime

import pytest

from notebook_ci.environments.uv import newest_upload

PYLOCK = """
lock-version = "1.0"
created-by = "uv"
[[packages]]
name = "numpy"
version = "1.23.5"
sdist = { url = "x", upload-time = 2022-11-20T00:00:00Z, hashes = { sha256 = "a" } }
wheels = [
  { url = "x", upload-time = 2022-11-20T01:02:03.456Z, hashes = { sha256 = "a" } },
  { url = "y", upload-time = 2022-11-19T23:00:00-05:00 },
]
[[packages]]
name = "pandas"
version = "1.5.3"
wheels = [{ url = "x" }]
"""


def test_the_newest_upload_of_all_files_is_found() -> None:
    assert newest_upload(PYLOCK) == datetime(2022, 11, 20, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    "pylock",
    [
        "",
        'lock-version = "1.0"\n[[packages]]\nname = "a"\nwheels = [{ url = "x" }]\n',
        'packages = [{ upload-time = "2022-11-20" }]',
    ],
)
def test_where_the_index_does_not_tell_there_is_none(pylock: str) -> None:
    assert newest_upload(pylock) is None
