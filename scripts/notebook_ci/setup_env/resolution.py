"""Resolves what does not fix all versions, to know whether an installation today would give another environment."""

import functools
import re
import tempfile
from dataclasses import replace
from pathlib import Path

from notebook_ci.base import requirements_file
from notebook_ci.base.locks import Lock
from notebook_ci.base.process import Argument
from notebook_ci.base.texts import listed, quote, without_users
from notebook_ci.environments.uv import Uv, identify
from notebook_ci.setup_env import faults
from notebook_ci.setup_env.no_solution import ContradictionError

STDIN = Path("-")
MOST_NAMED = 5
# A package in the output of `uv pip compile` (0.13), with its hashes on the following lines.
_PACKAGE = re.compile(r"^[^\s#].*(?:\n[ \t]+.*)*", re.MULTILINE)
_VERSION = re.compile(r"([\w.-]+)==")
_EXACT = re.compile(r"--hash=|git\+\S+@[0-9a-f]{40}\b")  # others are code of the repository


def resolve(lock: Lock, python: Path, uv: Uv) -> tuple[Lock, list[str]]:
    """Return all packages that uv would install from a list now, as in a hashed requirements file, and the list.

    Returns no packages if two installations of the same packages may differ. A list that contradicts itself is
    returned `as_listed` if it pins all packages, as `pip freeze` does. Raises InputError or SurroundingsError.
    """
    try:
        packages = _compile(lock, python, uv)
    except ContradictionError as error:
        lock, packages = replace(lock, as_listed=True), _complete(lock, python, uv, error)
    return lock, packages if all(map(_EXACT.search, packages)) else []


def _complete(lock: Lock, python: Path, uv: Uv, error: ContradictionError) -> list[str]:
    """Return the packages of a contradicting list that pins them. Raises the error if it does not, or lacks some."""
    if not (pins := lock.pins()):
        raise error
    with tempfile.TemporaryDirectory() as folder:
        overrides = Path(folder) / "overrides.txt"  # what packages require of others does not count
        overrides.write_text("".join(f"{line.for_uv}\n" for line in pins), encoding="utf-8")
        try:
            packages = _compile(lock, python, uv, "--overrides", overrides)
        except ContradictionError:
            raise error from None
    names = {line.pinned for line in pins}
    versions = filter(None, map(_VERSION.match, packages))
    if missing := [found[1] for found in versions if found[1] not in names]:
        named = listed(list(map(quote, missing)), MOST_NAMED)
        error.message += f" It cannot be installed as it is, because it also lacks {named}."
        raise error
    return packages


def _compile(lock: Lock, python: Path, uv: Uv, *more: Argument) -> list[str]:
    file, stdin = source(lock, uv.workspace.cwd)
    compiling: list[Argument] = ["pip", "compile", "--quiet", "--no-header", "--no-annotate", "--generate-hashes"]
    compiling += ["--python", python, *(f"--group={file}:{name}" for name in lock.groups)]
    compiling += [*(f"--extra={name}" for name in lock.extras), *uv.pip.uv_flags(), *more, file]
    explain = functools.partial(faults.explain, lock=lock, python=identify(python).version)
    with tempfile.TemporaryDirectory() as folder:
        resolved = Path(folder) / "resolved.txt"
        what = f"The packages of {quote(lock.name)} could not be installed"
        uv.run(what, [*compiling, "--output-file", resolved], stdin=stdin, explain=explain)
        packages: list[str] = _PACKAGE.findall(without_users(resolved.read_text(encoding="utf-8")))
    return packages


def source(lock: Lock, folder: Path) -> tuple[Path, str]:
    """Return the file that uv reads, started in `folder`, and its standard input."""
    if lock.format.is_conda or lock.refused_git():  # uv refuses them in the file
        return STDIN, requirements_file.for_uv(lock.lines(), folder)
    return lock.path, ""
