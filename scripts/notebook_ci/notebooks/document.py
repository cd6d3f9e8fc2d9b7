"""Reads a notebook file, and explains plainly why one cannot be read.

The rules are those of notebook format 4 (nbformat's JSON schema), but only where a wrong value would change which code
runs. Everything else (outputs, unknown keys, missing metadata) is left to Jupyter.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from notebook_ci.base.errors import CheckFailed, SurroundingsError
from notebook_ci.base.files import read_bytes
from notebook_ci.base.json_walker import DuplicateKeyError, unique_keys
from notebook_ci.base.texts import command_line, quote
from notebook_ci.notebooks import positions, text_notebooks
from notebook_ci.notebooks.positions import CellPosition
from notebook_ci.notebooks.text_notebooks import Converted

INJECTED = "injected-parameters"  # papermill's tag of the cell that it adds
_SUPPORTED_FORMAT = 4
_RESTORE = "Restore it from git, or open and save it in Jupyter again."
_MOST_REASON = 300
_lost_tags = re.compile(r"\btags\s*[=:]")
_conflict_marker = re.compile(r"^(?:<{7}|>{7})(?: |\r?$)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Cell:
    index: int  # counted from 0
    kind: str  # `code`, `markdown` or `raw`
    source: str
    tags: frozenset[str]
    id: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    path: Path
    text: str = field(repr=False)  # the whole file, with its own line ends
    cells: tuple[Cell, ...]
    metadata: Mapping[str, Any]
    converted: Mapping[str, Any] | None = field(default=None, repr=False)  # a text notebook, as JSON
    positions: tuple[CellPosition, ...] = field(default=(), repr=False)  # of the cells of a text notebook

    def line(self, cell: int, line: int = 1) -> int:
        """Return the physical line, counted from 1, of a source line (from 1) of the cell with this index (from 0)."""
        return (self.positions or positions.scan(self.text))[cell].source_line(line)

    def output_line(self, cell: int, output: int) -> int:
        """Return the physical line, counted from 1, where a stored output begins."""
        return positions.scan(self.text)[cell].outputs[output]


class UnreadError(SurroundingsError):
    """A text notebook cannot be read without jupytext: only its tool environment has it."""


def read(path: Path, convert: Callable[[str, str], Converted] = text_notebooks.convert) -> Document:
    """Read a notebook. `convert` is for text notebooks.

    Raises InputError if the file does not exist or cannot be opened, CheckFailed (with the line if known) if it is not
    a notebook of format 4, and UnreadError.
    """
    return _Reader(path, convert).read()


def language(document: Document) -> str | None:
    """Return the language that the notebook names, in lower case (`python`)."""
    for section, key in (("kernelspec", "language"), ("language_info", "name")):
        if value := _text_in(document.metadata.get(section), key):
            return value.lower()
    return None


def is_python(document: Document) -> bool:
    """Whether the notebook names Python or no language."""
    return language(document) in (None, "python", "ipython")


def kernel_name(document: Document) -> str | None:
    return _text_in(document.metadata.get("kernelspec"), "name")


def kernel_language(metadata: Mapping[str, Any]) -> str | None:
    """Return the language of the kernel that executed a notebook last, in lower case; None if it does not say."""
    name = _text_in(metadata.get("language_info"), "name")
    return name.lower().replace("ipython", "python") if name else None


def python_version(document: Document) -> str | None:
    """Return the version of Python that a notebook was saved with (`3.8.10`); None if it does not name one."""
    version = _text_in(document.metadata.get("language_info"), "version")
    return version if version and is_python(document) and re.fullmatch(r"3\.\d+(\.\w+)*", version) else None


def image(document: Document) -> str | None:
    """Return the image or environment that the notebook was saved in, as Google's and other images write it."""
    section = document.metadata.get("environment")
    return _text_in(section, "uri") or _text_in(section, "name")


def container(document: Document) -> str | None:
    """Return the image that Google's Workbench recorded; other programs write what is not the name of an image."""
    section = document.metadata.get("environment")
    return _text_in(section, "uri") if _text_in(section, "type") == "gcloud" else None


def _text_in(section: object, key: str) -> str | None:
    value = section.get(key) if isinstance(section, dict) else None
    return value.strip() or None if isinstance(value, str) else None


