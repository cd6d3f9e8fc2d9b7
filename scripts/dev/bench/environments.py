"""The environments of the contenders."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import distributions
from importlib.util import cache_from_source
from pathlib import Path

from notebook_ci.base.launcher import LAUNCHER
from notebook_ci.base.process import Argument, program_in
from notebook_ci.base.project import normal_name
from notebook_ci.tools import tool
from servers import conda
from servers.conda import Package
from servers.files import serve_files

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
REQUIREMENTS = LAUNCHER.parents[1] / "requirements"
# What the works of installing install: the lock, and the tools of a chain that only executes a notebook and logs it.
LOCKS = ("bench", "uv", "pipeline", "setup-env", "execute-notebook", "mlflow-thin")
MOST_PACKAGES = 30
PENGUINS = LAUNCHER.parents[1] / "examples" / "penguins"


def create(home: Path) -> dict[str, str]:
    """Create missing environments, and the empty home of all contenders, without settings and history.

    Return the variables of all contenders: `$OURS` and `$PEERS` are the Pythons of execute-notebook and of its peers.
    """
    ours, peers = python_of("execute-notebook"), python_of("bench")
    home.mkdir()
    kept = {name: os.environ[name] for name in VARIABLES if name in os.environ}
    cache = Path(peers).parents[2]
    return {**kept, "HOME": str(home), "NOTEBOOK_CI_CACHE": str(cache), "OURS": ours, "PEERS": peers}


@contextlib.contextmanager
def packages(folder: Path, peers: str) -> Iterator[dict[str, str]]:
    """Provide what the works of installing install: a folder of wheels, and a channel of conda on loopback.

    Yield variables: pip's, the example `$PENGUINS`, `$LOCK`, `$PACKAGES` of the channel `$CHANNEL`, and the tools `$UV`
    and `$RATTLER`.
    """
    wheels, pip = folder / "wheels", folder / "pip"
    subprocess.run([sys.executable, "-m", "venv", pip], check=True)
    download: list[Argument] = [program_in(pip), "-m", "pip", "download", "--quiet", "--no-deps"]
    download += ["--only-binary", ":all:"]
    for lock in (*(REQUIREMENTS / f"{name}.txt" for name in LOCKS), PENGUINS / "requirements.txt"):
        subprocess.run([*download, "--dest", wheels, "-r", lock], check=True)
    names = make_channel(folder / "channel", peers)
    with serve_files(folder / "channel") as server:
        yield {
            "PIP_NO_INDEX": "1",
            "PIP_FIND_LINKS": str(wheels),
            "PENGUINS": str(PENGUINS),
            "LOCK": str(REQUIREMENTS / f"{LOCKS[0]}.txt"),
            "CHANNEL": server.url,
            "PACKAGES": " ".join(names),
            "UV": str(uv()),
            "RATTLER": python_of("conda"),
        }


def make_channel(folder: Path, python: str) -> list[str]:
    """Make a channel of packages that are installed for a Python, and this itself. Return their names."""
    site = next(Path(python).parents[1].glob("lib/*/site-packages"))
    chosen = []
    for each in sorted(distributions(path=[str(site)]), key=lambda each: each.name)[: MOST_PACKAGES - 1]:
        # Without programs, and not as of uv: setup-env would miss them.
        files = [site / file for file in each.files or () if ".." not in file.parts and file.name != "INSTALLER"]
        is_pure = "Root-Is-Purelib: true" in (each.read_text("WHEEL") or "")  # then rattler compiles it
        files += [] if is_pure else [Path(cache_from_source(file)) for file in files if file.suffix == ".py"]
        where = "site-packages" if is_pure else f"{conda.LIBRARY}/site-packages"
        content = {f"{where}/{file.relative_to(site)}": file for file in files if file.exists()}
        points: list[str] | None = [] if is_pure else None
        chosen.append(Package(normal_name(each.name), each.version, ["python"], content, entry_points=points))
    conda.make(folder, chosen)
    return ["python", *(package.name for package in chosen)]


def uv() -> Path:
    return program_in(Path(python_of("setup-env")).parents[1], "uv")


def python_of(name: str) -> str:
    """Return the Python of a tool environment, which is created if it is missing."""
    return output_of(*tool.command(name, "python", "-c", "import sys; print(sys.executable)"))


def versions(ours: str, peers: str) -> dict[str, str]:
    """Return the versions of Python and packages, by what runs with them."""
    return {
        "execute-notebook": output_of(ours, "-c", VERSIONS, *OURS),
        "its peers, and the kernels of all": output_of(peers, "-c", VERSIONS, *PEERS, *KERNELS),
        "notebooks of packages": output_of(python_of("bench-real"), "-c", VERSIONS, "statsmodels", "sktime", "hvplot"),
        "setup-env": output_of(python_of("setup-env"), "-c", VERSIONS, "uv"),
        "conda": output_of(python_of("conda"), "-c", VERSIONS, "py-rattler"),
    }


def output_of(*command: Argument) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
