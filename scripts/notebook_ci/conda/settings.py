"""The settings of conda (26): "Settings" and "Using the .condarc conda configuration file" of its docs."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from notebook_ci.base import typed_json, yaml12
from notebook_ci.base.errors import InputError
from notebook_ci.base.files import is_file, read_text
from notebook_ci.base.index_settings import ROOT, home_folder
from notebook_ci.base.texts import quote

_LISTS, _TEXTS = ("channels", "default_channels"), ("channel_alias", "channel_priority", "ssl_verify")
# `true` and `false` are of old versions. The values are names of rattler.
_PRIORITIES = {
    "strict": "Strict", "flexible": "Flexible", "true": "Flexible", "disabled": "Disabled", "false": "Disabled",
}  # fmt: skip
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})")
_TOKEN = re.compile(r"/t/([^/]+)")


@dataclass(frozen=True)
class CondaSettings:
    channels: list[str] = field(default_factory=list)
    default_channels: list[str] = field(
        default_factory=lambda: ["https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r"]
    )
    custom_channels: dict[str, str] = field(default_factory=dict)
    proxy_servers: dict[str, str] = field(default_factory=dict)
    channel_alias: str = "https://conda.anaconda.org"
    channel_priority: str = "flexible"
    ssl_verify: str = "true"

    @property
    def priority(self) -> str:
        """The name of a `rattler.ChannelPriority`. Raises InputError if it is another word."""
        if self.channel_priority.lower() in _PRIORITIES:
            return _PRIORITIES[self.channel_priority.lower()]
        message = f"`channel_priority` of conda's settings is {quote(self.channel_priority)}."
        raise InputError(message, hint="Use `strict`, `flexible` or `disabled`.")

    @property
    def verifies(self) -> bool:
        """Whether certificates are checked."""
        return self.ssl_verify.lower() != "false"

    def variables(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the variables with which rattler (0.28) connects as conda does."""
        proxies = {f"{scheme}_proxy": url for scheme, url in self.proxy_servers.items()}
        own = self.ssl_verify if "/" in self.ssl_verify else ""
        trusted = own or environ.get("SSL_CERT_FILE") or environ.get("REQUESTS_CA_BUNDLE")
        return proxies | ({"SSL_CERT_FILE": trusted} if trusted else {})

    def addresses(self, names: Iterable[str]) -> list[str]:
        """Return the addresses of channels; they may contain credentials."""
        members = (each for name in names for each in (self.default_channels if name == "defaults" else [name]))
        return list(dict.fromkeys(self._address(each) for each in members if each != "nodefaults"))

    def _address(self, name: str) -> str:
        base = self.custom_channels.get(name.partition("/")[0], self.channel_alias)
        return name if "://" in name else f"{base.rstrip('/')}/{name}"


def separated(addresses: Iterable[str]) -> tuple[list[str], dict[str, Any]]:
    """Return addresses without credentials, and the credentials by host, in rattler's format.

    Raises InputError for one that is not a URL.
    """
    urls: list[str] = []
    credentials: dict[str, Any] = {}
    for address in addresses:
        try:
            parts = urlsplit(address)
        except ValueError as error:
            raise InputError(f"A channel or package has an address that is not a URL: {error}.") from error
        if token := _TOKEN.match(parts.path):
            parts = parts._replace(path=parts.path.removeprefix(token[0]))
            credentials[parts.hostname or ""] = {"CondaToken": token[1]}
        elif parts.password:
            user = {"username": unquote(parts.username or ""), "password": unquote(parts.password)}
            credentials[parts.hostname or ""] = {"BasicHTTP": user}
        urls.append(urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])))
    return urls, credentials


def read(environ: Mapping[str, str], platform: str, root: Path = ROOT) -> CondaSettings:
    """Read the user's settings: variables win over files. Raises InputError if they are wrong."""
    values: dict[str, Any] = {}
    home = home_folder(environ, platform)
    files = [folder / ".condarc" for folder in (root / "etc/conda", home / ".config/conda", home / ".conda", home)]
    files += [Path(environ["CONDARC"])] if environ.get("CONDARC") else []
    for path in filter(is_file, files):  # the weakest first
        text = _VARIABLE.sub(lambda at: environ.get(at[1] or at[2], at[0]), read_text(path, str(path)))
        for name, value in yaml12.mapping(text, origin=f"`{path}`", file=path).items():
            match values.get(name), value:
                case list() as before, list():
                    values[name] = [*value, *before]
                case dict() as before, dict():
                    values[name] = {**before, **value}
                case _:
                    values[name] = str(value).lower() if isinstance(value, bool) else value
    values |= {name: given for name in (*_LISTS, *_TEXTS) if (given := environ.get(f"CONDA_{name.upper()}"))}
    values |= {name: values[name].split(",") for name in _LISTS if isinstance(values.get(name), str)}
    try:
        return typed_json.from_json(CondaSettings, {name: each for name, each in values.items() if each is not None})
    except ValueError as error:
        setting = str(error).partition(" is ")[0]  # without the value, which may be a credential
        hint = "Write it as conda's documentation says."
        raise InputError(f"{setting} of conda's settings has the wrong type.", hint=hint) from error
