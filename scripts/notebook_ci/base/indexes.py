"""The package index that the user has configured for uv or pip, as environment variables for both.

Tools are installed with the user's index, credentials, certificates and proxy. All other settings of the user are
ignored: `exclude-newer`, `no-binary` or a constraint would change what a lock asks for. So uv and pip never see the
user's settings themselves: they run in `without_settings(environ)` plus `IndexSettings.for_uv()` or `.for_pip()`. Where
uv reads its own settings (the user's environment), only pip's are translated: `pip_settings(environ).for_uv()`.

Sources, with uv 0.13 and pip 23 to 26: "Package indexes", "Configuration files" and "Environment variables" of uv's
documentation, "Configuration" of pip's. Credentials are passed in variables, never on a command line.
"""

import configparser
import os
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit, urlunsplit

from notebook_ci.base.errors import InputError

ROOT = Path("/")
_CREDENTIAL = re.compile(r"UV_INDEX_\w+_(?:USERNAME|PASSWORD)")
_NAMED = re.compile(r"([A-Za-z0-9._-]+)=(.+)")
# Where `uv auth login` stores credentials.
_KEPT = ("UV_CREDENTIALS_DIR",)
# The user's environments; and a variable that tells a framework Python of macOS its program: wrong for other Pythons.
_FOREIGN = ("__PYVENV_LAUNCHER__", "VIRTUAL_ENV", "CONDA_PREFIX")


@dataclass(frozen=True)
class Index:
    """A package index (PEP 503)."""

    url: str  # may contain credentials; or a local path
    name: str = ""  # in uv's settings: uv finds credentials by it


@dataclass(frozen=True, kw_only=True)
class IndexSettings:
    """What the user has configured. An empty field was not set."""

    default: Index | None = None  # asked last, instead of the public index
    extra: tuple[Index, ...] = ()  # asked before `default`
    find_links: tuple[str, ...] = ()  # folders or pages that list packages
    no_index: bool = False  # ask no index, only `find_links`
    strategy: str = ""  # how uv chooses between several indexes
    insecure_hosts: tuple[str, ...] = ()  # trusted without a valid certificate
    certificates: str = ""  # file with the certificates to trust
    client_certificate: str = ""  # file with certificate and key
    system_certificates: bool = False  # uv trusts the certificates of the system
    http_proxy: str = ""
    https_proxy: str = ""
    no_proxy: str = ""  # hosts that are asked without proxy, separated by commas
    keyring: str = ""  # source of credentials: `subprocess`, `disabled`; pip only: `import`, `auto`
    credentials: Mapping[str, str] = field(default_factory=dict)  # uv's `UV_INDEX_<NAME>_USERNAME` and `_PASSWORD`

    @property
    def names_places(self) -> bool:
        """Whether they say where packages come from, not only how to connect."""
        return bool(self.default or self.extra or self.find_links or self.no_index)

    def for_uv(self) -> dict[str, str]:
        """Return these settings as variables for uv. `no_index` has none: see `uv_flags`."""
        return _given(
            UV_DEFAULT_INDEX=_for_uv(self.default) if self.default else "",
            UV_INDEX=" ".join(map(_for_uv, self.extra)),
            UV_FIND_LINKS=",".join(self.find_links),
            UV_INDEX_STRATEGY=self.strategy,
            UV_INSECURE_HOST=" ".join(self.insecure_hosts),
            UV_SYSTEM_CERTS="true" if self.system_certificates else "",
            # uv supports `keyring` only as a program.
            UV_KEYRING_PROVIDER="subprocess" if self.keyring == "subprocess" else "",
            SSL_CERT_FILE=self.certificates,
            SSL_CLIENT_CERT=self.client_certificate,
            **self._proxies(),
            **self.credentials,
        )

    def uv_flags(self) -> list[str]:
        return ["--no-index"] if self.no_index else []  # uv 0.13 ignores the variable `UV_NO_INDEX`

    def for_pip(self) -> dict[str, str]:
        """Return these settings as variables for pip. They hold credentials; pip hides them in its output."""
        return _given(
            PIP_INDEX_URL=self._with_credentials(self.default) if self.default else "",
            PIP_EXTRA_INDEX_URL=" ".join(map(self._with_credentials, self.extra)),
            PIP_FIND_LINKS=" ".join(self.find_links),
            PIP_NO_INDEX="1" if self.no_index else "",
            PIP_TRUSTED_HOST=" ".join(self.insecure_hosts),
            PIP_KEYRING_PROVIDER=self.keyring,
            PIP_CERT=self.certificates,
            PIP_CLIENT_CERT=self.client_certificate,
            **self._proxies(),
        )

    def _proxies(self) -> dict[str, str]:
        return {"HTTP_PROXY": self.http_proxy, "HTTPS_PROXY": self.https_proxy, "NO_PROXY": self.no_proxy}

    def _with_credentials(self, index: Index) -> str:
        """Return the URL of an index with the credentials that uv would find by its name."""
        address = urlsplit(index.url)
        variable = f"UV_INDEX_{re.sub('[^A-Z0-9]', '_', index.name.upper())}"
        user = self.credentials.get(f"{variable}_USERNAME", "")
        password = self.credentials.get(f"{variable}_PASSWORD", "")
        if not index.name or "@" in address.netloc or not (user or password):
            return index.url
        netloc = f"{quote(user, safe='')}:{quote(password, safe='')}@{address.netloc}"
        return urlunsplit(address._replace(netloc=netloc))


