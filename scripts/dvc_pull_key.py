"""The script that names the cache of dvc-pull: DVC's cache of objects, before they are pulled.

Where nothing should be cached the outputs are empty: the remote is a folder, which is as near as the cache, or the
repository is public, whose caches every pull request from a fork can read (the input `cache` decides otherwise). Nor is
a folder outside the repository and RUNNER_TEMP: `.dvc/config` names it, and a stranger may have written that.
"""

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

from notebook_ci.base.errors import NotebookCiError
from notebook_ci.base.github import Console
from notebook_ci.base.inputs import load
from notebook_ci.dvc_pull import run
from notebook_ci.dvc_pull.config import FOLDER, Config, pointers
from notebook_ci.dvc_pull.model import DvcPullInputs

PREFIX = "notebook-ci-dvc-1-"


def main(argv: Sequence[str], environ: Mapping[str, str], stdin: TextIO) -> int:
    """Set the outputs `key`, `restore-keys` and `path` for a cache.

    Arguments: see `Stage.main`. What is wrong is left to dvc-pull, which says it.

    Returns:
        0.
    """
    cwd = Path.cwd()
    with contextlib.suppress(NotebookCiError, OSError):
        inputs = load(DvcPullInputs, "dvc-pull", argv, stdin, cwd)
        if _wanted(inputs, environ):
            Console(environ).set_outputs(_cache(inputs, environ, cwd))
    return 0


def _wanted(inputs: DvcPullInputs, environ: Mapping[str, str]) -> bool:
    """Return whether a cache is allowed: said so, or else in a repository that is not public."""
    if inputs.cache is not None:
        return inputs.cache
    try:
        event = json.loads(Path(environ["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))
        return event["repository"]["private"] is not False
    except (KeyError, TypeError, OSError, ValueError):
        return True


def _cache(inputs: DvcPullInputs, environ: Mapping[str, str], cwd: Path) -> dict[str, str]:
    """Return the outputs: the key is made of all that decides what is pulled, and begins with the repository alone."""
    root, _ = run.find(inputs, cwd)
    remotes = run.wanted(inputs, root, cwd, environ)
    if all(remote.kind == "local" for remote in remotes):
        return {}
    cache = Config.read(root, "", environ).cache.resolve()
    if not _may_be_kept(cache, root, cwd, environ):
        return {}
    prefix = f"{PREFIX}{_short(os.path.relpath(root, cwd), *(f'{each.name} {each.url}' for each in remotes))}-"
    pulled = hashlib.sha256(json.dumps([inputs.targets, inputs.remote]).encode())
    for path in (root / FOLDER / "config", *pointers(root)):
        if path.is_file():
            pulled.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return {"key": f"{prefix}{pulled.hexdigest()[:32]}", "restore-keys": prefix, "path": str(cache)}


def _may_be_kept(cache: Path, root: Path, cwd: Path, environ: Mapping[str, str]) -> bool:
    """Return whether a folder holds nothing but the cache: not git's files, nor the repository, nor those of others."""
    homes = [root.resolve(), cwd.resolve()]
    if any(home.is_relative_to(cache) for home in homes) or ".git" in {part.lower() for part in cache.parts}:
        return False
    if temporary := environ.get("RUNNER_TEMP"):
        homes.append(Path(temporary).resolve())
    return any(cache.is_relative_to(home) and cache != home for home in homes)


def _short(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ, sys.stdin))
