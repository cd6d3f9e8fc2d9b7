"""The command `notebook-ci` of the installed package.

It imports nothing of ours: in the package, the modules have other names than the launcher gives them.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path


def main() -> int:
    """Become launch.sh, with the Python of this installation for the tools."""
    bash = shutil.which("bash")
    if bash is None:
        sys.stderr.write("error: notebook-ci needs bash, which is not on PATH. On Windows, run it in Git Bash.\n")
        return 3  # as SurroundingsError
    command = [bash, str(Path(__file__).parents[1] / "launch.sh"), *sys.argv[1:]]
    # The Python behind this environment, which uvx may delete.
    python = getattr(sys, "_base_executable", sys.executable)
    environ = {**os.environ, "NOTEBOOK_CI_PYTHON": python}
    if "UV" in environ and environ.get("VIRTUAL_ENV") != sys.prefix:
        # uvx puts the environment of this command first on PATH. The Python of the notebooks comes after it.
        environ["PATH"] = environ["PATH"].removeprefix(f"{Path(sys.executable).parent}{os.pathsep}")
    if os.name != "nt":
        os.execve(bash, command, environ)  # noqa: S606 - no shell is wanted
    return subprocess.run(command, env=environ, check=False).returncode
