"""The groups and extras of dependencies that a project declares."""

import re
from collections.abc import Sequence
from dataclasses import replace

from notebook_ci.base.errors import InputError
from notebook_ci.base.inputs import unknown
from notebook_ci.base.locks import Lock
from notebook_ci.base.project import normal_name, table
from notebook_ci.base.texts import quote

# The other tables of a Pipfile: "Pipfile & Pipfile.lock" of Pipenv's docs.
NO_GROUPS = ("packages", "requires", "scripts", "pipenv", "pipfile", "build-system")
_NAME = re.compile(r"\w[\w.-]*")  # also because it becomes part of a command


def choose(lock: Lock, groups: Sequence[str], extras: Sequence[str]) -> Lock:
    """Return the lock with what is installed besides the main dependencies.

    Raises InputError for a name that the project does not declare, and for a file that has no groups or extras.
    """
    if not (groups or extras):
        return lock
    known_groups, known_extras = _declared(lock)
    return replace(
        lock, groups=_known(lock, "groups", groups, known_groups), extras=_known(lock, "extras", extras, known_extras)
    )


def _known(lock: Lock, what: str, given: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    file = lock.shown(lock.files()[-1])
    normal = {_normal(lock, name): None for name in known if _NAME.fullmatch(name)}
    for name in given:
        if not normal:
            hint = f"Remove `{what}`, or install from a file that has {what}, such as `uv.lock`."
            raise InputError(f"`{what}` is set, but {quote(file)} has no {what}.", hint=hint, file=file)
        if _normal(lock, name) not in normal:
            raise unknown(f"`{what}` contains {quote(name)}, which {quote(file)} does not declare", name, list(normal))
    return tuple(sorted({_normal(lock, name) for name in given}))


def _normal(lock: Lock, name: str) -> str:
    return name if lock.kind == "pipenv" else normal_name(name)  # Pipenv has no other form


def _declared(lock: Lock) -> tuple[list[str], list[str]]:
    """Return the names of groups and extras."""
    if lock.format.is_conda or lock.kind in {"pylock", "hashed", "plain", "setup"}:
        return [], []
    project = lock.project()
    if lock.kind == "pipenv":
        return [name for name in project if name not in NO_GROUPS and isinstance(project[name], dict)], []
    groups, extras = [*table(project, "dependency-groups")], [*table(project, "project", "optional-dependencies")]
    if lock.kind == "poetry":
        groups += table(project, "tool", "poetry", "group")
        groups += ["dev"] if table(project, "tool", "poetry", "dev-dependencies") else []
        extras += table(project, "tool", "poetry", "extras")
    elif lock.kind == "pdm":
        groups += table(project, "tool", "pdm", "dev-dependencies")
    elif "dev-dependencies" in table(project, "tool", "uv"):
        groups.append("dev")
    return groups, extras