def read(environ: Mapping[str, str], cwd: Path, platform: str = sys.platform, root: Path = ROOT) -> IndexSettings:
    """Read the user's settings: uv's win over pip's, variables over files. Raises InputError for an unreadable file.

    Indexes are taken from uv's settings or from pip's, never from both: an index that is set for only one of them may
    be meant to replace the public one. uv's search for project settings starts in `cwd`. `root` contains the system's
    folders `etc` and `Library` (not on Windows).
    """
    uv, pip = uv_settings(environ, cwd, platform, root), pip_settings(environ, platform, root)
    places = uv if uv.names_places else pip
    return IndexSettings(
        default=places.default,
        extra=places.extra,
        find_links=places.find_links,
        no_index=places.no_index,
        strategy=uv.strategy,
        insecure_hosts=uv.insecure_hosts or pip.insecure_hosts,
        certificates=uv.certificates or pip.certificates,
        client_certificate=uv.client_certificate or pip.client_certificate,
        system_certificates=uv.system_certificates,
        http_proxy=uv.http_proxy or pip.http_proxy,
        https_proxy=uv.https_proxy or pip.https_proxy,
        no_proxy=uv.no_proxy,
        keyring=uv.keyring or pip.keyring,
        credentials=uv.credentials,
    )


def without_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without settings of uv, pip and Python; uv and pip then read no settings files.

    Proxies, certificates (`SSL_CERT_FILE`, `SSL_CERT_DIR`, `REQUESTS_CA_BUNDLE`) and `NETRC` stay: both use them.
    """
    kept = {
        name: value
        for name, value in environ.items()
        if not name.upper().startswith(("UV_", "PIP_", "PYTHON")) and name not in _FOREIGN
    }
    kept |= {name: environ[name] for name in _KEPT if name in environ}
    return kept | {
        "UV_NO_CONFIG": "1",
        "UV_NO_PROGRESS": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INPUT": "1",
    }


def uv_settings(
    environ: Mapping[str, str], cwd: Path, platform: str = sys.platform, root: Path = ROOT
) -> IndexSettings:
    """Read uv's settings of indexes. Raises InputError if a settings file cannot be read."""
    settings = _Uv()
    settings.add_variables(environ)
    for path in _uv_files(environ, cwd, platform, root):
        if (table := _uv_table(path)) is not None:
            settings.add_table(table, path.parent)
    return settings.found


def pip_settings(environ: Mapping[str, str], platform: str = sys.platform, root: Path = ROOT) -> IndexSettings:
    """Read pip's settings of indexes. Raises InputError if a settings file cannot be read."""
    options = _pip_options(environ, platform, root)
    default = options.get("index-url", "")
    links = (os.path.expanduser(link) for link in options.get("find-links", "").split())  # noqa: PTH111 (an address, too)
    proxy = options.get("proxy", "")
    return IndexSettings(
        default=Index(default) if default else None,
        extra=tuple(map(Index, options.get("extra-index-url", "").split())),
        # pip ignores a folder that does not exist; uv fails.
        find_links=tuple(link for link in links if "://" in link or Path(link).exists()),
        no_index=_true(options.get("no-index", "")),
        insecure_hosts=tuple(options.get("trusted-host", "").split()),
        certificates=options.get("cert", "") or environ.get("REQUESTS_CA_BUNDLE", ""),
        client_certificate=options.get("client-cert", ""),
        http_proxy=proxy,
        https_proxy=proxy,
        keyring=options.get("keyring-provider", ""),
    )


