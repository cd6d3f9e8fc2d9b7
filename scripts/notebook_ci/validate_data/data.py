"""Reads data by suffix, and only if its content is what the suffix says. The only module that uses pandas' readers."""

import errno
import gzip
import re
import warnings
import zlib
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from notebook_ci.base.errors import CheckFailed, InputError
from notebook_ci.base.files import is_folder, open_regular
from notebook_ci.base.texts import quote

if TYPE_CHECKING:
    import pandas as pd

COMPRESSED = ".gz"
DELIMITERS = {".csv": ",", ".tsv": "\t"}
SEPARATORS = {";": "semicolons", "\t": "tabs", ",": "commas", "|": "vertical bars"}
JSON_LINES = (".jsonl", ".ndjson")
PARQUET = ".parquet"
SUFFIXES = (*DELIMITERS, ".json", *JSON_LINES, PARQUET)
ACCEPTED = f"Use {', '.join(f'`{each}`' for each in SUFFIXES)}; all except `{PARQUET}` also with `{COMPRESSED}`."
HINT_OF_DVC = "If DVC tracks it, run dvc-pull first. The `.dvc` file or `dvc.lock` that names it must be committed."
HEAD_BYTES = 4096
# Python's message if there is no memory for one of the threads in which pandas (3.1) reads large CSV files.
NO_THREAD = "can't start new thread"
PARQUET_MAGIC = b"PAR1"
GZIP_MAGIC = b"\x1f\x8b"
LFS_POINTER = b"version https://git-lfs.github.com/"
# First bytes of files, from the specifications of the formats.
MAGIC = {
    # With the byte that follows in such a file, because text could begin with the letters alone.
    b"PAR1\x15": "a Parquet file",
    GZIP_MAGIC: "gzip data",
    b"\x89PNG\r\n\x1a\n": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"%PDF-": "a PDF document",
    b"PK\x03\x04": "a ZIP archive (an Excel workbook is one, too)",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"SQLite format 3\0": "an SQLite database",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file",
    b"ARROW1\0": "an Arrow (Feather) file",
    b"BZh91AY&SY": "bzip2 data",
    b"\xfd7zXZ\0": "xz data",
    b"\x28\xb5\x2f\xfd": "Zstandard data",
    b"\x80\x04\x95": "a pickle",
    b"\x80\x05\x95": "a pickle",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
}
# A date, or a time with its separator and zone.
ISO_DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:([T ])[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?)?"
)
# Kinds of numpy's types: booleans, numbers and times. All others can contain text: `str`, categories, `object`.
NOT_TEXT = "biufcmM"
HTML = (b"<!doctype html", b"<html")


def suffix(name: str) -> str:
    """Return the suffix that decides how a file is read, e.g. `.csv`. Raises InputError if it is unknown."""
    plain = name.lower().removesuffix(COMPRESSED)
    found = next((each for each in SUFFIXES if plain.endswith(each)), "")
    if not found or (found == PARQUET and plain != name.lower()):
        raise InputError(f"Unknown file type: {quote(name)}.", hint=ACCEPTED, file=name)
    return found


def check_file(path: Path, shown: str) -> None:
    """Check, without reading it, that a file exists, is a regular file, and has a known suffix. Raises InputError."""
    try:
        open_regular(path, shown).close()
    except InputError as error:
        if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
            in_dvc = any((folder / ".dvc").is_dir() for folder in path.parents)
            error.hint = HINT_OF_DVC if in_dvc else "Paths are relative to the workspace."
            if path.with_name(f"{path.name}.dvc").is_file():
                error.hint = "DVC tracks it: run dvc-pull first."
        elif is_folder(path):
            error.hint = "Write file names, or a glob such as `data/*.csv`."
        raise
    suffix(shown)


def read(path: Path, shown: str) -> "pd.DataFrame":
    """Read data with pandas' defaults, which decide types and what counts as missing.

    In addition, a row with more fields than the header is an error: if all rows have more, pandas (3.1) would use the
    first column as labels and shift the others. `check_file` must have accepted the file before. Raises CheckFailed if
    it is empty, broken, or not what its suffix says; MemoryError if it does not fit into memory.
    """
    kind = suffix(shown)
    try:
        _check_head(path, shown, kind)
        frame = _frame(path, kind)
    except UnicodeDecodeError as error:
        raise CheckFailed(
            f"`{shown}` is not UTF-8 text: {error.reason}.", hint="Save it as UTF-8.", file=shown
        ) from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise CheckFailed(f"`{shown}` is not a complete gzip file: {_reason(error, path)}.", file=shown) from error
    except (ValueError, TypeError, OSError, ArithmeticError, RuntimeError, Warning) as error:
        if NO_THREAD in str(error) or getattr(error, "errno", None) == errno.ENOMEM:
            raise MemoryError from error
        # What pandas and pyarrow raise for broken content; `ParserError` and `ArrowInvalid` are ValueErrors.
        raise CheckFailed(f"`{shown}` cannot be read as {kind[1:]}: {_reason(error, path)}.", file=shown) from error
    if kind in DELIMITERS:
        _refuse_other_separator([str(name) for name in frame.columns], kind, shown)
        _refuse_repeated_names(path, kind, shown)
    return frame


