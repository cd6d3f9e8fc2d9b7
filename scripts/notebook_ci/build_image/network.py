"""The settings with which a build reaches the package index: the user's own. None of them remains in the image."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from notebook_ci.base import indexes
from notebook_ci.base.errors import InputError
from notebook_ci.base.files import read_text
from notebook_ci.base.index_settings import IndexSettings
from notebook_ci.base.masking import learn
from notebook_ci.base.workspace import Workspace

CERTIFICATES = "certificates.crt"
_LOOPBACK = ("localhost", "127.", "::1")


@dataclass(frozen=True)
class Network:
    arguments: Mapping[str, str]  # build arguments for uv and pip; they may contain credentials
    certificates: str  # certificates to trust (PEM); empty: those of the base image
    of_host: bool  # the index is on the loopback of the engine's machine, so the build needs that network
    left_out: tuple[str, ...]  # settings that cannot be passed to a build

    @classmethod
    def of(cls, workspace: Workspace) -> "Network":
        """Read the user's settings. Raises InputError if a file cannot be read, or only local folders have packages."""
        settings = indexes.read(workspace.environ, workspace.cwd)
        learn(settings.for_uv())
        urls = [index.url for index in (settings.default, *settings.extra) if index]
        local = [each for each in (*urls, *settings.find_links) if not _is_remote(each)]
        if settings.no_index or set(local) & set(urls):
            message = "The package index is a folder of this machine, which the build of an image cannot reach."
            raise InputError(message, hint="Set `UV_DEFAULT_INDEX` to an index with http or https.")
        left_out = ["client certificate"] if settings.client_certificate else []
        left_out += ["keyring"] if settings.keyring not in {"", "disabled"} else []
        passed = replace(
            settings,
            certificates="",
            client_certificate="",
            system_certificates=False,
            keyring="",
            find_links=tuple(link for link in settings.find_links if _is_remote(link)),
        )
        urls += [*passed.find_links, passed.http_proxy, passed.https_proxy]
        return cls(
            arguments={**passed.for_pip(), **passed.for_uv()},
            certificates=_certificates(settings),
            of_host=any((urlsplit(url).hostname or "").startswith(_LOOPBACK) for url in urls),
            left_out=tuple(left_out),
        )


def _certificates(settings: IndexSettings) -> str:
    """Return the user's certificates: those of the named file, or of the system if the settings say so."""
    file = settings.certificates
    if not file and settings.system_certificates:
        file = ssl.get_default_verify_paths().cafile or ""
    hint = "Correct `SSL_CERT_FILE`, or `cert` in the settings of pip."
    return read_text(Path(file), file, hint=hint) if file else ""


def _is_remote(address: str) -> bool:
    return urlsplit(address).scheme in {"http", "https"}