class _Reader:
    """Reads one file; its methods share the path and the text for their error messages."""

    def __init__(self, path: Path, convert: Callable[[str, str], Converted]) -> None:
        self._path = path
        self._name = path.as_posix()
        self._is_text = path.suffix in text_notebooks.SUFFIXES
        self._text = ""
        self._convert = convert
        self._positions: tuple[CellPosition, ...] = ()

    def read(self) -> Document:
        hint = "Use the path of a notebook that is committed, or a pattern."
        most = text_notebooks.MOST_BYTES + 1 if self._is_text else -1
        self._text = self._decoded(read_bytes(self._path, self._name, hint=hint, most=most))
        content = self._converted() if self._is_text else self._content()
        self._check_version(content)
        metadata = content.get("metadata", {})
        if not isinstance(metadata, dict):
            raise self._error(f"has metadata that is {json_kind(metadata)}, not an object")
        converted = content if self._is_text else None
        return Document(self._path, self._text, self._cells(content), metadata, converted, self._positions)

    def _error(self, what: str, *, hint: str = _RESTORE, line: int | None = None) -> CheckFailed:
        return CheckFailed(f"`{self._name}` {what}.", hint=hint, file=self._path, line=line)

    def _decoded(self, data: bytes) -> str:
        if not data.strip():
            raise self._error("is empty")
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            raise self._error("is encoded in UTF-16", hint="Save it as UTF-8: notebooks are always UTF-8.")
        if len(data) > text_notebooks.MOST_BYTES and self._is_text:
            raise self._error("is larger than 1 MiB", hint="Split it, or save it as `.ipynb`.")
        if data.startswith(b"\xef\xbb\xbf") and not self._is_text:
            # nbformat 5.10 and Jupyter refuse it too ("Unexpected UTF-8 BOM"): the notebook would not open.
            what = "starts with a byte order mark (BOM), which Jupyter rejects"
            raise self._error(what, hint="Save it as UTF-8 without BOM.", line=1)
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            what = f"is not UTF-8 text: line {line} contains the byte 0x{data[error.start]:02x}"
            raise self._error(what, hint=f"Save it as UTF-8. {_RESTORE}", line=line) from None

    def _converted(self) -> dict[str, Any]:
        to_ipynb, suffix = command_line("jupytext --to ipynb {}", self._name), self._path.suffix
        if not text_notebooks.is_one(self._text, suffix):
            begin = text_notebooks.BEGINS[suffix]
            hint = f"Remove it from `notebooks`, begin its cells with {begin}, or convert it: {to_ipynb}."
            raise self._error("is not a notebook: it has no header of Jupyter and no cell markers", hint=hint, line=1)
        try:
            content, self._positions = self._convert(self._text, suffix)
        except ImportError as error:
            raise UnreadError(f"`{self._name}` cannot be read without jupytext.") from error
        except Exception as error:  # jupytext raises anything for a text that it does not expect
            what = f"cannot be read by jupytext: {type(error).__name__}: {' '.join(str(error).split())[:_MOST_REASON]}"
            hint = f"Correct its header or the metadata of its cells, or use an `.ipynb` file: {to_ipynb}."
            raise self._error(what, hint=hint) from error
        return content

    def _content(self) -> dict[str, Any]:
        try:
            content = json.loads(self._text, object_pairs_hook=unique_keys)
        except json.JSONDecodeError as error:
            raise self._not_json(error) from None
        except RecursionError:
            raise self._error("is nested too deeply to be a notebook") from None
        except DuplicateKeyError as error:
            raise self._error(
                f"has an object with the key {quote(str(error))} twice: only the last would count"
            ) from None
        except ValueError:
            # The default of sys.set_int_max_str_digits; Jupyter cannot read such a file either.
            raise self._error("contains an integer of more than 4300 digits") from None
        if not isinstance(content, dict):
            raise self._error(f"is not a notebook: its JSON is {json_kind(content)}, not an object", line=1)
        return content

    def _not_json(self, error: json.JSONDecodeError) -> CheckFailed:
        start = self._text.lstrip()[:200].lower()
        if start.startswith("version https://git-lfs"):
            hint = "Fetch the content: `git lfs pull`, or `lfs: true` of actions/checkout."
            return self._error("is a Git LFS pointer, not the notebook itself", hint=hint, line=1)
        if marker := _conflict_marker.search(self._text):
            line = self._text.count("\n", 0, marker.start()) + 1
            hint = "Resolve the conflict and commit the notebook (nbdime can help)."
            return self._error(f"has unresolved merge conflict markers (line {line})", hint=hint, line=line)
        if start.startswith("<"):
            hint = "Download the raw file: a notebook is JSON and starts with `{`."
            return self._error("is a web page (HTML or XML), not a notebook", hint=hint, line=1)
        what = f"is not valid JSON: {error.msg}, line {error.lineno}, column {error.colno}"
        return self._error(what, line=error.lineno)

    def _check_version(self, content: dict[str, Any]) -> None:
        if "nbformat" not in content:
            raise self._error("is not a notebook: it has no `nbformat`")
        major, minor = content["nbformat"], content.get("nbformat_minor", 0)
        if type(major) is not int or type(minor) is not int:  # `bool` is a subclass of `int`
            raise self._error("has an `nbformat` or `nbformat_minor` that is not a whole number")
        if major < _SUPPORTED_FORMAT:
            convert = command_line("jupyter nbconvert --to notebook --nbformat 4 --inplace {}", self._name)
            what = f"is in the old notebook format {major}; format {_SUPPORTED_FORMAT} is required"
            raise self._error(what, hint=f"Convert it: {convert}.")
        if major > _SUPPORTED_FORMAT:
            what = f"is in notebook format {major}; this notebook-ci supports format {_SUPPORTED_FORMAT}"
            raise self._error(what, hint=f"Save it in format {_SUPPORTED_FORMAT}, or use a newer notebook-ci.")

    def _cells(self, content: dict[str, Any]) -> tuple[Cell, ...]:
        if "cells" not in content:
            raise self._error("has no `cells`")
        if not isinstance(content["cells"], list):
            raise self._error(f"has `cells` that are {json_kind(content['cells'])}, not a list")
        return tuple(self._cell(index, value) for index, value in enumerate(content["cells"]))

    def _cell(self, index: int, value: object) -> Cell:
        if not isinstance(value, dict):
            raise self._cell_error(index, f"is {json_kind(value)}, not an object")
        kind = value.get("cell_type")
        if kind not in ("code", "markdown", "raw"):
            what = "has no `cell_type`" if kind is None else f"has the unknown `cell_type` {str(kind)[:40]!r}"
            raise self._cell_error(index, what)
        metadata = value.get("metadata", {})
        if not isinstance(metadata, dict):
            raise self._cell_error(index, f"has metadata that is {json_kind(metadata)}, not an object")
        tags = metadata.get("tags", [])
        if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
            raise self._cell_error(index, "has `tags` that are not a list of strings")
        if self._is_text and _lost_tags.search(str(metadata.get("incorrectly_encoded_metadata"))):
            line, hint = self._positions[index].line, 'Write names in quotes: `tags=["parameters"]`.'
            raise self._cell_error(index, "has tags that jupytext cannot read", hint=hint, line=line)
        name = value.get("id")
        return Cell(index, kind, self._source(index, value), frozenset(tags), name if isinstance(name, str) else "")

    def _source(self, index: int, cell: dict[str, Any]) -> str:
        source = cell.get("source")
        if isinstance(source, list) and all(isinstance(part, str) for part in source):
            source = "".join(source)
        if not isinstance(source, str):
            wrong = "has a `source` that is neither a string nor a list of strings"
            raise self._cell_error(index, wrong if "source" in cell else "has no `source`")
        try:
            source.encode()
        except UnicodeEncodeError as error:
            # Half of a surrogate pair (`\ud83d`): json accepts it, but it cannot be sent to a kernel or written to a
            # file.
            lines = positions.split_lines(source[: error.start])
            line = positions.scan(self._text)[index].source_line(len(lines))
            wrong = f"contains half a character (a lone surrogate, line {line})"
            raise self._cell_error(index, wrong, line=line) from None
        return source

    def _cell_error(self, index: int, what: str, *, hint: str = _RESTORE, line: int | None = None) -> CheckFailed:
        where = line or (self._positions or positions.scan(self._text))[index].source_line(1)
        return CheckFailed(f"Cell {index + 1} of `{self._name}` {what}.", hint=hint, file=self._path, line=where)


def json_kind(value: object) -> str:
    """Name the type of a JSON value for a message ("is a list, not an object")."""
    if value is None:
        return "null"
    names = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "an object"}
    return names[type(value)]
