import errno
import os
from pathlib import Path

import pytest

from notebook_ci.base import files
from notebook_ci.base.errors import InputError
from notebook_ci.base.files import read_text


def refused(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        read_text(path, "shown.toml", hint="Do this.")
    assert caught.value.file == "shown.toml"
    return caught.value


def test_text_is_read_without_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xef\xbb\xbfna\xc3\xafve\r\n")
    assert read_text(tmp_path / "a", "a") == "naïve\r\n"


def test_a_link_to_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x", encoding="utf-8")
    (tmp_path / "b").symlink_to("a")
    assert read_text(tmp_path / "b", "b") == "x"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    error = refused(tmp_path / "a")
    assert (error.message, error.hint) == ("`shown.toml` does not exist.", "Do this.")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert refused(tmp_path).message == "`shown.toml` is a folder."


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert refused(tmp_path / "pipe").message == "`shown.toml` is not a regular file."


def test_a_device_is_not_read_for_ever() -> None:
    assert refused(Path("/dev/zero")).message == "`shown.toml` is not a regular file."


def test_links_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("a")
    assert refused(tmp_path / "a").message.startswith("`shown.toml` cannot be read: ")


def test_a_name_with_a_nul_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path / "a\0b").message.startswith("`shown.toml` cannot be read: ")


def test_a_file_as_big_as_data_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as file:
        file.truncate(files.MOST_BYTES)
    assert len(read_text(tmp_path / "big", "big")) == files.MOST_BYTES
    with (tmp_path / "big").open("ab") as file:
        file.write(b"x")
    assert refused(tmp_path / "big").message == "`shown.toml` is larger than 32 MiB."


def test_what_is_no_utf8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\xe9")
    error = refused(tmp_path / "a")
    assert (error.message, error.hint) == ("`shown.toml` is not UTF-8 text.", "Save it as UTF-8.")


# --- What is written


def test_line_ends_are_written_as_they_are(tmp_path: Path) -> None:  # also on Windows
    files.write(tmp_path.resolve() / "a", "one\ntwo\r\n")
    assert (tmp_path / "a").read_bytes() == b"one\ntwo\r\n"


# --- What cannot be written


def failed(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.EEXIST, "Remove or rename what is in the way, or do that."),
        (errno.EACCES, "Get write permission there, or do that."),
        (errno.EROFS, "Make the disk writable, or do that."),
        (errno.ENAMETOOLONG, "Use a shorter name, or do that."),
        (errno.ENOSPC, "Free some disk space, or do that."),
        (errno.EDQUOT, "Free some disk space, or do that."),
        (errno.EPIPE, "Do that."),
    ],
)
def test_a_hint_fits_the_error(tmp_path: Path, number: int, hint: str) -> None:
    error = files.unwritable("It cannot be written", tmp_path / "a" / "b", failed(number), "do that")
    assert error.hint == hint
    assert error.exit_code == 3
    is_full = "space" in hint
    assert error.message.startswith(
        f"It cannot be written: {os.strerror(number)}{f' (`{tmp_path}` has ' if is_full else '.'}"
    )


def test_without_another_way_there_is_one_hint() -> None:
    assert files.unwritable("It", Path(), failed(errno.EIO)).hint == "Check the disk."


def test_a_disk_with_room_is_not_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not files.is_full(tmp_path)
    monkeypatch.setattr(files, "FULL_BYTES", 1 << 62)
    assert files.is_full(tmp_path)
