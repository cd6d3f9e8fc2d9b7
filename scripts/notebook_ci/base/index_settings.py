"""The settings of package indexes, as environment variables for uv and for pip."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

from notebook_ci.base.errors import InputError

ROOT = Path("/")


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
    def names_packages(self) -> bool:
        """Whether they say where packages come from, not only how to connect."""
        return bool(self.default or self.extra or self.find_links or self.no_index)

    def over(self, weaker: "IndexSettings") -> "IndexSettings":
        """Return these settings, completed with weaker ones. Lists are joined."""
        pairs = {each.name: (getattr(self, each.name), getattr(weaker, each.name)) for each in fields(self)}
        return IndexSettings(
            **{name: own + other if isinstance(own, tuple) else own or other for name, (own, other) in pairs.items()}
        )

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


def config_folders(environ: Mapping[str, str], platform: str, root: Path) -> tuple[Path, list[Path]]:
    """Return the folder of a user's settings, and those of the system (XDG Base Directory); the first one wins."""
    home = home_folder(environ, platform)
    if platform == "win32":
        user = Path(environ.get("APPDATA") or home / "AppData/Roaming")
        return user, [Path(environ.get("PROGRAMDATA") or f"{environ.get('SYSTEMDRIVE', 'C:')}/ProgramData")]
    systems = [root / folder for folder in (environ.get("XDG_CONFIG_DIRS") or "etc/xdg").split(":") if folder]
    return Path(environ.get("XDG_CONFIG_HOME") or home / ".config"), systems


def home_folder(environ: Mapping[str, str], platform: str) -> Path:
    home = environ.get("USERPROFILE" if platform == "win32" else "HOME", "")
    return Path(home) if home else Path.home()


def is_true(text: str) -> bool:
    return text.strip().lower() in {"1", "true", "yes", "on", "y", "t"}


def unreadable(path: Path, error: Exception) -> InputError:
    return InputError(f"The package index settings cannot be read: {error}.", hint="Correct the file.", file=path)


def _for_uv(index: Index) -> str:
    return f"{index.name}={index.url}" if index.name else index.url


def _given(**variables: str) -> dict[str, str]:
    return {name: value for name, value in variables.items() if value}
