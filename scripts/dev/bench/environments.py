"""The environments of the contenders."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PEERS = "bench"
OURS = "execute-notebook"
# Variables of a runner, Python, a shell or a user that would affect some contenders.
PREFIXES = (
    "PYTHON", "JUPYTER", "IPYTHON", "PYTEST", "PAPERMILL", "MPL", "XDG_", "VIRTUAL_ENV", "GITHUB_", "RUNNER_",
)  # fmt: skip
PACKAGES = ("papermill", "nbclient", "nbmake", "pytest", "pytest-xdist", "ipykernel", "jupyter-client", "ipython")
IMPORTED = ("numpy", "pandas", "matplotlib", "scikit-learn")
VERSIONS = """
import json, platform, sys
from importlib.metadata import version
print(json.dumps([platform.python_version(), {name: version(name) for name in sys.argv[1:]}]))
"""


@dataclass(frozen=True)
class Environments:
    launch: tuple[str, ...]  # the command of launch.sh
    python: Path  # runs the peers, and the kernels of all contenders
    environ: Mapping[str, str]
    versions: Mapping[str, Mapping[str, str]]  # of Python and packages, by what runs with them

    @classmethod
    def create(cls, root: Path, environ: Mapping[str, str], home: Path) -> "Environments":
        """Create missing environments, and `home`: the empty home of all contenders, without settings and history."""
        launch = ("bash", str(root / "scripts" / "launch.sh"))
        python, ours = (python_of(launch, name, environ) for name in (PEERS, OURS))
        home.mkdir(parents=True)
        clean = {name: value for name, value in environ.items() if not name.startswith(PREFIXES)}
        clean |= {"HOME": str(home), "NOTEBOOK_CI_CACHE": str(python.parents[2])}
        versions = {
            "execute-notebook": _versions(ours, ("papermill", "nbclient", "jupyter-client")),
            "its peers, and the kernels of all": _versions(python, PACKAGES),
            "imported by notebooks": _versions(python, IMPORTED),
        }
        return cls(launch, python, clean, versions)

    def stage(self, *arguments: str) -> list[str]:
        return [*self.launch, OURS, "--python", str(self.python), *arguments]

    def peer(self, *arguments: str) -> list[str]:
        return [str(self.python), *arguments]


def python_of(launch: Sequence[str], name: str, environ: Mapping[str, str]) -> Path:
    """Return the Python of a tool environment, which is created if it is missing."""
    command = [*launch, "--env", name, "--exec", "python", "-c", "import sys; print(sys.executable)"]
    done = subprocess.run(command, env=dict(environ), stdout=subprocess.PIPE, text=True, check=True)
    return Path(done.stdout.strip())


def _versions(python: Path, packages: Sequence[str]) -> dict[str, str]:
    done = subprocess.run([python, "-c", VERSIONS, *packages], stdout=subprocess.PIPE, text=True, check=True)
    own, others = json.loads(done.stdout)
    return {"Python": own, **others}
