"""Reads requirements files, in pip's format: their text, the files they include, and lines that uv refuses.

pip and uv resolve `-r` and `-c` from the folder of the file, but paths of packages from the current folder.
"""

import codecs
import contextlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from notebook_ci.base.errors import InputError
from notebook_ci.base.files import MOST_BYTES, decoded, read_bytes
from notebook_ci.base.project import normal_name

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# As uv (0.13) reads it: up to the end of the line or a comment, maybe in quotes.
_INCLUDE = re.compile(r"(?:-(?P<short>[rc])|--(?P<long>requirement|constraint)(?=[ \t=]))[ \t=]?(?P<path>[^#]*)")
_INCLUDES = re.compile(r"(?:^|\s)(?:-[rc]|--requirement|--constraint)")  # uv reads options after others, too
_QUOTED = re.compile(r"^([\"'])(.*)\1$")
_UNRESOLVED = re.compile(r"(?!file:///)[^/]*://|.*[$\"'\\]", re.IGNORECASE)  # a URL, a variable, other quoting
_COMMENT = re.compile(r"(?:^|\s)#.*")
# pip's "Local project installs" and "Requirement Specifiers": an editable one, a path, or a `file:` URL or path after
# `@`. A letter before a colon is a drive of Windows.
_LOCAL = re.compile(
    r"-e|--editable[ \t=]|[\"']?(?:file:|[./])|[^-\s#@:;][^\s#@:;]*/|"
    r"[\w.-]+[ \t]*(?:\[[^\]]*\][ \t]*)?@[ \t]*[\"']?(?!(?!file:)[a-z][\w+.-]+:)[^\s\"']",
    re.IGNORECASE,
)
_EDITABLE_GIT = re.compile(r"^[ \t]*(?:-e[ \t=]*|--editable[ \t=]+)(?=([\w.\[\],-]+[ \t]*@[ \t]*)?git\+)")
_GIT_PROTOCOL = re.compile(r"^([^#]*?\bgit\+)git(?=://)")  # unencrypted; GitHub closed it in 2022
# `name==1.0`, `name @ <URL>`, or only a URL.
_PIN = re.compile(
    r"[ \t]*(?:(?P<name>[\w.-]+)[ \t]*(?:\[[^\]]*\][ \t]*)?(?:@|={2,3}[ \t]*[^\s*,;#]+[ \t]*(?:$|[;#]))|[a-z][a-z+]*://)"
)
_LINE_END = re.compile(r"\r\n|\r|\n")
_OPTION = re.compile(r"\s*(?:$|#|-(?!e|-editable|r|-requirement))")


@dataclass(frozen=True)
class Line:
    file: Path
    number: int  # counted from 1
    text: str

    @property
    def included(self) -> Path | None:
        """The file that this line includes with `-r` or `-c`, if it is a local one."""
        found = _INCLUDE.match(self.text.lstrip())
        path = _QUOTED.sub(r"\2", found["path"].strip()) if found else ""
        if not path or _UNRESOLVED.match(path):
            return None
        if path.lower().startswith("file:///"):
            from urllib.request import url2pathname  # takes 10 ms to import

            path = url2pathname(urlsplit(path).path)
        return Path(os.path.normpath(self.file.parent / path))

    @property
    def includes_unknown(self) -> bool:
        """Whether uv may include a file here that `included` does not tell: a URL, or after another option."""
        return self.included is None and bool(_INCLUDES.search(_COMMENT.sub("", self.text)))

    @property
    def is_constraint(self) -> bool:
        found = _INCLUDE.match(self.text.lstrip())
        return bool(found and (found["short"] or found["long"]).startswith("c"))

    @property
    def is_editable_git(self) -> bool:
        """Whether uv refuses it: "Git sources cannot be editable"."""
        return bool(_EDITABLE_GIT.match(self.text))

    @property
    def for_uv(self) -> str:
        """The line with packages from git as uv (0.13) accepts them: not editable, and not by the protocol `git:`."""
        return _GIT_PROTOCOL.sub(r"\1https", _EDITABLE_GIT.sub("", self.text, count=1))

    @property
    def pinned(self) -> str | None:
        """The normal name (PEP 503) of the package that it pins; empty: a URL without a name; None: it pins none."""
        found = _PIN.match(self.for_uv)
        return normal_name(found["name"] or "") if found else None

    @property
    def is_local(self) -> bool:
        """Whether it installs code of the repository."""
        return bool(_LOCAL.match(self.text.lstrip())) and not self.is_editable_git

    @property
    def installs(self) -> bool:
        """Whether it names a package, or a file elsewhere that may."""
        return not _OPTION.match(self.text) and (self.included is None)


def read(path: Path, shown: str, *, hint: str = "") -> str:
    """Return the text of a requirements file: in UTF-8, or in UTF-16 with a byte order mark, as PowerShell writes it.

    Raises InputError like `files.read_text`.
    """
    content = read_bytes(path, shown, hint=hint, most=MOST_BYTES + 1)
    if content.startswith(_UTF16) and len(content) <= MOST_BYTES:
        with contextlib.suppress(UnicodeDecodeError):
            text = content.decode("utf-16")
            if "\0" not in text:  # else it is UTF-32
                return text
    if b"\0" in content:
        message = f"`{shown}` is not UTF-8 text, and not UTF-16 with a byte order mark."
        raise InputError(message, hint="Save it as UTF-8.", file=shown)
    return decoded(content, shown, hint=hint)


def lines(path: Path) -> list[Line]:
    """Return the lines of a file; none if it cannot be read: `Lock.digest` reports that."""
    try:
        text = read(path, str(path))
    except InputError:
        return []
    return [Line(path, number, line) for number, line in enumerate(_LINE_END.split(text), start=1)]


def files(path: Path, given: Iterable[Line]) -> list[Path]:
    """Return the file of the given lines, and all files that they include, except URLs."""
    found = [path]
    _add_included(given, found)
    return found


def _add_included(given: Iterable[Line], found: list[Path]) -> None:
    for line in given:
        if line.included and line.included not in found:
            found.append(line.included)
            _add_included(lines(line.included), found)


def inlined(given: Iterable[Line]) -> list[Line]:
    """Return lines, with those of the files that they include with `-r` in their place."""
    return list(_inlined(given, set()))


def _inlined(given: Iterable[Line], seen: set[Path]) -> Iterator[Line]:
    for line in given:
        seen.add(line.file)
        if line.included is None or line.is_constraint:
            yield line
        elif line.included not in seen:
            yield from _inlined(lines(line.included), seen)


def for_uv(given: list[Line], folder: Path) -> str:
    """Return inlined lines as uv accepts them, one per line.

    `folder` is where uv starts to look for constraints: the folder of the file, or the current one for standard input.
    """
    return "".join(f"{_for_uv(line, folder)}\n" for line in given)


def _for_uv(line: Line, folder: Path) -> str:
    if line.included:
        return f"-c {Path(os.path.relpath(line.included, folder)).as_posix()}"
    return line.for_uv
