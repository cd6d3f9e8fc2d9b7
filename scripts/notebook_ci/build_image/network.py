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
from notebook_ci.conda.install import CondaPlan

CERTIFICATES = "certificates.crt"
SSL_CERT_FILE = "SSL_CERT_FILE"
_LOOPBACK = ("localhost", "127.", "::1")


@dataclass(frozen=True)
class Network:
    arguments: Mapping[str, str]  # build arguments for uv, pip and py-rattler; they may contain credentials
    certificates: str  # certificates to trust (PEM); empty: those of the base image
    of_host: bool  # the index or a channel is on the loopback of the engine's machine, so the build needs it
    left_out: tuple[str, ...]  # settings that cannot be passed to a build

    @classmethod
    def of(cls, workspace: Workspace, conda: CondaPlan | None) -> "Network":
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
        arguments = {**passed.for_pip(), **passed.for_uv(), **(conda.variables if conda else {})}
        files = [_certificates(settings), arguments.pop(SSL_CERT_FILE, "")]
        urls += [*passed.find_links, *([*conda.installation.channels, *conda.installation.urls] if conda else ())]
        urls += [value for name, value in arguments.items() if name.lower() in {"http_proxy", "https_proxy"}]
        hint = "Correct `SSL_CERT_FILE`, `cert` in the settings of pip, or `ssl_verify` in those of conda."
        return cls(
            arguments=arguments,
            certificates="\n".join(
                read_text(Path(file), file, hint=hint) for file in dict.fromkeys(filter(None, files))
            ),
            of_host=any((urlsplit(url).hostname or "").startswith(_LOOPBACK) for url in urls),
            left_out=tuple(left_out),
        )


def _certificates(settings: IndexSettings) -> str:
    """Return the file with the user's certificates: the named one, or that of the system if the settings say so."""
    if settings.certificates or not settings.system_certificates:
        return settings.certificates
    return ssl.get_default_verify_paths().cafile or ""


def _is_remote(address: str) -> bool:
    return urlsplit(address).scheme in {"http", "https"}
