"""Which files differ from the base of a change, as git says. Fetches what a shallow clone lacks."""

import itertools
import posixpath
import re
from collections.abc import Collection
from dataclasses import dataclass

from notebook_ci.affected import events
from notebook_ci.affected.events import Base
from notebook_ci.base import git
from notebook_ci.base.errors import InputError, SurroundingsError
from notebook_ci.base.process import Completed
from notebook_ci.base.texts import quote, without_secrets
from notebook_ci.base.workspace import Workspace

DEPTHS = (50, 500, 5000)  # commits to fetch, until one is found that both sides have
FETCHED = "refs/notebook-ci/base"
_UNKNOWN = re.compile(r"couldn't find remote ref|not our ref|invalid refspec|bad object|unadvertised object")
HINT = "Set `fetch-depth: 0` in the step of `actions/checkout`, or `changed-only: false`."


@dataclass(frozen=True)
class Changes:
    base: str = ""  # the commit that was compared with; empty: all notebooks run
    paths: Collection[str] = ()  # that differ, relative to the workspace: also untracked and deleted ones
    tracked: Collection[str] = ()  # all that git tracks, relative to the workspace
    why_all: str = ""
    is_doubt: bool = False  # whether all run only because the base cannot be found out


def find(given: str, workspace: Workspace) -> Changes:
    """Return what changed since the base: `given`, or what the event says.

    Raises InputError if `given` does not exist.
    """
    if not _commit("HEAD", workspace):
        is_there = git.run(workspace, "version").returncode == 0
        message = f"`{workspace.cwd}` is not in a git repository that has a commit" if is_there else "git cannot be run"
        if given:
            raise InputError(f"`base` is {quote(given)}, but {message}.", hint="Check out the repository with git.")
        return Changes(why_all=message, is_doubt=True)
    against = Base((given,)) if given else events.base(workspace)
    if against.why_all:
        return Changes(why_all=against.why_all)
    try:
        commit = _exact(against.commit, workspace) if against.commit else _common(against.names, workspace, given)
        if _is_ci(workspace) and commit == git.answer(workspace, "rev-parse", "HEAD"):
            return Changes(why_all="the commit that is checked out has no changes of its own", is_doubt=True)
        return _since(commit, workspace)
    except SurroundingsError as error:
        return Changes(why_all=error.message.removesuffix("."), is_doubt=True)


def _exact(commit: str, workspace: Workspace) -> str:
    if not _commit(commit, workspace):
        depth = ["--depth=1"] if _is_shallow(workspace) else []
        done = _fetch(workspace, *depth, "origin", f"+{commit}:{FETCHED}")
        if done.returncode or not _commit(commit, workspace):
            raise _not_fetched(commit, done)
    return commit


def _common(names: Collection[str], workspace: Workspace, given: str) -> str:
    """Return the last commit that HEAD has in common with the first of these that exists."""
    tips = (_commit(ref, workspace) for name in names for ref in (name, f"refs/remotes/origin/{name}"))
    if found := _merge_base(next(filter(None, tips), ""), workspace):
        return found
    if not _is_ci(workspace):
        if given:
            raise _unknown(given)
        raise SurroundingsError(f"HEAD has no commit in common with any of {', '.join(map(quote, names))}.")
    name, head = next(iter(names)).removeprefix("origin/"), git.answer(workspace, "rev-parse", "HEAD")
    have = int(git.answer(workspace, "rev-list", "--count", "--first-parent", "HEAD") or 0)
    depths = [[f"--depth={depth}"] for depth in DEPTHS if depth > have] if _is_shallow(workspace) else [[]]
    # One after the other: git (2.39) does not deepen the second of two, if the first is complete.
    for depth, refspec in itertools.product(depths, (f"+{name}:{FETCHED}", head)):
        done = _fetch(workspace, *depth, "origin", refspec)
        if done.returncode:
            if given and _UNKNOWN.search(done.output):
                raise _unknown(given)
            raise _not_fetched(name, done)
        if found := _merge_base(FETCHED, workspace):
            return found
    raise SurroundingsError(f"HEAD has no commit in common with {quote(name)}.")


def _since(commit: str, workspace: Workspace) -> Changes:
    differ = git.run(
        workspace,
        *("-c", "diff.relative=false", "diff", "--no-ext-diff", "--no-renames", "--ignore-submodules=none"),
        *("--name-only", "-z", commit, "--"),
    )
    new = git.run(workspace, "ls-files", "--others", "--exclude-standard", "--full-name", "-z", "--", ":/")
    tracked = git.run(workspace, "ls-files", "--full-name", "-z", "--", ":/")
    for done in (differ, new, tracked):
        if done.returncode:
            raise SurroundingsError(f"The files cannot be compared with {quote(commit)}: {_last_line(done)}.")
    here = git.answer(workspace, "rev-parse", "--show-prefix")
    changed, known = (
        frozenset(posixpath.relpath(path, here) if here else path for path in text.split("\0") if path)
        for text in (f"{differ.stdout}{new.stdout}", tracked.stdout)
    )
    return Changes(commit, changed, known)


def _fetch(workspace: Workspace, *arguments: str) -> Completed:
    return git.run(workspace, "fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-auto-gc", *arguments)


def _commit(name: str, workspace: Workspace) -> str:
    """Return the commit of a name that this clone knows; empty if there is none."""
    if name.startswith("-"):  # an option
        return ""
    return git.answer(workspace, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")


def _merge_base(tip: str, workspace: Workspace) -> str:
    return git.answer(workspace, "merge-base", tip, "HEAD") if tip else ""


def _is_ci(workspace: Workspace) -> bool:
    return workspace.is_on_runner or bool(workspace.environ.get("CI"))


def _is_shallow(workspace: Workspace) -> bool:
    return git.answer(workspace, "rev-parse", "--is-shallow-repository") == "true"


def _unknown(given: str) -> InputError:
    what = f"`base` is {quote(given)}, which is not a branch or commit that HEAD has a common commit with."
    return InputError(what, hint="Correct it. In CI, it must be in the remote `origin`; else fetch it first.")


def _not_fetched(name: str, done: Completed) -> SurroundingsError:
    return SurroundingsError(f"{quote(name)} could not be fetched: {_last_line(done)}.")


def _last_line(done: Completed) -> str:
    lines = without_secrets(done.output).strip().splitlines()
    return quote(lines[-1]) if lines else f"exit code {done.returncode}"
