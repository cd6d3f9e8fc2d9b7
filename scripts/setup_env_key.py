"""The script that names the cache of setup-env's environment, before the environment is made.

Where nothing can be cached the outputs are empty: versions are not fixed, or Python would first have to be downloaded.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from notebook_ci.base import locks
from notebook_ci.base.errors import NOTHING_TO_DO, NotebookCiError
from notebook_ci.base.github import Console
from notebook_ci.base.inputs import CHECK_ONLY, load
from notebook_ci.base.locks import Lock
from notebook_ci.setup_env import pythons, venv
from notebook_ci.setup_env.model import SetupEnvInputs
from notebook_ci.setup_env.run import uv_program
from notebook_ci.setup_env.uv import Uv
from notebook_ci.setup_env.wanted import wanted


def main(argv: Sequence[str], environ: Mapping[str, str], stdin: TextIO) -> int:
    """Set the outputs `key` and `path` for a cache.

    Arguments: see `Stage.main`. What is wrong is left to setup-env, which says it.

    Returns:
        0; with `--check-inputs` and wrong inputs `NOTHING_TO_DO`.
    """
    cwd = Path.cwd()
    try:
        inputs = load(SetupEnvInputs, "setup-env", argv, stdin, cwd)
        lock, _ = locks.find(inputs.requirements, cwd)
        path = venv.place(inputs.venv, inputs.slug, environ, cwd)
        venv.Venv(path).check()
        if CHECK_ONLY not in argv and lock.fixes_versions:
            console = Console(environ)
            uv = Uv(uv_program(), environ, cwd, console, Path(os.devnull))
            version = wanted(inputs.python_version, lock.path.parent, cwd).version
            console.set_outputs(_cache(uv, version, lock, path))
    except NotebookCiError:
        return NOTHING_TO_DO if CHECK_ONLY in argv else 0
    return 0


def _cache(uv: Uv, version: str, lock: Lock, path: Path) -> dict[str, str]:
    python = pythons.find(uv, version)
    return {"key": f"notebook-ci-env-2-{venv.key(lock, python)}", "path": str(path)} if python else {}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ, sys.stdin))
