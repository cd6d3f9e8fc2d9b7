"""Reads data by its format, and only if its content is of that format. The only module that uses pandas' readers."""

import csv
import errno
import gzip
import lzma
import re
import warnings
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from notebook_ci.base.errors import CheckFailed, InputError
from notebook_ci.base.files import is_folder, open_regular
from notebook_ci.base.texts import did_you_mean, listed, quote
from notebook_ci.validate_data import databases, delimited
from notebook_ci.validate_data.doubts import Table
from notebook_ci.validate_data.formats import COMPRESSED, MOST_LISTED, File, is_dataset
from notebook_ci.validate_data.options import Options

if TYPE_CHECKING:
    import pandas as pd

HINT_OF_DVC = "If DVC tracks it, run dvc-pull first. The `.dvc` file or `dvc.lock` that names it must be committed."
# Python's message if there is no memory for one of the threads in which pandas (3.1) reads large CSV files.
NO_THREAD = "can't start new thread"
# Signs that numbers can have between thousands, if the option says so.
ALIKE = {" ": " \u00a0\u202f", "'": "'’"}  # noqa: RUF001 - intended


def check_file(path: Path, shown: str, options: Options) -> None:
    """Check, without reading it, that data exists and is a regular file of a known format. Raises InputError.

    A folder that is one data set is accepted, too. The options must be those of the format.
    """
    try:
        if not is_dataset(path):
            open_regular(path, shown).close()
    except InputError as error:
        if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
            in_dvc = any((folder / ".dvc").is_dir() for folder in path.parents)
            error.hint = HINT_OF_DVC if in_dvc else "Paths are relative to the workspace."
            if any(each.with_name(f"{each.name}.dvc").is_file() for each in (path, *path.parents) if each.name):
                error.hint = "DVC tracks it: run dvc-pull first."
        raise
    File.of(path, shown, options)


