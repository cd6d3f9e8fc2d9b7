"""What a person is told about the choice of the lock, and about what is installed from it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from notebook_ci.base.errors import Problem
from notebook_ci.base.locks import Found, Lock
from notebook_ci.base.texts import command_line, listed, quote

MOST_NAMED = 6
# What turns a list into a lock, and the lock, by kind.
_FIXES = {
    "plain": ("uv pip compile {} --output-file pylock.toml", "pylock.toml"),
    "pyproject": ("uv lock", "uv.lock"),
    "conda": ("conda-lock --file {}", "conda-lock.yml"),
}


def notes(found: Found) -> Iterator[Problem]:
    """Yield what may surprise about an installation, before it begins."""
    lock = found.lock
    if found.why or found.others:
        reason = f", {found.why}" if found.why else ""
        others = f" Not used: {listed(list(map(quote, found.others)), MOST_NAMED)}." if found.others else ""
        hint = "Set `requirements` to use another file." if found.others else ""
        yield Problem(severity="notice", message=f"Packages come from {quote(lock.name)}{reason}.{others}", hint=hint)
    if reason := lock.why_not_a_package:
        yield only_dependencies(lock, reason)
    yield from _not_editable(lock)
    if lock.installs_nothing:
        message = f"{quote(lock.name)} lists no packages: it installs nothing."
        yield Problem(severity="warning", message=message, hint="Add the packages there.", file=lock.name)


def not_fixed(lock: Lock) -> Iterator[Problem]:
    """Yield what fixes the versions of a list that does not."""
    if lock.kind in _FIXES and not lock.as_listed:
        command, file = _FIXES[lock.kind]
        message = f"{quote(lock.name)} does not fix all versions by hash: another day may bring other packages."
        hint = f"To fix them, run {command_line(command, lock.name)}, and commit {quote(file)}."
        yield Problem(severity="notice", message=message, hint=hint, file=lock.name)


def only_dependencies(lock: Lock, reason: str) -> Problem:
    file = lock.shown(lock.files()[-1])
    return Problem(
        severity="notice",
        message=f"Only the dependencies of the project in {quote(file)} are installed, not the project: {reason}.",
        hint="If notebooks import the project, name its folders in the settings of its build system.",
        file=file,
    )


def sources(lock: Lock) -> str:
    """Return what is installed from where, for the plan."""
    if chosen := [*lock.groups, *lock.extras]:
        without = replace(lock, groups=(), extras=())
        return f"{sources(without)} and {listed(list(map(quote, chosen)), MOST_NAMED)}"
    packages = f"the packages of {quote(lock.name)}"
    match lock.kind:
        case "pyproject" | "setup" if lock.installs_project:
            return f"the project of {quote(lock.name)}, editable, and its dependencies"
        case "pyproject":
            return f"the dependencies in {quote(lock.name)}"
        case "hashed" | "plain" if included := list(map(lock.shown, lock.files()[1:])):
            packages += f", with {listed(list(map(quote, included)), MOST_NAMED)},"
        case _ if lock.format.tool:
            packages += f", exported by {lock.format.tool},"
        case "conda" | "explicit":
            packages += " with py-rattler, and its part `pip` with uv," if lock.lines() else " with py-rattler"
    return packages


def _not_editable(lock: Lock) -> Iterator[Problem]:
    """Yield one notice per file whose packages from git are not installed as their lines say."""
    numbers: dict[Path, list[int]] = {}
    for line in lock.refused_git():
        numbers.setdefault(line.file, []).append(line.number)
    for file, each in numbers.items():
        name = lock.shown(file)
        where = f"line {each[0]}" if len(each) == 1 else f"lines {listed(list(map(str, each)), MOST_NAMED)}"
        what = "uv installs packages from git as copies without `-e`, and by `https://` instead of `git://`"
        message = f"{quote(name)}, {where}: {what}."
        yield Problem(severity="notice", message=message, file=name, line=each[0])
