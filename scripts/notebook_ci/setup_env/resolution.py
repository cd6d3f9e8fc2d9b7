"""Resolves what does not fix all versions, to know whether an installation today would give another environment."""

import functools
import re
import tempfile
from pathlib import Path

from notebook_ci.base import requirements_file
from notebook_ci.base.locks import Lock
from notebook_ci.base.process import Argument
from notebook_ci.base.texts import quote, without_users
from notebook_ci.environments.uv import Uv, identify
from notebook_ci.setup_env import faults

STDIN = Path("-")
# A package in the output of `uv pip compile` (0.13), with its hashes on the following lines.
_PACKAGE = re.compile(r"^[^\s#].*(?:\n[ \t]+.*)*", re.MULTILINE)
_EXACT = re.compile(r"--hash=|git\+\S+@[0-9a-f]{40}\b")  # others are code of the repository


def resolve(lock: Lock, python: Path, uv: Uv) -> list[str]:
    """Return all packages that uv would install from a list now, as in a hashed requirements file.

    Returns nothing if two installations of the same packages may differ. Raises InputError or SurroundingsError.
    """
    file, stdin = source(lock, uv.workspace.cwd)
    compiling: list[Argument] = ["pip", "compile", "--quiet", "--no-header", "--no-annotate", "--generate-hashes"]
    compiling += ["--python", python, *(f"--group={file}:{name}" for name in lock.groups)]
    compiling += [*(f"--extra={name}" for name in lock.extras), *uv.pip.uv_flags(), file]
    explain = functools.partial(faults.explain, lock=lock, python=identify(python).version)
    with tempfile.TemporaryDirectory() as folder:
        resolved = Path(folder) / "resolved.txt"
        what = f"The packages of {quote(lock.name)} could not be installed"
        uv.run(what, [*compiling, "--output-file", resolved], stdin=stdin, explain=explain)
        packages: list[str] = _PACKAGE.findall(without_users(resolved.read_text(encoding="utf-8")))
    return packages if all(map(_EXACT.search, packages)) else []


def source(lock: Lock, folder: Path) -> tuple[Path, str]:
    """Return the file that uv reads, started in `folder`, and its standard input."""
    if lock.format.is_conda or lock.refused_git():  # uv refuses them in the file
        return STDIN, requirements_file.for_uv(lock.lines(), folder)
    return lock.path, ""
