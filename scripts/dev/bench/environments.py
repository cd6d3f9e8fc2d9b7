"""The environments of the contenders."""

import os
import subprocess
from pathlib import Path

from notebook_ci.base.process import Argument
from notebook_ci.tools import tool

# Others would affect some contenders; launch.sh reads the last one.
VARIABLES = ("PATH", "LANG", "TMPDIR", "NOTEBOOK_CI_PYTHON")
OURS = ("papermill", "nbclient", "jupyter-client")
PEERS = ("papermill", "nbclient", "nbmake", "pytest", "pytest-xdist")
KERNELS = ("ipykernel", "jupyter-client", "ipython", "numpy", "pandas", "matplotlib", "scikit-learn")
VERSIONS = """
import platform, sys
from importlib.metadata import version
print(", ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in sys.argv[1:])]))
"""


def create(home: Path) -> dict[str, str]:
    """Create missing environments, and the empty home of all contenders, without settings and history.

    Return the variables of all contenders: `$OURS` and `$PEERS` are the Pythons of execute-notebook and of its peers.
    """
    ours, peers = python_of("execute-notebook"), python_of("bench")
    home.mkdir()
    kept = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    cache = Path(peers).parents[2]
    return {**kept, "HOME": str(home), "NOTEBOOK_CI_CACHE": str(cache), "OURS": ours, "PEERS": peers}


def python_of(name: str) -> str:
    """Return the Python of a tool environment, which is created if it is missing."""
    return output_of(*tool.command(name, "python", "-c", "import sys; print(sys.executable)"))


def versions(ours: str, peers: str) -> dict[str, str]:
    """Return the versions of Python and packages, by what runs with them."""
    return {
        "execute-notebook": output_of(ours, "-c", VERSIONS, *OURS),
        "its peers, and the kernels of all": output_of(peers, "-c", VERSIONS, *PEERS, *KERNELS),
    }


def output_of(*command: Argument) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