class _Uv:
    """Collects uv's settings, the strongest source first: a single value is set once, lists are appended to."""

    def __init__(self) -> None:
        self.found = IndexSettings()

    def add_variables(self, environ: Mapping[str, str]) -> None:
        get = environ.get
        default = get("UV_DEFAULT_INDEX", "") or get("UV_INDEX_URL", "")
        extra = f"{get('UV_INDEX', '')} {get('UV_EXTRA_INDEX_URL', '')}".split()
        self.found = IndexSettings(
            default=_index(default) if default else None,
            extra=tuple(map(_index, extra)),
            find_links=tuple(filter(None, get("UV_FIND_LINKS", "").split(","))),
            strategy=get("UV_INDEX_STRATEGY", ""),
            insecure_hosts=tuple(get("UV_INSECURE_HOST", "").split()),
            certificates=get("SSL_CERT_FILE", ""),
            client_certificate=get("SSL_CLIENT_CERT", ""),
            system_certificates=_true(get("UV_SYSTEM_CERTS", "") or get("UV_NATIVE_TLS", "")),
            http_proxy=_proxy_or_any(environ, "HTTP_PROXY"),
            https_proxy=_proxy_or_any(environ, "HTTPS_PROXY"),
            no_proxy=_proxy(environ, "NO_PROXY"),
            keyring=get("UV_KEYRING_PROVIDER", ""),
            credentials={name: value for name, value in environ.items() if _CREDENTIAL.fullmatch(name)},
        )

    def add_table(self, table: Mapping[str, Any], folder: Path) -> None:
        """Add the settings of one file. Its `[pip]` table wins over the top level; paths are relative to the file."""
        table = {**table, **table.get("pip", {})}
        found = self.found
        default, extra, flat = found.default, list(found.extra), list(found.find_links)
        for entry in table.get("index", ()):
            index = Index(_place(entry["url"], folder), entry.get("name", ""))
            if entry.get("format") == "flat":
                flat.append(index.url)
            elif entry.get("default"):
                default = default or index
            elif not entry.get("explicit"):
                extra.append(index)
        if not default and table.get("index-url"):
            default = Index(_place(table["index-url"], folder))
        extra += [Index(_place(url, folder)) for url in table.get("extra-index-url", ())]
        flat += [_place(link, folder) for link in table.get("find-links", ())]
        self.found = replace(
            found,
            default=default,
            extra=tuple(extra),
            find_links=tuple(flat),
            no_index=found.no_index or bool(table.get("no-index")),
            strategy=found.strategy or table.get("index-strategy", ""),
            insecure_hosts=(*found.insecure_hosts, *table.get("allow-insecure-host", ())),
            system_certificates=found.system_certificates or bool(table.get("system-certs") or table.get("native-tls")),
            http_proxy=found.http_proxy or table.get("http-proxy", ""),
            https_proxy=found.https_proxy or table.get("https-proxy", ""),
            no_proxy=found.no_proxy or ",".join(table.get("no-proxy", ())),
            keyring=found.keyring or table.get("keyring-provider", ""),
        )


def _uv_files(environ: Mapping[str, str], cwd: Path, platform: str, root: Path) -> Iterator[Path]:
    """Yield the files that uv reads, the strongest first: of the project, of the user, of the system."""
    if environ.get("UV_CONFIG_FILE"):
        yield cwd / environ["UV_CONFIG_FILE"]
        return
    if _true(environ.get("UV_NO_CONFIG", "")):
        return
    for folder in (cwd, *cwd.parents):
        of_project = [path for path in (folder / "uv.toml", folder / "pyproject.toml") if path.is_file()]
        of_project = [path for path in of_project if _uv_table(path) is not None]
        if of_project:
            yield of_project[0]
            break
    home = _home(environ, platform)
    if platform == "win32":
        users = Path(environ.get("APPDATA") or home / "AppData/Roaming")
        systems = [Path(environ.get("PROGRAMDATA") or f"{environ.get('SYSTEMDRIVE', 'C:')}/ProgramData")]
    else:
        users = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
        systems = [*_xdg_folders(environ, root), root / "etc"]
    yield users / "uv/uv.toml"
    yield from [path for folder in systems if (path := folder / "uv/uv.toml").is_file()][:1]


