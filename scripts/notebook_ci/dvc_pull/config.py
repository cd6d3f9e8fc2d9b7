"""Reads DVC's configuration as far as it must be known before DVC runs: which remotes there are, and of which kind.

Format (DVC 3.67, `dvc/config.py`): INI, with sections such as `['remote "storage"']`. `config.local` wins over
`config`, which wins over that of the user. DVC itself checks the rest.
"""

import configparser
import contextlib
import os
import posixpath
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from notebook_ci.base.errors import InputError
from notebook_ci.base.files import exists, is_folder, read_text
from notebook_ci.base.texts import quote, without_users

FOLDER = ".dvc"
POINTERS = ("dvc.yaml", "dvc.lock")
# The kind of remote by the scheme of its address. There is a lock requirements/dvc-<kind>.txt for each.
KINDS = {"": "local", "s3": "s3", "http": "http", "https": "http", "ssh": "ssh", "gs": "gs", "azure": "azure"}
SUPPORTED = "folders, s3://, gs://, azure://, ssh://, http:// and https://"
_SECTION = re.compile(r"^\s*'?\s*remote\s+\"(?P<name>.*)\"\s*'?\s*$")
# Begins the address of a remote that is a folder of another one.
_ALIAS = "remote://"
_ODD_PASSWORD = re.compile(r"^[a-z0-9+]+://[^/?#@\[]*:(?!\d*[/?#])[^/?#@]*[/?#].*@", re.IGNORECASE | re.DOTALL)
_WINDOWS = re.compile(r"^(?:[A-Za-z]:[\\/]|\\\\)")
MOST_HOPS = 10


@dataclass(frozen=True)
class Remote:
    """A remote.

    Attributes:
        name: Its name.
        url: Its address without credentials; a folder as the user knows it.
        file: The file that has it, as the user knows it.
        kind: A value of `KINDS`.
    """

    name: str
    url: str
    file: str
    kind: str


@dataclass(frozen=True)
class Config:
    """What DVC's configuration says of remotes.

    Attributes:
        default: Name of the default remote; nothing if there is none.
        urls: Address and file by name of remote.
        cache: Where DVC keeps its cache.
        shown: The name of `.dvc/config`, as the user knows it.
    """

    default: str
    urls: Mapping[str, tuple[str, str]]
    cache: Path
    shown: str

    @classmethod
    def read(cls, root: Path, shown_root: str, environ: Mapping[str, str]) -> "Config":
        """Read the configuration of a repository.

        Args:
            root: The folder that `.dvc` stands in.
            shown_root: The same, as the user knows it.
            environ: The environment of the step.

        Raises:
            InputError: A file of it is not one.
        """
        folder = root / FOLDER
        shown = Path(shown_root, FOLDER).as_posix()
        default, urls, cache = "", {}, folder / "cache"
        for path, name in (
            (_of_user(environ), "DVC's configuration of the user"),
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
        """Return a remote.

        Raises:
            InputError: It is unknown, or of a kind that cannot be pulled from here.
        """
        if name not in self.urls:
            known = f"Known are {', '.join(sorted(self.urls))}." if self.urls else "It has none."
            raise InputError(f"There is no DVC remote {quote(name)} in {self.shown}.", hint=known, file=self.shown)
        url, file = self.urls[name]
        if _WINDOWS.match(url) and sys.platform != "win32":
            raise InputError(
                f"The remote {quote(name)} is {quote(url)}: a folder of a Windows computer, which is not here.",
                hint="Push the data to a remote that others reach, and make it the default: `dvc remote default`.",
                file=file,
            )
        address = self._address(name)
        # The libraries would take what stands before such a character for host and port, and show it.
        if _ODD_PASSWORD.match(address):
            raise InputError(
                f"The address of the remote {quote(name)} has a character in its password that cannot stand there.",
                hint="Write it encoded (`%2F` for /, `%3F` for ?, `%23` for #), or set the password with "
                "`dvc remote modify --local`.",
                file=file,
            )
        scheme = _scheme(address)
        if scheme not in KINDS:
            raise InputError(
                f"The remote {quote(name)} is of the kind {scheme}://, which is not supported.",
                hint=f"Supported are {SUPPORTED}.",
                file=file,
            )
        if not scheme and not url.startswith(_ALIAS):
            url = posixpath.normpath(posixpath.join(posixpath.dirname(file), url))
        return Remote(name, without_credentials(url), file, KINDS[scheme])

    def _address(self, name: str) -> str:
        """Return the address of a remote, or of the remote that it is a folder of (`remote://other/folder`)."""
        address = self.urls[name][0]
        for _ in range(MOST_HOPS):
            other = address.removeprefix(_ALIAS).partition("/")[0]
            if not address.startswith(_ALIAS) or other not in self.urls:
                break
            address = self.urls[other][0]
        return "" if _WINDOWS.match(address) else address


def pointers(root: Path) -> Iterator[Path]:
    """Yield the files of a repository that say what DVC tracks."""
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name in POINTERS or (name.endswith(".dvc") and name != FOLDER):
                yield Path(folder, name)


def find_root(start: Path) -> Path | None:
    """Return the folder with `.dvc` in it: `start` or one above, not above the git repository."""
    start = start.absolute()
    for folder in (start, *start.parents):
        if is_folder(folder / FOLDER):
            return folder
        if exists(folder / ".git"):
            return None
    return None


def without_credentials(url: str) -> str:
    """Return an address without user, password and query, where keys and signatures stand."""
    return re.split(r"[?#]", without_users(url), maxsplit=1)[0] if "://" in url else url


def without_secrets(text: str) -> str:
    """Return the text of a tool, its addresses without user, password and query."""
    return re.sub(r"(://[^\s?#'\"]*)[?#][^\s'\"]*", r"\1", without_users(text))


def _scheme(address: str) -> str:
    """Return the scheme of an address; nothing where it is none."""
    with contextlib.suppress(ValueError):
        return urlsplit(address).scheme
    return ""


def _of_user(environ: Mapping[str, str]) -> Path:
    """Return DVC's configuration of the user (`dvc config --global`)."""
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
    """Return the values of a file by section; nothing where there is no file."""
    if not path.exists():
        return {}
    # Not indented, because configparser takes indented lines for more of the line before.
    text = "\n".join(line.strip() for line in read_text(path, shown).splitlines())
    parser = configparser.RawConfigParser(strict=False, inline_comment_prefixes=("#",), default_section="")
    try:
        parser.read_string(text)
    except configparser.Error as error:
        lineno = getattr(error, "lineno", None) or next((line for line, _ in getattr(error, "errors", [])), None)
        raise InputError(
            f"{shown} is not a configuration of DVC.",
            hint="Mend the line, or compare with a fresh one from `dvc init` in another folder.",
            file=shown,
            line=lineno,
        ) from error
    return {name: {key: value.strip("\"'") for key, value in parser.items(name)} for name in parser.sections()}