def read(path: Path, shown: str, options: Options) -> Table:
    """Read data with pandas' defaults, which decide types and what counts as missing, or as the options say.

    `check_file` must have accepted the file before. Raises CheckFailed if it is empty, broken, or not what its suffix
    says; MemoryError if it does not fit into memory.
    """
    file = File.of(path, shown, options)
    try:
        table = _table(file)
        _convert_numbers(table, file)
        _convert_dates(table.frame, file)
        return replace(table, text=frozenset(options.text))  # without what is cached of its columns
    except UnicodeDecodeError as error:
        if options.encoding or error.encoding != "utf-8":
            message = f"`{shown}` is not text in {quote(error.encoding)}: {error.reason}."
            raise CheckFailed(message, hint="Correct `encoding` in `read`, or the file.", file=shown) from error
        raise delimited.not_utf_8(file) from error
    except (gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        what = f"a complete {COMPRESSED[file.packed]} file" if file.packed else f"complete {file.kind}"
        raise CheckFailed(f"`{shown}` is not {what}: {_reason(error, path)}.", file=shown) from error
    except (ValueError, TypeError, OSError, ArithmeticError, RuntimeError, csv.Error, Warning) as error:
        if NO_THREAD in str(error) or getattr(error, "errno", None) == errno.ENOMEM:
            raise MemoryError from error
        # What pandas and pyarrow raise for broken content; `ParserError` and `ArrowInvalid` are ValueErrors.
        is_ragged = file.kind in delimited.USUAL and (isinstance(error, Warning) or "Expected" in str(error))
        hint = "Correct it, or say how it is written: `read: {sep: ..., header: ...}`." if is_ragged else ""
        message = f"`{shown}` cannot be read as {file.kind}: {_reason(error, path)}."
        raise CheckFailed(message, hint=hint, file=shown) from error


def with_objects(frame: "pd.DataFrame", columns: Collection[str]) -> "pd.DataFrame":
    """Return the data with text of these columns as `object`, as pandas 2 read it. Raises MemoryError."""
    text = [name for name, kind in frame.dtypes.items() if name in columns and kind == "str"]
    return frame.astype(dict.fromkeys(text, object))


def _table(file: File) -> Table:
    import pandas as pd
    from pandas.errors import ParserWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they quote data
        warnings.simplefilter("error", ParserWarning)  # the one that means lost data
        head = file.head()
        match file.kind:
            case "parquet":
                return Table(_parts(file) if is_folder(file.path) else pd.read_parquet(file.path, engine="pyarrow"))
            case "arrow":
                return Table(pd.read_feather(file.path))
            case "excel":
                return Table(_sheet(file))
            case "database":
                return Table(databases.read(file, is_sqlite=head.startswith(b"SQLite")))
        encoding, notes = delimited.encoding_of(head, file.options)
        delimited.refuse_wrong_encoding(file, encoding)
        if file.kind in delimited.USUAL:
            frame, more, either = delimited.read(file, encoding)
            return Table(frame, (*notes, *more), frozenset(either))
        with file.open() as content:
            # With types, pandas (3.1) would read the text `1.234` as a number, and `01.02.2024` as January 2.
            frame = pd.read_json(content, lines=file.kind == "jsonl", encoding=encoding, dtype=False)
            return Table(frame, tuple(notes))


def _sheet(file: File) -> "pd.DataFrame":
    """Return a sheet of a workbook, or the only one. Formulas have the values that were saved with them."""
    import pandas as pd
    from python_calamine import CalamineError

    try:
        with pd.ExcelFile(file.path, engine="calamine") as book:
            sheet = file.chosen(list(map(str, book.sheet_names)), "sheet", file.options.sheet)
            head = book.parse(sheet, header=None, nrows=(file.options.header or 0) + 1, dtype=object)
            rows = head.fillna("").astype(str).to_numpy().tolist()
            delimited.refuse_names(rows[file.options.header or 0 :], file)
            # Without types, pandas (3.1) would read text such as `1.234` or `01067` in a cell as a number.
            types: dict[str, type] = defaultdict(lambda: object, dict.fromkeys(file.options.text, str))
            return book.parse(sheet, dtype=types, **file.options.of_table()).infer_objects().rename(columns=str)
    except CalamineError as error:
        raise ValueError(str(error)) from error


def _parts(file: File) -> "pd.DataFrame":
    """Return the data of a folder of Parquet, with the columns that are in the names of its folders.

    Raises CheckFailed for different columns: pyarrow (26) takes those of the first file, and drops others.
    """
    import pyarrow.dataset as ds

    dataset = ds.dataset(file.path, format="parquet", partitioning="hive")
    parts = list(dataset.get_fragments())
    for part in parts[1:]:
        if not part.physical_schema.equals(parts[0].physical_schema):
            names = " and ".join(quote(Path(each.path).relative_to(file.path).as_posix()) for each in (parts[0], part))
            message = f"The files {names} of `{file.shown}` have different columns or types."
            raise CheckFailed(message, hint="Write them with one schema.", file=file.shown)
    return dataset.to_table().to_pandas()


def _convert_numbers(table: Table, file: File) -> None:
    """Convert columns of text whose values are all numbers as the options write them.

    pandas (3.1) itself removes `thousands` anywhere: it reads `31.01.2024` as 31012024, and `12.3` as 123.
    """
    import pandas as pd

    options = file.options
    if not options.thousands and not (options.decimal and file.kind not in delimited.USUAL):
        return
    decimal, thousands = re.escape(options.decimal or "."), f"[{ALIKE.get(options.thousands, options.thousands)}]"
    groups = rf"[0-9]{{1,3}}(?:{thousands}[0-9]{{3}})+|" if options.thousands else ""
    number = rf"[+-]?(?:{groups}0|[1-9][0-9]*)(?:{decimal}[0-9]+)?"  # not postal codes such as `01067`
    for name in table.text_columns.keys() - {*options.text, *options.dates}:
        present = (texts := table.text_columns[name]).dropna()
        if not len(present) or not all(isinstance(each, str) for each in present):
            continue
        if present.str.fullmatch(number).all():
            plain = texts.str.replace(thousands, "", regex=True) if options.thousands else texts
            table.frame[name] = pd.to_numeric(plain.str.replace(options.decimal or ".", ".", regex=False))


def _convert_dates(frame: "pd.DataFrame", file: File) -> None:
    """Convert columns to dates. Raises CheckFailed for a column that does not exist, or a value that is not a date."""
    import pandas as pd

    shown, options, names = file.shown, file.options, [str(name) for name in frame.columns]
    for name in (*options.dates, *options.text):
        if name not in names:
            hint = f"{did_you_mean(names, name)} Its columns: {listed(names, MOST_LISTED)}."
            raise CheckFailed(f"`{shown}` has no column {quote(name)}, which `read` names.", hint=hint, file=shown)
    for name, form in options.dates.items():
        values = frame[name]
        if values.dtype.kind == "M":
            continue
        texts = values.convert_dtypes().map(str, na_action="ignore")  # with missing ones, whole numbers are `float64`
        dates = pd.to_datetime(texts, format=form or "ISO8601", errors="coerce")
        wrong = (dates.isna() & texts.notna()).to_numpy()
        if wrong.any():
            row, said = int(wrong.argmax()), quote(form) if form else "in ISO 8601"
            message = f"Row {row + 1} of `{shown}` has {quote(texts.iloc[row])} in {quote(name)}, not a date {said}."
            hint = f'Write the form of its dates: `read: {{dates: {{{name}: "%d.%m.%Y"}}}}`.'
            raise CheckFailed(message, hint=hint, file=shown)
        frame[name] = dates


def _reason(error: Exception, path: Path) -> str:
    if isinstance(error, Warning):
        return "its rows have more fields than its header"
    text = " ".join(str(error).split()).rstrip(".")  # quoted below: it contains content of the file
    for known in ("Error tokenizing data. C error: ", f"Could not open Parquet input source '{path}': "):
        text = text.removeprefix(known)
    return quote(text) if text else type(error).__name__
