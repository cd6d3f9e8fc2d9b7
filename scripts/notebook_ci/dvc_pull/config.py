"""Reads the parts of DVC's configuration that are needed before DVC runs: which remotes exist, and of which kind.

Format (DVC 3.67, `dvc/config.py`): INI, with sections such as `['remote "storage"']`. `config.local` overrides
`config`, which overrides the user's configuration. DVC itself checks the rest.
"""

import configparser
import posixpath
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from notebook_ci.base.errors import InputError
from notebook_ci.base.files import exists, is_folder, read_text
from notebook_ci.base.texts import quote, without_users
from notebook_ci.dvc.pointers import FOLDER

# Scheme of the address -> kind of remote.
KINDS = {"": "local", "s3": "s3", "http": "http", "https": "http", "ssh": "ssh", "gs": "gs", "azure": "azure"}
IN_ALL = {"local", "http", "ssh"}  # requirements/dvc.txt supports these; requirements/dvc-<kind>.txt one kind more
SUPPORTED = "Supported are folders, s3://, gs://, azure://, ssh://, http:// and https://."
# Schemes for which DVC would need a plugin that no lock has.
UNSUPPORTED = {"gdrive", "hdfs", "oss", "webdav", "webdavs", "webhdfs"}
_SECTION = re.compile(r"^\s*'?\s*remote\s+\"(?P<name>.*)\"\s*'?\s*$")
# The address of a remote that is a folder of another remote begins with this.
_ALIAS = "remote://"
_ODD_PASSWORD = re.compile(r"^[a-z0-9+]+://[^/?#@\[]*:(?!\d*[/?#])[^/?#@]*[/?#].*@", re.IGNORECASE | re.DOTALL)
_WINDOWS = re.compile(r"^(?:[A-Za-z]:[\\/]|\\\\)")


@dataclass(frozen=True)
class Remote:
    name: str
    url: str  # without credentials; a folder is shown as the user knows it
    kind: str  # a value of `KINDS`


@dataclass(frozen=True)
class Config:
    default: str  # name of the default remote; empty if there is none
    urls: Mapping[str, tuple[str, str]]  # remote's name -> address and configuration file
    cache: Path  # DVC's cache folder
    shown: str  # `.dvc/config` as the user knows it

    @classmethod
    def read(cls, root: Path, shown_root: str, environ: Mapping[str, str]) -> "Config":
        """Read the files; `shown_root` is the root as the user knows it. Raises InputError if one is malformed."""
        folder = root / FOLDER
        shown = Path(shown_root, FOLDER).as_posix()
        default, urls, cache = "", {}, folder / "cache"
        for path, name in (
            (_of_user(environ), "the user's DVC configuration"),
            (folder / "config", f"{shown}/config"),
            (folder / "config.local", f"{shown}/config.local"),
        ):
            for section, values in _sections(path, name).items():
                if section == "core":
                    default = values.get("remote", default)
                elif section == "cache" and values.get("dir"):
                    cache = path.parent / Path(values["dir"]).expanduser()
                elif (found := _SECTION.match(section)) and "url" in values:
                    urls[found["name"]] = (values["url"], name)
        return cls(default, urls, cache, f"{shown}/config")

    def remote(self, name: str) -> Remote:
        """Return a remote. Raises InputError if it is unknown or not supported."""
        if name not in self.urls:
            known = f"It has {', '.join(map(quote, sorted(self.urls)))}." if self.urls else "It has none."
            raise InputError(f"{quote(self.shown)} has no remote {quote(name)}.", hint=known, file=self.shown)
        url, file = self.urls[name]
        if _WINDOWS.match(url) and sys.platform != "win32":
            raise InputError(
                f"The remote {quote(name)} is {quote(url)}, a folder of a Windows computer.",
                hint="Push the data to a remote that others can reach, and run `dvc remote default NAME`.",
                file=file,
            )
        address = self._address(name)
        # The libraries would read the part before such a character as host and port, and print it.
        if _ODD_PASSWORD.match(address):
            raise InputError(
                f"The URL of the remote {quote(name)} has a password with an unquoted `/`, `?` or `#`.",
                hint="Write `%2F`, `%3F` or `%23`, or set the password with `dvc remote modify --local`.",
                file=file,
            )
        scheme = scheme_of(address)
        if scheme not in KINDS:
            message = f"The remote {quote(name)} uses `{scheme}://`, which is not supported."
            raise InputError(message, hint=SUPPORTED, file=file)
        if not scheme and not url.startswith(_ALIAS):
            url = posixpath.normpath(posixpath.join(posixpath.dirname(file), url))
        return Remote(name, without_credentials(url), KINDS[scheme])

    def _address(self, name: str) -> str:
        """Return the remote's address; for `remote://other/folder`, the address of the other remote."""
        address, file = self.urls[name]
        seen = {name}
        while address.startswith(_ALIAS):
            other = address.removeprefix(_ALIAS).partition("/")[0]
            if other in seen or other not in self.urls:
                end = "in a circle" if other in seen else f"to {quote(other)}, which does not exist"
                raise InputError(f"The remote {quote(name)} leads {end}.", hint="Correct its `url`.", file=file)
            seen.add(other)
            address, _ = self.urls[other]
        return address


def find_root(start: Path) -> Path | None:
    """Return the folder that contains `.dvc`: `start` or one above it, but not above the git repository."""
    start = start.absolute()
    for folder in (start, *start.parents):
        if is_folder(folder / FOLDER):
            return folder
        if exists(folder / ".git"):
            return None
    return None


def without_credentials(url: str) -> str:
    """Return an address without user, password and query; keys and signatures can be in the query."""
    return re.split(r"[?#]", without_users(url), maxsplit=1)[0] if "://" in url else url


def scheme_of(address: str) -> str:
    """Return the scheme of an address; empty for a path."""
    return address.partition("://")[0].lower() if "://" in address else ""


def _of_user(environ: Mapping[str, str]) -> Path:
    """Return the path of the user's DVC configuration (`dvc config --global`)."""
    home = Path(environ.get("HOME") or environ.get("USERPROFILE") or "~")
    match sys.platform:
        case "darwin":
            folder = home / "Library" / "Application Support" / "dvc"
        case "win32":
            folder = home / "AppData" / "Local" / "iterative" / "dvc"
        case _:
            folder = Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "dvc"
    return Path(environ.get("DVC_GLOBAL_CONFIG_DIR") or folder) / "config"


def _sections(path: Path, shown: str) -> dict[str, dict[str, str]]:
    if not path.exists():
        return {}
    # Indentation is removed because configparser reads an indented line as a continuation.
    text = "\n".join(line.strip() for line in read_text(path, shown).splitlines())
    parser = configparser.RawConfigParser(strict=False, inline_comment_prefixes=("#",), default_section="")
    try:
        parser.read_string(text)
    except configparser.Error as error:
        lineno = getattr(error, "lineno", None) or next((line for line, _ in getattr(error, "errors", [])), None)
        raise InputError(
            f"{quote(shown)} is not a DVC configuration file.",
            hint="Fix the line, or compare with a new one from `dvc init` in another folder.",
            file=shown,
            line=lineno,
        ) from error
    return {name: {key: value.strip("\"'") for key, value in parser.items(name)} for name in parser.sections()}
