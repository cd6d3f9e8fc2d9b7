"""The stage dvc-pull: chooses the tool environment by kind of remote, runs the worker and records its result."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from notebook_ci.base import isolation, worker
from notebook_ci.base.console import Console
from notebook_ci.base.context import Context
from notebook_ci.base.errors import InputError, together
from notebook_ci.base.files import is_folder, sha256
from notebook_ci.base.lock_search import searched
from notebook_ci.base.plan import Nothing, Plan
from notebook_ci.base.texts import quote, without_secrets
from notebook_ci.base.workspace import Workspace
from notebook_ci.dvc.pointers import FOLDER, Entry, Pointers, read
from notebook_ci.dvc_pull.config import (
    IN_ALL,
    KINDS,
    SUPPORTED,
    UNSUPPORTED,
    Config,
    Remote,
    find_root,
    scheme_of,
)
from notebook_ci.dvc_pull.model import MANIFEST, DvcPullInputs
from notebook_ci.dvc_pull.protocol import Request, Result
from notebook_ci.records.dvc_pull import DvcPullRecord, Pulled
from notebook_ci.tools import tool

WORKER = Path(__file__).with_name("worker.py")
LOG = "dvc.log"
CACHE_PREFIX = "notebook-ci-dvc-1-"
NO_DATA = "There is no `.dvc` folder: DVC tracks no data here."
# Without GIT_TERMINAL_PROMPT, git would wait for someone to type.
QUIET = {"GIT_TERMINAL_PROMPT": "0", "DVC_NO_ANALYTICS": "1", "NO_COLOR": "1"}


@dataclass(frozen=True, kw_only=True)
class PullPlan(Plan):
    root: Path  # the folder that contains `.dvc`
    directory: Path  # the working directory
    cache: Path  # DVC's cache folder
    pointers: Pointers
    remotes: Sequence[Remote]  # those that may be pulled from, the default one first

    def lines(self) -> Iterator[str]:
        where = ", ".join(f"{remote.name} ({remote.url})" for remote in self.remotes)
        yield f"pull the data that DVC tracks from {where or 'the sources of its imports'}"


def plan(inputs: DvcPullInputs, workspace: Workspace) -> PullPlan | Nothing:
    """Find out what is pulled, and from where. Raises InputError if an input, a setting or a pointer is wrong."""
    cwd = workspace.cwd
    directory = cwd / inputs.dvc_dir
    if not is_folder(directory):
        raise InputError(
            f"`dvc-dir` is {quote(inputs.dvc_dir)}, which is not a folder.",
            hint="It is relative to the workspace.",
        )
    root = find_root(directory)
    if not root:
        hint = "Create it with `dvc init` and commit it, or set `dvc-dir` to the folder that has it."
        if inputs.targets or inputs.remote or inputs.dvc_dir:
            message = f"There is no `.dvc` folder in `{directory}`, or above it in its git repository."
            raise InputError(message, hint=hint)
        return Nothing(f"{NO_DATA} {searched(cwd, {FOLDER}, f'a `{FOLDER}` folder')}", hint=hint)
    config = Config.read(root, os.path.relpath(root, cwd), workspace.environ)
    pointers = read(root, cwd)
    schemes = {scheme_of(entry.path) for entry in pointers.entries} - {""}
    if wrong := [*pointers.wrong, *_unsupported(pointers.entries)]:
        raise together(wrong)
    remotes_of_outs = {out.remote for out in pointers.outs}
    names = [inputs.remote] if inputs.remote else [config.default, *sorted(remotes_of_outs & set(config.urls))]
    remotes = [config.remote(name) for name in dict.fromkeys(filter(None, names))]
    return PullPlan(
        root=root,
        directory=directory,
        cache=config.cache,
        pointers=pointers,
        remotes=remotes,
        environment=_environment({remote.kind for remote in remotes} | {KINDS[each] for each in schemes & set(KINDS)}),
    )


def run(inputs: DvcPullInputs, planned: PullPlan, context: Context, record: DvcPullRecord) -> None:
    """Pull and check the data, and record it.

    Raises the worst error, which carries the others; SurroundingsError if DVC could not be installed, or the worker
    ended without a reply.
    """
    remotes, manifest = planned.remotes, context.files.artifacts / MANIFEST
    record.scheme = ", ".join(dict.fromkeys(remote.kind for remote in remotes))
    record.remote = ", ".join(remote.name for remote in remotes)
    record.remote_url = ", ".join(remote.url for remote in remotes)
    record.verified = inputs.verify
    request = Request(
        workspace=str(context.cwd),
        root=str(planned.root),
        entries=planned.pointers.entries,
        targets=list(inputs.targets),
        remote=inputs.remote,
        jobs=inputs.jobs,
        verify=inputs.verify,
        manifest=str(manifest),
    )
    tool.install(planned.environment, "DVC", context.environ, context.console)
    result = worker.ask(
        tool.worker(planned.environment, WORKER),
        request,
        Result,
        tool="DVC",
        env=isolation.for_others(context.environ) | QUIET,
        cwd=planned.directory,
        console=context.console,
        log=context.files.artifacts / LOG,
    )
    for field in dataclasses.fields(Pulled):
        setattr(record, field.name, getattr(result, field.name))
    record.problems += result.problems
    record.read = {pointer: sha256(context.cwd / pointer) for pointer in sorted({each.pointer for each in record.data})}
    if manifest.exists():
        record.created = {context.files.relative(manifest): sha256(manifest)}
    if result.errors:
        # The worst error decides the exit code.
        raise together(sorted([*planned.pointers.perhaps_ignored, *result.errors], key=lambda error: error.exit_code))


def cache(inputs: DvcPullInputs, planned: PullPlan, workspace: Workspace, _: Console) -> dict[str, str]:
    """Return `key`, `restore-keys` and `path` of a cache for DVC's cache; nothing if there must be no cache.

    There is none in three cases: the remote is a local folder, which is as fast; the repository is public, because
    every pull request from a fork can read its caches (the input `cache` overrides this); or the cache folder is
    outside the repository and RUNNER_TEMP, because `.dvc/config` names it and may come from an untrusted author.
    """
    folder, remotes = planned.cache.resolve(), planned.remotes
    if not _is_allowed(inputs, workspace.environ) or all(remote.kind == "local" for remote in remotes):
        return {}
    if not _may_be_kept(folder, planned.root, workspace):
        return {}
    # The prefix identifies the repository and its remotes; the rest of the key covers what is pulled.
    root = os.path.relpath(planned.root, workspace.checkout)
    source = "\0".join([root, *(f"{each.name} {each.url}" for each in remotes)])
    prefix = f"{CACHE_PREFIX}{hashlib.sha256(source.encode()).hexdigest()[:16]}-"
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


def _unsupported(entries: Sequence[Entry]) -> Iterator[InputError]:
    for each in entries:
        if scheme_of(each.path) in UNSUPPORTED:
            what = f"{quote(each.file)} has the address {quote(without_secrets(each.path))}, which cannot be read here."
            yield InputError(what, hint=SUPPORTED, file=each.file, line=each.line)


def _environment(kinds: set[str]) -> str:
    """Return `dvc`, or the environment of the one cloud, which also supports what `dvc` does.

    Raises InputError for two clouds.
    """
    clouds = sorted(kinds - IN_ALL)
    if len(clouds) > 1:
        raise InputError(
            f"Remotes and imports are of several kinds: {', '.join(clouds)}.",
            hint="Pull from one kind at a time, with `remote`. Keep imports (`dvc import-url`) from another kind in a "
            "DVC repository of their own (`dvc init --subdir`).",
        )
    return f"dvc-{clouds[0]}" if clouds else "dvc"
