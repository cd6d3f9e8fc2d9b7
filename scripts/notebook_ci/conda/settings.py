"""The settings of conda (26): "Settings" and "Using the .condarc conda configuration file" of its docs."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from notebook_ci.base import yaml12
from notebook_ci.base.errors import InputError
from notebook_ci.base.files import read_text
from notebook_ci.base.index_settings import ROOT, home_folder
from notebook_ci.base.texts import quote

_ALIAS = "https://conda.anaconda.org"
_DEFAULTS = ("https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r")
_LISTS, _MAPS = ("channels", "default_channels"), ("custom_channels", "custom_multichannels", "proxy_servers")
_TEXTS = ("channel_alias", "channel_priority", "ssl_verify")
_PRIORITIES = {"true": "flexible", "false": "disabled"}  # of old versions
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")
_TOKEN = re.compile(r"/t/([^/]+)")


@dataclass(frozen=True)
class Channels:
    urls: list[str]  # without credentials, the strongest first
    credentials: dict[str, Any] = field(default_factory=dict)  # by host, in rattler's format


@dataclass(frozen=True)
class CondaSettings:
    values: Mapping[str, Any]

    @property
    def channels(self) -> tuple[str, ...]:
        return tuple(self.values.get("channels", ()))

    @property
    def priority(self) -> str:
        """`strict`, `flexible` or `disabled`. Raises InputError for anything else."""
        given = str(self.values.get("channel_priority", "flexible")).lower()
        if (found := _PRIORITIES.get(given, given)) not in {"strict", "flexible", "disabled"}:
            message = f"`channel_priority` of conda's settings is {quote(given)}."
            raise InputError(message, hint="Use `strict`, `flexible` or `disabled`.")
        return found

    @property
    def credentials(self) -> dict[str, Any]:
        """The credentials of all channels by host, in rattler's format."""
        return self.resolve([*self.channels, *self.values.get("custom_channels", {}), "of the alias"]).credentials

    @property
    def verifies(self) -> bool:
        """Whether certificates are checked."""
        return str(self.values.get("ssl_verify", True)).lower() != "false"

    def variables(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the variables with which rattler (0.28) connects as conda does."""
        proxies = {f"{scheme}_proxy": str(url) for scheme, url in self.values.get("proxy_servers", {}).items()}
        verify = str(self.values.get("ssl_verify", ""))
        trusted = verify if "/" in verify else environ.get("SSL_CERT_FILE") or environ.get("REQUESTS_CA_BUNDLE")
        return proxies | ({"SSL_CERT_FILE": trusted} if trusted else {})

    def resolve(self, names: Iterable[str]) -> Channels:
        """Return the addresses of channels."""
        found = Channels([])
        for address in dict.fromkeys(url for name in names for url in self._addresses(name)):
            parts = urlsplit(address)
            if token := _TOKEN.match(parts.path):
                parts = parts._replace(path=parts.path.removeprefix(token[0]))
                found.credentials[parts.hostname or ""] = {"CondaToken": token[1]}
            elif parts.password:
                user = {"username": unquote(parts.username or ""), "password": unquote(parts.password)}
                found.credentials[parts.hostname or ""] = {"BasicHTTP": user}
            found.urls.append(urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])))
        return found

    def _addresses(self, name: str) -> Iterator[str]:
        first = name.partition("/")[0]
        groups = {"defaults": self.values.get("default_channels", _DEFAULTS), "nodefaults": ()}
        groups |= self.values.get("custom_multichannels", {})
        if "://" in name:
            yield name
        elif name in groups:
            for each in groups[name]:
                yield from self._addresses(each)
        else:
            base = self.values.get("custom_channels", {}).get(first) or self.values.get("channel_alias", _ALIAS)
            yield f"{base.rstrip('/')}/{name}"


def read(environ: Mapping[str, str], platform: str, root: Path = ROOT) -> CondaSettings:
    """Read the user's settings: variables win over files. Raises InputError if a file cannot be read."""
    values: dict[str, Any] = {}
    for path in filter(Path.is_file, _files(environ, platform, root)):  # the weakest first
        text = _VARIABLE.sub(lambda at: environ.get(at[1] or at[2], at[0]), read_text(path, str(path)))
        for name, value in yaml12.mapping(text, origin=f"`{path}`", file=path).items():
            match values.get(name), value:
                case list() as before, list():
                    values[name] = [*value, *before]
                case dict() as before, dict():
                    values[name] = {**before, **value}
                case _:
                    values[name] = value
    values |= {name: given for name in (*_LISTS, *_TEXTS) if (given := environ.get(f"CONDA_{name.upper()}"))}
    for name in values.keys() & set(_LISTS):
        values[name] = values[name].split(",") if isinstance(values[name], str) else values[name] or []
    for name in values.keys() & set(_MAPS):
        values[name] = yaml12.as_map(values[name], f"`{name}` of conda's settings")
    return CondaSettings(values)


def _files(environ: Mapping[str, str], platform: str, root: Path) -> Iterator[Path]:
    home = home_folder(environ, platform)
    system = root / "etc/conda"
    config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "conda"
    yield from (folder / name for folder in (system, config) for name in (".condarc", "condarc"))
    yield from (home / ".conda" / ".condarc", home / ".condarc")
    if given := environ.get("CONDARC"):
        yield Path(given)