def with_objects(frame: "pd.DataFrame", columns: Collection[str]) -> "pd.DataFrame":
    """Return the data with text of these columns as `object`, as pandas 2 read it. Raises MemoryError."""
    text = [name for name, kind in frame.dtypes.items() if name in columns and kind == "str"]
    return frame.astype(dict.fromkeys(text, object))


def unordered(frame: "pd.DataFrame", columns: Collection[str]) -> Collection[Any]:
    """Return the columns with text whose order as text may not be its order in time.

    Great Expectations (1.24) looks for the first text of a column, and compares it as a date.
    """
    found = []
    for name, kind in frame.dtypes.items():
        if name in columns and kind.kind not in NOT_TEXT:
            texts = [each for each in frame[name] if isinstance(each, str)]
            categories = getattr(kind, "categories", None)  # their order decides, not that of their text
            has_own_order = categories is not None and not categories.is_monotonic_increasing
            if texts and (has_own_order or not sorts_by_time(texts)):
                found.append(name)
    return found


def sorts_by_time(texts: Iterable[str]) -> bool:
    """Return whether all texts are ISO dates, or times, of one form: with one separator, length and zone."""
    forms = set(map(_form_of_date, texts))
    return len(forms) == 1 and None not in forms


def _form_of_date(text: str) -> tuple[object, ...] | None:
    found = ISO_DATE.fullmatch(text)
    return (len(text), *found.groups()) if found else None


def _frame(path: Path, kind: str) -> "pd.DataFrame":
    import pandas as pd
    from pandas.errors import ParserWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they quote data
        warnings.simplefilter("error", ParserWarning)  # the one that means lost data
        if kind == PARQUET:
            return pd.read_parquet(path, engine="pyarrow")
        if kind in DELIMITERS:
            return pd.read_csv(path, sep=DELIMITERS[kind], index_col=False)
        return pd.read_json(path, lines=kind in JSON_LINES)


def _refuse_other_separator(columns: Sequence[str], kind: str, shown: str) -> None:
    """Refuse a file with the wrong separator: it has a single column whose name contains another separator."""
    used = [each for each in SEPARATORS if each != DELIMITERS[kind] and each in columns[0]]
    if len(columns) > 1 or not used:
        return
    usual = SEPARATORS[DELIMITERS[kind]]
    message = f"`{shown}` is separated by {SEPARATORS[used[0]]}, but `{kind}` is read as separated by {usual}."
    raise CheckFailed(message, hint=f"Save it with {usual}, or rename it.", file=shown)


def _refuse_repeated_names(path: Path, kind: str, shown: str) -> None:
    """Refuse two columns of one name: pandas renames the second one, and no expectation would check it."""
    import pandas as pd

    names = pd.read_csv(path, sep=DELIMITERS[kind], header=None, nrows=1, dtype=str, index_col=False).iloc[0].dropna()
    if repeated := list(names[names.duplicated()].unique()):
        message = f"`{shown}` has several columns with the name {quote(repeated[0])}."
        raise CheckFailed(message, hint="Give each column its own name.", file=shown, line=1)


def _check_head(path: Path, shown: str, kind: str) -> None:
    """Raise CheckFailed if the first bytes of a file belong to another format; OSError if they cannot be read."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if head and shown.lower().endswith(COMPRESSED) and head.startswith(GZIP_MAGIC):
        with gzip.open(path) as content:
            head = content.read(HEAD_BYTES)
    if not head.strip():
        raise CheckFailed(f"`{shown}` is empty.", hint="Check the step that writes it.", file=shown)
    if head.startswith(LFS_POINTER):
        raise CheckFailed(
            f"`{shown}` is a Git LFS pointer, not the data.", hint="Set `lfs: true` of actions/checkout.", file=shown
        )
    is_parquet = kind == PARQUET and head.startswith(PARQUET_MAGIC)
    if not is_parquet and (what := _other_format(head, kind)):
        message = f"`{shown}` is not {kind[1:]}, as its suffix says, but {what}."
        raise CheckFailed(message, hint="Rename it, or save it in the other format.", file=shown)


def _other_format(head: bytes, kind: str) -> str:
    """Return what a file is by its first bytes; empty if it can be text of the right kind."""
    if found := next((what for magic, what in MAGIC.items() if head.startswith(magic)), ""):
        return found
    if kind == PARQUET:
        return "something else" if b"\0" in head else "text"
    head = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if head[: len(HTML[0])].lower().startswith(HTML):
        return "an HTML page (a login page?)"
    if b"\0" in head:
        return "not text"
    if kind not in DELIMITERS:
        return "" if head[:1] in {b"{", b"["} else "not JSON rows or columns"
    return "JSON" if head[:1] == b"{" or head[:2] in {b"[{", b"[\n", b"[]"} else ""


def _reason(error: Exception, path: Path) -> str:
    if isinstance(error, Warning):
        return "its rows have more fields than its header"
    text = " ".join(str(error).split()).rstrip(".")  # quoted below: it contains content of the file
    for known in ("Error tokenizing data. C error: ", f"Could not open Parquet input source '{path}': "):
        text = text.removeprefix(known)
    return quote(text) if text else type(error).__name__
