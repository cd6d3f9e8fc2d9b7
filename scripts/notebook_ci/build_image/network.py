"""How a build reaches the package index: the user's own settings, none of which is in the image at the end."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from notebook_ci.base import indexes
from notebook_ci.base.errors import InputError
from notebook_ci.base.files import read_text
from notebook_ci.base.indexes import IndexSettings
from notebook_ci.base.masking import learn

CERTIFICATES = "certificates.crt"
_LOOPBACK = ("localhost", "127.", "::1")


@dataclass(frozen=True)
class Network:
    """What a build is told.

    Attributes:
        arguments: Build arguments: what uv and pip are to know. They may hold credentials.
        certificates: Certificates to trust (PEM); empty: those of the base image.
        of_host: Whether the build must use the network of the engine's machine: the index is on its loopback.
        left_out: Settings that a build cannot be given.
    """

    arguments: Mapping[str, str]
    certificates: str
    of_host: bool
    left_out: tuple[str, ...]

    @classmethod
    def of(cls, environ: Mapping[str, str], cwd: Path) -> "Network":
        """Read the user's settings.

        Raises:
            InputError: A file of settings, or the one of the certificates, cannot be read.
        """
        settings = indexes.read(environ, cwd)
        learn(settings.for_uv())
        places = [index.url for index in (settings.default, *settings.extra) if index]
        local = [place for place in (*places, *settings.find_links) if not _is_remote(place)]
        if settings.no_index or set(local) & set(places):
            raise InputError(
                "Packages are to come from folders of this machine: the build of an image reaches indexes alone.",
                hint="Name an index that is reached by http or https, for example in UV_DEFAULT_INDEX.",
            )
        told = replace(
            settings,
            certificates="",
            client_certificate="",
            system_certificates=False,
            keyring="",
            find_links=tuple(link for link in settings.find_links if _is_remote(link)),
        )
        urls = [*places, *told.find_links, told.http_proxy, told.https_proxy]
        return cls(
            arguments={**told.for_pip(), **told.for_uv()},
            certificates=_certificates(settings),
            of_host=any(_on_loopback(url) for url in urls),
            left_out=_left_out(settings),
        )


def _left_out(settings: IndexSettings) -> tuple[str, ...]:
    asked = {
        "client certificate": settings.client_certificate,
        "keyring": settings.keyring not in {"", "disabled"},
    }
    return tuple(name for name, value in asked.items() if value)


def _certificates(settings: IndexSettings) -> str:
    """Return the certificates that the user trusts: those of the file that is named, or of the system where asked."""
    file = settings.certificates
    if not file and settings.system_certificates:
        file = ssl.get_default_verify_paths().cafile or ""
    return (
        read_text(Path(file), file, hint="It holds the certificates to trust: SSL_CERT_FILE or pip's `cert` names it.")
        if file
        else ""
    )


def _is_remote(place: str) -> bool:
    return urlsplit(place).scheme in {"http", "https"}


def _on_loopback(url: str) -> bool:
    return (urlsplit(url).hostname or "").startswith(_LOOPBACK)
