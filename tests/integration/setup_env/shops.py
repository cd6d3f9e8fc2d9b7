"""A workspace whose packages come from an index on loopback, and what is in its environment."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from integration.index_server import IndexServer, digest
from integration.suite import PYTHON, ROOT, Done, Workspace


class Shop:
    """A workspace whose packages come from the index on loopback."""

    def __init__(self, workspace: Workspace, index: IndexServer) -> None:
        self.workspace, self.index = workspace, index
        self.environ: dict[str, str | None] = {
            "UV_DEFAULT_INDEX": index.url(),
            "UV_CACHE_DIR": str(workspace.base / "uv"),
        }

    def setup(self, environ: Mapping[str, str | None] | None = None, **inputs: str) -> Done:
        given = {name.replace("_", "-"): value for name, value in inputs.items()}
        return self.workspace.run("setup-env", given, environ={**self.environ, **(environ or {})})

    def hashed(self, *names: str) -> str:
        """Return a hashed lock of packages of the index."""
        wheels = (next(self.index.folder.glob(f"{name}-*.whl")) for name in names)
        return "".join(f"{w.name.split('-')[0]}=={w.name.split('-')[1]} --hash=sha256:{digest(w)}\n" for w in wheels)

    def uv(self, *arguments: str) -> None:
        """Run the uv of the tool environment in the workspace."""
        launch = ["/bin/bash", str(ROOT / "scripts" / "launch.sh"), "--env", "setup-env", "--exec", "uv"]
        env = {**self.workspace.environ, **{name: value for name, value in self.environ.items() if value}}
        subprocess.run([*launch, *arguments], cwd=self.workspace.folder, env=env, check=True, capture_output=True)


def cache_key(shop: Shop, **inputs: str) -> str:
    """Return the key under which a runner caches the environment; empty if it does not."""
    named = shop.workspace.run("setup-env", inputs, flags=["--name-cache"], environ=shop.environ)
    return str(named.outputs.get("key", ""))


def installed(done: Done) -> dict[str, str]:
    return dict(done.record["packages"])


def ask(done: Done, source: str) -> str:
    """Have the environment's Python answer."""
    python = done.outputs["python"]
    return subprocess.run([python, "-I", "-c", source], capture_output=True, text=True, check=True).stdout.strip()


# A build backend that installs the code in `src` where it is.
EDITABLE = """
import os, zipfile

def build_editable(folder, config_settings=None, metadata_directory=None):
    info = "study-1.dist-info"
    with zipfile.ZipFile(f"{folder}/study-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("study.pth", os.path.abspath("src") + "\\n")
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: study\\nVersion: 1\\nRequires-Dist: nbone\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return "study-1-py3-none-any.whl"
"""

ONE = {"ipykernel": "1.0", "nbone": "1.0"}


def copied_python(folder: Path) -> Path:
    """Make another installation of the Python of these tests: the program copied, its library linked.

    Its name has no version, so the launcher keeps to the other one for the tools.
    """
    (folder / "bin").mkdir(parents=True)
    program = folder / "bin" / "python"
    shutil.copy(os.path.realpath(PYTHON), program)
    prefix = Path(os.path.realpath(PYTHON)).parents[1]
    for library in ("lib", "lib64"):
        if (prefix / library).exists():
            (folder / library).symlink_to(prefix / library)
    return program
