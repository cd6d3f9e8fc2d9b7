"""pip's settings of package indexes: "Configuration" of its docs (pip 23 to 26)."""

import configparser
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from notebook_ci.base.index_settings import ROOT, Index, IndexSettings, config_folders, home_folder, is_true, unreadable


def read(environ: Mapping[str, str], platform: str = sys.platform, root: Path = ROOT) -> IndexSettings:
    """Read pip's settings of indexes. Raises InputError if a settings file cannot be read."""
    options = _options(environ, platform, root)
    default = options.get("index-url", "")
    links = (os.path.expanduser(link) for link in options.get("find-links", "").split())  # noqa: PTH111 (an address, too)
    proxy = options.get("proxy", "")
    return IndexSettings(
        default=Index(default) if default else None,
        extra=tuple(map(Index, options.get("extra-index-url", "").split())),
        # pip ignores a folder that does not exist; uv fails.
        find_links=tuple(link for link in links if "://" in link or Path(link).exists()),
        no_index=is_true(options.get("no-index", "")),
        insecure_hosts=tuple(options.get("trusted-host", "").split()),
        certificates=options.get("cert", "") or environ.get("REQUESTS_CA_BUNDLE", ""),
        client_certificate=options.get("client-cert", ""),
        http_proxy=proxy,
        https_proxy=proxy,
        keyring=options.get("keyring-provider", ""),
    )


def _options(environ: Mapping[str, str], platform: str, root: Path) -> dict[str, str]:
    """Return pip's options: variables win over the section `install`, which wins over `global`; later files win."""
    parser = configparser.RawConfigParser()
    for path in _files(environ, platform, root):
        try:
            parser.read(path, encoding="utf-8")
        except (OSError, ValueError, configparser.Error) as error:
            raise unreadable(path, error) from error
    layers = [dict(parser.items(section)) for section in ("global", "install") if parser.has_section(section)]
    layers.append({name.removeprefix("PIP_"): value for name, value in environ.items() if name.startswith("PIP_")})
    # pip ignores an option with an empty value.
    return {name.lower().replace("_", "-"): value for layer in layers for name, value in layer.items() if value}


def _files(environ: Mapping[str, str], platform: str, root: Path) -> Iterator[Path]:
    """Yield the files that pip reads; later ones win."""
    own = environ.get("PIP_CONFIG_FILE", "")
    if own == os.devnull:
        return
    home = home_folder(environ, platform)
    virtual = environ.get("VIRTUAL_ENV", "")
    name = "pip.ini" if platform == "win32" else "pip.conf"
    user, system = config_folders(environ, platform, root)
    folders = [folder / "pip" for folder in system]
    users = [home / ("pip" if platform == "win32" else ".pip"), user / "pip"]
    if platform == "darwin":
        library = Path("Library/Application Support/pip")
        folders = [root / library]
        users[1] = home / library if (home / library).is_dir() else users[1]
    elif platform != "win32":
        folders.append(root / "etc")
    # pip skips the user's files if `PIP_CONFIG_FILE` names an existing file.
    folders += [] if own and Path(own).exists() else users
    folders += [Path(virtual)] if virtual else []
    yield from (folder / name for folder in folders)
    if own:
        yield Path(own)