def _uv_table(path: Path) -> dict[str, Any] | None:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if path.name != "pyproject.toml":
        return table
    of_uv = table.get("tool", {}).get("uv")
    return dict(of_uv) if of_uv is not None else None


def _pip_options(environ: Mapping[str, str], platform: str, root: Path) -> dict[str, str]:
    """Return pip's options: variables win over the section `install`, which wins over `global`; later files win."""
    sections: dict[str, dict[str, str]] = {"global": {}, "install": {}}
    for path in _pip_files(environ, platform, root):
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (OSError, ValueError, configparser.Error) as error:
            raise _unreadable(path, error) from error
        for section, options in sections.items():
            if parser.has_section(section):
                options.update({name.replace("_", "-"): value for name, value in parser.items(section)})
    variables = {
        name[len("PIP_") :].lower().replace("_", "-"): value
        for name, value in environ.items()
        if name.startswith("PIP_")
    }
    layers = (sections["global"], sections["install"], variables)
    # pip ignores an option with an empty value.
    return {name: value for layer in layers for name, value in layer.items() if value}


def _pip_files(environ: Mapping[str, str], platform: str, root: Path) -> Iterator[Path]:
    """Yield the files that pip reads; later ones win."""
    own = environ.get("PIP_CONFIG_FILE", "")
    if own == os.devnull:
        return
    home = _home(environ, platform)
    virtual = environ.get("VIRTUAL_ENV", "")
    name = "pip.ini" if platform == "win32" else "pip.conf"
    if platform == "win32":
        systems = [Path(environ.get("PROGRAMDATA") or "C:/ProgramData") / "pip"]
        users = [home / "pip", Path(environ.get("APPDATA") or home / "AppData/Roaming") / "pip"]
    else:
        configured = Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip"
        systems = [*(folder / "pip" for folder in _xdg_folders(environ, root)), root / "etc"]
        if platform == "darwin":
            library = home / "Library/Application Support/pip"
            systems = [root / "Library/Application Support/pip"]
            configured = library if library.is_dir() else configured
        users = [home / ".pip", configured]
    folders = [*systems]
    # pip skips the user's files if `PIP_CONFIG_FILE` names an existing file.
    folders += [] if own and Path(own).exists() else users
    folders += [Path(virtual)] if virtual else []
    yield from (folder / name for folder in folders)
    if own:
        yield Path(own)


def _xdg_folders(environ: Mapping[str, str], root: Path) -> list[Path]:
    """Return the system's folders of the XDG Base Directory Specification; the first one wins."""
    return [root / folder for folder in (environ.get("XDG_CONFIG_DIRS") or "etc/xdg").split(":") if folder]


def _home(environ: Mapping[str, str], platform: str) -> Path:
    home = environ.get("USERPROFILE" if platform == "win32" else "HOME", "")
    return Path(home) if home else Path.home()


def _proxy(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name.lower()) or environ.get(name) or ""  # in most programs the lowercase spelling wins


def _proxy_or_any(environ: Mapping[str, str], name: str) -> str:
    return _proxy(environ, name) or _proxy(environ, "ALL_PROXY")


def _index(text: str) -> Index:
    """Parse uv's notation: a URL, or `name=URL`."""
    named = _NAMED.fullmatch(text)
    return Index(named[2], named[1]) if named else Index(text)


def _for_uv(index: Index) -> str:
    return f"{index.name}={index.url}" if index.name else index.url


def _place(text: str, folder: Path) -> str:
    return text if "://" in text else str(folder / text)


def _true(text: str) -> bool:
    return text.strip().lower() in {"1", "true", "yes", "on", "y", "t"}


def _given(**variables: str) -> dict[str, str]:
    return {name: value for name, value in variables.items() if value}


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(
        f"The settings of the package index cannot be read: {error}.", hint="Correct the file.", file=path
    )
