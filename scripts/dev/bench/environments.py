"""The environments of the contenders."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from notebook_ci.base.launcher import LAUNCHER

# Variables of a runner, Python, a shell or a user that would affect some contenders.
PREFIXES = (
    "PYTHON", "JUPYTER", "IPYTHON", "PYTEST", "PAPERMILL", "MPL", "XDG_", "VIRTUAL_ENV", "GITHUB_", "RUNNER_",
    "OMP_",
)  # fmt: skip
PACKAGES = ("papermill", "nbclient", "nbmake", "pytest", "pytest-xdist", "ipykernel", "jupyter-client", "ipython")
IMPORTED = ("numpy", "pandas", "matplotlib", "scikit-learn")
VERSIONS = """
import json, platform, sys
from importlib.metadata import version
print(json.dumps({"Python": platform.python_version(), **{name: version(name) for name in sys.argv[1:]}}))
"""


def create(home: Path) -> dict[str, str]:
    """Create missing environments, and the empty home of all contenders, without settings and history.

    Return the variables of all contenders: `$OURS` and `$PEERS` are the Pythons of execute-notebook and of its peers.
    """
    ours, peers = python_of("execute-notebook"), python_of("bench")
    home.mkdir()
    clean = {name: value for name, value in os.environ.items() if not name.startswith(PREFIXES)}
    cache = Path(peers).parents[2]
    return {**clean, "HOME": str(home), "NOTEBOOK_CI_CACHE": str(cache), "OURS": ours, "PEERS": peers}


def python_of(name: str) -> str:
    """Return the Python of a tool environment, which is created if it is missing."""
    return output_of(
        "bash", str(LAUNCHER), "--env", name, "--exec", "python", "-c", "import sys; print(sys.executable)"
    )


def versions(environ: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Return the versions of Python and packages, by what runs with them."""
    ours, peers = environ["OURS"], environ["PEERS"]
    return {
        "execute-notebook": _versions(ours, ("papermill", "nbclient", "jupyter-client")),
        "its peers, and the kernels of all": _versions(peers, PACKAGES),
        "imported by notebooks": _versions(peers, IMPORTED),
    }


def _versions(python: str, packages: Sequence[str]) -> dict[str, str]:
    return dict(json.loads(output_of(python, "-c", VERSIONS, *packages)))


def output_of(*command: str) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
