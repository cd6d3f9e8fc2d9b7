"""The package index that the user has configured for uv or pip, as environment variables for both.

Tools are installed with the user's index, credentials, certificates and proxy. All other settings of the user are
ignored: `exclude-newer`, `no-binary` or a constraint would change what a lock asks for. So uv and pip never see the
user's settings themselves: they run in `without_settings(environ)` plus `IndexSettings.for_uv()` or `.for_pip()`. Where
uv reads its own settings (the user's environment), only pip's are translated: `pip_settings.read(environ).for_uv()`.

Credentials are passed in variables, never on a command line.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from notebook_ci.base import pip_settings, uv_settings
from notebook_ci.base.index_settings import ROOT, IndexSettings

# Where `uv auth login` stores credentials.
_KEPT = ("UV_CREDENTIALS_DIR",)
# The user's environments; and a variable that tells a framework Python of macOS its program: wrong for other Pythons.
_FOREIGN = ("__PYVENV_LAUNCHER__", "VIRTUAL_ENV", "CONDA_PREFIX")


def read(environ: Mapping[str, str], cwd: Path, platform: str = sys.platform, root: Path = ROOT) -> IndexSettings:
    """Read the user's settings: uv's win over pip's, variables over files. Raises InputError for an unreadable file.

    Indexes are taken from uv's settings or from pip's, never from both: an index that is set for only one of them may
    be meant to replace the public one. uv's search for project settings starts in `cwd`. `root` contains the system's
    folders `etc` and `Library` (not on Windows).
    """
    uv, pip = uv_settings.read(environ, cwd, platform, root), pip_settings.read(environ, platform, root)
    if uv.names_packages:
        pip = replace(pip, default=None, extra=(), find_links=(), no_index=False)
    return replace(uv.over(pip), insecure_hosts=uv.insecure_hosts or pip.insecure_hosts)


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
