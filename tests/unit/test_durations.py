import json
import os
from pathlib import Path

import pytest

from notebook_ci.base.workspace import Workspace
from notebook_ci.notebooks.durations import CACHED, FILE, keep, known


def workspace(cwd: Path, environ: dict[str, str] | None = None) -> Workspace:
    return Workspace(cwd, environ or {})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / ".notebook-ci").mkdir()
    return tmp_path / ".notebook-ci" / FILE


def test_what_is_kept_is_known_the_next_time(tmp_path: Path) -> None:
    first = workspace(tmp_path)
    assert known(first) == {}
    keep({"a.ipynb": 1.5, "b@x=1.ipynb": 2.0}, first)
    second = workspace(tmp_path)
    assert known(second) == {"a.ipynb": 1.5, "b@x=1.ipynb": 2.0}
    keep({"a.ipynb": 3.0}, second)
    assert known(workspace(tmp_path)) == {"a.ipynb": 3.0, "b@x=1.ipynb": 2.0}
    assert (tmp_path / ".notebook-ci" / ".gitignore").read_text() == "*\n"


def test_a_runner_keeps_them_where_a_cache_brings_them(tmp_path: Path, file: Path) -> None:
    file.write_text('{"a.ipynb": 1.5}')
    on_runner = workspace(tmp_path, {"RUNNER_TEMP": str(tmp_path / "temp")})
    (tmp_path / "temp").mkdir()
    assert known(on_runner) == {}
    keep({"a.ipynb": 2.0}, on_runner)
    keep({"b.ipynb": 3.0}, on_runner)
    assert known(on_runner) == {"a.ipynb": 2.0, "b.ipynb": 3.0}
    assert (tmp_path / "temp" / CACHED / FILE).exists()
    assert file.read_text() == '{"a.ipynb": 1.5}'


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", {}),
        (b"[1, 2]", {}),
        (b"5", {}),
        (b"null", {}),
        (b"text", {}),
        (b'{"a": "text", "b": 2}', {"b": 2.0}),
        (b'{"a": null, "b": [1], "c": {"d": 1}, "e": 1.5}', {"e": 1.5}),
        (b'{"a": NaN, "b": Infinity, "c": -Infinity, "d": 1}', {"d": 1.0}),
        (b"\xff\xfe", {}),
        (b"{" * 100_000, {}),
        (b"[" * 100_000, {}),
        (b'{"a": 1e999, "b": 1}', {"b": 1.0}),
        (b'{"a": -1, "b": true, "c": 864001, "d": 0, "e": 864000}', {"d": 0.0, "e": 864000.0}),
    ],
    ids=lambda each: repr(each)[:30],
)
def test_what_is_in_the_file_does_no_harm(
    tmp_path: Path, file: Path, content: bytes, expected: dict[str, float]
) -> None:
    file.write_bytes(content)
    found = workspace(tmp_path)
    assert known(found) == expected
    keep({"z": 1.0}, found)
    assert known(workspace(tmp_path)) == {**expected, "z": 1.0}


@pytest.mark.parametrize("number", ["1" + "0" * 400, "1" * 5000])
def test_numbers_beyond_all_measure_do_no_harm(tmp_path: Path, file: Path, number: str) -> None:
    file.write_text(f'{{"a": {number}, "b": 1}}')
    assert "a" not in known(workspace(tmp_path))


def test_a_link_a_pipe_or_a_folder_in_the_place_of_the_file(tmp_path: Path, file: Path) -> None:
    elsewhere = tmp_path / "elsewhere.json"
    elsewhere.write_text('{"a": 1}')
    file.symlink_to(elsewhere)
    keep({"b": 2.0}, workspace(tmp_path))
    assert elsewhere.read_text() == '{"a": 1}', "what the link leads to is not written over"
    assert not file.is_symlink()
    file.unlink()
    os.mkfifo(file)
    assert known(workspace(tmp_path)) == {}, "nobody waits for a pipe"
    file.unlink()
    file.mkdir()
    found = workspace(tmp_path)
    assert known(found) == {}
    keep({"b": 2.0}, found)
    assert file.is_dir()


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / ".notebook-ci").write_text("mine")
    found = workspace(tmp_path)
    assert known(found) == {}
    keep({"a": 1.0}, found)
    assert (tmp_path / ".notebook-ci").read_text() == "mine"


def test_it_is_written_whole_or_not_at_all(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text('{"a": 1.5}')
    seen = []

    def replace(source: str, _: Path) -> None:
        seen.append(json.loads(Path(source).read_text()))
        raise OSError("no space")

    monkeypatch.setattr(os, "replace", replace)
    keep({"b": 2.0}, workspace(tmp_path))
    assert seen == [{"a": 1.5, "b": 2.0}], "the new file is whole before it takes the place of the old"
    assert file.read_text() == '{"a": 1.5}'
    assert [path.name for path in file.parent.iterdir() if path.name.startswith(f".{FILE}")] == [], "nothing is left"
