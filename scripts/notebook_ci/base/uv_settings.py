"""uv's settings of package indexes: "Configuration files" and "Environment variables" of its docs (uv 0.13)."""

import itertools
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from notebook_ci.base.index_settings import ROOT, Index, IndexSettings, config_folders, is_true, unreadable

_CREDENTIAL = re.compile(r"UV_INDEX_\w+_(?:USERNAME|PASSWORD)")
# Of how packages are built, and of which parts of a lock are installed: no resolution shows them.
_OF_INSTALLATIONS = re.compile(
    r"NO_(?:BINARY|BUILD|DEFAULT_GROUPS|DEV|EDITABLE|EMIT_PACKAGE|GROUP|SOURCES)|BUILD_CONSTRAINT|"
    r"CONFIG_SETTINGS|DEFAULT_GROUPS|EXTRA_BUILD"
)
_NAMED = re.compile(r"([A-Za-z0-9._-]+)=(.+)")


def read(environ: Mapping[str, str], cwd: Path, platform: str = sys.platform, root: Path = ROOT) -> IndexSettings:
    """Read uv's settings of indexes. Raises InputError if a settings file cannot be read."""
    settings = _of_variables(environ)
    for path, table in _files(environ, cwd, platform, root):  # the strongest first
        try:
            settings = settings.over(_of_table(table, path.parent))
        except (AttributeError, KeyError, TypeError) as error:
            raise unreadable(path, ValueError("one does not have the form that uv expects")) from error
    return settings


def of_installations(
    environ: Mapping[str, str], cwd: Path, platform: str = sys.platform, root: Path = ROOT
) -> list[str]:
    """Return the settings of uv that change what an installation of the same packages gives, as text."""
    values: list[tuple[str, object]] = [
        (name.removeprefix("UV_"), value) for name, value in environ.items() if name.startswith("UV_")
    ]
    for _, table in _files(environ, cwd, platform, root):
        named = (*table.items(), *table.get("pip", {}).items())
        values += [(name.upper().replace("-", "_"), value) for name, value in named]
    return sorted(f"{name}={value}" for name, value in values if _OF_INSTALLATIONS.match(name))


def _of_variables(environ: Mapping[str, str]) -> IndexSettings:
    get = environ.get
    default = get("UV_DEFAULT_INDEX", "") or get("UV_INDEX_URL", "")
    extra = f"{get('UV_INDEX', '')} {get('UV_EXTRA_INDEX_URL', '')}".split()
    return IndexSettings(
        default=_index(default) if default else None,
        extra=tuple(map(_index, extra)),
        find_links=tuple(filter(None, get("UV_FIND_LINKS", "").split(","))),
        strategy=get("UV_INDEX_STRATEGY", ""),
        insecure_hosts=tuple(get("UV_INSECURE_HOST", "").split()),
        certificates=get("SSL_CERT_FILE", ""),
        client_certificate=get("SSL_CLIENT_CERT", ""),
        system_certificates=is_true(get("UV_SYSTEM_CERTS", "") or get("UV_NATIVE_TLS", "")),
        http_proxy=_proxy(environ, "HTTP_PROXY", "ALL_PROXY"),
        https_proxy=_proxy(environ, "HTTPS_PROXY", "ALL_PROXY"),
        no_proxy=_proxy(environ, "NO_PROXY"),
        keyring=get("UV_KEYRING_PROVIDER", ""),
        credentials={name: value for name, value in environ.items() if _CREDENTIAL.fullmatch(name)},
    )


def _of_table(table: Mapping[str, Any], folder: Path) -> IndexSettings:
    """Return the settings of one file. Its `[pip]` table wins over the top level; paths are relative to the file."""
    table = {**table, **table.get("pip", {})}
    default: list[Index] = []  # the first is used
    extra: list[Index] = []
    flat: list[str] = []
    for entry in table.get("index", ()):
        index = Index(_from(entry["url"], folder), entry.get("name", ""))
        if entry.get("format") == "flat":
            flat.append(index.url)
        elif entry.get("default"):
            default.append(index)
        elif not entry.get("explicit"):
            extra.append(index)
    if url := table.get("index-url"):
        default.append(Index(_from(url, folder)))
    extra += [Index(_from(url, folder)) for url in table.get("extra-index-url", ())]
    flat += [_from(link, folder) for link in table.get("find-links", ())]
    return IndexSettings(
        default=default[0] if default else None,
        extra=tuple(extra),
        find_links=tuple(flat),
        no_index=bool(table.get("no-index")),
        strategy=table.get("index-strategy", ""),
        insecure_hosts=tuple(table.get("allow-insecure-host", ())),
        system_certificates=bool(table.get("system-certs") or table.get("native-tls")),
        http_proxy=table.get("http-proxy", ""),
        https_proxy=table.get("https-proxy", ""),
        no_proxy=",".join(table.get("no-proxy", ())),
        keyring=table.get("keyring-provider", ""),
    )


def _files(environ: Mapping[str, str], cwd: Path, platform: str, root: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield the files that uv reads, the strongest first: one each of the project, the user and the system."""
    user, systems = config_folders(environ, platform, root)
    of_project = [folder / name for folder in (cwd, *cwd.parents) for name in ("uv.toml", "pyproject.toml")]
    of_system = [folder / "uv/uv.toml" for folder in (*systems, root / "etc")]
    levels = [filter(Path.is_file, of_project), [user / "uv/uv.toml"], filter(Path.is_file, of_system)]
    if environ.get("UV_CONFIG_FILE"):
        levels = [[cwd / environ["UV_CONFIG_FILE"]]]
    elif is_true(environ.get("UV_NO_CONFIG", "")):
        levels = []
    for paths in levels:
        tables = ((path, table) for path in paths if (table := _table(path)) is not None)
        yield from itertools.islice(tables, 1)


def _table(path: Path) -> dict[str, Any] | None:
    """Return uv's settings in a file; None if the file does not exist or has none."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
    if path.name != "pyproject.toml":
        return table
    of_uv = table.get("tool", {}).get("uv")
    return dict(of_uv) if of_uv is not None else None


def _index(text: str) -> Index:
    """Parse uv's notation: a URL, or `name=URL`."""
    named = _NAMED.fullmatch(text)
    return Index(named[2], named[1]) if named else Index(text)


def _from(text: str, folder: Path) -> str:
    return text if "://" in text else str(folder / text)


def _proxy(environ: Mapping[str, str], *names: str) -> str:
    spelt = [each for name in names for each in (name.lower(), name)]  # in most programs the lowercase spelling wins
    return next(filter(None, map(environ.get, spelt)), "")
