"""The formats of data: what a suffix means, and what a file is by its first bytes."""

import bz2
import glob
import gzip
import lzma
import os
import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO, cast

from notebook_ci.base.errors import CheckFailed, InputError
from notebook_ci.base.files import is_folder
from notebook_ci.base.texts import did_you_mean, listed, quote
from notebook_ci.validate_data.options import Options

SUFFIXES = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".feather": "arrow",
    ".arrow": "arrow",
    **dict.fromkeys((".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"), "excel"),
    **dict.fromkeys((".duckdb", ".sqlite", ".sqlite3", ".db"), "database"),
}
TEXTS = ("csv", "tsv", "json", "jsonl")  # only these can be compressed as a whole
COMPRESSED = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "Zstandard", ".zip": "ZIP"}
ACCEPTED = (
    f"Use {', '.join(map(quote, SUFFIXES))}; text also with {', '.join(map(quote, COMPRESSED))}. "
    "Or say what it is: `read: {format: csv}`."
)
OPENERS: dict[str, Callable[..., object]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
HEAD_BYTES, MOST_LISTED = 4096, 10
LFS_POINTER = b"version https://git-lfs.github.com/"
# First bytes of files, from the specifications of the formats.
MAGIC = {
    # With the byte that follows in such a file, because text could begin with the letters alone.
    b"PAR1\x15": "a Parquet file",
    b"\x1f\x8b": "gzip data",
    b"\x89PNG\r\n\x1a\n": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"%PDF-": "a PDF document",
    b"PK\x03\x04": "a ZIP archive (an Excel workbook is one, too)",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"SQLite format 3\0": "an SQLite database",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"ARROW1\0": "an Arrow (Feather) file",
    b"\xff\xff\xff\xff": "a stream of Arrow, which can be cut without a trace",
    b"BZh91AY&SY": "bzip2 data",
    b"\xfd7zXZ\0": "xz data",
    b"\x28\xb5\x2f\xfd": "Zstandard data",
    b"\x80\x04\x95": "a pickle",
    b"\x80\x05\x95": "a pickle",
}
BINARY = {
    "parquet": (b"PAR1",),
    "arrow": (b"ARROW1\0",),
    "excel": (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"),
    "database": (b"SQLite format 3\0",),
}
DUCKDB = b"DUCK"  # after eight bytes
BLANK = b"\xef\xbb\xbf \t\r\n"
HTML = (b"<!doctype html", b"<html")
NO_TEXT, RENAME = "not text", "Rename it, or save it in the other format."
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
NOT_DATA = re.compile(r"(^|/)(__MACOSX/|\.DS_Store$)")  # what macOS adds to a ZIP archive


@dataclass(frozen=True)
class File:
    """A file of data, or a folder that is one data set."""

    path: Path
    shown: str  # its name, as the user knows it
    options: Options
    kind: str  # its format
    packed: str  # a suffix: how it is compressed; or nothing

    @classmethod
    def of(cls, path: Path, shown: str, options: Options) -> "File":
        """Raises InputError if the format is unknown, or does not have the options."""
        packed = next((each for each in COMPRESSED if shown.lower().endswith(each)), "")
        suffix = PurePath(shown.lower().removesuffix(packed)).suffix
        kind = "parquet" if is_folder(path) else options.format or SUFFIXES.get(suffix, "")
        if not kind or (packed and kind not in TEXTS):
            raise InputError(f"Unknown file type: {quote(shown)}.", hint=ACCEPTED, file=shown)
        options.check(kind, shown)
        return cls(path, shown, options, kind, packed)

    def open(self) -> IO[bytes]:
        """Open the content. If the file was cut, reading its end raises an error, whatever its compression."""
        if self.packed == ".zip":
            return self._only_member()
        if self.packed == ".zst":
            import pyarrow as pa

            return cast("IO[bytes]", pa.input_stream(self.path, compression="zstd"))
        return cast("IO[bytes]", OPENERS.get(self.packed, open)(self.path, "rb"))

    def _only_member(self) -> IO[bytes]:
        archive = zipfile.ZipFile(self.path)
        files = [name for name in archive.namelist() if not name.endswith("/") and not NOT_DATA.search(name)]
        if len(files) == 1:
            return archive.open(files[0])
        names = listed([quote(name) for name in files], MOST_LISTED) or "none"
        message = f"`{self.shown}` contains {len(files)} files, not one: {names}."
        raise CheckFailed(message, hint="Keep one file in the archive.", file=self.shown)

    def chosen(self, names: Sequence[str], what: str, name: str) -> str:
        """Return the named one of the file's sheets or tables, or the only one. Raises CheckFailed."""
        if name in names or (len(names) == 1 and not name):
            return name or names[0]
        there = f"no {what} {quote(name)}" if name else f"{len(names)} {what}s, not one"
        known = listed([quote(each) for each in names], MOST_LISTED) or "none"
        hint = did_you_mean(names, name) if name else f"Write one in `read: {{{what}: ...}}`."
        raise CheckFailed(f"`{self.shown}` has {there}.", hint=f"{hint} Known: {known}.", file=self.shown)

    def content(self) -> bytes:
        with self.open() as file:
            return file.read()

    def head(self) -> bytes:
        """Return the first bytes of the content.

        Raises CheckFailed if it is empty, or of another format; a library's error if it cannot be unpacked.
        """
        if is_folder(self.path):
            return b""
        with self.path.open("rb") as file:
            head = file.read(HEAD_BYTES)
        if head.startswith(LFS_POINTER):
            message = f"`{self.shown}` is a Git LFS pointer, not the data."
            raise CheckFailed(message, hint="Set `lfs: true` of actions/checkout.", file=self.shown)
        if self.packed and head.strip():
            with self.open() as content:
                head = content.read(HEAD_BYTES)
        if not head.strip():
            raise CheckFailed(f"`{self.shown}` is empty.", hint="Check the step that writes it.", file=self.shown)
        if what := _other_format(head, self.kind, self.options):
            says = "`read`" if self.options.format else "its suffix"
            message = f"`{self.shown}` is not {self.kind}, as {says} says, but {what}."
            hint = "If it is text in UTF-16: `read: {encoding: utf-16-le}`." if what == NO_TEXT else RENAME
            raise CheckFailed(message, hint=hint, file=self.shown)
        return head


def _other_format(head: bytes, kind: str, options: Options) -> str:
    """Return what a file is by its first bytes; empty if it can be of the right format."""
    if head.startswith(BINARY.get(kind, ())) or (kind == "database" and head[8:12] == DUCKDB):
        return ""
    begin = head.lstrip(BLANK)[: len(HTML[0])].lower()
    page = "an HTML page (a login page?)" if begin.startswith(HTML) else ""
    if found := next((what for magic, what in MAGIC.items() if head.startswith(magic)), page):
        return found
    if kind in BINARY:
        return "something else" if b"\0" in head else "text"
    letter = "a".encode(options.encoding) if options.encoding else b"\0" * head.startswith(UTF_16)
    if b"\0" in head or b"\0" in letter:  # letters of two bytes
        return "" if b"\0" in letter else NO_TEXT
    if kind in {"json", "jsonl"}:
        return "" if begin[:1] in {b"{", b"["} else "not JSON rows or columns"
    return "JSON" if begin[:1] == b"{" or begin[:2] in {b"[{", b"[\n", b"[]"} else ""


def is_dataset(path: Path) -> bool:
    """Return whether a path is a folder of Parquet that is one data set: by its name, or by parts like `year=2024`."""
    parts = glob.glob("*=*/", root_dir=path)  # noqa: PTH207 - unlike `Path.glob`, no errors for an unreadable folder
    return is_folder(path) and (path.suffix == ".parquet" or bool(parts))


def matches(pattern: str, cwd: Path) -> list[str]:
    """Return the data that matches a pattern, with `/`. A name that exists literally is not used as a glob.

    A folder stands for all files in it that are not hidden, unless it is one data set. A `.dvc` file stands for what it
    tracks, which may be missing: less data would be checked in silence.
    """
    if is_folder(cwd / pattern) and not is_dataset(cwd / pattern):
        pattern = f"{glob.escape(pattern)}/**"
    elif os.path.lexists(cwd / pattern) or not glob.has_magic(pattern):
        return [Path(pattern).as_posix()]
    names = {
        Path(path.removesuffix(".dvc")).as_posix()
        for each in (pattern, f"{pattern}.dvc")
        for path in glob.glob(each, root_dir=cwd, recursive=True)  # noqa: PTH207 - absolute patterns work, too
    }
    return sorted(name for name in names if not is_folder(cwd / name) or is_dataset(cwd / name))
