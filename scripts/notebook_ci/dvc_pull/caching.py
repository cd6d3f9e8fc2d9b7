"""Names the cache of DVC's objects for a cache action, before the objects are pulled.

Nothing is cached in three cases: the remote is a local folder, which is as fast as the cache; the repository is public,
because every pull request from a fork can read its caches (the input `cache` overrides this); or the cache folder is
outside the repository and RUNNER_TEMP, because `.dvc/config` names it and may come from an untrusted author.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from notebook_ci.base.console import Console
from notebook_ci.base.workspace import Workspace
from notebook_ci.dvc_pull.model import DvcPullInputs
from notebook_ci.dvc_pull.run import PullPlan

PREFIX = "notebook-ci-dvc-1-"


def cache(inputs: DvcPullInputs, planned: PullPlan, workspace: Workspace, _: Console) -> dict[str, str]:
    """Return `key`, `restore-keys` and `path`; nothing if there must be no cache."""
    folder, remotes = planned.cache.resolve(), planned.remotes
    if not _is_allowed(inputs, workspace.environ) or all(remote.kind == "local" for remote in remotes):
        return {}
    if not _may_be_kept(folder, planned.root, workspace):
        return {}
    # The prefix identifies the repository and its remotes; the rest of the key covers what is pulled.
    source = "\0".join([os.path.relpath(planned.root, workspace.cwd), *(f"{each.name} {each.url}" for each in remotes)])
    prefix = f"{PREFIX}{hashlib.sha256(source.encode()).hexdigest()[:16]}-"
    contents = sorted({(out.file, out.path, out.hash, out.remote) for out in planned.pointers.outs})
    pulled = hashlib.sha256(json.dumps([inputs.targets, inputs.remote, contents]).encode())
    return {"key": f"{prefix}{pulled.hexdigest()[:32]}", "restore-keys": prefix, "path": str(folder)}


def _is_allowed(inputs: DvcPullInputs, environ: Mapping[str, str]) -> bool:
    if inputs.cache is not None:
        return inputs.cache
    # Without an input: allowed unless the repository is public.
    try:
        event = json.loads(Path(environ["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))
        return event["repository"]["private"] is not False
    except (KeyError, TypeError, OSError, ValueError):
        return True


def _may_be_kept(cache: Path, root: Path, workspace: Workspace) -> bool:
    """Return whether a folder contains only the cache: no git files, not the repository, no other files."""
    homes = [root.resolve(), workspace.cwd.resolve()]
    if any(home.is_relative_to(cache) for home in homes) or ".git" in {part.lower() for part in cache.parts}:
        return False
    if workspace.runner_temp:
        homes.append(workspace.runner_temp.resolve())
    return any(cache.is_relative_to(home) and cache != home for home in homes)
